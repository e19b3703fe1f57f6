"""`icl-bench compare`: every verdict and exit code as documented, on synthetic runs whose truth is known."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from icl_bench.compare.amounts import percent, size_list
from icl_bench.compare.changes import point_changes
from icl_bench.compare.comparison import compare
from icl_bench.compare.judging import cell_weights
from icl_bench.compare.pairing import pair
from icl_bench.compare.pooling import cluster_rows, whole_clusters
from icl_bench.compare.settings import Settings
from icl_bench.tables.schema import SCHEMA_KEY
from icl_bench.tables.stored_losses import open_losses
from tests.synthetic_runs import BASE, LACKING, WORSE, Synthetic, invoke


def test_equal_runs_pass_at_once_and_say_so(made: Callable[..., Path]) -> None:
    done = invoke(made("base"), made("head"))
    assert done.exit_code == 0
    assert done.stdout.startswith("PASS: every loss of 6 cells is equal to the bit\n")


def test_a_rise_of_5_percent_is_red_and_named(made: Callable[..., Path]) -> None:
    done = invoke(made("base"), made("head", WORSE), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["exit_code"]) == (1, 1)
    assert answer["counts"] == {"regression": 3, "improvement": 0, "undecided": 0, "no worse": 0, "equal": 3}
    for cell in answer["cells"]:
        assert (cell["verdict"] == "regression") == (cell["model"] == "two")
        if cell["model"] == "two":
            headline = cell["headline"]
            assert headline["context_size"] == 4
            assert headline["low"] < 0.05 < headline["high"]
            assert headline["p_worse"] <= 0.05
            assert 0.01 < cell["smallest_detectable"] < 0.06
            assert [row["context_size"] for row in cell["sizes"]] == [2, 4, 8]


def test_the_ratio_is_that_of_the_means_over_the_very_prompts(made: Callable[..., Path]) -> None:
    folders = made("base"), made("head", WORSE)
    comparison = compare(open_losses(folders[0]), open_losses(folders[1]), Settings())
    judged = next(judged for judged in comparison.cells if judged.found.cell.model == "two")
    before, after = (
        np.concatenate([run._losses("two", 0, 0, block, 256) for block in (0, 1)]).astype(np.float64)
        for run in (BASE, WORSE)
    )
    expected = np.log((after.mean(axis=0) + 1e-6) / (before.mean(axis=0) + 1e-6))
    assert judged.found.change.value == pytest.approx(expected, rel=1e-9)
    assert judged.found.base_risk == pytest.approx(before.mean(axis=0), rel=1e-12)


def test_an_improvement_is_told_and_never_fails(made: Callable[..., Path]) -> None:
    done = invoke(made("base", WORSE), made("head"))
    assert done.exit_code == 0
    assert "PASS: no regression among 6 cells" in done.stdout
    assert "Improvements" in done.stdout


@pytest.mark.parametrize(("margin", "code"), [("1%", 1), ("0.01", 1), ("0", 1), ("8%", 0), ("0.08", 0), (" 500% ", 0)])
def test_a_margin_is_what_it_says(made: Callable[..., Path], margin: str, code: int) -> None:
    assert invoke(made("base"), made("head", WORSE), "--margin", margin).exit_code == code


@pytest.mark.parametrize("margin", ["nan", "-1%", "-0.1", "1000%", "inf", "much", "", "%", "5", "1e400"])
def test_a_margin_that_is_none_is_refused(made: Callable[..., Path], margin: str) -> None:
    done = invoke(made("base"), made("head"), f"--margin={margin}")
    assert done.exit_code == 2
    assert "--margin" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        "--alpha 0",
        "--alpha nan",
        "--alpha 0.9",
        "--sizes some",
        "--format html",
        "--metric squared_eror",
        "--out nowhere/file",
        "--update --sequential s.json",
        "--sequential s.json --sizes all",
    ],
)
def test_bad_options_are_refused(made: Callable[..., Path], options: str) -> None:
    done = invoke(made("base"), made("head"), *options.split())
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")


def test_a_rise_at_another_context_size_is_found_unless_only_the_headline_is_judged(made: Callable[..., Path]) -> None:
    folders = made("base"), made("head", dataclasses.replace(BASE, worse_at={8: 1.2}, jitter=0.001))
    done = invoke(*folders, "--json")
    assert done.exit_code == 1
    assert {tuple(cell["significantly_worse_at"]) for cell in json.loads(done.stdout)["cells"]} == {(8,)}
    assert invoke(*folders, "--sizes", "headline").exit_code == 0


def test_constant_losses_are_decided_by_their_value(made: Callable[..., Path]) -> None:
    base = made("base", dataclasses.replace(BASE, constant=True))
    for name, factor, code in (("much", 1.05, 1), ("little", 1.005, 0), ("less", 0.9, 0), ("zero", 0.0, 0)):
        head = dataclasses.replace(BASE, constant=True, factors={"one": 1.0, "two": factor})
        assert invoke(base, made(name, head)).exit_code == code, name


def test_rounding_is_no_change(made: Callable[..., Path]) -> None:
    """A noiseless model's risk of 1e-28 may triple: beside a signal of 1 it is still nothing."""
    base = dataclasses.replace(BASE, factors={"one": 1e-28, "two": 1.0})
    head = dataclasses.replace(BASE, factors={"one": 3e-28, "two": 1.0})
    done = invoke(made("base", base), made("head", head), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["counts"]["no worse"] == 3


def test_where_no_mean_exists_losses_are_cut_off(made: Callable[..., Path]) -> None:
    folders = [made(name, dataclasses.replace(run, tail=0.5)) for name, run in (("base", BASE), ("head", WORSE))]
    answer = json.loads(invoke(*folders, "--json").stdout)
    changed = [cell for cell in answer["cells"] if cell["model"] == "two"]
    assert {cell["headline"]["statistic"] for cell in changed} == {"cut mean"}
    before = np.concatenate([BASE._losses("two", 0, 0, block, 256) for block in (0, 1)])
    assert changed[0]["headline"]["base"] == pytest.approx(np.minimum(before[:, 1], 4.0).mean())  # (2 E|f|)^2, f = 1


def test_seeds_are_pooled_and_one_draw_a_seed_has_no_interval(made: Callable[..., Path]) -> None:
    runs = [dataclasses.replace(run, seeds=(0, 1, 2), places=BASE.places[:1]) for run in (BASE, WORSE)]
    answer = json.loads(invoke(made("base", runs[0]), made("head", runs[1]), "--json").stdout)
    assert [(cell["n_prompts"], cell["seeds"]) for cell in answer["cells"]] == [(1536, [0, 1, 2])] * 2
    shared = [dataclasses.replace(run, cluster_size=None) for run in (BASE, WORSE)]
    done = invoke(made("shared", shared[0]), made("worse", shared[1]), "--json")
    assert done.exit_code == 0
    changed = [cell for cell in json.loads(done.stdout)["cells"] if cell["model"] == "two"]
    assert {(cell["verdict"], cell["headline"]["low"]) for cell in changed} == {("undecided", None)}


def test_pooled_seeds_keep_whole_clusters() -> None:
    assert (cluster_rows([100], 64), whole_clusters(100, 64, 1)) == (64, 100)
    assert (cluster_rows([100, 100], 64), whole_clusters(100, 64, 2)) == (64, 64)
    assert (cluster_rows([100, 100], None), whole_clusters(100, None, 2)) == (100, 100)
    assert (cluster_rows([100, 100], 256), whole_clusters(100, 256, 2)) == (100, 100)


OTHER = {
    "suite": (dataclasses.replace(BASE, suite="other"), "'other' version 1"),
    "version": (dataclasses.replace(BASE, version=2), "version 2"),
    "seed": (dataclasses.replace(BASE, seeds=(1,)), "seed 1"),
    "count": (dataclasses.replace(BASE, n_prompts=256), "256"),
    "draw": (dataclasses.replace(BASE, salt="x"), "digests"),
    "severity": (dataclasses.replace(BASE, places=(("base", None), ("covariate/scale", 5.0))), "scale 5"),
    "sizes": (dataclasses.replace(BASE, sizes=(3, 5), headline=3), "no context size"),
}


@pytest.mark.parametrize("what", OTHER)
def test_other_questions_are_not_compared(made: Callable[..., Path], what: str) -> None:
    run, said = OTHER[what]
    for done in (invoke(made("base"), made("head", run)), invoke(made("a", run), made("b"))):
        assert (done.exit_code, done.stdout) == (3, "")
        assert said in done.stderr
        assert "run both" in done.stderr.lower()


def edit_manifest(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_an_older_schema_is_read_and_a_newer_one_is_not(made: Callable[..., Path]) -> None:
    base, head = made("base"), made("head")
    manifest = json.loads((base / "manifest.json").read_text())
    older = {name: value for name, value in manifest.items() if name not in ("noise_variance", "factors", "kind")}
    (base / "manifest.json").write_text(json.dumps({**older, "schema_version": 1}))
    assert invoke(base, head).exit_code == 0
    edit_manifest(head, schema_version=99)
    done = invoke(base, head)
    assert done.exit_code == 3
    assert "upgrade icl-bench" in done.stderr


def test_another_device_or_code_is_noted_only(made: Callable[..., Path]) -> None:
    base, head = made("base"), made("head")
    edit_manifest(head, device="cuda", code_digest="d", versions={"icl-bench": "0.2.0"})
    done = invoke(base, head)
    assert done.exit_code == 0
    for note in ("device: cpu in BASE, cuda in HEAD", "icl-bench 0.1.0 -> 0.2.0", "own code differs"):
        assert f"note: {note}" in done.stdout or note in done.stdout


@pytest.mark.parametrize("what", LACKING)
def test_cells_that_head_lacks_are_listed_and_fail_unless_allowed(made: Callable[..., Path], what: str) -> None:
    base, head = made("base"), made("head", LACKING[what])
    done = invoke(base, head)
    assert done.exit_code == 4
    assert done.stdout.startswith("INCOMPLETE: ")
    assert "Not compared" in done.stdout
    allowed = invoke(base, head, "--allow-missing")
    assert allowed.exit_code == (4 if what == "interrupted" else 0)  # no set of it is whole: nothing is left
    assert "Not compared" in allowed.stdout


def test_a_regression_among_what_is_there_beats_the_missing_cells(made: Callable[..., Path]) -> None:
    lacking = dataclasses.replace(WORSE, status={("one", "base"): "error"})
    done = invoke(made("base"), made("head", lacking))
    assert done.exit_code == 1
    assert "1 cell is missing or failed" in done.stdout.splitlines()[0]


def test_new_and_agreed_absences_are_no_failure(made: Callable[..., Path]) -> None:
    three = dict.fromkeys(("one", "two", "three"), 1.0)
    both_narrow = Synthetic(three, absent=frozenset({"three"}))
    assert invoke(made("a", both_narrow), made("b", both_narrow)).exit_code == 0
    done = invoke(made("base"), made("head", Synthetic(three)))
    assert done.exit_code == 0
    assert "new in HEAD" in done.stdout
    skipping = dataclasses.replace(BASE, status={("two", "base"): "skipped"})
    done = invoke(made("c", skipping), made("d", skipping))
    assert done.exit_code == 0
    assert "skipped by both" in done.stdout


def test_nothing_compared_is_never_a_pass(made: Callable[..., Path]) -> None:
    all_failed = dataclasses.replace(
        BASE, status={(model, place[0]): "error" for model in BASE.factors for place in BASE.places}
    )
    for number, (one, other) in enumerate(((all_failed, all_failed), (BASE, all_failed), (all_failed, BASE))):
        done = invoke(made(f"a{number}", one), made(f"b{number}", other), "--allow-missing")
        assert done.exit_code == 4
        assert "nothing was compared" in done.stdout
    skipped = dataclasses.replace(all_failed, status=dict.fromkeys(all_failed.status, "skipped"))
    assert invoke(made("c", skipped), made("d", skipped)).exit_code == 4


def test_losses_that_are_not_finite_make_a_failed_cell(made: Callable[..., Path]) -> None:
    for name, factor in (("nan", np.nan), ("inf", np.inf)):
        head = made(name, Synthetic({"one": 1.0, "two": factor}))
        base = tmp if (tmp := head.parent / "base").exists() else made("base")
        done = invoke(base, head)
        assert done.exit_code == 4
        assert "not finite" in done.stdout


def test_damaged_and_foreign_tables_are_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    base = made("base")
    (tmp_path / "nothing").mkdir()
    done = invoke(base, tmp_path / "nothing")
    assert done.exit_code == 2
    assert "manifest.json" in done.stderr
    for name, damage in (
        ("cut", lambda path: path.write_bytes(path.read_bytes()[:-40])),
        ("foreign", lambda path: pq.write_table(pa.table({"a": [1]}), path)),
        ("text", lambda path: path.write_text("PAR1")),
    ):
        head = made(name)
        damage(sorted((head / "losses").glob("*.parquet"))[1])
        done = invoke(base, head)
        assert (done.exit_code, done.stdout) == (2, ""), name
        assert "parquet" in done.stderr
    head = made("newer")
    unit = sorted((head / "losses").glob("*.parquet"))[0]
    table = pq.read_table(unit)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, SCHEMA_KEY: b"99"}), unit)
    assert invoke(base, head).exit_code == 3
    shutil.rmtree(head / "losses")
    assert invoke(base, head).exit_code == 2


def test_a_run_against_itself_is_refused(made: Callable[..., Path]) -> None:
    base = made("base")
    link = base.parent / "link"
    link.symlink_to(base)
    for other in (base, link):
        done = invoke(base, other)
        assert done.exit_code == 2
        assert "same folder" in done.stderr


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exponent=st.integers(-20, 20), factor=st.sampled_from([0.9, 1.004, 1.05]))
def test_verdicts_do_not_depend_on_the_unit_of_the_losses(
    tmp_path_factory: pytest.TempPathFactory, exponent: int, factor: float
) -> None:
    verdicts = []
    for scale in (1.0, 2.0**exponent):
        folder = tmp_path_factory.mktemp("scaled")
        base = dataclasses.replace(BASE, scale=scale, n_prompts=256)
        head = dataclasses.replace(base, factors={"one": 1.0, "two": factor})
        comparison = compare(open_losses(base.write(folder / "b")), open_losses(head.write(folder / "h")), Settings())
        verdicts.append([(judged.verdict, judged.detectable or 0.0) for judged in comparison.cells])
    for (one, smallest), (other, scaled) in zip(*verdicts, strict=True):
        assert one == other
        assert smallest == pytest.approx(scaled, rel=1e-4)


def test_without_a_stored_signal_the_models_give_the_scale(made: Callable[..., Path]) -> None:
    models = {"exact": 1e-28, "diverging": 1e28, "plain": 1.0}
    runs = [
        Synthetic({name: value * factor for name, value in models.items()}, with_signal=False) for factor in (1.0, 1.05)
    ]
    folders = made("base", runs[0]), made("head", runs[1])
    verdicts = {cell["model"]: cell["verdict"] for cell in json.loads(invoke(*folders, "--json").stdout)["cells"]}
    assert verdicts == {"exact": "no worse", "diverging": "regression", "plain": "regression"}


def test_the_loss_that_is_compared_is_chosen_and_named(made: Callable[..., Path]) -> None:
    label = dataclasses.replace(BASE, column="label_error")
    done = invoke(made("a", label), made("b", label))
    assert done.exit_code == 0
    assert "label_error of 512 paired prompts" in done.stdout
    done = invoke(made("c"), made("d", label))
    assert done.exit_code == 3
    assert "share no loss" in done.stderr


def test_a_point_is_read_without_the_others(made: Callable[..., Path]) -> None:
    base, head = open_losses(made("base")), open_losses(made("head", WORSE))
    pairing = pair(base, head, "squared_error", headline_only=True)
    assert [point.cell("one").name for point in pairing.points] == [
        "one, base",
        "one, covariate/scale 2",
        "one, covariate/scale 3",
    ]
    found = list(point_changes(base, head, pairing.points[1], "squared_error"))
    assert [change.cell.model for change in found] == ["one", "two"]
    assert [change.equal for change in found] == [True, False]  # type: ignore[union-attr]


@pytest.mark.parametrize(("n_sizes", "headline"), [(1, 0), (2, 1), (41, 40)])
def test_half_of_a_cell_is_its_headline(n_sizes: int, headline: int) -> None:
    weights = cell_weights(n_sizes, headline)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[headline] == (1.0 if n_sizes == 1 else 0.5)


def test_changes_read_as_people_write_them() -> None:
    shares = (0.051, -0.0003, 0.0, 1e-7, 23.0, -0.5, float("nan"))
    texts = [percent(np.log1p(share)) for share in shares]
    assert texts == ["+5.1%", "-0.03%", "0%", "~0%", "x24.0", "-50%", "?"]
    assert size_list([2, 4, 6, 12], [0, 2, 4, 6, 8, 12]) == "2-6, 12"
    assert size_list([1, 2], [1, 2]) == "all 2"
    assert size_list([4], [4]) == "4"
