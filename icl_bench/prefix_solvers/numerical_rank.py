"""When an example adds a direction, and when that is rounding: tolerances that follow the input's dtype and scale.

An example with f = G^T x (G G^T the pseudo-inverse of the Gram matrix so far) is the combination X^T a of the examples
before it, |a| = |f|, but for its part c outside their span. With every example rounded by eps times its norm, c is
rounding when |c| is of the order eps * scale * (1 + |f|), scale the largest norm so far: the bound grows with the
condition of the examples before, which a fixed fraction of |x| does not. The singular values of the examples carry no
such factor: those of rounding are below eps * scale whatever the others are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm

LEAST_SIZE, LARGEST_SIZE = 1e-100, 1e100
"""Covariates between these can be squared and multiplied in float64."""


def rank_tolerance(dtype: torch.dtype) -> float:
    """Return the singular value, relative to the largest, up to which a direction is rounding.

    Float32 input is rounded once or twice; float64 input is the product of matrices that were computed themselves, and
    leaves room for the rounding of all of them.
    """
    return max(1e-13, 8.0 * torch.finfo(dtype).eps)


def clearly_independent(pivots: Tensor, largest: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the prompts whose leading examples are independent beyond doubt, (prompt,).

    `pivots` (prompt, lead) is how far each leaves the span of those before it, `largest` (prompt,) the largest norm of
    any example, `dtype` what the examples came in. Dependent examples with |f| up to eps^-1/2 leave the span by
    rounding of eps^1/2 at most; with a larger |f| the pivot before was as small.
    """
    safe = 8.0 * torch.finfo(dtype).eps ** 0.5
    independent: Tensor = (pivots > safe * largest[:, None]).all(1)
    return independent


def leading_pivots(x: Tensor) -> Tensor:
    """Return how far each of the first min(n, d) examples leaves the span of those before it, (prompt, lead)."""
    lead = min(x.shape[1], x.shape[2])
    upper: Tensor = torch.linalg.qr(x[:, :lead].mT, mode="r")[1]
    return upper.diagonal(dim1=1, dim2=2).abs()


def largest_norms(x: Tensor, y: Tensor) -> Tensor:
    """Return the largest |x| of each prompt, (prompt,), for x (prompt, context, dim) and y (prompt, context).

    Raises NoClosedForm unless all are finite and can be squared.
    """
    if x.numel() == 0:
        return x.new_zeros(len(x))
    largest: Tensor = torch.linalg.vector_norm(x, dim=-1).amax(1)
    usable = (largest >= LEAST_SIZE) & (largest <= LARGEST_SIZE)  # false for NaN
    if not bool(usable.all()):
        usable |= (x == 0.0).all(2).all(1)
    usable &= y.abs().amax(1) <= LARGEST_SIZE
    if not bool(usable.all()):
        wrong = int((~usable).sum())
        raise NoClosedForm(
            f"no least squares in float64: in {wrong} of {len(x)} prompts the examples are not finite, or their "
            f"covariates not between {LEAST_SIZE:g} and {LARGEST_SIZE:g} in size"
        )
    return largest
