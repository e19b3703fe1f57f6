"""Learners whose weight estimate is linear in the labels: their maps, and their exact risk given the covariates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import Parameters
from icl_bench.prompts import PromptBatch
from icl_bench.protocols import LinearMaps
from icl_bench.solvers.prefix_moments import prefix_cross


def conditional_risk(maps: LinearMaps, parameters: Parameters) -> Tensor:
    """Return E[(x_q . w_hat - x_q . w)^2 | X], shape (prompt, size), for w_hat = B(X) y.

    With C = B X, Lq = E[x_q x_q^T], Omega = E[w w^T] and iid mean-zero noise of variance s2 (any law):

        R = tr[Lq (C - I) Omega (C - I)^T] + s2 tr[Lq B B^T]

    (THEORY, section 3; the ridge and gradient-descent rows are special cases.) Raises NoClosedForm when the function
    class is not linear.
    """
    omega = parameters.task_second_moment
    if omega is None:
        raise NoClosedForm("no exact risk: the function class is not linear")
    query = parameters.query.second[:, None]  # (prompt or 1, 1, dim, dim)
    off = maps.signal - torch.eye(maps.signal.shape[-1], dtype=torch.float64)
    bias = (query @ off @ omega * off).sum((-1, -2))
    variance = (query * maps.noise.mT).sum((-1, -2))
    return bias + parameters.noise_variance * variance


def polynomial_maps(weights: Tensor, gram: Tensor) -> LinearMaps:
    """Return the maps of w_hat = H X^T y: B X = H X^T X and B B^T = H X^T X H^T; both (prompt, size, dim, dim)."""
    signal = weights @ gram
    return LinearMaps(signal, signal @ weights.mT)


def averaged_prediction(prompts: PromptBatch, matrix: Tensor | None = None) -> Tensor:
    """Return x_q . A (1/k) sum_{i<k} y_i x_i, (prompt, query), 0 at k = 0; A = I when `matrix` is None."""
    sizes, position = prompts.distinct_sizes()
    sums = prefix_cross(prompts.context_x, prompts.context_y, sizes)
    weights = sums / torch.tensor(sizes, dtype=sums.dtype, device=sums.device).clamp_min(1.0)[None, :, None]
    if matrix is not None:
        weights = weights @ matrix.to(weights).mT
    return (weights[:, position] * prompts.query_x).sum(-1)


def averaged_maps(gram: Tensor, sizes: Sequence[int], matrix: Tensor) -> LinearMaps:
    """Return the maps of w_hat = A X^T y / k for k in `sizes`; `gram` is X^T X, (prompt, size, dim, dim)."""
    count = torch.tensor(list(sizes), dtype=gram.dtype, device=gram.device).clamp_min(1.0)
    return polynomial_maps(matrix / count[:, None, None], gram)
