"""Prompts cut from a real table: context and query from two disjoint sides, decided by coins of the law."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from icl_bench import run_suite
from icl_bench.cli.main import app
from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.table import diabetes
from icl_bench.laws.draws import Draws
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import PromptRows, Sizes
from icl_bench.laws.table_rows import DataTable, TableRows
from icl_bench.plugins import loading
from icl_bench.seeding import BLOCK_SIZE, TRAINING_SEEDS, Streams
from tests.catalogue_laws import RefusedError, Shift, at_sizes, linear_law, shifted, table_law

SIZES = (0, 5, 30)
BASE = at_sizes(table_law(SIZES), SIZES, 3)
TILTS = (0.0, 1.0, 2.0)


def tilted(tilt: float, **arguments: object) -> PromptLaw:
    return shifted(BASE, Shift("table/tilt", tilt, arguments))


def row_numbers(x: torch.Tensor) -> np.ndarray:
    """Which row of the table each x is, (prompt, row); its rows are distinct."""
    numbers = {row.tobytes(): at for at, row in enumerate(diabetes().x)}
    assert len(numbers) == len(diabetes().y)
    flat = x.reshape(-1, x.shape[-1]).numpy()
    return np.array([numbers[row.tobytes()] for row in flat]).reshape(x.shape[:-1])


def sides(law: PromptLaw, seed: int = 0) -> tuple[set[int], set[int]]:
    assert isinstance(law.rows, TableRows)
    draws = Draws(Streams(seed, 0), PromptRows.of(law.sizes, forked=True)).scoped("rows")
    source, target = law.rows.sides(draws)
    return set(source.tolist()), set(target.tolist())


@pytest.mark.parametrize("tilt", TILTS)
def test_contexts_come_from_the_source_and_queries_from_the_target(tilt: float) -> None:
    law = tilted(tilt)
    draw = law.draw(Streams(0, 0))
    context, query = row_numbers(draw.prompts.context_x), row_numbers(draw.prompts.query_x)
    source, target = sides(law)
    assert not source & target
    assert source | target == set(range(len(diabetes().y)))
    assert set(context.flat) <= source
    assert set(query.flat) <= target
    for prompt in range(BLOCK_SIZE):
        assert len(set(context[prompt])) == SIZES[-1]
        assert len(set(query[prompt])) == 3
    np.testing.assert_array_equal(draw.prompts.context_y.numpy(), diabetes().y[context])
    np.testing.assert_array_equal(draw.targets.query_y.numpy(), diabetes().y[query])
    assert not draw.prompts.next_example
    assert draw.targets.query_f is None


def test_one_set_of_query_rows_answers_all_sizes() -> None:
    query = row_numbers(tilted(2.0).draw(Streams(0, 0)).prompts.query_x).reshape(BLOCK_SIZE, len(SIZES), 3)
    assert (query == query[:, :1]).all()


def test_untilted_sides_are_halves_of_one_law_and_tilted_ones_are_not() -> None:
    column = diabetes().x[:, 0]
    gaps = []
    for tilt in TILTS:
        source, target = (column[sorted(side)] for side in sides(tilted(tilt)))
        gaps.append((source.mean() - target.mean()) / (1.0 / len(source) + 1.0 / len(target)) ** 0.5)
    assert abs(gaps[0]) < 4.0  # columns have variance 1: in standard errors
    assert abs(len(sides(tilted(0.0))[0]) - len(column) / 2) < 4.0 * len(column) ** 0.5 / 2
    assert gaps[2] > gaps[1] > 5.0


def test_severities_move_rows_between_the_sides_and_shuffle_none() -> None:
    """A coin a row is kept: what falls to the source at tilt 0 and is high in the column stays there."""
    flat, steep = sides(tilted(0.0))[0], sides(tilted(2.0))[0]
    high = set(np.flatnonzero(diabetes().x[:, 0] > np.median(diabetes().x[:, 0])).tolist())
    assert flat & high <= steep
    assert steep - high <= flat


@pytest.mark.parametrize("seed", [1, 7, TRAINING_SEEDS])
def test_sides_are_the_laws_own(seed: int) -> None:
    assert sides(tilted(1.0), seed) == sides(tilted(1.0))
    assert sides(tilted(1.0, law_number=1)) != sides(tilted(1.0))
    context = [row_numbers(tilted(1.0).draw(Streams(own, 0)).prompts.context_x) for own in (0, seed)]
    assert (context[0] != context[1]).any()


def test_equal_rows_share_their_coin() -> None:
    once = diabetes()
    twice = DataTable(np.concatenate([once.x, once.x]), np.concatenate([once.y, once.y]), once.columns)
    law = PromptLaw.of_rows(TableRows(10, lambda: twice, twice.digest, tilt=1.0), Sizes(SIZES))
    source, target = sides(law)
    count = len(once.y)
    assert {row % count for row in source} & {row % count for row in target} == set()


def test_a_side_with_too_few_rows_is_refused_before_anything_is_drawn() -> None:
    law = at_sizes(tilted(0.0), (0, 400))
    with pytest.raises(ValueError, match="the source side has"):
        law.check()
    at_sizes(tilted(0.0), (0, 100)).check()


def test_a_second_tilt_of_a_product_is_refused_as_it_would_undo_the_first() -> None:
    once = Shift("table/tilt", 1.0)
    with pytest.raises(RefusedError, match="expected one tilt"):
        shifted(BASE, once, Shift("table/tilt", 1.0, {"column": 2}))
    assert shifted(BASE, once, Shift("table/tilt", 0.0)).rows == tilted(1.0).rows


def test_the_table_belongs_to_the_law() -> None:
    other = replace(BASE, rows=replace(BASE.rows, digest="another"))  # type: ignore[type-var]
    assert other.draw(Streams(0, 0)).digest != BASE.draw(Streams(0, 0)).digest
    with pytest.raises(RefusedError, match="expected rows of a table"):
        shifted(linear_law(4, (0, 4)), Shift("table/tilt", 1.0))
    with pytest.raises(RefusedError, match="column: expected 0 to 9"):
        tilted(1.0, column=10)
    with pytest.raises(Exception, match="n_dims: expected 10"):
        loading.build("function_classes", "table", {"n_dims": 8})


def test_nothing_is_claimed_of_rows() -> None:
    law = tilted(1.0)
    draw = law.draw(Streams(0, 0))
    with pytest.raises(NoClosedForm, match="rows of a real table"):
        law.bayes(draw.prompts)
    with pytest.raises(NoClosedForm, match="rows of a real table"):
        law.training_moments()
    assert draw.parameters.no_tail is not None
    assert law.why_no_exact_risk() is not None


def test_labels_of_a_table_are_scored_and_nothing_else(tmp_path: Path) -> None:
    suite = tmp_path / "table.toml"
    suite.write_text(
        """
[suite]
name = "table"
version = 1

[prompts]
function_class = "table"
n_dims = 10
context_sizes = [5, 15, 60]
noise_std = 0
n_prompts = 512

[[models]]
use = "ols"

[[models]]
use = "ridge"
alpha = 10.0

[[models]]
use = "mean"

[[models]]
use = "bayes"

[[scenarios]]
use = "table/tilt"
severities = [0.0, 1.0, 2.0]

[metrics]
use = ["label_error", "squared_error"]
"""
    )
    folder = tmp_path / "run"
    scores = run_suite(suite, folder).scores
    assert CliRunner().invoke(app, ["report", str(folder)]).stdout.splitlines()[1].startswith("512 prompts a cell")
    drawn = CliRunner().invoke(
        app, ["plot", str(folder), "-k", "context", "--metric", "label_error", "-o", str(tmp_path / "context.svg")]
    )
    assert drawn.exit_code == 0, drawn.output
    errors = scores[(scores["metric"] == "label_error") & (scores["model"] != "bayes")]
    assert set(errors["status"]) == {"ok"}
    assert len(errors) == 3 * 3 * 3  # models, tilts, sizes
    found = errors.set_index(["model", "severity", "context_size"])["median"]
    assert bool(found.notna().all())
    ridge, mean = (found[model].groupby("context_size").mean() for model in ("ridge", "mean"))
    assert ridge[60] < mean[60]  # the columns say something of the label
    rest = scores[(scores["metric"] == "squared_error") | (scores["model"] == "bayes")]
    assert set(rest["status"]) == {"skipped"}
