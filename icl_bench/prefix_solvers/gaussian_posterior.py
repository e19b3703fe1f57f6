"""Ridge regression after every prefix of a prompt at once, with posterior variances and evidence.

Three ways to one answer, each prompt by the cheapest that is right for it:

1. The Gram matrix, where max |x|^2/penalty is moderate. With the chunks of `gaussian_chunks` from the prior N(0, S),
   S = I / penalty, and v = M G^T x_q at a query,

       mean_k = sum_{i<k} v_i z_i     leverage_k = x_q.S x_q - sum_{i<k} v_i^2     log det K_k = 2 sum_{i<k} log L_ii

   where K = X S X^T + I. It loses 1e-16 |X|^2 / penalty.
2. `carlson`, where that is too much and the examples are independent beyond doubt.
3. `truncated_svd`, where their rank is in doubt and the penalty so small that rounding would be taken for a direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.carlson import square_root_posterior, square_root_weights
from icl_bench.prefix_solvers.gaussian_chunks import Chunk, gaussian_chunks
from icl_bench.prefix_solvers.numerical_rank import clearly_independent, largest_norms, leading_pivots
from icl_bench.prefix_solvers.posterior_at_queries import GaussianPosterior
from icl_bench.prefix_solvers.prefix_moments import prefix_gram, sum_at_sizes
from icl_bench.prefix_solvers.truncated_svd import spectral_posterior, spectral_weights
from icl_bench.prompts import PromptBatch

GRAM_LIMIT = 1e5
"""Largest max |x|^2/penalty that the Gram matrix may meet: it loses 2e-11 there."""

LARGEST_RATIO = 1e250
"""Largest max |x|^2/penalty that float64 can hold through an update."""

NEGLIGIBLE = 1e-10
"""Largest weight, relative to |y|/|X|, that the rounding of the input may put in directions it does not have."""


def gaussian_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """Return the posterior at every query for a ridge penalty > 0 (noise variance over prior variance).

    Raises ValueError when the penalty is not a positive number, NoClosedForm when the examples cannot be squared in
    float64.
    """
    gram, independent = routes(prompts, penalty)
    if bool(gram.all()):
        return _gram_posterior(prompts, penalty)
    found = GaussianPosterior.empty(prompts.query_x.double())
    for chosen, solve in (
        (gram, _gram_posterior),
        (independent & ~gram, square_root_posterior),
        (~independent & ~gram, spectral_posterior),
    ):
        rows = chosen.nonzero()[:, 0]
        if len(rows):
            found.put(rows, solve(prompts.select(rows), penalty))
    return found


def ridge_weights(prompts: PromptBatch, penalty: float) -> Tensor:
    """Return (X^T X + penalty I)^-1 X^T y at each distinct context size, (prompt, size, dim); penalty > 0.

    Cheaper than the whole posterior. Raises as `gaussian_posterior`.
    """
    gram, independent = routes(prompts, penalty)
    if bool(gram.all()):
        return _gram_weights(prompts, penalty)
    ways: tuple[tuple[Tensor, Callable[[PromptBatch, float], Tensor]], ...] = (
        (gram, _gram_weights),
        (independent & ~gram, square_root_weights),
        (~independent & ~gram, spectral_weights),
    )
    n_sizes = len(prompts.distinct_sizes()[0])
    weights = prompts.context_x.new_empty(prompts.n_prompts, n_sizes, prompts.n_dims, dtype=torch.float64)
    for chosen, solve in ways:
        rows = chosen.nonzero()[:, 0]
        if len(rows):
            weights[rows] = solve(prompts.select(rows), penalty)
    return weights


def routes(prompts: PromptBatch, penalty: float) -> tuple[Tensor, Tensor]:
    """Return the prompts that the Gram matrix is right for, and those whose rank is in no doubt; both (prompt,).

    The second says nothing where the first is true. Raises as `gaussian_posterior`.
    """
    if not penalty > 0.0:
        raise ValueError(f"penalty: expected a number > 0, got {penalty} (for 0 use the min-norm solver)")
    n_context = max(prompts.context_sizes)
    dtype = prompts.context_x.dtype
    x, y = prompts.context_x[:, :n_context].double(), prompts.context_y[:, :n_context].double()
    largest = largest_norms(x, y)
    ratio = largest.square() / penalty
    if bool((ratio > LARGEST_RATIO).any()):
        raise NoClosedForm(f"no posterior in float64: the penalty {penalty:g} is too small for these covariates")
    gram = ratio <= min(GRAM_LIMIT, NEGLIGIBLE / torch.finfo(dtype).eps)
    independent = torch.ones_like(gram)
    rest = (~gram).nonzero()[:, 0]
    if len(rest):
        independent[rest] = clearly_independent(leading_pivots(x[rest]), largest[rest], dtype)
        gram = gram | ((ratio <= GRAM_LIMIT) & independent)
    return gram, independent


def _gram_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """The first way."""
    n_context = max(prompts.context_sizes)
    x = prompts.context_x.double()
    query_x = prompts.query_x.double()
    sizes = torch.tensor(prompts.context_sizes, device=x.device)
    mean = x.new_zeros(prompts.n_prompts, prompts.n_queries)
    leverage, fit, log_det = torch.zeros_like(mean), torch.zeros_like(mean), torch.zeros_like(mean)
    fit_before, log_det_before = mean[:, :1], mean[:, :1]
    for chunk in _chunks(prompts, penalty):
        fits = fit_before + _prefix_sums(chunk.innovation.square())
        log_dets = log_det_before + _prefix_sums(2.0 * chunk.pivots.log())
        last = chunk.end == n_context
        asked = ((sizes >= chunk.start) & ((sizes < chunk.end) | last)).nonzero()[:, 0]
        if len(asked):
            inside = sizes[asked] - chunk.start
            visible = torch.arange(chunk.end - chunk.start, device=x.device) < inside[:, None]  # (asked, row)
            at_query = query_x[:, asked] @ chunk.root  # (prompt, asked, dim) G^T x_q
            v = (at_query @ chunk.solved.mT).mul_(visible)
            prior_mean = (query_x[:, asked] @ chunk.mean[:, :, None])[:, :, 0]
            mean[:, asked] = prior_mean + (v @ chunk.innovation[:, :, None])[:, :, 0]
            leverage[:, asked] = (_squared_norm(at_query) - _squared_norm(v)).clamp_min(0.0)
            fit[:, asked], log_det[:, asked] = fits[:, inside], log_dets[:, inside]
        fit_before, log_det_before = fits[:, -1:], log_dets[:, -1:]
    return GaussianPosterior(mean, leverage, fit, log_det)


def _gram_weights(prompts: PromptBatch, penalty: float) -> Tensor:
    """The first way, without the queries: (prompt, size, dim)."""
    increments = [chunk.increments() for chunk in _chunks(prompts, penalty)]
    return sum_at_sizes(torch.cat(increments, dim=1), prompts.distinct_sizes()[0])


def gram_maps(prompts: PromptBatch, penalty: float) -> LinearMaps:
    """Return B X = I - penalty P and B B^T = P - penalty P^2 at each size, P = (X^T X + penalty I)^-1; the first way.

    With the state before a chunk P = G (I - sum_{i<k} M_i M_i^T) G^T; in the first chunk, where G = I / sqrt(penalty),
    B X is that sum itself. Either loses 1e-16 / penalty.
    """
    sizes = prompts.distinct_sizes()[0]
    n_context = sizes[-1]
    signals, noises = [], []
    for chunk in _chunks(prompts, penalty):
        last = chunk.end == n_context
        inside = [size - chunk.start for size in sizes if chunk.start <= size and (size < chunk.end or last)]
        if not inside:
            continue
        signal = prefix_gram(chunk.solved, inside)
        covariance = _from_identity(signal)
        if chunk.start:
            covariance = chunk.root[:, None] @ covariance @ chunk.root.mT[:, None]
            signal = _from_identity(penalty * covariance)
        else:
            covariance /= penalty
        signals.append(signal)
        noises.append(signal @ covariance)
    return LinearMaps(torch.cat(signals, dim=1), torch.cat(noises, dim=1))


def _from_identity(matrices: Tensor) -> Tensor:
    """Return I - matrices."""
    difference = matrices.neg()
    difference.diagonal(dim1=-2, dim2=-1).add_(1.0)
    return difference


def _chunks(prompts: PromptBatch, penalty: float) -> Iterator[Chunk]:
    """Return the chunks of all examples that any query may see, from the prior N(0, I / penalty)."""
    n_context = max(prompts.context_sizes)
    x, y = prompts.context_x[:, :n_context].double(), prompts.context_y[:, :n_context].double()
    root = torch.eye(prompts.n_dims, dtype=x.dtype, device=x.device) / math.sqrt(penalty)
    mean = x.new_zeros(prompts.n_prompts, prompts.n_dims)
    return gaussian_chunks(x, y, mean, root.expand(prompts.n_prompts, -1, -1))


def _prefix_sums(values: Tensor) -> Tensor:
    """(prompt, row) -> (prompt, row + 1): sums over the first 0, 1, ... rows."""
    return torch.nn.functional.pad(values.cumsum(1), (1, 0))


def _squared_norm(vectors: Tensor) -> Tensor:
    """(..., dim) -> (...), without a copy of the squares."""
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return norm.square()
