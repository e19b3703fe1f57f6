"""Every estimator equals a slow one that refits each prefix in plain numpy, on laws of the catalogue, in both dtypes.

An estimator without a reference here fails: the first test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from icl_bench.arrays import Array
from icl_bench.assembly.plugins import bound
from icl_bench.plugins import catalogue, loading
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from tests.catalogue_laws import carrier, linear_law, scenario, shifted, usual_shift

Answer = Callable[[Array, Array, Array], float]
"""Context x (k, dim), y (k,), query (dim,) -> prediction; k >= 1."""

N_DIMS, SIZES = 4, (0, 1, 3, 4, 5, 9, 14)
TRAINING = linear_law(N_DIMS, (8,))
RANK = {torch.float64: 1e-9, torch.float32: 1e-5}
"""Singular values, relative to the largest, below which a direction is the rounding of the input."""
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
"""Of a float32 input the reference is that of its values in float64: only near its rounded rank do they part."""


def pseudo_inverse(x: Array, rank: float) -> Array:
    return np.linalg.pinv(x, rcond=rank)


def descent(n_steps: int, rate: float, matrix: Array) -> Answer:
    def answer(x: Array, y: Array, query: Array) -> float:
        w = np.zeros(len(query))
        for _ in range(n_steps):
            w = w + rate * matrix @ x.T @ (y - x @ w) / len(y)
        return float(query @ w)

    return answer


def newton(n_iterations: int) -> Answer:
    def answer(x: Array, y: Array, query: Array) -> float:
        gram = x.T @ x
        inverse = gram / max((gram**2).sum(), np.finfo(float).tiny)
        for _ in range(n_iterations):
            inverse = 2.0 * inverse - inverse @ gram @ inverse
        return float(query @ inverse @ x.T @ y)

    return answer


def nearest(k: int) -> Answer:
    def answer(x: Array, y: Array, query: Array) -> float:
        order = np.argsort(((x - query) ** 2).sum(1), kind="stable")[:k]
        return float(y[order].mean())

    return answer


def ridge(alpha: float) -> Answer:
    def answer(x: Array, y: Array, query: Array) -> float:
        return float(query @ np.linalg.solve(x.T @ x + alpha * np.eye(len(query)), x.T @ y))

    return answer


def evidence(x: Array, y: Array, query: Array) -> float:
    """Ridge averaged over penalties 1e-3 .. 1e2, weighted by N(y; 0, X X^T + penalty I)."""
    penalties = 10.0 ** (np.arange(-6, 5) / 2)
    logs, answers = [], []
    for penalty in penalties:
        covariance = x @ x.T + penalty * np.eye(len(y))
        logs.append(-0.5 * (y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(covariance)[1]))
        answers.append(ridge(penalty)(x, y, query))
    weights = np.exp(np.array(logs) - max(logs))
    return float(weights @ answers / weights.sum())


@dataclass(frozen=True)
class Reference:
    """A slow answer, and the arguments of the estimator that it answers as."""

    answer: Callable[[float], Answer]  # of the rank tolerance
    arguments: Mapping[str, Any] = field(default_factory=dict)


def plain(answer: Answer, **arguments: Any) -> Reference:
    return Reference(lambda _: answer, arguments)


COVARIANCE = np.eye(N_DIMS) / (1.0 + (N_DIMS + 1) / 8 + 0.25 / 8)
"""The optimal preconditioner of the training law: 1/(1 + (d + 1)/N + s2/N) I (THEORY, section 2)."""

REFERENCES: dict[str, tuple[Reference, ...]] = {
    "averaging": (plain(lambda x, y, query: float(query @ (x * y[:, None]).mean(0))),),
    "gradient_descent": (plain(descent(5, 0.1, np.eye(N_DIMS)), n_steps=5, learning_rate=0.1),),
    "knn": (plain(nearest(3)), plain(nearest(1), k=1)),
    "newton_iterations": (plain(newton(4), n_iterations=4),),
    "ols": (Reference(lambda rank: lambda x, y, query: float(query @ pseudo_inverse(x, rank) @ y)),),
    "preconditioned_gd": (plain(descent(2, 0.5, COVARIANCE), n_steps=2, learning_rate=0.5),),
    "ridge": (plain(ridge(0.25)), plain(ridge(3.0), alpha=3.0), plain(evidence, alpha="evidence")),
}

CASES = [
    pytest.param(name, reference, id="-".join([name, *map(str, reference.arguments.values())]))
    for name, references in REFERENCES.items()
    for reference in references
]


def estimators() -> set[str]:
    found = {name for name, entry in catalogue.entries("models").items() if ".models.estimators." in entry.module}
    assert found
    return found


def test_every_estimator_has_a_reference() -> None:
    assert set(REFERENCES) == estimators(), "add a slow numpy reference for a new estimator to REFERENCES"


def hard_laws() -> dict[str, PromptBatch]:
    """A few prompts of every scenario at its last usual severity."""
    found = {"unshifted": linear_law(N_DIMS, SIZES), "noiseless": linear_law(N_DIMS, SIZES, noise_std=0.0)}
    for name in sorted(catalogue.entries("scenarios")):
        if scenario(name).severities == (None,):
            continue
        law = carrier(name, N_DIMS, SIZES)
        if law.n_dims == N_DIMS:  # the table has its own number of columns, and preconditioners their own covariance
            found[name] = shifted(law, usual_shift(name, law))
    return {name: law.draw(Streams(7, 0)).prompts.select(slice(0, 6)) for name, law in found.items()}


PROMPTS = hard_laws()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "reference"), CASES)
def test_estimators_answer_as_refitting_every_prefix_does(name: str, reference: Reference, dtype: torch.dtype) -> None:
    model = bound(loading.build("models", name, reference.arguments), TRAINING, TRAINING)
    answer = reference.answer(RANK[dtype])
    for label, drawn in PROMPTS.items():
        prompts = drawn.to("cpu", dtype)
        found = model.predict(replace(prompts)).mean.double().numpy()
        x, y, queries = (part.double().numpy() for part in (prompts.context_x, prompts.context_y, prompts.query_x))
        expected = np.array(
            [
                [answer(x[p, :k], y[p, :k], queries[p, j]) if k else 0.0 for j, k in enumerate(prompts.context_sizes)]
                for p in range(prompts.n_prompts)
            ]
        )
        scale = np.abs(queries).max() * (1.0 + np.abs(expected).max())
        assert np.abs(found - expected).max() <= TOLERANCE[dtype] * scale, label
