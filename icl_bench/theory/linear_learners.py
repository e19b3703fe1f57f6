"""Learners whose weight estimate is linear in the labels: their maps, and their exact risk given the covariates."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.plugins.protocols import LinearLearner, LinearMaps, Model
from icl_bench.prefix_solvers.gaussian_process import known, own_kernel
from icl_bench.prefix_solvers.prefix_moments import prefix_cross, prefix_gram
from icl_bench.prompts import PromptBatch

RISK_BYTES = 4_000_000
"""Size of one (prompt, size, dim, dim) array in `exact_risk`."""


def conditional_risk(maps: LinearMaps, parameters: Parameters) -> Tensor:
    """Return E[(x_q . w_hat - x_q . w)^2 | X], shape (prompt, size), for w_hat = B(X) y.

    With C = B X, Lq = E[x_q x_q^T], Omega = E[w w^T] and iid mean-zero noise of variance s2 (any law):

        R = tr[Lq (C - I) Omega (C - I)^T] + s2 tr[Lq B B^T]

    (THEORY, section 3; the ridge and gradient-descent rows are special cases.) Raises NoClosedForm when the function
    class is not linear, or the law declares no moments of the query or no noise variance.
    """
    omega = parameters.task_second_moment
    if omega is None:
        raise NoClosedForm("no exact risk: the function class is not linear")
    if parameters.query is None or parameters.noise_variance is None:
        raise NoClosedForm("no exact risk: the law declares no moments of the query, or no noise variance")
    query = parameters.query.second[:, None]  # (prompt or 1, 1, dim, dim)
    off = _off(maps)
    bias = (_times(query, off) * _times(omega, off.mT).mT).sum((-1, -2))
    variance = (query * maps.noise.mT).sum((-1, -2))
    return bias + parameters.noise_variance * variance


def _off(maps: LinearMaps) -> Tensor:
    """Return C - I, (prompt, size, dim, dim)."""
    off = maps.signal.clone()
    off.diagonal(dim1=-2, dim2=-1).sub_(1.0)
    return off


def exact_risk(learner: LinearLearner, prompts: PromptBatch, parameters: Parameters, law: PromptLaw) -> Tensor:
    """Return the risk of `learner` given the covariates, at each query of `prompts`, shape (prompt, query).

    It is averaged over the query where the law declares the query's moments, one w a prompt and one variance of the
    labels, and the learner knows its maps; else it is given the query too. Raises NoClosedForm where the law or the
    learner does not declare what is needed.

    Goes over a few prompts at a time, which is several times faster: the maps are large, and fresh memory is slow.
    """
    reason = law.why_no_exact_risk()
    if reason:
        raise NoClosedForm(reason)
    one_weight = parameters.task_second_moment is not None and parameters.noise_variance is not None
    if not one_weight or getattr(learner, "linear_in_labels", False):
        return _by_kernel(learner, prompts, law)
    sizes, position = prompts.distinct_sizes()
    group = max(1, RISK_BYTES // (8 * len(sizes) * prompts.n_dims**2))
    risks = []
    for start in range(0, prompts.n_prompts, group):
        rows = slice(start, start + group)
        chosen = prompts.select(rows)
        maps = learner.linear_maps(chosen)
        if parameters.query is None:
            risks.append(_risk_at_queries(maps, chosen, parameters, position))
        else:
            risks.append(conditional_risk(maps, _parameters_at(parameters, rows))[:, position])
    return torch.cat(risks)


def _risk_at_queries(maps: LinearMaps, prompts: PromptBatch, parameters: Parameters, position: Tensor) -> Tensor:
    """Return the risk given X and the query, (prompt, query): x_q x_q^T in the place of E[x_q x_q^T]."""
    assert parameters.task_second_moment is not None
    assert parameters.noise_variance is not None
    query = prompts.query_x.double()[:, :, None, :]  # (prompt, query, 1, dim)
    off = (query @ _off(maps)[:, position])[:, :, 0]  # (prompt, query, dim) (C - I)^T x_q
    bias = ((off @ parameters.task_second_moment) * off).sum(-1)
    variance = ((query @ maps.noise[:, position])[:, :, 0] * prompts.query_x).sum(-1)
    return bias + parameters.noise_variance * variance


def label_weights(learner: Model, prompts: PromptBatch) -> Tensor:
    """Return g with prediction = g . y, (prompt, query, context), of a learner linear in the labels, by unit labels."""
    n_prompts, n_context, n_dims = prompts.context_x.shape
    units = torch.eye(n_context, dtype=prompts.context_y.dtype, device=prompts.context_y.device)
    asked = replace(
        prompts,
        context_x=prompts.context_x[:, None].expand(-1, n_context, -1, -1).reshape(-1, n_context, n_dims).contiguous(),
        context_y=units.repeat(n_prompts, 1),
        query_x=prompts.query_x[:, None]
        .expand(-1, n_context, -1, -1)
        .reshape(-1, *prompts.query_x.shape[1:])
        .contiguous(),
    )
    answers = learner.predict(asked).mean.double()
    return answers.reshape(n_prompts, n_context, prompts.n_queries).mT


def _by_kernel(learner: LinearLearner, prompts: PromptBatch, law: PromptLaw) -> Tensor:
    """Return E[(g . y - f(x_q))^2 | X, x_q], (prompt, query), from the kernel of the task and the labels' variances:

        R = g . (K + S) g - 2 g . k(x_q) + k(x_q, x_q)

    whatever the task is at each position and whatever the noise is at each x.
    """
    if not _linear(learner, prompts):
        raise NoClosedForm("no exact risk: the model is not known to be linear in the labels")
    group = max(1, RISK_BYTES // max(1, 8 * prompts.n_context**2 * prompts.n_dims))
    risks = []
    for start in range(0, prompts.n_prompts, group):
        chosen = prompts.select(slice(start, start + group))
        risks.append(_kernel_risk(learner, chosen, law))
    return torch.cat(risks)


def _kernel_risk(learner: LinearLearner, prompts: PromptBatch, law: PromptLaw) -> Tensor:
    x, query = prompts.context_x.double(), prompts.query_x.double()
    positions = torch.arange(prompts.n_context)
    sizes = torch.tensor(prompts.context_sizes)

    kernel = law.prior.kernel
    own = own_kernel(kernel, query, sizes)
    if prompts.n_context == 0:
        return own
    weights = label_weights(learner, prompts)  # (prompt, query, context)
    among, cross = known(kernel(x, positions, x, positions)), known(kernel(x, positions, query, sizes))
    spread = law.label_variance(x)
    signal = ((weights @ among) * weights).sum(-1) - 2.0 * (weights * cross.mT).sum(-1) + own
    return signal.clamp_min(0.0) + (weights.square() * spread[:, None]).sum(-1)


def _linear(learner: LinearLearner, prompts: PromptBatch) -> bool:
    """Tell whether a learner is linear in the labels: it says so, or knows its maps."""
    if getattr(learner, "linear_in_labels", False):
        return True
    try:
        learner.linear_maps(prompts.select(slice(0, 1)))
    except NoClosedForm:
        return False
    return True


def _parameters_at(parameters: Parameters, rows: slice) -> Parameters:
    """Return the parameters of the prompts at `rows`; what all prompts share stays as it is."""
    query = parameters.query
    if query is not None and not query.fixed:
        query = Moments(*(part[rows] if len(part) > 1 else part for part in (query.mean, query.covariance)))
    return replace(parameters, query=query)


def _times(symmetric: Tensor, matrices: Tensor) -> Tensor:
    """Return symmetric @ matrices, sparing the product where `symmetric` is one multiple of the identity."""
    if symmetric.numel() == symmetric.shape[-1] ** 2:
        square = symmetric.reshape(symmetric.shape[-2:])
        factor = float(square[0, 0])
        if torch.equal(square, factor * torch.eye(len(square), dtype=square.dtype, device=square.device)):
            return factor * matrices
    return symmetric @ matrices


def polynomial_maps(weights: Tensor, gram: Tensor) -> LinearMaps:
    """Return the maps of w_hat = H X^T y: B X = H X^T X and B B^T = H X^T X H^T; both (prompt, size, dim, dim)."""
    signal = weights @ gram
    return LinearMaps(signal, signal @ weights.mT)


def averaged_weights(prompts: PromptBatch, matrix: Tensor | None = None) -> Tensor:
    """Return A (1/k) sum_{i<k} y_i x_i at each distinct size k, (prompt, size, dim), 0 at k = 0; A = I when None."""
    sizes = prompts.distinct_sizes()[0]
    sums = prefix_cross(prompts.context_x, prompts.context_y, sizes)
    weights = sums / torch.tensor(sizes, dtype=sums.dtype, device=sums.device).clamp_min(1.0)[None, :, None]
    return weights if matrix is None else weights @ matrix.to(weights).mT


def averaged_prediction(prompts: PromptBatch, matrix: Tensor | None = None) -> Tensor:
    """Return x_q . A (1/k) sum_{i<k} y_i x_i, (prompt, query)."""
    position = prompts.distinct_sizes()[1]
    return (averaged_weights(prompts, matrix)[:, position] * prompts.query_x).sum(-1)


def averaged_maps(prompts: PromptBatch, matrix: Tensor) -> LinearMaps:
    """Return the maps of `averaged_weights`, in float64: B = A X^T / k at each distinct size k."""
    sizes = prompts.distinct_sizes()[0]
    gram = prefix_gram(prompts.context_x.double(), sizes)
    count = torch.tensor(sizes, dtype=gram.dtype, device=gram.device).clamp_min(1.0)
    return polynomial_maps(matrix / count[:, None, None], gram)
