"""How good a learner is while it trains: risks on tuning prompts, which neither training nor any suite draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from icl_bench.assembly.laws import SuiteLaws
from icl_bench.errors import NoClosedForm, RecipeError
from icl_bench.laws.law import PromptLaw
from icl_bench.layers.learner import Learner
from icl_bench.prompts import PromptBatch
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite_file import load_suite
from icl_bench.training.batches import tuning_streams
from icl_bench.training.recipe import Evaluation

SQUARED, EXCESS, OVER_BAYES = "squared_error", "excess_risk", "risk_over_bayes"
"""What the table of training calls its measures."""
_ZERO_RISK = 1e-9
"""Share of the signal below which a Bayes risk is rounding."""


@dataclass(frozen=True, slots=True)
class TuningSet:
    """Tuning prompts of one law, drawn once, with what is achievable on them."""

    scenario: str
    severity: str
    n_prompts: int
    batches: tuple[tuple[PromptBatch, Tensor, Tensor | None], ...]  # prompts, f (prompt, query), Bayes mean or None
    bayes_risk: Tensor | None  # (query,) mean posterior variance

    @property
    def context_sizes(self) -> tuple[int, ...]:
        """Context size of each query."""
        return self.batches[0][0].context_sizes


def tuning_set(scenario: str, severity: str, law: PromptLaw, n_prompts: int) -> TuningSet:
    """Draw the tuning prompts of a law."""
    batches, variances = [], []
    for streams in tuning_streams(n_prompts):
        draw = law.draw(streams)
        try:
            posterior = law.bayes(draw.prompts)
            mean: Tensor | None = posterior.mean
            variances.append(posterior.variance)
        except NoClosedForm:
            mean = None
        if draw.targets.query_f is None:
            raise RecipeError([f"evaluation: {scenario}: prompts without a known f cannot be measured"])
        batches.append((draw.prompts, draw.targets.query_f, mean))
    risk = torch.cat(variances)[:n_prompts].mean(0) if variances else None
    return TuningSet(scenario, severity, n_prompts, tuple(batches), risk)


def tuning_sets(evaluation: Evaluation, law: PromptLaw) -> list[TuningSet]:
    """Return what a recipe measures along the way: the unshifted training law, then the cells of its suite."""
    sets = [tuning_set("base", "", law, evaluation.n_prompts)]
    if evaluation.suite is not None:
        suite = load_suite(evaluation.suite)
        laws = SuiteLaws(suite)
        for prompt_set in make_plan(suite).prompt_sets:
            shifted = laws.cell(prompt_set).law
            sets.append(tuning_set(prompt_set.place.scenario, prompt_set.place.label, shifted, evaluation.n_prompts))
    return sets


def measured(learner: Learner, sets: Sequence[TuningSet], device: str) -> list[dict[str, Any]]:
    """Return a row for each tuning set, context size and metric: mean and standard error over prompts.

    Metrics: squared_error (to f) and, where the Bayes prediction is known, excess_risk and risk_over_bayes,
    1 + excess risk / Bayes risk, null where the Bayes risk is 0.
    """
    learner.eval()
    rows: list[dict[str, Any]] = []
    for tuning in sets:
        squared, excess = [], []
        for prompts, f, bayes in tuning.batches:
            mean = learner.predict(prompts.to(device)).mean.to("cpu", torch.float64)
            squared.append((mean - f) ** 2)
            if bayes is not None:
                excess.append((mean - bayes) ** 2)
        rows.extend(_rows(tuning, SQUARED, torch.cat(squared)[: tuning.n_prompts]))
        if excess and tuning.bayes_risk is not None:
            over = torch.cat(excess)[: tuning.n_prompts]
            rows.extend(_rows(tuning, EXCESS, over))
            signal = torch.cat([f for _, f, _ in tuning.batches]).square().mean()
            positive = torch.where(tuning.bayes_risk > _ZERO_RISK * signal, tuning.bayes_risk, math.nan)
            rows.extend(_rows(tuning, OVER_BAYES, 1.0 + over / positive))
    learner.train()
    return rows


def _rows(tuning: TuningSet, metric: str, losses: Tensor) -> list[dict[str, Any]]:
    means, errors = losses.mean(0), losses.std(0) / math.sqrt(len(losses))
    return [
        {
            "scenario": tuning.scenario,
            "severity": tuning.severity,
            "context_size": size,
            "metric": metric,
            "value": None if math.isnan(mean) else mean,
            "stderr": None if math.isnan(mean) else error,
        }
        for size, mean, error in zip(tuning.context_sizes, means.tolist(), errors.tolist(), strict=True)
    ]
