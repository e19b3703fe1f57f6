"""What skill leaves out of a suite is judged from prompts; the suites that ship say what they leave out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from icl_bench import shipped
from icl_bench.run.skill_validation import judge_places
from icl_bench.suites.suite_file import load_suite
from tests.command import command
from tests.small_suites import suite_text

DROWNED = suite_text(
    "drowned",
    prompts={"context_sizes": [4], "noise_std": 0.1},
    models=["ols"],
    scenarios=["base", {"use": "noise/variance", "severities": [1.0, 4000000.0]}],
)


def written(folder: Path, left_out: list[str] | None = None) -> Path:
    path = folder / "drowned.toml"
    path.write_text(DROWNED + ("" if left_out is None else f"\n[skill]\nleft_out = {json.dumps(left_out)}\n"))
    return path


@pytest.mark.parametrize("name", sorted(shipped.files("suites")))
def test_every_suite_that_ships_says_what_skill_leaves_out(name: str) -> None:
    path = shipped.files("suites")[name]
    judged = list(judge_places(path, n_prompts=512))
    assert load_suite(path).left_out is not None
    assert len(judged) > 5
    assert [place.problem for place in judged if place.problem] == []


def test_noise_that_drowns_the_labels_leaves_nothing_to_know(tmp_path: Path) -> None:
    reasons = {place.name: place.reason for place in judge_places(written(tmp_path), n_prompts=512)}
    assert {name for name, reason in reasons.items() if reason} == {"noise/variance 4e+06"}
    assert all(place.declared is None and not place.problem for place in judge_places(written(tmp_path), 512))


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (["noise/variance 1", "noise/variance 4e+06"], "left out without need (noise/variance 1)"),
        ([], "to be left out"),
    ],
)
def test_a_list_that_says_otherwise_is_refused(tmp_path: Path, left_out: list[str], said: str) -> None:
    done = command("validate", written(tmp_path, left_out), "--skill")
    assert done.exit_code == 2
    assert said in done.stderr
