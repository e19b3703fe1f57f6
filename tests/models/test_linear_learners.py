"""Learners linear in the labels: their maps are what they do, and their exact risk is what they suffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from icl_bench.assembly.plugins import bound
from icl_bench.errors import NoClosedForm
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.displaced import Displaced
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.covariates.spectrum import Spectrum
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.student import StudentNoise
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.laws.tasks.scaled import ScaledPrior
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import LinearLearner
from icl_bench.prefix_solvers.prefix_moments import prefix_gram
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams
from icl_bench.theory.bayes import ridge_maps
from icl_bench.theory.linear_learners import conditional_risk, exact_risk

Z = 4.5
NOISY = PromptLaw(Linear(4), GaussianNoise(0.5), Sizes(tuple(range(13))))


def z_score(sample: np.ndarray, expected: float) -> float:
    """How many standard errors the sample's mean lies from what is expected."""
    deviation = sample - expected
    return float(deviation.mean() / (deviation.std() / len(deviation) ** 0.5))


def prompts_from(law: PromptLaw, n_blocks: int, seed: int = 0) -> Iterator[tuple[PromptBatch, Tensor, Parameters]]:
    """Prompts, the noiseless answers (prompt, query), and the exact parameters, block by block."""
    for block in range(n_blocks):
        draw = law.draw(Streams(seed, block))
        yield draw.prompts, draw.targets.query_f, draw.parameters


LEARNERS: dict[str, tuple[str, dict[str, object]]] = {
    "zero": ("zero", {}),
    "averaging": ("averaging", {}),
    "ols": ("ols", {}),
    "ridge bayes": ("ridge", {}),
    "ridge 3": ("ridge", {"alpha": 3.0}),
    "ridge 0": ("ridge", {"alpha": 0.0}),
    "bayes": ("bayes", {}),
    "bayes_train": ("bayes_train", {}),
    "gradient_descent": ("gradient_descent", {"n_steps": 7}),
    "preconditioned_gd": ("preconditioned_gd", {"n_steps": 3, "learning_rate": 0.5}),
    "newton_iterations": ("newton_iterations", {"n_iterations": 4}),
    "global_minimum": ("linear_self_attention", {}),
    "random_covariance_minimum": ("linear_self_attention", {"weights": "random_covariance_minimum"}),
    "optimal": ("linear_self_attention", {"weights": "optimal", "n_context_training": 6}),
}
TRAINING = replace(NOISY, sizes=Sizes((8,)), noise=GaussianNoise(0.2)).add("covariates", Scaled(0.8))


def learner(name: str, test: PromptLaw = NOISY) -> LinearLearner:
    kind, arguments = LEARNERS[name]
    model = loading.build("models", kind, arguments)
    model = bound(model, TRAINING, test)
    assert isinstance(model, LinearLearner)
    return model


@pytest.mark.parametrize("name", LEARNERS)
def test_maps_are_what_the_predictions_do(name: str) -> None:
    """Asked with one label at a time and unit queries, the predictions spell out B; then C = B X and B B^T follow."""
    prompts = NOISY.draw(Streams(0, 0)).prompts.select(slice(0, 3))
    model = learner(name)
    maps = model.linear_maps(prompts)
    x, n_context = prompts.context_x, prompts.n_context
    sizes = tuple(size for size in prompts.context_sizes for _ in range(4))
    units = torch.eye(4, dtype=torch.float64).repeat(len(prompts.context_sizes), 1).expand(3, -1, -1)
    columns = []
    for example in range(n_context):
        y = torch.zeros_like(prompts.context_y)
        y[:, example] = 1.0
        asked = PromptBatch(x, y, units, sizes, next_example=False)
        columns.append(model.predict(asked).mean.unflatten(1, (-1, 4)))  # type: ignore[attr-defined]
    b = torch.stack(columns, dim=-1)  # (prompt, size, dim, context)
    scale = b.abs().amax((2, 3), keepdim=True).clamp_min(1.0)
    assert ((maps.signal - b @ x[:, None]) / scale).abs().max() < 1e-8
    assert ((maps.noise - b @ b.mT) / scale**2).abs().max() < 1e-8


SHIFTS: dict[str, PromptLaw] = {
    "base": NOISY,
    "query scale": NOISY.add("query", RowWise(Scaled(2.0))),
    "query mean": NOISY.add("query", RowWise(Displaced(2.0))),
    "mean": NOISY.add("covariates", Displaced(2.0)),
    "random diagonal": NOISY.add("covariates", RandomDiagonal(4.0)),
    "spectra": NOISY.add("covariates", Spectrum(1.0)).add("query", RowWise(Spectrum(1.0, 64))),
    "task and noise": replace(NOISY, prior=ScaledPrior(2.0, NOISY.prior), noise=StudentNoise(1.0, 9.0)),
}


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "bayes"])
def test_the_exact_risk_is_the_mean_squared_error(name: str, shift: str) -> None:
    """As a ratio, whose mean given X is 1 and whose law is far less skewed than that of the difference."""
    law = replace(SHIFTS[shift], sizes=Sizes((0, 1, 3, 4, 10, 12)))
    model = learner(name)
    ratios = []
    for prompts, f, parameters in prompts_from(law, 6, seed=2):
        error = (model.predict(prompts).mean - f).square()  # type: ignore[attr-defined]
        ratios.append(error / exact_risk(model, prompts, parameters, law))
    for column in torch.cat(ratios).T.numpy():
        assert abs(z_score(column, 1.0)) < Z


@pytest.mark.parametrize("shift", ["base", "spectra", "task and noise"])
def test_a_few_prompts_at_a_time_have_the_same_risk(shift: str) -> None:
    prompts, _, parameters = next(prompts_from(SHIFTS[shift], 1))
    whole = conditional_risk(learner("ridge 3").linear_maps(prompts), parameters)
    torch.testing.assert_close(exact_risk(learner("ridge 3"), prompts, parameters, SHIFTS[shift]), whole)


@dataclass(frozen=True)
class _Undeclared(Linear):
    """Linear functions that do not say so."""

    def second_moment(self) -> None:  # type: ignore[override]
        return None

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> None:  # type: ignore[override]
        return None


def test_a_class_that_is_not_linear_has_no_exact_risk() -> None:
    prompts, _, parameters = next(prompts_from(NOISY, 1))
    with pytest.raises(NoClosedForm):
        conditional_risk(learner("ols").linear_maps(prompts), replace(parameters, task_second_moment=None))
    with pytest.raises(NoClosedForm):
        exact_risk(learner("ols"), prompts, parameters, replace(NOISY, prior=_Undeclared(4)))


def grams(law: PromptLaw) -> tuple[PromptBatch, Parameters, Tensor]:
    prompts, _, parameters = next(prompts_from(law, 1))
    return prompts, parameters, prefix_gram(prompts.context_x, prompts.context_sizes)


def test_ridge_risk_has_its_textbook_form() -> None:
    """lambda^2 tr(R Lq R Omega) + s2 tr(Lq R X^T X R), R = (X^T X + lambda I)^-1."""
    prompts, parameters, gram = grams(SHIFTS["query mean"])
    inverse = torch.linalg.inv(gram + 3.0 * torch.eye(4, dtype=torch.float64))
    assert parameters.query is not None
    query = parameters.query.second
    bias = 9.0 * (inverse @ query @ inverse).diagonal(dim1=2, dim2=3).sum(-1)
    variance = 0.5 * (query @ inverse @ gram @ inverse).diagonal(dim1=2, dim2=3).sum(-1)
    torch.testing.assert_close(
        exact_risk(learner("ridge 3"), prompts, parameters, SHIFTS["query mean"]), bias + variance
    )


def test_bayes_risk_has_its_textbook_form() -> None:
    """tr(Lq P), P = (I/tau^2 + X^T X/s2)^-1; and no other learner does better on any prompt."""
    law = replace(SHIFTS["spectra"], prior=Linear(4, tau=2.0))
    prompts, parameters, gram = grams(law)
    posterior = torch.linalg.inv(torch.eye(4, dtype=torch.float64) / 4.0 + gram / 0.5)
    assert parameters.query is not None
    expected = (parameters.query.second[:, None] @ posterior).diagonal(dim1=2, dim2=3).sum(-1)
    bayes = exact_risk(learner("bayes", law), prompts, parameters, law)
    torch.testing.assert_close(bayes, expected)
    for name in LEARNERS:
        assert (exact_risk(learner(name, law), prompts, parameters, law) >= bayes - 1e-9).all()


def test_gradient_descent_risk_has_its_spectral_form() -> None:
    """Sum over the spectrum l of X^T X/n: tau^2 (1 - eta l)^2K + (s2/n) (1 - (1 - eta l)^K)^2 / l."""
    prompts, parameters, gram = grams(replace(NOISY, sizes=Sizes((2, 6, 12))))
    model = loading.build("models", "gradient_descent", {"n_steps": 7, "learning_rate": 0.2})
    count = torch.tensor([2.0, 6.0, 12.0]).double()
    spectrum = torch.linalg.eigvalsh(gram / count[:, None, None]).clamp_min(1e-14)
    left = (1.0 - 0.2 * spectrum) ** 7
    expected = (left**2 + 0.5 / count[:, None] * (1.0 - left) ** 2 / spectrum).sum(-1)
    torch.testing.assert_close(exact_risk(model, prompts, parameters, NOISY), expected)


def test_least_squares_is_the_limit_of_ridge() -> None:
    prompts, _, _ = next(prompts_from(replace(NOISY, sizes=Sizes((0, 8, 12))), 1))
    limit, none = ridge_maps(prompts, 1e-5), ridge_maps(prompts, 0.0)
    torch.testing.assert_close(limit.signal, none.signal, rtol=1e-3, atol=1e-3)
    assert ((limit.noise - none.noise).abs().amax((2, 3)) <= 1e-3 * none.noise.abs().amax((2, 3))).all()
