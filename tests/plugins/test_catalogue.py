"""Plugins are found by name, from files and from installed packages; public names are what they should be."""

from __future__ import annotations

import importlib
import os
import tomllib
from pathlib import Path

import pytest

import icl_bench
from icl_bench.errors import PluginError
from icl_bench.plugins import catalogue, loading
from icl_bench.version import __version__
from tests.command import ROOT, process
from tests.small_suites import suite_text
from tests.toys import installed

WAVE_1 = {
    "models": "zero mean bayes bayes_train ols ridge averaging gradient_descent preconditioned_gd newton_iterations"
    " linear_self_attention sklearn",
    "scenarios": "base covariate/scale covariate/spectrum covariate/random_diagonal covariate/subspace covariate/mean"
    " query/scale query/mean query/covariance task/scale length/ratio length/interpolation noise/variance"
    " noise/heavy_tail",
    "metrics": "squared_error label_error normalised_error excess_risk exact_risk agreement",
    "executors": "serial processes",
    "function_classes": "linear",
}


@pytest.mark.parametrize("kind", WAVE_1)
def test_the_catalogue_holds_wave_1(kind: str) -> None:
    assert set(WAVE_1[kind].split()) <= set(catalogue.entries(kind))


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_every_entry_loads_and_carries_a_docstring(kind: str) -> None:
    for name in catalogue.entries(kind):
        assert loading.plugin_class(kind, name).__doc__, name


def test_public_names_are_importable_and_documented() -> None:
    for name in icl_bench.__all__:
        assert getattr(icl_bench, name).__doc__, name
    assert set(icl_bench.__all__) <= set(dir(icl_bench))
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        icl_bench.load_modle  # noqa: B018


def test_importing_icl_bench_is_cheap() -> None:
    code = "import sys, icl_bench; print(sorted({'torch', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)))"
    done = process(code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_arguments_are_checked_all_at_once() -> None:
    with pytest.raises(PluginError) as error:
        icl_bench.load_model("gradient_descent", n_steps="ten", lerning_rate=0.1)
    assert "argument 'n_steps': expected int, got 'ten'" in str(error.value)
    assert "did you mean 'learning_rate'?" in str(error.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gradient_descent", {"n_steps": 0}),
        ("gradient_descent", {"learning_rate": -1.0}),
        ("ridge", {"alpha": -1.0}),
        ("newton_iterations", {"n_iterations": -1}),
        ("linear_self_attention", {"n_context_training": 0}),
        ("linear_self_attention", {"weights": "best"}),
        ("sklearn", {"estimator": "sklearn.nothing.Here"}),
        ("sklearn", {"estimator": "os.path"}),
        ("sklearn", {"estimator": "Ridge"}),
    ],
)
def test_impossible_arguments_are_refused(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(PluginError, match=name):
        icl_bench.load_model(name, **arguments)


def test_a_plugin_of_an_installed_package_is_found_and_run(tmp_path: Path) -> None:
    """Entry points: what `pip install` of somebody's package leaves behind."""
    source = (
        "from icl_bench import Prediction\n\n\nclass Halves:\n    '''Half the sum.'''\n\n"
        "    def predict(self, prompts):\n        return Prediction(prompts.query_x.sum(-1) / 2)\n"
    )
    site = installed(tmp_path, "models", "halves = somebody:Halves", source)
    (tmp_path / "suite.toml").write_text(suite_text(models=["halves"]))

    def said(*arguments: str) -> str:
        done = process(*arguments, folder=tmp_path, PYTHONPATH=f"{ROOT}{os.pathsep}{site}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "halves" in said("list", "models")
    assert '"status": "complete"' in said("run", "suite.toml", "--executor", "serial", "--json")


@pytest.mark.parametrize("kind", catalogue.KINDS.values(), ids=catalogue.KINDS.keys())
def test_a_kind_says_where_its_protocol_and_its_contracts_are(kind: catalogue.Kind) -> None:
    for place in (kind.protocol, kind.contracts):
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), place


def test_the_version_is_the_one_that_is_built() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == icl_bench.__version__ == __version__
