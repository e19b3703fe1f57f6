"""What docs/statistics.md says of the gate, the intervals and the nightly test holds, in a few hundred repetitions.

A bound is the claim plus three Monte Carlo standard errors; the page has the rates themselves from more repetitions.
"""

from __future__ import annotations

import numpy as np
import pytest

from evidence.comparison_simulations import (
    Changes,
    alternatives,
    any_of,
    clustered_coverage,
    coverage,
    detectable_power,
    gate,
    headline_weights,
    paired_changes,
    rate,
    tail_verdicts,
)
from evidence.nightly_simulations import ALPHA, CELLS, MARGIN, NIGHTS, bank, first_alarms, one_cell_worse
from evidence.operating_characteristics import PAGE, TABLES, four_worse, power_table
from evidence.paired_losses import Lognormal, LossLaw, RatioOfSquares, SquaredNormal, family
from evidence.skill_coverage import Cell, with_shared_draws
from evidence.skill_coverage import coverage as skill_coverage
from evidence.statistics_page import PAGE_TEXT

SKEWED = Lognormal(2.0)
REPETITIONS = 300
FALSE_ALARMS = ALPHA + 3 * (ALPHA * (1 - ALPHA) / REPETITIONS) ** 0.5


@pytest.fixture(scope="module", params=[SKEWED, SquaredNormal()], ids=lambda law: law.name)
def changes(request: pytest.FixtureRequest) -> list[Changes]:
    """24 cells at 4,096 prompts, losses correlated .9: without a change, on the margin, four cells 5% worse."""
    truths = (0.0, float(np.log1p(MARGIN)), four_worse())
    return paired_changes((request.param, request.param), 11, (REPETITIONS, CELLS), 4096, 1, truths)


def test_without_a_change_the_gate_is_hardly_ever_red(changes: list[Changes]) -> None:
    assert rate(any_of(gate(changes[0], MARGIN, ALPHA))).value <= ALPHA


def test_exactly_on_the_margin_the_gate_keeps_its_level(changes: list[Changes]) -> None:
    edge = rate(any_of(gate(changes[1], MARGIN, ALPHA)))
    assert edge.value <= FALSE_ALARMS
    assert edge.value > 0.0, "so conservative that it finds nothing"


def test_a_rise_of_5_percent_in_4_of_24_cells_is_caught(changes: list[Changes]) -> None:
    found = gate(changes[2], MARGIN, ALPHA)
    assert rate(any_of(found)).value >= 0.95
    assert rate(found[:, :4]).value >= 0.65
    assert rate(any_of(found[:, 4:])).value <= ALPHA


def test_the_gate_is_needed(changes: list[Changes]) -> None:
    """A paired test without margin and correction is red most of the time; one that is not paired sees nothing."""
    same, moved = (alternatives(case, MARGIN, ALPHA) for case in (changes[0], changes[2]))
    assert rate(any_of(same["paired t, no margin, no correction"])).value > 0.5
    assert rate(any_of(moved["unpaired Welch t, margin, Holm"])).value < 0.5


def test_weights_on_the_headline_size_keep_the_level_over_all_sizes() -> None:
    weights, laws, shape = headline_weights(CELLS, 3), (SKEWED, SKEWED), (200, CELLS * 3)
    (edge,) = paired_changes(laws, 12, shape, 1024, 3, [float(np.log1p(MARGIN))])
    assert rate(any_of(gate(edge, MARGIN, ALPHA, weights))).value <= 0.096
    (worse,) = paired_changes(laws, 12, (100, CELLS * 3), 4096, 3, [four_worse(3)])
    assert rate(any_of(gate(worse, MARGIN, ALPHA, weights)[:, ::3])).value >= 0.95


@pytest.mark.parametrize("law", [RatioOfSquares(1), RatioOfSquares(2), RatioOfSquares(3)], ids=lambda law: law.name)
def test_heavy_tails_do_not_make_the_gate_red(law: LossLaw) -> None:
    """Their losses are cut off, whether or not they have a mean."""
    for changes in paired_changes((law, law), 24, (200, CELLS), 1024, 1, (0.0, float(np.log1p(MARGIN)))):
        assert rate(any_of(gate(changes, MARGIN, ALPHA))).value <= 0.096


@pytest.mark.parametrize("prompts", [256, 1024, 4096])
@pytest.mark.parametrize("law", [SquaredNormal(), SKEWED], ids=lambda law: law.name)
def test_every_interval_that_is_printed_covers(law: LossLaw, prompts: int) -> None:
    for name, found in coverage(law, 13, 2000, prompts).items():
        most = 1.0 if name == "change in the gate" else 0.97 + 3 * 0.004  # an adverse prompt makes it wide
        assert 0.93 - 3 * 0.0055 <= found.value <= most, name


@pytest.mark.parametrize("prompts", [256, 4096])
@pytest.mark.parametrize("law", [RatioOfSquares(1), RatioOfSquares(2), RatioOfSquares(3)], ids=lambda law: law.name)
def test_with_heavy_tails_no_mean_is_printed_and_the_rest_covers(law: LossLaw, prompts: int) -> None:
    found = coverage(law, 14, 1000, prompts)
    assert set(found) == {"median", "change in the gate"}
    assert 0.93 - 0.02 <= found["median"].value <= 0.97 + 0.015
    assert found["change in the gate"].value >= 0.93 - 0.02


@pytest.mark.parametrize("clusters", [16, 64])
def test_changes_over_clusters_cover(clusters: int) -> None:
    found = clustered_coverage(4.0, 17, 600, clusters)
    for name in ("log mean", "change in the gate"):
        assert 0.91 <= found[name].value <= (0.98 if name == "log mean" else 1.0), name


@pytest.mark.parametrize("clusters", [4, 16])
def test_skill_over_clusters_that_share_draws_covers(clusters: int) -> None:
    rng = np.random.default_rng(25)
    best, noise = rng.standard_normal((1024, 1)), rng.standard_normal((1024, 3))
    cells = [
        Cell(f"{scale}", (noise * [0.3, 0.6, 1.2]) ** 2 * scale, best[:, 0] ** 2 * scale, 0.5) for scale in (1.0, 4.0)
    ]
    found = skill_coverage(with_shared_draws(cells, 1.0), clusters * 64, 300, clusters, is_sorted=False)
    least = 0.88 - 3 * (0.88 * 0.12 / found.count) ** 0.5
    assert (found.cells / found.count).min() >= least
    assert (found.whole / found.count).min() >= least


@pytest.mark.parametrize("prompts", [256, 4096])
def test_the_change_called_detectable_is_found_nine_times_of_ten(prompts: int) -> None:
    found = detectable_power(SKEWED, 18, 2000, prompts, ALPHA / CELLS)
    assert 0.88 - 3 * found.stderr <= found.value <= 0.92 + 3 * found.stderr


@pytest.mark.parametrize("prompts", [256, 1024])
@pytest.mark.parametrize("law", [SKEWED, Lognormal(8.0)], ids=lambda law: law.name)
def test_a_year_of_looks_raises_no_more_false_alarms_than_one(law: LossLaw, prompts: int) -> None:
    drawn = bank((law, law), 19, 10000, prompts)
    for truth in (0.0, np.log1p(MARGIN)):
        first = first_alarms(drawn, 20, REPETITIONS, np.full(CELLS, truth))
        assert rate(first <= NIGHTS).value <= FALSE_ALARMS


def test_nightly_looks_find_a_rise_and_a_larger_one_sooner() -> None:
    drawn = bank((SKEWED, SKEWED), 21, 5000, 1024)
    medians = [np.median(first_alarms(drawn, 22, 100, one_cell_worse(rise))) for rise in (0.02, 0.05, 0.1)]
    assert medians[0] < NIGHTS / 2
    assert medians[0] > medians[1] > medians[2]


@pytest.mark.parametrize("law", [SquaredNormal(), SKEWED, Lognormal(8.0)], ids=lambda law: law.name)
def test_simulated_losses_are_what_their_law_says(law: LossLaw) -> None:
    base, head = family([law] * 2, np.random.default_rng(23), (400, 5000), 0.9).astype(np.float64)
    assert base.mean() == pytest.approx(law.mean, rel=0.01)
    assert np.median(base) == pytest.approx(law.median, rel=0.01)
    assert np.corrcoef(base.ravel(), head.ravel())[0, 1] == pytest.approx(0.9, abs=0.02)


def test_the_page_is_the_scripts() -> None:
    """Every paragraph of the text is on the page, a table stands at every place, and one of them has the same rows."""
    page = PAGE.read_text(encoding="utf-8")
    for paragraph in PAGE_TEXT.strip().split("\n\n"):
        assert "{" in paragraph or paragraph in page, paragraph
    assert page.count("\n| --- |") == len(TABLES)
    rows = [line.rsplit("|", 2)[0] for line in power_table(50).splitlines()]
    assert all(row in page for row in rows)


@pytest.mark.parametrize("law", [SquaredNormal(), SKEWED], ids=lambda law: law.name)
def test_light_tails_keep_their_intervals(law: LossLaw) -> None:
    has_mean, has_variance, covered = tail_verdicts(law, 1.0, 21, REPETITIONS, 1024)
    assert has_mean.value == 1.0
    assert has_variance.value >= 0.99
    assert 0.93 - 3 * covered.stderr <= covered.value <= 0.97 + 3 * covered.stderr


@pytest.mark.parametrize(("degrees", "granted"), [(3, 0.2), (2, 0.02), (1, 0.0)])
def test_heavy_tails_lose_their_intervals(degrees: int, granted: float) -> None:
    _, has_variance, _ = tail_verdicts(RatioOfSquares(degrees), np.nan, 22, REPETITIONS, 1024)
    assert has_variance.value <= granted
