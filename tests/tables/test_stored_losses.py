"""What is read back of a run's losses: whole cells only, of the models as they are defined now, and of this run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from icl_bench import run_suite
from icl_bench.errors import NotComparableError, RunFolderError, TableError
from icl_bench.places import Place
from icl_bench.tables.baseline import FILE, write_baseline
from icl_bench.tables.manifest import Manifest, write_manifest
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.stored_losses import open_losses
from icl_bench.tables.units import ModelOutcome, Unit, UnitHeader, write_unit

SIZES = (0, 2, 4)
MODELS = {"ols": "d1", "ridge": "d2"}


def manifest(**changes: object) -> Manifest:
    plain = Manifest("suite", 1, "s", "run", "code", "", 4, 3, ("base", "covariate/scale"), MODELS, ("squared_error",))
    return replace(plain, **changes)


def outcome(model: str, status: str = "ok", digest: str | None = None) -> ModelOutcome:
    tails = {"squared_error": (None, 3.0, 2.0)} if status == "ok" else {}
    message = "" if status == "ok" else "why"
    return ModelOutcome(model, MODELS.get(model, "") if digest is None else digest, status, message, 0.1, {}, tails)


def unit(
    folder: Path,
    part: int = 0,
    block: int = 0,
    outcomes: tuple[ModelOutcome, ...] = (outcome(PROMPTS), outcome("ols"), outcome("ridge")),
    scenario: str = "base",
    severity: float | None = None,
    run: str = "run",
) -> dict[str, np.ndarray]:
    (folder / "losses").mkdir(parents=True, exist_ok=True)
    label = "" if severity is None else f"{severity:g}"
    header = UnitHeader(
        run, f"prompts{block}", Place(scenario, (severity,), severity is None), 0, block, 256, SIZES, 4, 1,
        ("squared_error",), outcomes,
    )  # fmt: skip
    stem = f"{scenario.replace('/', '-')}_{label}_b{block}"
    generator = np.random.default_rng([block, part, len(stem)])
    ok = [item.model for item in outcomes if item.status == "ok"]
    values = {model: generator.gamma(1.0, size=(256, len(SIZES))).astype(np.float32) for model in ok}
    losses = {model: {"squared_error": array} for model, array in values.items()}
    write_unit(folder / "losses" / f"{stem}_{part}.parquet", Unit(header, losses))
    return values


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_manifest(tmp_path, manifest())
    return tmp_path


def test_blocks_are_joined_in_order_and_sizes_chosen(run):
    parts = [unit(run, block=block) for block in (0, 1)]
    losses = open_losses(run)
    (place,) = losses.sets
    assert (place.n_prompts, place.digests) == (512, ("prompts0", "prompts1"))
    found = losses.read(place, ["squared_error"])
    for model in MODELS:
        expected = np.concatenate([part[model] for part in parts])
        np.testing.assert_array_equal(found[model]["squared_error"], expected)
    chosen = losses.read(place, ["squared_error", "no such loss"], [4, 0])["ols"]
    assert list(chosen) == ["squared_error"]
    np.testing.assert_array_equal(chosen["squared_error"], found["ols"]["squared_error"][:, [2, 0]])


def test_sets_come_in_the_order_of_the_suite_and_of_severities(run):
    for severity in (10.0, 2.0):
        unit(run, scenario="covariate/scale", severity=severity)
    unit(run)
    names = [place.name for place in open_losses(run).sets]
    assert names == ["base, seed 0", "covariate/scale 2, seed 0", "covariate/scale 10, seed 0"]


def test_a_model_that_was_asked_again_counts_as_it_answered_last(run):
    unit(run, outcomes=(outcome(PROMPTS), outcome("ols", "error"), outcome("ridge", digest="older")))
    again = unit(run, part=1, outcomes=(outcome("ols"), outcome("ridge")))
    (place,) = open_losses(run).sets
    assert {model: cell.status for model, cell in place.cells.items()} == {PROMPTS: "ok", "ols": "ok", "ridge": "ok"}
    found = open_losses(run).read(place, ["squared_error"])
    for model in MODELS:
        np.testing.assert_array_equal(found[model]["squared_error"], again[model])


@pytest.mark.parametrize("status", ["error", "timeout", "nan", "skipped"])
def test_a_cell_is_as_bad_as_its_worst_block(run, status):
    unit(run)
    unit(run, block=1, outcomes=(outcome(PROMPTS), outcome("ols"), outcome("ridge", status)))
    (place,) = open_losses(run).sets
    assert (place.cells["ridge"].status, place.cells["ridge"].message) == (status, "why")
    assert "ridge" not in open_losses(run).read(place, ["squared_error"])


def test_half_a_cell_is_missing(run):
    unit(run)
    unit(run, block=1, outcomes=(outcome(PROMPTS), outcome("ols")))
    (place,) = open_losses(run).sets
    assert place.cells["ridge"].status == "missing"
    assert "1 of 2 blocks" in place.cells["ridge"].message


def test_units_of_another_run_are_refused(run):
    unit(run)
    unit(run, block=1, run="another")
    with pytest.raises(TableError, match="belongs to another run"):
        open_losses(run)


def test_a_run_without_losses_is_refused(run):
    with pytest.raises(TableError, match="no losses in"):
        open_losses(run)


def test_a_damaged_unit_is_refused(run):
    unit(run)
    (path,) = (run / "losses").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TableError, match="damaged"):
        open_losses(run)


@pytest.fixture
def baseline(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for block in (0, 1):
        unit(run, block=block)
    unit(
        run,
        scenario="covariate/scale",
        severity=2.0,
        outcomes=(outcome(PROMPTS), outcome("ols"), outcome("ridge", "nan")),
    )
    folder = tmp_path_factory.mktemp("baseline")
    losses = open_losses(run)
    write_manifest(folder, manifest(kind="baseline"))
    write_baseline(folder, losses, ["squared_error"], [(4,), (2, 4)])
    return folder


def test_a_baseline_holds_the_same_losses(run, baseline):
    whole, thin = open_losses(run), open_losses(baseline)
    assert [place.name for place in thin.sets] == [place.name for place in whole.sets]
    assert [place.context_sizes for place in thin.sets] == [(4,), (2, 4)]
    for full, kept in zip(whole.sets, thin.sets, strict=True):
        assert (kept.digests, kept.n_prompts, kept.headline_size) == (full.digests, full.n_prompts, full.headline_size)
        expected = whole.read(full, ["squared_error"], kept.context_sizes)
        found = thin.read(kept, ["squared_error"])
        assert found.keys() == expected.keys()
        for model, columns in expected.items():
            np.testing.assert_array_equal(found[model]["squared_error"], columns["squared_error"])
    assert thin.sets[1].cells["ridge"].status == "nan"
    assert thin.sets[0].cells["ols"].tails["squared_error"] == (2.0,)


def test_a_baseline_is_small(run, baseline):
    held = sum(path.stat().st_size for path in (run / "losses").iterdir())
    assert (baseline / FILE).stat().st_size < held / 3


@pytest.mark.parametrize("damage", ["cut", "foreign", "unit"])
def test_a_damaged_or_foreign_baseline_is_refused(run, baseline, damage):
    path = baseline / FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "foreign":
        path.write_text("no parquet")
    else:
        shutil.copy(next((run / "losses").iterdir()), path)
    with pytest.raises(TableError):
        open_losses(baseline)


def read_everything(folder: Path) -> None:
    losses = open_losses(folder)
    for place in losses.sets:
        losses.read(place, ["squared_error"])


def test_a_flipped_byte_in_a_baseline_is_found(baseline):
    path = baseline / FILE
    data = bytearray(path.read_bytes())
    data[len(data) // 8] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(TableError, match="damaged"):
        read_everything(baseline)


def test_a_newer_baseline_is_refused_with_the_remedy(baseline):
    path = baseline / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(NotComparableError, match="upgrade icl-bench"):
        open_losses(baseline)


def test_a_run_into_a_baseline_is_refused(small_suite, baseline):
    before, names = (baseline / FILE).read_bytes(), sorted(item.name for item in baseline.iterdir())
    for fresh in (False, True):
        with pytest.raises(RunFolderError, match="baseline"):
            run_suite(small_suite, baseline, fresh=fresh)
    assert (baseline / FILE).read_bytes() == before
    assert sorted(item.name for item in baseline.iterdir()) == names  # not even a lock, which --update would refuse


PARTLY_KNOWN = '''
from dataclasses import dataclass
from icl_bench import NoClosedForm
from icl_bench.function_classes.linear import Linear


@dataclass(frozen=True)
class PartlyKnown(Linear):
    """Linear functions whose posterior cannot be had for some blocks."""

    def posterior(self, prompts, noise_variance, label_scale=None):
        if float(prompts.context_x[0, 0, 0]) < 0.0:
            raise NoClosedForm("this block is too hard")
        return super().posterior(prompts, noise_variance, label_scale)
'''


def test_a_loss_that_one_block_lacks_is_absent_from_the_cell_and_shifts_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PARTLY_KNOWN)
    (tmp_path / "suite.toml").write_text(
        '[suite]\nname = "s"\nversion = 1\n[prompts]\nfunction_class = "./mine.py:PartlyKnown"\nn_dims = 2\n'
        'context_sizes = [0, 2, 4]\nnoise_std = 0.5\nn_prompts = 1000\n[[models]]\nuse = "ols"\n'
        '[[scenarios]]\nuse = "base"\n[metrics]\nuse = ["squared_error", "excess_risk", "bayes_risk"]\n'
    )
    run = run_suite(tmp_path / "suite.toml", tmp_path / "run")
    stored = run.losses.query("model == 'ols'").groupby("prompt")["excess_risk"].count() > 0
    assert 0 < int(stored.sum()) < 1000  # some blocks have it, some do not
    rows = run.scores.set_index(["model", "metric"])
    for place in (("ols", "excess_risk"), ("(prompts)", "bayes_risk")):
        assert rows.loc[[place], "status"].tolist() == ["skipped"]
        assert rows.loc[[place], "message"].tolist() == ["this block is too hard"]
    assert (rows.loc[[("ols", "squared_error")], "status"] == "ok").all()
    losses = open_losses(tmp_path / "run")
    (place,) = losses.sets
    assert set(losses.read(place, ["squared_error", "excess_risk"])["ols"]) == {"squared_error"}
    assert place.cells["ols"].absent["excess_risk"] == "this block is too hard"
