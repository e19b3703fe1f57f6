"""A run reproduces the exact risks: every scenario, every model that knows one, d = 8 and d = 20, three context sizes.

Scenarios and models come from the catalogue, so a new one is held to its exact risk with no test written for it. What
is compared, and with which formulas, is in evidence/exact_risks.py; docs/exact-risks.md shows a larger run.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from evidence.exact_risks import (
    CLOSED_FORM,
    GIVEN_X,
    RATIO,
    Comparison,
    OutOfBoundsError,
    Setting,
    compare,
    exact_suite,
    worst,
)
from icl_bench import run_suite
from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import PromptLaw
from icl_bench.metrics.exact_risk import ExactRisk
from icl_bench.plugins import catalogue
from icl_bench.plugins.protocols import Answer
from icl_bench.seeding import Streams
from tests.catalogue_laws import carrier, linear_law, shifted, usual_shift

LARGEST_Z = 4.5
"""In standard errors. Thousands of comparisons share their prompts; seeds are fixed, so what passes keeps passing."""

SETTINGS = [Setting(8, 1024, queries_per_context=8, every=2), Setting(20, 256, queries_per_context=8, every=2)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"d{setting.n_dims}")
def test_every_cell_lies_within_4_5_standard_errors_of_its_exact_risk(tmp_path: Path, setting: Setting) -> None:
    suite = exact_suite(tmp_path, setting)
    run = run_suite(suite, tmp_path / "run")
    assert set(run.scores["status"]) <= {"ok", "skipped", "nan"}  # descent may diverge, and says so
    found = list(compare(run, suite))
    assert [str(comparison) for comparison in found if not abs(comparison.z) <= LARGEST_Z] == []
    _covers_the_catalogue([c for c in found if c.truth in (GIVEN_X, RATIO)], setting.n_dims)
    _holds_the_trained_layers(found, setting.n_dims)
    _holds_every_kind_of_truth(found)
    _crosses_the_interpolation_threshold(found)


def _covers_the_catalogue(found: list[Comparison], n_dims: int) -> None:
    """Every scenario that declares an exact risk, at each of its sizes and with every model that knows one."""
    models = {comparison.model for comparison in found}
    assert {"averaging", "bayes", "gradient_descent", "newton_iterations", "ols", "ridge-bayes", "zero"} <= models
    base = linear_law(n_dims, (n_dims // 2, 2 * n_dims, 3 * n_dims))
    for scenario in catalogue.entries("scenarios"):
        if carrier(scenario, base.n_dims, base.sizes.context_sizes).rows is not None:
            continue
        law = shifted(base, usual_shift(scenario, base))
        for model in models:
            here = [c for c in found if (c.scenario, c.model) == (scenario, model)]
            if law.why_no_exact_risk() is not None or (model == "bayes" and not _has_posterior(law)):
                assert here == []
                continue
            # beside k = d least squares has no variance; of heavy tails that nothing declares only ratios are held
            needed = min(2, len(law.sizes.context_sizes)) if scenario == "length/interpolation" else 1
            assert len({c.context_size for c in here}) >= needed, f"{scenario}, {model}: {here}"


def _has_posterior(law: PromptLaw) -> bool:
    try:
        law.bayes(law.draw(Streams(0, 0)).prompts.select(slice(0, 2)))
    except NoClosedForm:
        return False
    return True


def _holds_the_trained_layers(found: list[Comparison], n_dims: int) -> None:
    """Linear self-attention as it was trained and shipped, by both truths, under every scenario that knows both."""
    for law in ("fixed", "random-covariance"):
        own = [c for c in found if c.model == f"checkpoint-lsa-d{n_dims}-{law}"]
        given_x = {c.scenario for c in own if c.truth in (GIVEN_X, RATIO)}
        closed = {c.scenario for c in own if c.truth == CLOSED_FORM}
        assert closed <= given_x
        assert len(closed) >= 14  # the Gaussian scenarios, and others at their identity
        assert {"covariate/heavy_tail", "noise/heteroscedastic", "query/seen", "task/change_point"} <= given_x


def _holds_every_kind_of_truth(found: list[Comparison]) -> None:
    counts = {truth: sum(c.truth == truth for c in found) for truth in (GIVEN_X, RATIO, CLOSED_FORM)}
    assert min(counts[GIVEN_X], counts[RATIO]) > 1000
    assert counts[CLOSED_FORM] > 400
    closed = {c.model for c in found if c.truth == CLOSED_FORM}
    assert {"bayes", "ols", "linear_self_attention-optimal", "linear_self_attention-global_minimum"} <= closed


def _crosses_the_interpolation_threshold(found: list[Comparison]) -> None:
    """Least squares is held at k = d, too: as a ratio, whose mean exists where the risk is infinite."""
    sweep = [c for c in found if (c.scenario, c.model) == ("length/interpolation", "ols")]
    assert {-4.0, -2.0, 0.0, 2.0, 4.0} <= {float(c.severity) for c in sweep if c.truth == RATIO}
    assert {float(c.severity) for c in sweep if c.truth == GIVEN_X} == {-4.0, 4.0}


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_wrong_formula_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    right = ExactRisk.losses

    def wrong(self: ExactRisk, answer: Answer) -> Tensor:
        return factor * right(self, answer)

    monkeypatch.setattr(ExactRisk, "losses", wrong)
    suite = exact_suite(tmp_path, SETTINGS[0])
    run = run_suite(suite, tmp_path / "run", scenarios=["base"])
    found = list(compare(run, suite))
    assert abs(worst(found, GIVEN_X).z) > LARGEST_Z
    assert abs(worst(found, CLOSED_FORM).z) <= LARGEST_Z  # it does not rest on what was broken


@pytest.mark.parametrize(("factor", "said"), [(-1.0, "none below 0"), (1e12, "expected at most")])
def test_a_risk_out_of_bounds_is_found_whatever_its_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, said: str
) -> None:
    """One prompt in 256 is wrong by so much that its own standard error hides it: |z| stays near 1."""
    right = ExactRisk.losses

    def wrong(self: ExactRisk, answer: Answer) -> Tensor:
        risks = right(self, answer).clone()
        risks[17] *= factor
        return risks

    monkeypatch.setattr(ExactRisk, "losses", wrong)
    suite = exact_suite(tmp_path, SETTINGS[0])
    run = run_suite(suite, tmp_path / "run", scenarios=["base"])
    with pytest.raises(OutOfBoundsError, match=said):
        list(compare(run, suite))
