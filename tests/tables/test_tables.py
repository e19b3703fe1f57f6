"""Tables are whole or absent, carry their schema, and refuse what is not theirs with the remedy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from icl_bench import read_run, run_suite
from icl_bench.errors import IclBenchError, NotComparableError, OutputError, TableError
from icl_bench.files import replacing
from icl_bench.tables.manifest import read_manifest
from icl_bench.tables.schema import PROMPTS, SCHEMA_KEY, SCHEMA_VERSION, losses_schema, scores_schema
from icl_bench.tables.score_table import read_score_rows, read_scores
from icl_bench.tables.units import read_header, read_unit_losses, verify_unit
from tests.small_suites import SMALL
from tests.stored_runs import copied


@pytest.fixture
def run_folder(small_run: Path, tmp_path: Path) -> Path:
    """A copy: half of these tests damage it."""
    return copied(small_run, tmp_path)


def test_every_column_has_a_doc_and_the_file_keeps_it(run_folder: Path) -> None:
    for schema in (scores_schema(), losses_schema(["squared_error"])):
        assert all(field.metadata[b"doc"] for field in schema)
    stored = pq.read_schema(run_folder / "scores.parquet")
    assert stored.metadata[SCHEMA_KEY] == str(SCHEMA_VERSION).encode()
    assert stored.field("mean_exists").metadata[b"doc"]


def test_design_columns_are_there(run_folder: Path) -> None:
    wanted = (
        "suite suite_version model scenario severity seed context_size metric mean stderr ci_low ci_high median q10 q90"
        " mean_exists n_prompts status message seconds"
    )
    assert set(wanted.split()) <= set(read_scores(run_folder / "scores.parquet").column_names)


def test_scores_are_recomputable_from_the_losses(run_folder: Path) -> None:
    run = read_run(run_folder)
    losses, scores = run.losses, run.scores
    chosen = (losses.model == "ols") & (losses.scenario == "covariate/scale") & (losses.context_size == 6)
    values = losses[chosen].squared_error.to_numpy(dtype=float)
    row = scores[
        (scores.model == "ols")
        & (scores.scenario == "covariate/scale")
        & (scores.context_size == 6)
        & (scores.metric == "squared_error")
    ].iloc[0]
    assert row["median"] == np.median(values)
    assert row["n_prompts"] == len(values) == 256
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)


def test_the_manifest_tells_where_numbers_come_from(run_folder: Path) -> None:
    manifest = read_manifest(run_folder)
    assert manifest.status == "complete"
    assert manifest.cells == {"planned": 6, "ok": 6, "missing": 0}
    assert set(manifest.models) == {"bayes", "ols", "zero"}
    assert manifest.prompt_digests.keys() == {"base/0", "covariate/scale/2/0"}
    assert manifest.versions["torch"]
    assert manifest.suite_text == SMALL
    assert manifest.seconds > 0


def test_prompts_rows_hold_what_depends_on_the_prompts_alone(run_folder: Path) -> None:
    table = read_scores(run_folder / "scores.parquet").to_pandas()
    assert set(table[table.model == PROMPTS].metric) == {"zero_error", "bayes_signal"}


def edit_metadata(path: Path, version: bytes) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, SCHEMA_KEY: version}), path)


def test_a_newer_schema_is_refused_with_the_remedy(run_folder: Path) -> None:
    edit_metadata(run_folder / "scores.parquet", b"99")
    with pytest.raises(NotComparableError, match="upgrade icl-bench"):
        read_scores(run_folder / "scores.parquet")
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    with pytest.raises(NotComparableError, match="upgrade icl-bench"):
        read_manifest(run_folder)


def write_version_2(path: Path, *lost: str) -> None:
    """Rewrite a table of scores as icl-bench 0.1 wrote it, without what came later and without `lost`."""
    table = pq.read_table(path)
    kept = table.drop_columns(["statistic", "value", "value_low", "value_high", *lost])
    pq.write_table(kept.replace_schema_metadata({**table.schema.metadata, SCHEMA_KEY: b"2"}), path)


def test_columns_that_came_later_are_null_in_older_scores(run_folder: Path) -> None:
    path = run_folder / "scores.parquet"
    before = read_scores(path)
    write_version_2(path)
    after = read_scores(path)
    assert set(after.column_names) == set(before.column_names)
    assert after["value"].null_count == after["statistic"].null_count == len(after) == len(before)
    assert after["mean"] == before["mean"]
    rows = read_score_rows(path, ["squared_error"])
    assert rows
    assert all(row["value"] is None and row["statistic"] is None for row in rows)


def test_a_column_that_an_older_table_had_is_missed(run_folder: Path) -> None:
    path = run_folder / "scores.parquet"
    write_version_2(path, "median")
    for read in (read_scores, lambda table: read_score_rows(table, ["squared_error"])):
        with pytest.raises(TableError, match="lacks the column 'median'"):
            read(path)


def test_a_table_of_today_must_have_every_column(run_folder: Path) -> None:
    path = run_folder / "scores.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["value"]), path)
    with pytest.raises(TableError, match="lacks the column 'value'"):
        read_scores(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1" + os.urandom(64) + b"PAR1"),
        lambda path: path.unlink(),
        lambda path: pq.write_table(pa.table({"a": [1]}), path),
    ],
    ids=["truncated", "empty", "garbage", "missing", "foreign"],
)
def test_a_damaged_or_foreign_table_is_an_error_with_a_remedy(damage, run_folder: Path) -> None:  # type: ignore[no-untyped-def]
    unit = next((run_folder / "losses").glob("*.parquet"))
    for path, read in ((run_folder / "scores.parquet", read_scores), (unit, verify_unit)):
        damage(path)
        with pytest.raises(TableError, match=r"run|icl-bench"):
            read(path)


def test_a_flipped_bit_in_a_page_is_found(run_folder: Path) -> None:
    unit = max((run_folder / "losses").glob("*.parquet"), key=lambda path: path.stat().st_size)
    header = read_header(unit)
    values = read_unit_losses(unit, header, "ols")["squared_error"]
    needle = values[:8].astype("<f4").tobytes()
    content = bytearray(unit.read_bytes())
    where = bytes(content).find(needle)
    assert where > 0
    content[where + 5] ^= 1
    unit.write_bytes(bytes(content))
    with pytest.raises(TableError, match="damaged"):
        verify_unit(unit)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 1}', '{"schema_version": "one"}', "\x00"])
def test_a_damaged_manifest_is_an_error(text: str, run_folder: Path) -> None:
    (run_folder / "manifest.json").write_text(text)
    with pytest.raises(IclBenchError, match=r"manifest"):
        read_run(run_folder)


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("old")

    def write_half(error: Exception) -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(RuntimeError):
        write_half(RuntimeError())
    with pytest.raises(OutputError, match="free space"):
        write_half(OSError(28, "No space left on device"))
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["table"]


def test_a_rotation_of_the_law_is_given_and_a_shared_one_is_a_cluster(small_suite: Path, tmp_path: Path) -> None:
    """What belongs to the law is the same for every seed: prompts are replicates; 64 prompts of one draw are one."""
    shift = 'use = "covariate/spectrum"\nfixed_rotation = true\nseverities = [2.0]'
    shared = 'use = "covariate/random_diagonal"\nprompts_per_draw = 64\nseverities = [4.0]'
    text = small_suite.read_text().replace(
        'use = "covariate/scale"\nseverities = [2.0]', f"{shift}\n[[scenarios]]\n{shared}"
    )
    small_suite.write_text(text)
    run = run_suite(small_suite, tmp_path / "run", models=["bayes"])
    table = run.scores
    rows = table[(table.model == "bayes") & (table.metric == "squared_error") & (table.context_size == 6)]
    by_scenario = rows.set_index("scenario")
    fixed = by_scenario.loc["covariate/spectrum"]
    assert fixed["mean"] > 0
    errors = run.losses.query("model == 'bayes' and context_size == 6")
    by_prompt = errors.set_index("scenario")["squared_error"]
    assert fixed["stderr"] == pytest.approx(by_prompt["covariate/spectrum"].sem(), rel=1e-5)
    clusters = by_prompt["covariate/random_diagonal"].to_numpy().reshape(-1, 64).mean(1)
    shared_error = by_scenario.loc["covariate/random_diagonal", "stderr"]
    assert shared_error == pytest.approx(clusters.std(ddof=1) / len(clusters) ** 0.5, rel=1e-5)


def test_sizes_that_a_scenario_cannot_have_are_skipped_rows(small_suite: Path, tmp_path: Path) -> None:
    text = small_suite.read_text().replace(
        'use = "covariate/scale"\nseverities = [2.0]', 'use = "query/orthogonal"\nseverities = [0.5, 1.0]'
    )
    small_suite.write_text(text)
    run = run_suite(small_suite, tmp_path / "run")
    assert run.complete
    table = run.scores
    turned = table[table.scenario == "query/orthogonal"]
    skipped = turned[turned.status == "skipped"]
    assert set(skipped.model) == {"(prompts)"}
    assert sorted(skipped.context_size) == [3, 3, 4, 4, 6, 6]
    assert skipped.message.str.contains("fewer than d = 3 examples").all()
    answered = turned[(turned.status == "ok") & (turned.model == "ols")]
    assert set(answered.context_size) == {0, 1, 2}
    assert set(answered[answered.headline].context_size) == {1}  # d/2, though the training length is 4
