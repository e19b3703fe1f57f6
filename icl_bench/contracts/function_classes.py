"""What a function class must keep: its draws, its values, and everything that it declares, held to a small simulation.

A declaration is what formulas rest on (`laws.truth`); one that does not hold is worse than none. Simulated means are
compared with the declared ones at 6 standard errors, taken from the declaration where it gives them, so that no sample
widens its own yardstick.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from icl_bench.assembly.laws import prior_problem
from icl_bench.contracts.models import global_states
from icl_bench.errors import NoClosedForm
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.draws import Clusters, Draws
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.labels.heteroscedastic import Heteroscedastic
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.parts import Posterior, RowsPart, TaskPart
from icl_bench.laws.sizes import PromptRows, Sizes
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams

N_BLOCKS = 8
"""Blocks of 256 prompts that declarations are held to."""

LARGEST_Z = 6.0
SIZES = Sizes((0, 1, 3, 6))
NOISE_VARIANCE = 0.25


def function_class_violations(prior: object) -> Iterator[str]:
    """Yield every contract that a function class breaks; nothing when it keeps them all. What it raises propagates."""
    problem = prior_problem(prior)
    if problem:
        yield problem
        return
    try:
        law_digest(prior)
    except TypeError as error:
        yield f"expected a frozen dataclass of plain values, so that the law has a digest: {error}"
        return
    if isinstance(prior, RowsPart):
        yield from _rows_violations(prior)
        return
    assert isinstance(prior, TaskPart)
    broken = list(_value_violations(prior))
    yield from broken
    if not broken:
        yield from _declaration_violations(prior)
        yield from _posterior_violations(prior)


@dataclass(frozen=True)
class _Values:
    """One block of functions and their values at covariates of its own."""

    hidden: Any
    x: Tensor  # (prompt, row, dim)
    position: Tensor  # (row,)
    f: Tensor  # (prompt, row)
    drew: bool  # whether a named stream was used


def _values(prior: TaskPart, block: int) -> _Values:
    rows = PromptRows.of(SIZES, forked=True)
    streams = Streams(5, block)
    x = Draws(streams.anew(), rows).per_example("covariates", (prior.n_dims,))
    hidden = prior.draw(Draws(streams, rows, scope="task"))
    return _Values(hidden, x, rows.position, prior.value(hidden, x.clone(), rows.position), bool(streams.names))


def _value_violations(prior: TaskPart) -> Iterator[str]:
    """Check the draw and the values: named streams alone, form, and what each value may depend on."""
    before = global_states()
    first = _values(prior, 1)
    if global_states() != before:
        yield "draw: a global random generator was used; draw from `draws`, whose streams are named, instead"
    if not isinstance(first.f, Tensor) or tuple(first.f.shape) != tuple(first.x.shape[:2]):
        got = tuple(first.f.shape) if isinstance(first.f, Tensor) else type(first.f).__name__
        yield f"value: expected shape (prompt, row) = {tuple(first.x.shape[:2])}, got {got}"
        return
    if first.f.dtype != torch.float64:
        yield f"value: expected float64 numbers, got {first.f.dtype}"
    if not bool(first.f.isfinite().all()):
        yield "value: expected finite numbers"
    if not torch.equal(_values(prior, 1).f, first.f):
        yield "draw: two draws of the same block differ; draw from `draws`, whose streams are named"
    elif not first.drew:
        yield "draw: no named stream was used: expected one function for each prompt, drawn from `draws`"
    yield from _dependence(prior, first)


def _dependence(prior: TaskPart, first: _Values) -> Iterator[str]:
    """Check that a row's value follows from its prompt's function, its own x and its position alone."""
    given = first.x.clone()
    prior.value(first.hidden, given, first.position)
    if not torch.equal(given, first.x):
        yield "value changes the covariates it is given: expected x to be left as it is"
    row = first.x.shape[1] // 2
    others = first.x.flip(0) * -1.7 + 0.3
    others[:, row] = first.x[:, row]
    if _far(prior.value(first.hidden, others, first.position)[:, row], first.f[:, row]):
        yield "value: a row depends on other rows: expected it to follow from its own x and position"
    backwards = prior.value(first.hidden, first.x.flip(1), first.position.flip(0)).flip(1)
    if _far(backwards, first.f):
        yield "value: rows in another order have other values: expected them to follow from `position`, not from place"
    prompts = first.x.clone()
    prompts[1:] = prompts[1:] * -1.7 + 0.3
    if _far(prior.value(first.hidden, prompts, first.position)[0], first.f[0]):
        yield "value: a prompt depends on other prompts: expected one function for each prompt"


def _far(first: Tensor, second: Tensor) -> bool:
    """Tell whether values differ by more than rounding, relative to their size."""
    return bool(((first - second).abs() > 1e-9 * (1.0 + second.abs())).any())


def _declaration_violations(prior: TaskPart) -> Iterator[str]:
    """Check zero_mean, kernel, second_moment and gaussian on many functions at a few fixed rows."""
    rows = PromptRows.of(SIZES, forked=True)
    few = Draws(Streams(6, 0), rows).per_example("covariates", (prior.n_dims,))[:1, :4]
    x = torch.cat([few, 2.0 * few[:, :1]], dim=1)  # (1, row, dim)
    position = torch.tensor([0, 1, 3, 6, 0])
    clusters, blocks = Clusters(), []
    for block in range(N_BLOCKS):
        hidden = prior.draw(Draws(Streams(6, block), rows, scope="task", clusters=clusters))
        blocks.append(prior.value(hidden, x.expand(256, -1, -1).clone(), position))
    f = torch.cat(blocks)  # (prompt, row)
    yield from _moment_violations(prior, f, x, position, clusters.size)
    if prior.second_moment() is not None:
        far = _far(f[:, 4], 2.0 * f[:, 0])
        if far:
            yield "second_moment is declared, but f is not w . x with one w a prompt: f(2x) is not 2 f(x)"


def _moment_violations(prior: TaskPart, f: Tensor, x: Tensor, position: Tensor, cluster: int) -> Iterator[str]:
    declared = _second_moments(prior, x, position)
    for name, kernel in declared.items():
        if tuple(kernel.shape) != (1, 5, 5):
            yield f"{name}: expected shape (prompt, row, row') = (1, 5, 5), got {tuple(kernel.shape)}"
            continue
        scale = kernel[0].diagonal()
        spread = (scale[:, None] * scale[None] + kernel[0] ** 2).sqrt() if prior.gaussian else None
        worst = _worst_z(f[:, :, None] * f[:, None], kernel[0], spread, cluster)
        if not worst <= LARGEST_Z:
            yield f"{name}: simulated E[f(x) f(x')] is {worst:.0f} standard errors from the declared one"
    second = next((kernel[0].diagonal() for kernel in declared.values() if kernel.shape == (1, 5, 5)), None)
    if prior.zero_mean:
        worst = _worst_z(f, torch.zeros(5), None if second is None else second.sqrt(), cluster)
        if not worst <= LARGEST_Z:
            yield f"zero_mean: the simulated mean of f is {worst:.0f} standard errors from 0"
    if prior.gaussian:
        yield from _gaussian_violations(prior, f, declared, second, cluster)


def _gaussian_violations(
    prior: TaskPart, f: Tensor, declared: dict[str, Tensor], scale: Tensor | None, cluster: int
) -> Iterator[str]:
    """Check that a process declared Gaussian has mean 0, a kernel, and the fourth moments of a Gaussian."""
    if "kernel" not in declared or scale is None:
        yield "gaussian: a Gaussian process has a kernel: expected kernel(...) beside it"
        return
    if not prior.zero_mean:
        yield "gaussian: it means a Gaussian process of mean 0: expected zero_mean = True beside it"
    worst = _worst_z(f**4, 3.0 * scale**2, math.sqrt(96.0) * scale**2, cluster)
    if not worst <= LARGEST_Z:
        yield f"gaussian: the simulated fourth moment of f is {worst:.0f} standard errors from a Gaussian's"


def _second_moments(prior: TaskPart, x: Tensor, position: Tensor) -> dict[str, Tensor]:
    """Return E[f(x) f(x')] as each declaration has it, (1, row, row')."""
    kernel, second = prior.kernel(x, position, x, position), prior.second_moment()
    found = {} if kernel is None else {"kernel": kernel}
    return found if second is None else {**found, "second_moment": x @ second @ x.mT}


def _worst_z(values: Tensor, expected: Tensor, spread: Tensor | None, cluster: int) -> float:
    """Return how many standard errors the mean over prompts is from `expected`, at worst over the other axes.

    `spread` is the declared standard deviation of one prompt's value; None: the sample's. Prompts come in clusters.
    """
    means = values.reshape(-1, cluster, *values.shape[1:]).mean(1)
    deviation = means.std(0) if spread is None else spread
    error = deviation / math.sqrt(len(means))
    gap = (means.mean(0) - expected).abs()
    rounding = 1e-9 * (1.0 + expected.abs())
    return float(torch.where(gap <= rounding, 0.0, gap / error.clamp_min(1e-12)).max())


def _posterior_violations(prior: TaskPart) -> Iterator[str]:
    """Check that the posterior is that of the functions drawn, with noise of one variance and with a label factor."""
    try:
        inspect.signature(prior.posterior).bind(None, None, None)
    except TypeError:
        yield "posterior: expected posterior(prompts, noise_variance, label_scale)"
        return
    law = PromptLaw(prior, GaussianNoise(NOISE_VARIANCE), SIZES)
    for name, shown in (("", law), (" with a label_scale", law.add("labels", Heteroscedastic(0.5)))):
        draws = [shown.draw(Streams(7, block)) for block in range(N_BLOCKS)]
        try:
            found = [shown.bayes(draw.prompts) for draw in draws]
        except NoClosedForm:
            return
        problem = _form_problem(found[0], draws[0].prompts)
        if problem:
            yield f"posterior: {problem}"
            return
        cluster = max(draw.cluster_size for draw in draws)
        f = torch.cat([draw.targets.query_f for draw in draws if draw.targets.query_f is not None])
        mean = torch.cat([posterior.mean for posterior in found])
        variance = torch.cat([posterior.variance for posterior in found])
        averaged = torch.cat([_averaged(draw.prompts) for draw in draws])
        for what, values in (
            ("the error f - mean has another variance than declared", (f - mean) ** 2 - variance),
            ("the error f - mean follows the mean: shrunk too much or too little", (f - mean) * mean),
            ("the error f - mean follows the labels: they say more than the mean has taken", (f - mean) * averaged),
        ):
            worst = _worst_z(values, torch.zeros(values.shape[1]), None, cluster)
            if not worst <= LARGEST_Z:
                yield f"posterior{name}: {what} ({worst:.0f} standard errors)"
    yield from _scale_violations(prior, law.draw(Streams(8, 0)).prompts)
    yield from _ridge_violations(prior, law)


def _scale_violations(prior: TaskPart, prompts: PromptBatch) -> Iterator[str]:
    """Check that noise multiplied by 2 everywhere is noise of four times the variance."""
    scaled = prior.posterior(prompts, NOISE_VARIANCE, torch.full_like(prompts.context_y, 2.0))
    louder = prior.posterior(prompts, 4.0 * NOISE_VARIANCE, None)
    if scaled is None or louder is None:
        return
    gap = (scaled.mean - louder.mean).abs()
    if bool((gap > 1e-6 * (1.0 + louder.mean.abs())).any()):
        yield "posterior: with a label_scale of 2 everywhere, expected that of four times the noise_variance"


def _form_problem(posterior: object, prompts: PromptBatch) -> str | None:
    if not isinstance(posterior, Posterior):
        return f"expected an icl_bench.Posterior, got {type(posterior).__name__}"
    expected = (prompts.n_prompts, prompts.n_queries)
    for name, values in (("mean", posterior.mean), ("variance", posterior.variance)):
        if tuple(values.shape) != expected:
            return f"{name}: expected shape (prompt, query) = {expected}, got {tuple(values.shape)}"
        if not bool(values.isfinite().all()) or (name == "variance" and bool((values < -1e-9).any())):
            return f"{name}: expected finite numbers{', none negative' if name == 'variance' else ''}"
    return None


def _averaged(prompts: PromptBatch) -> Tensor:
    """Return x_q . X^T y / n over each query's own examples, (prompt, query): what labels say of f, roughly."""
    products = (prompts.query_x @ prompts.context_x.mT) * prompts.context_y[:, None]  # (prompt, query, context)
    seen = torch.arange(prompts.n_context)[None] < torch.tensor(prompts.context_sizes)[:, None]
    return (products * seen).sum(-1) / max(1, prompts.n_context)


def _ridge_violations(prior: TaskPart, law: PromptLaw) -> Iterator[str]:
    """Check that ridge regression with the declared penalty is the posterior mean."""
    penalty = prior.ridge_penalty(NOISE_VARIANCE)
    if penalty is None:
        return
    size = SIZES.n_context
    prompts = replace(law, sizes=Sizes((size,))).draw(Streams(8, 0)).prompts
    x, y = prompts.context_x, prompts.context_y
    gram = x.mT @ x + penalty * torch.eye(prior.n_dims, dtype=x.dtype)
    ridge = (prompts.query_x @ torch.linalg.solve(gram, x.mT @ y[..., None]))[..., 0]
    if bool(((ridge - law.bayes(prompts).mean).abs() > 1e-6 * (1.0 + ridge.abs())).any()):
        yield f"ridge_penalty: ridge regression with penalty {penalty:g} is not the posterior mean"


def _rows_violations(part: RowsPart) -> Iterator[str]:
    """Check rows of a table: named streams alone, the same rows for the same block, finite numbers."""
    law = PromptLaw.of_rows(part, Sizes((0, 2)))
    law.check()
    before = global_states()
    first, again = law.draw(Streams(5, 1)).prompts, law.draw(Streams(5, 1)).prompts
    if global_states() != before:
        yield "sample: a global random generator was used; draw from `draws`, whose streams are named, instead"
    if not first.same_values(again):
        yield "sample: two draws of the same block differ; draw from `draws`, whose streams are named"
    if not all(bool(values.isfinite().all()) for values in (first.context_x, first.context_y, first.query_x)):
        yield "sample: expected finite numbers"
