"""Runs and baselines of earlier schema versions: read whole, what they cannot hold null with the reason; or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from icl_bench import read_run, run_suite
from icl_bench.cli.main import app
from icl_bench.compare.baseline_folder import baseline_digest
from icl_bench.errors import RunFolderError, TableError
from icl_bench.places import Place
from icl_bench.tables import schema
from icl_bench.tables.manifest import read_manifest
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import SCHEMA_KEY, SCHEMA_VERSION, why_absent
from icl_bench.tables.score_table import absent_columns, read_score_rows, read_scores
from icl_bench.tables.stored_losses import open_losses
from tests.command import ROOT
from tests.earlier_runs import lowered, rewrite
from tests.small_suites import SMALL

EARLIER = range(1, SCHEMA_VERSION)
JOINT = """product = [
    { use = "covariate/scale", severities = [1.23456] },
    { use = "task/scale", severities = [2.0, 0.5] },
]"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "small.toml"
    path.write_text(
        SMALL.replace("[metrics]", f"[[scenarios]]\n{JOINT}\n\n[metrics]").replace(
            '"excess_risk"', '"excess_risk", "normalised_excess_risk", "bayes_risk", "agreement:ols"'
        )
    )
    return path


@pytest.fixture(scope="module")
def today(suite: Path) -> Path:
    return run_suite(suite, suite.parent / "today").path


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, today: Path, tmp_path: Path) -> tuple[int, Path]:
    """A version, and the run as it would have been written then."""
    return request.param, lowered(today, tmp_path / "earlier", request.param)


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "140", "GITHUB_STEP_SUMMARY": ""}).invoke(app, [*map(str, arguments)])


def test_columns_that_came_later_are_null_and_why(earlier: tuple[int, Path], today: Path) -> None:
    version, folder = earlier
    path = folder / "scores.parquet"
    before, after = read_scores(today / "scores.parquet"), read_scores(path)
    later = absent_columns(path)
    known = schema.scores_schema(4).names
    expected = ["statistic", "value", "value_low", "value_high"] if version < 3 else []
    assert [name for name in later if name in known] == [*expected, *(["severities"] if version < 4 else [])]
    assert set(later) == {*schema.scores_schema().names} - {*schema.scores_schema(version).names}
    assert after.schema.names == before.schema.names
    for name in before.schema.names:
        if name in later:
            assert after[name].null_count == len(after)
        else:
            assert after[name] == before[name]
    if version < 4:
        assert later["severities"] == (
            f"the column severities came with schema version 4; this table has version {version}: run the suite again"
        )
    assert read_run(folder).scores.attrs["absent"] == later
    assert read_run(today).scores.attrs["absent"] == {}
    rows = read_score_rows(path, ["squared_error"])
    assert rows
    assert all(row[name] is None for row in rows for name in later)


def test_the_cards_that_a_manifest_could_not_have_are_known(earlier: tuple[int, Path], today: Path) -> None:
    version, folder = earlier
    now, then = read_manifest(today), read_manifest(folder)
    assert then.schema_version == version
    beside = {"excess_risk", "bayes_signal"}  # which versions before 5 stored where they were asked for alone
    assert set(now.metric_cards) - set(then.metric_cards) <= beside
    for label, card in now.metric_cards.items():
        if label not in then.metric_cards:
            continue
        for name in ("use", "unit", "direction", "role", "statistic", "needs_model", "of", "over", "reference"):
            assert getattr(then.metric_cards[label], name) == getattr(card, name), (label, name)
        assert then.metric_cards[label].meaning or label in beside
    roles = MetricRoles(then.metric_cards)
    assert (roles.risk, roles.signal, roles.normalised_risk) == ("squared_error", "zero_error", "normalised_error")


def test_cards_of_today_say_what_a_metric_is(today: Path) -> None:
    cards = read_manifest(today).metric_cards
    assert cards["squared_error"].meaning == "(prediction - f(x))^2, whose mean is the risk."
    assert all(card.meaning and "\n" not in card.meaning for card in cards.values())


@pytest.mark.parametrize("version", [1, 2])
def test_a_metric_from_a_file_is_taken_for_a_loss_of_models(version: int, today: Path, tmp_path: Path) -> None:
    path = lowered(today, tmp_path / "earlier", version) / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "metrics": [*fields["metrics"], "Absolute", "my_score"]}))
    cards = read_manifest(path.parent).metric_cards
    assert MetricRoles(cards).shown[-2:] == ("Absolute", "my_score")
    assert [cards[label].direction for label in ("Absolute", "my_score")] == ["lower", "higher"]


def test_losses_are_those_of_today(earlier: tuple[int, Path], today: Path) -> None:
    now, then = open_losses(today), open_losses(earlier[1])
    assert [loss_set.place for loss_set in then.sets] == [loss_set.place for loss_set in now.sets]
    if earlier[0] > 2:  # whose cards are their own: before, nothing says that b^2 is among the columns
        assert baseline_digest(then) == baseline_digest(now)
    joint = [loss_set.place for loss_set in then.sets][-2:]
    assert [place.severities for place in joint] == [(1.23456, 0.5), (1.23456, 2.0)]


def test_every_reader_reads_them(earlier: tuple[int, Path], today: Path, tmp_path: Path) -> None:
    version, folder = earlier
    shown = invoke("report", folder, "--full")
    assert shown.exit_code == 0, shown.output
    whole = invoke("report", today, "--full").stdout
    if version == 1:  # which did not keep the noise variance: kappa rests on the signal, and no single shifts are known
        assert next(line for line in whole.split("\n") if line.startswith("ols ")) in shown.stdout
    else:
        assert shown.stdout.replace(str(folder), "") == whole.replace(str(today), "")
    document = json.loads(invoke("report", folder, "--format", "json").stdout)
    assert document["absent_columns"] == absent_columns(folder / "scores.parquet")
    same = invoke("compare", folder, today)
    assert same.exit_code == 0, same.output
    assert "equal to the bit" in same.stdout
    assert invoke("plot", folder, "--kind", "severity", "--out", tmp_path / "curves.svg").exit_code == 0
    page = invoke("report", folder, "--format", "html", "--out", tmp_path / "page.html")
    assert page.exit_code == 0, page.output


def test_a_joint_shift_is_known_by_its_numbers_and_before_version_4_by_its_text(today: Path, tmp_path: Path) -> None:
    folder = lowered(today, tmp_path / "earlier", 3)

    def joint(run: Path) -> set[tuple[float | None, ...]]:
        rows = read_score_rows(run / "scores.parquet", ["squared_error"])
        return {Place.of_row(row).severities for row in rows if row["scenario"].startswith("joint/")}

    assert joint(today) == {(1.23456, 2.0), (1.23456, 0.5)}
    assert joint(folder) == {(1.235, 2.0), (1.235, 0.5)}


@pytest.mark.parametrize("version", [2, 3, SCHEMA_VERSION])
def test_the_committed_baseline_is_read_and_an_earlier_one(version: int, tmp_path: Path) -> None:
    committed = ROOT / "results" / "baseline-quick"
    folder = committed if version == SCHEMA_VERSION else lowered(committed, tmp_path / "baseline", version)
    losses, whole = open_losses(folder), open_losses(committed)
    assert losses.manifest.schema_version == version
    assert len(losses.sets) == 35
    for held, own in zip(losses.sets, whole.sets, strict=True):
        risks, expected = (read.read(place, ["squared_error"]) for read, place in ((losses, held), (whole, own)))
        assert risks.keys() == expected.keys()
        assert "squared_error" in risks["ols"]
        for model, column in ((model, column) for model, columns in risks.items() for column in columns):
            np.testing.assert_array_equal(risks[model][column], expected[model][column])
    assert MetricRoles(losses.manifest.metric_cards).normalised_risk == "normalised_error"


def test_a_baseline_of_an_earlier_run_stays_of_its_version(today: Path, tmp_path: Path) -> None:
    folder = lowered(today, tmp_path / "earlier", 2)
    done = invoke("compare", tmp_path / "baseline", folder, "--update")
    assert done.exit_code == 0, done.output
    assert read_manifest(tmp_path / "baseline").schema_version == 2
    assert "value" in absent_columns(tmp_path / "baseline" / "scores.parquet")
    assert invoke("compare", tmp_path / "baseline", today).exit_code == 0


def test_a_run_is_not_continued_in_a_folder_of_an_earlier_version(suite: Path, earlier: tuple[int, Path]) -> None:
    version, folder = earlier
    refused = invoke("run", suite, "--out", folder)
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert (
        f"holds tables of schema version {version}, which are read and never added to, expected {SCHEMA_VERSION}"
        in said
    )
    assert "--out" in said
    assert "--fresh" in said
    with pytest.raises(RunFolderError):
        run_suite(suite, folder)
    assert run_suite(suite, folder, fresh=True).manifest.schema_version == SCHEMA_VERSION


def test_a_column_or_field_that_is_no_more_is_left_out(today: Path, tmp_path: Path) -> None:
    folder = lowered(today, tmp_path / "earlier", 3)
    path = folder / "scores.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("gone", pa.array(np.zeros(len(table)))), path)
    assert read_scores(path).schema.names == schema.scores_schema().names
    assert all("gone" not in row for row in read_score_rows(path, ["squared_error"]))
    manifest = folder / "manifest.json"
    fields = json.loads(manifest.read_text())
    fields["metric_cards"]["squared_error"]["gone"] = 1
    manifest.write_text(json.dumps({**fields, "gone": 1}))
    assert read_manifest(folder).metric_cards["squared_error"].role == "risk"
    manifest.write_text(json.dumps({**fields, "gone": 1, "schema_version": SCHEMA_VERSION}))
    with pytest.raises(TableError, match="damaged"):
        read_manifest(folder)


def test_a_column_costs_a_row_of_the_schema(
    suite: Path, today: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = lowered(today, tmp_path / "earlier", 3)
    toy = ("toy", pa.float64(), "A toy.", SCHEMA_VERSION)
    monkeypatch.setattr(schema, "_SCORE_COLUMNS", (*schema._SCORE_COLUMNS, toy))
    assert read_scores(earlier / "scores.parquet")["toy"].null_count == len(read_scores(earlier / "scores.parquet"))
    assert absent_columns(earlier / "scores.parquet")["toy"] == why_absent(schema.scores_schema(), "toy", 3)
    said = f"came with schema version {SCHEMA_VERSION}; this table has version 3"
    assert said in absent_columns(earlier / "scores.parquet")["toy"]
    assert all(row["toy"] is None for row in read_score_rows(earlier / "scores.parquet", ["squared_error"]))
    assert invoke("report", earlier).exit_code == 0
    with pytest.raises(TableError, match=f"lacks the column 'toy', which version {SCHEMA_VERSION} has"):
        read_scores(today / "scores.parquet")
    fresh = run_suite(suite, tmp_path / "fresh", models=["zero"])
    assert fresh.scores["toy"].isna().all()
    assert fresh.scores.attrs["absent"] == {}


def test_a_table_of_today_with_a_lowered_number_has_what_its_version_needs(today: Path, tmp_path: Path) -> None:
    """A reader takes a later column that is there as it is."""
    folder = lowered(today, tmp_path / "earlier", 3)
    rewrite(folder / "scores.parquet", {SCHEMA_KEY: b"1"})
    later = {*schema.scores_schema().names} - {*schema.scores_schema(3).names}
    assert "severities" in later
    assert absent_columns(folder / "scores.parquet").keys() == later
    assert read_scores(folder / "scores.parquet")["value"].null_count < len(read_scores(folder / "scores.parquet"))
