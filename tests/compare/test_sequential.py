"""`icl-bench compare --sequential`: looks add up, replay exactly, and are never taken twice at the same prompts."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from filelock import FileLock

from evidence.nightly_on_losses import night_values, read_cells
from evidence.nightly_simulations import alarm_nights
from icl_bench.compare.cells import ComparedCell
from icl_bench.compare.comparison import find_changes
from icl_bench.compare.nightly.evidence import standings
from icl_bench.compare.nightly.gate import charged
from icl_bench.compare.nightly.state import Night, NightlyState, NightValue, WatchedCell, read_state, write_state
from icl_bench.places import Place
from icl_bench.tables.stored_losses import open_losses
from tests.command import Done
from tests.synthetic_runs import Synthetic, invoke

NIGHT = Synthetic(places=(("base", None), ("covariate/scale", 2.0)), n_prompts=256, jitter=0.1)
Nightly = Callable[..., Done]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def night(tmp_path: Path, state: Path) -> Nightly:
    """Compare the runs of one night, of its own seed, HEAD's model `two` being `factor` times worse."""

    def compare(number: int, factor: float = 1.0, *options: str, base: Synthetic = NIGHT, **changes: Any) -> Done:
        base = dataclasses.replace(base, seeds=(number,))
        head = dataclasses.replace(base, factors={**base.factors, "two": factor}, **changes)
        folders = [tmp_path / f"{name}{number}_{len(list(tmp_path.iterdir()))}" for name in ("base", "head")]
        return invoke(base.write(folders[0]), head.write(folders[1]), "--sequential", state, *options)

    return compare


def test_worse_nights_raise_an_alarm_that_stands_until_the_state_is_renewed(night: Nightly, state: Path) -> None:
    codes = [night(number, 1.06).exit_code for number in range(6)]
    assert codes[-1] == 1
    first = codes.index(1)
    assert codes == [0] * first + [1] * (6 - first)
    done = night(6, 0.5)
    assert done.exit_code == 1
    assert done.stdout.startswith("ALARM: ")
    assert "until the state is renewed" in done.stdout
    state.unlink()
    assert night(7, 1.0).exit_code == 0


def test_without_a_change_there_is_no_alarm(night: Nightly) -> None:
    outputs = [night(number, 1.0 + 1e-9) for number in range(6)]  # other noise, the same risk
    assert [done.exit_code for done in outputs] == [0] * 6
    assert "PASS: no alarm among 4 cells in 6 nights" in outputs[-1].stdout


def test_evidence_is_recomputed_from_the_looks(night: Nightly, state: Path, tmp_path: Path) -> None:
    outputs = [json.loads(night(number, 1.03, "--json").stdout) for number in range(3)]
    stored = json.loads(state.read_text())
    assert "e_value" not in state.read_text()
    assert (stored["kind"], stored["version"], len(stored["looks"])) == ("icl-bench sequential state", 2, 3)
    assert {"time", "base", "head", "seeds", "prompts", "values"} == stored["looks"][0].keys()
    held = read_state(state)
    assert held is not None
    assert [found.log_e for found in standings(held)] == [cell["log_e_value"] for cell in outputs[-1]["cells"]]
    shorter = dataclasses.replace(held, looks=held.looks[:2])
    assert [found.log_e for found in standings(shorter)] == [cell["log_e_value"] for cell in outputs[1]["cells"]]
    write_state(tmp_path / "copy.json", held)
    assert read_state(tmp_path / "copy.json") == held


def test_the_pooled_change_is_near_the_truth(night: Nightly) -> None:
    for number in range(3):
        done = night(number, 1.2, "--json")
    for cell in json.loads(done.stdout)["cells"]:
        expected = math.log(1.2) if cell["model"] == "two" else 0.0
        assert math.log1p(cell["change"]) == pytest.approx(expected, abs=4.0 * cell["stderr_of_log"] + 1e-5)


def test_the_same_prompts_are_refused(night: Nightly, state: Path) -> None:
    assert night(3).exit_code == 0
    before = state.read_text()
    done = night(3, 1.5)
    assert done.exit_code == 3
    assert "these prompts were looked at on" in done.stderr
    assert state.read_text() == before


def test_another_draw_under_the_same_name_is_told_by_its_digest(night: Nightly, state: Path) -> None:
    night(3)
    stored = json.loads(state.read_text())
    stored["looks"][0]["seeds"] = [99]
    state.write_text(json.dumps(stored))
    assert night(3).exit_code == 3


@pytest.mark.parametrize("option", ["--margin 5%", "--alpha 0.01", "--metric label_error"])
def test_another_question_than_the_state_holds_is_refused(night: Nightly, option: str) -> None:
    night(0)
    done = night(1, 1.0, *option.split())
    assert done.exit_code == 3
    assert "begin a new state file" in done.stderr
    assert night(2, 1.0, "--margin", "1%", "--alpha", "0.05").exit_code == 0


def test_another_suite_version_is_refused(night: Nightly) -> None:
    night(0)
    assert night(1, base=dataclasses.replace(NIGHT, version=2)).exit_code == 3


def edited(state: Path, **fields: Any) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), **fields}))


def test_damaged_and_newer_states_are_refused_and_kept(night: Nightly, state: Path) -> None:
    night(0)
    sound = state.read_text()
    look = json.loads(sound)["looks"][0]
    for text in (
        sound[:-9],
        "",
        "[1]",
        "{}",
        json.dumps({**json.loads(sound), "cells": []}),
        json.dumps({**json.loads(sound), "margin": "much"}),
        json.dumps({**json.loads(sound), "looks": [{**look, "values": [[0, 0.1, -1.0, 255.0, 256]]}]}),
        json.dumps({**json.loads(sound), "looks": [{**look, "values": [[99, 0.1, 0.1, 255.0, 256]]}]}),
        sound.replace("255.0", "NaN", 1),
    ):
        state.write_text(text)
        done = night(1)
        assert (done.exit_code, state.read_text()) == (2, text), text[:80]
    state.write_text(sound)
    edited(state, version=1)
    done = night(1)
    assert done.exit_code == 3
    assert "begin a new state file" in done.stderr
    edited(state, version=3)
    done = night(1)
    assert done.exit_code == 3
    assert "upgrade icl-bench" in done.stderr


def test_a_night_that_lacks_cells_is_not_recorded_unless_allowed(night: Nightly, state: Path) -> None:
    night(0)
    before = state.read_text()
    failing = {("two", "base"): "error"}
    done = night(1, 1.0, status=failing)
    assert done.exit_code == 4
    assert "tonight was not recorded" in done.stdout
    assert state.read_text() == before
    done = night(1, 1.0, "--allow-missing", "--json", status=failing)
    assert done.exit_code == 0
    nights = {(cell["model"], cell["scenario"]): cell["nights"] for cell in json.loads(done.stdout)["cells"]}
    assert nights == {
        ("one", "base"): 2,
        ("two", "base"): 1,
        ("one", "covariate/scale"): 2,
        ("two", "covariate/scale"): 2,
    }


def test_a_night_on_which_all_fails_is_no_pass(night: Nightly, state: Path) -> None:
    failing = {(model, place[0]): "error" for model in NIGHT.factors for place in NIGHT.places}
    done = night(0, 1.0, "--allow-missing", status=failing)
    assert done.exit_code == 4
    assert not state.exists()


def test_a_state_in_use_is_left_alone(night: Nightly, state: Path) -> None:
    with FileLock(state.with_name(f".{state.name}.lock")):
        done = night(0)
    assert done.exit_code == 2
    assert "in use" in done.stderr
    assert not state.exists()


def test_new_cells_join_later(night: Nightly) -> None:
    night(0)
    three = dataclasses.replace(NIGHT, factors={**NIGHT.factors, "three": 1.0})
    done = night(1, 1.0, "--json", base=three)
    assert done.exit_code == 0
    nights = {cell["model"]: cell["nights"] for cell in json.loads(done.stdout)["cells"]}
    assert nights == {"one": 2, "two": 2, "three": 1}


def state_of(estimates: list[list[float]]) -> NightlyState:
    """A state of one cell per column, NaN for nights without it; standard error 0.02."""
    cells = tuple(
        WatchedCell(ComparedCell(Place("base", (None,)), f"m{index}"), "mean") for index in range(len(estimates[0]))
    )
    looks = tuple(
        Night(
            f"night {number}",
            {},
            {},
            (number,),
            {},
            tuple(
                NightValue(index, value, 0.02, 255.0, 256) for index, value in enumerate(row) if not math.isnan(value)
            ),
        )
        for number, row in enumerate(estimates)
    )
    return NightlyState("made", 1, "squared_error", 0.01, 0.05, 0.03, cells, looks)


def test_a_cell_that_joins_lifts_no_mean_of_cells() -> None:
    """Else a family whose evidence has gone would get a new chance by every cell that joins it."""
    fallen = [[-0.05, math.nan]] * 5
    before = standings(state_of(fallen))[0].log_e
    joined = standings(state_of([*fallen, [math.nan, 0.01]]))
    assert before < 0.0
    assert joined[0].log_e <= before + 1e-9
    assert joined[1].log_e < 0.0
    # what one night finds counts on top of what the family has left, in the mean over both as well
    (alone,) = standings(state_of([[0.1]]))
    (_, found) = standings(state_of([*fallen, [math.nan, 0.1]]))
    assert found.log_e == pytest.approx(before + math.log((1.0 + math.exp(alone.log_e)) / 2.0), rel=1e-6)


def test_an_alarm_is_found_again_though_later_nights_are_good() -> None:
    rng = np.random.default_rng(0)
    worse = (0.08 + 0.02 * rng.standard_normal((8, 1))).tolist()
    good = (-0.08 + 0.02 * rng.standard_normal((40, 1))).tolist()
    alarmed = standings(state_of(worse))[0].alarmed
    (after,) = standings(state_of([*worse, *good]))
    assert alarmed
    assert after.alarmed == alarmed
    assert after.log_e < math.log(20.0)


def test_the_simulated_nights_are_the_gates() -> None:
    """evidence/nightly_on_losses.py adds nights up as the state does."""
    estimates = np.random.default_rng(1).normal(np.linspace(0.0, 0.06, 6), 0.02, (12, 6))
    gate = standings(state_of(estimates.tolist()))
    found = alarm_nights(estimates, np.full_like(estimates, 0.02), 255.0, 0.01, 0.05)
    assert [f"night {night - 1}" if night <= 12 else "" for night in found] == [item.alarmed for item in gate]
    assert 0 < sum(night <= 12 for night in found) < 6


@pytest.mark.parametrize("tail", [None, 0.9])
def test_a_simulated_night_is_what_the_gate_makes_of_it(tmp_path: Path, tail: float | None) -> None:
    base = dataclasses.replace(NIGHT, tail=tail)
    head = dataclasses.replace(base, factors={"one": 1.02, "two": 1.1})
    before, after = (open_losses(run.write(tmp_path / name)) for name, run in (("base", base), ("head", head)))
    changes = find_changes(before, after, "squared_error", headline_only=True, kinds={})
    gate = {item.cell.name: item for item in changes.cells}
    for one, other in zip(read_cells(before), read_cells(after), strict=True):
        chosen = np.arange(len(one.losses))[:, None]
        value, stderr = night_values(one, chosen, (other.losses / one.losses)[:, None])
        assert value[0] == pytest.approx(charged(gate[one.name]), rel=1e-3)
        assert stderr[0] == pytest.approx(gate[one.name].change.stderr[gate[one.name].headline], rel=1e-3)


@pytest.mark.parametrize("format_name", ["terminal", "markdown", "json", "junit", "github"])
def test_every_format_tells_an_alarm(night: Nightly, format_name: str) -> None:
    done = night(0, 2.0, "--format", format_name)
    assert done.exit_code == 1
    if format_name == "junit":
        assert len(ElementTree.fromstring(done.stdout).findall(".//failure")) == 2
    elif format_name == "json":
        assert sum(cell["alarmed"] is not None for cell in json.loads(done.stdout)["cells"]) == 2
    elif format_name == "github":
        assert sum(line.startswith("::error title=Nightly alarm") for line in done.stdout.splitlines()) == 2
    else:
        assert "ALARM: 2 cells got worse by more than 1%" in done.stdout


def test_the_first_night_settles_the_statistic_even_when_nothing_changed(night: Nightly) -> None:
    """A cell without a mean must not be compared by means later because its first night was equal to the bit."""
    heavy = dataclasses.replace(NIGHT, tail=0.9)
    night(0, base=heavy)
    done = night(1, 1.05, "--json", base=heavy)
    assert {cell["statistic"] for cell in json.loads(done.stdout)["cells"]} == {"cut mean"}


def test_a_state_in_no_folder_is_refused_and_no_folder_made(night: Nightly, tmp_path: Path) -> None:
    done = night(0, 1.0, "--sequential", str(tmp_path / "nowhere" / "state.json"))
    assert done.exit_code == 2
    assert not (tmp_path / "nowhere").exists()
