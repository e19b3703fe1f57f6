"""Minimum-norm least squares after every prefix of a prompt, in one pass.

The estimate after k examples is a sum of increments, w_k = sum_{i<k} D_i, whatever the query:

1. While the examples span more and more (k <= r = min(n, d)): with the QR factorisation X_r^T = Q R, leading blocks
   of R belong to prefixes, so that z = R^-T y gives w_k = sum_{i<k} q_i z_i (Golub and Van Loan 2013, section 5.6).
2. From k = d on least squares is the Gaussian update of w_d, whose covariance has the square root G = Q R^-T. G is as
   badly conditioned as X_d, so the first two examples are taken singly, in Potter's square-root form

       g = G f / (1 + f.f)        G <- G - G f f^T / (1 + f.f + sqrt(1 + f.f))        f = G^T x,

   after which the condition number is moderate, and the rest in the chunks of `gaussian_chunks`: D_i = G M_i z_i.

Prompts whose first d examples come near to dependence go through `greville`, which can tell ranks, and where even that
is in doubt, or the input has fewer digits than float64, through one `truncated_svd` for each size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.gaussian_chunks import gaussian_chunks
from icl_bench.prefix_solvers.greville import recursive_fits
from icl_bench.prefix_solvers.numerical_rank import clearly_independent, largest_norms, rank_tolerance
from icl_bench.prefix_solvers.prefix_moments import sum_at_sizes
from icl_bench.prefix_solvers.truncated_svd import min_norm_cells
from icl_bench.prompts import PromptBatch

SAFE_WHITENED = 1e4
"""Largest |G^T x| that the chunks, which square it, may meet."""

SINGLE_UPDATES = 2
"""Examples past the first d that are taken one at a time."""


@dataclass(frozen=True, slots=True)
class MinNormFit:
    """Estimates at each distinct context size; `position[j]` is the row of query j's size."""

    weights: Tensor  # (prompt, size, dim)
    position: Tensor  # (query,)
    basis: Tensor  # (prompt, size or 1, dim, column) orthonormal; its first `rank` columns span the context of a size
    rank: Tensor  # (prompt, size)
    root: Tensor | None = None  # (prompt, size, dim, dim) G with G G^T = (X^T X)^+, when asked for

    def predict(self, query_x: Tensor) -> Tensor:
        """Return w . x at each query, shape (prompt, query)."""
        return (self.weights[:, self.position] * query_x).sum(-1)

    def _spanned(self) -> Tensor:
        """Which columns of the basis span the context at each size: (prompt, size, column), as numbers."""
        columns = torch.arange(self.basis.shape[-1], device=self.rank.device)
        return (columns < self.rank[:, :, None]).to(self.basis)

    def unseen(self, query_x: Tensor) -> Tensor:
        """Return the squared norm of each query's part outside the span of its context, (prompt, query)."""
        query_x, spanned = query_x.double(), self._spanned()[:, self.position]
        if self.basis.shape[1] == 1:
            inside = ((query_x @ self.basis[:, 0]) * spanned) @ self.basis[:, 0].mT
        else:
            basis = self.basis[:, self.position]  # (prompt, query, dim, column)
            along = (query_x[:, :, None] @ basis) * spanned[:, :, None]
            inside = (along @ basis.mT)[:, :, 0]
        return (query_x - inside).square().sum(-1)

    def maps(self) -> LinearMaps:
        """Return B X = Q Q^T and B B^T = G G^T at each size."""
        assert self.root is not None
        spanned = self._spanned()[:, :, None, :]
        return LinearMaps((self.basis * spanned) @ self.basis.mT, self.root @ self.root.mT)


def min_norm_fit(prompts: PromptBatch, *, with_maps: bool = False) -> MinNormFit:
    """Return the minimum-norm least-squares estimate at each context size of `prompts`, in float64.

    `with_maps` makes `maps()` possible and is several times slower. Raises NoClosedForm when the examples are not
    finite, or too large or small to be squared in float64.
    """
    sizes, position = prompts.distinct_sizes()
    x, y = prompts.context_x[:, : sizes[-1]].double(), prompts.context_y[:, : sizes[-1]].double()
    dtype = prompts.context_x.dtype
    largest = largest_norms(x, y)
    if with_maps:
        return _careful_fit(x, y, sizes, position, dtype, with_root=True)
    lead = min(x.shape[1], prompts.n_dims)
    basis, upper = torch.linalg.qr(x[:, :lead].mT)  # (prompt, dim, lead), (prompt, lead, lead)
    unsafe = ~clearly_independent(upper.diagonal(dim1=1, dim2=2).abs(), largest, dtype)
    upper = torch.where(unsafe[:, None, None], torch.eye(lead, dtype=x.dtype, device=x.device), upper)
    increments, ill = _increments(x, y, basis, upper)
    weights = sum_at_sizes(increments, sizes)
    rank = torch.tensor(sizes, device=x.device).clamp_max(lead).expand(len(x), -1)
    basis = basis[:, None]
    careful = (unsafe | ill).nonzero()[:, 0]
    if len(careful):
        fits = _careful_fit(x[careful], y[careful], sizes, position, dtype)
        weights = weights.index_copy(0, careful, fits.weights)
        rank = rank.index_copy(0, careful, fits.rank)
        basis = basis.expand(-1, fits.basis.shape[1], -1, -1).index_copy(0, careful, fits.basis[:, :, :, :lead])
    return MinNormFit(weights, position, basis, rank)


def _careful_fit(
    x: Tensor, y: Tensor, sizes: Sequence[int], position: Tensor, dtype: torch.dtype, *, with_root: bool = False
) -> MinNormFit:
    """Return the fits of prompts of any rank; x and y are float64 and came as `dtype`."""
    fits = recursive_fits(x, y, sizes, with_root=with_root)
    doubtful = fits.doubtful if dtype == torch.float64 else torch.ones_like(fits.doubtful)
    basis = fits.basis[:, None]
    if bool(doubtful.any()):
        basis = basis.repeat(1, len(sizes), 1, 1)
    for row, rows, weights, spectrum in min_norm_cells(x, y, sizes, doubtful, rank_tolerance(dtype)):
        fits.weights[rows, row], fits.rank[rows, row] = weights, spectrum.rank
        basis[rows, row, :, : spectrum.right.shape[2]] = spectrum.right
        if fits.root is not None:
            fits.root[rows, row] = spectrum.root()
    return MinNormFit(fits.weights, position, basis, fits.rank, fits.root)


def _increments(x: Tensor, y: Tensor, basis: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Return D with w_k = sum_{i<k} D_i, (prompt, context, dim), and which prompts are too ill-conditioned, (prompt,).

    `basis` and `upper` factor the first min(n, d) examples.
    """
    lead = upper.shape[-1]
    z = torch.linalg.solve_triangular(upper.mT, y[:, :lead, None], upper=False)
    parts = [basis.mT * z]
    ill = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    if x.shape[1] == lead:
        return parts[0], ill
    root = torch.linalg.solve_triangular(upper.mT, basis, upper=False, left=False)  # (prompt, dim, dim) G
    w = parts[0].sum(1)
    start = min(lead + SINGLE_UPDATES, x.shape[1])
    for example in range(lead, start):
        step, root = _single_update(x[:, example], y[:, example], w, root)
        parts.append(step[:, None])
        w = w + step
    if start < x.shape[1]:
        rows = x[:, start:]
        ill = (rows @ root).norm(dim=-1).amax(1) > SAFE_WHITENED
        root = torch.where(ill[:, None, None], 0.0, root)
        for chunk in gaussian_chunks(rows, y[:, start:], w, root):
            parts.append(chunk.increments())
    return torch.cat(parts, dim=1), ill


def _single_update(x: Tensor, y: Tensor, w: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """Take in one example of each prompt, x (prompt, dim), y (prompt,): the increment of w, and the new root."""
    f = x[:, None] @ root  # (prompt, 1, dim)
    norm = 1.0 + f.square().sum(-1)  # (prompt, 1)
    direction = (root @ f.mT)[:, :, 0]  # G f
    innovation = y[:, None] - (w * x).sum(-1, keepdim=True)
    shrunk = torch.baddbmm(root, (direction / (norm + norm.sqrt()))[:, :, None], f, alpha=-1.0)
    return direction / norm * innovation, shrunk
