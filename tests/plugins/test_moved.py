"""A plugin that imports by a name of before is refused with the name of today, and the table of names is true."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from icl_bench.errors import PluginError
from icl_bench.plugins.loading import plugin_class
from icl_bench.plugins.moved import MODULES, NAMES, PAGE, SPLIT
from tests.command import ROOT, command
from tests.small_suites import suite_text

PLACES = [(place, name) for parts in SPLIT.values() for place, names in parts.items() for name in names.split(", ")]
REFUSED = {
    "from icl_bench.protocols import Model": "icl_bench.plugins.protocols has Answer",
    "from icl_bench.catalogue import FileArgument": "icl_bench.plugins.arguments has FileArgument",
    "from icl_bench import catalogue": "icl_bench.catalogue has been split",
    "from icl_bench.solvers.min_norm import min_norm_fit": "icl_bench.solvers is icl_bench.prefix_solvers now",
    "import icl_bench.networks.decoder": "icl_bench.networks is icl_bench.layers now",
    "from icl_bench.report.summary import summarise": "icl_bench.report.summary is icl_bench.scores.summary now",
    "import icl_bench.tables.io": "icl_bench.tables.score_table has read_looked_up, read_score_rows",
    "from icl_bench.errors import nearest": "icl_bench.errors.nearest is icl_bench.names.nearest now",
    "from icl_bench.run import run_suite": "icl_bench.run.run_suite is icl_bench.run_suite now",
}
MODEL = """
class Mine:
    def predict(self, prompts):
        raise NotImplementedError
"""


def is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("old", [*MODULES, *SPLIT])
def test_what_moved_is_gone_from_where_it_was(old: str) -> None:
    assert not is_there(old)


@pytest.mark.parametrize("new", sorted(set(MODULES.values())))
def test_a_module_is_where_it_is_said_to_be(new: str) -> None:
    importlib.import_module(new)


@pytest.mark.parametrize(("place", "name"), [*PLACES, *(new.rsplit(".", 1) for new in NAMES.values())])
def test_a_name_is_where_it_is_said_to_be(place: str, name: str) -> None:
    assert hasattr(importlib.import_module(place), name)


@pytest.mark.parametrize("old", NAMES)
def test_a_name_that_moved_is_gone_from_where_it_was(old: str) -> None:
    module, name = old.rsplit(".", 1)
    assert not hasattr(importlib.import_module(module), name)


def test_the_page_lists_what_moved() -> None:
    text = (ROOT / PAGE).read_text()
    for old, new in [*MODULES.items(), *NAMES.items()]:
        assert f"| `{old}` | `{new}` |" in text
    for old, parts in SPLIT.items():
        for new, names in parts.items():
            assert f"| `{old}` | `{new}` | {', '.join(f'`{name}`' for name in names.split(', '))} |" in text


@pytest.mark.parametrize("line", REFUSED)
def test_a_plugin_is_told_where_things_are(line: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(line + "\n" + MODEL)
    with pytest.raises(PluginError) as refused:
        plugin_class("models", "./mine.py:Mine", tmp_path)
    assert REFUSED[line] in str(refused.value)
    assert PAGE in str(refused.value)


def test_an_import_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nothing_that_there_is\n" + MODEL)
    with pytest.raises(PluginError) as refused:
        plugin_class("models", "./mine.py:Mine", tmp_path)
    assert "docs/" not in str(refused.value)


def test_a_run_ends_with_2_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from icl_bench.protocols import Model\n" + MODEL)
    (tmp_path / "suite.toml").write_text(suite_text(models=["./mine.py:Mine"]))
    for verb in (["run", tmp_path / "suite.toml", "--out", tmp_path / "out"], ["validate", tmp_path / "suite.toml"]):
        done = command(*verb)
        assert done.exit_code == 2, done.output
        assert "icl_bench.plugins.protocols has" in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
