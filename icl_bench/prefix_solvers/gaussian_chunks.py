"""The Gaussian update of w after every prefix of the examples, chunk by chunk.

Prior w ~ N(m, G G^T) and unit label noise. In the dual (Gaussian-process) view the Gram matrix of a prefix is the
leading block of the whole chunk's, so with U = C G for the rows C of a chunk, ONE Cholesky factor L of I + U U^T
serves every prefix of it:

    M = L^-1 U        z = L^-1 (y - C m)
    mean after k rows = m + G sum_{i<k} M_i z_i        covariance = G (I - sum_{i<k} M_i M_i^T) G^T

After each chunk the posterior becomes the prior (Rasmussen and Williams 2006, section 2.2 and algorithm 2.1). The
product U U^T squares the condition number: callers keep |U| below about 1e4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows start..end of the examples, with the state before them."""

    start: int
    end: int
    mean: Tensor  # (prompt, dim) m before the chunk
    root: Tensor  # (prompt, dim, dim) G before the chunk
    solved: Tensor  # (prompt, row, dim) M
    innovation: Tensor  # (prompt, row) z, each of unit variance under the prior
    pivots: Tensor  # (prompt, row) diagonal of L

    def increments(self) -> Tensor:
        """Return what each row adds to the mean, G M_i z_i: (prompt, row, dim)."""
        return (self.solved @ self.root.mT).mul_(self.innovation[:, :, None])


def chunk_rows(n_dims: int) -> int:
    """Rows taken at once: past about this many, the dual's cubic cost outgrows the update of the prior."""
    return max(64, 3 * n_dims)


def gaussian_chunks(x: Tensor, y: Tensor, mean: Tensor, root: Tensor) -> Iterator[Chunk]:
    """Yield the chunks of x (prompt, context, dim), y (prompt, context), from the prior N(mean, root root^T).

    mean (prompt, dim), root (prompt, dim, dim). Without examples one empty chunk is yielded.
    """
    n_context, n_dims = x.shape[1:]
    starts = range(0, n_context, chunk_rows(n_dims)) or range(1)
    for start in starts:
        end = min(start + chunk_rows(n_dims), n_context)
        rows, labels = x[:, start:end], y[:, start:end]
        u = rows @ root
        factor = _cholesky(_plus_identity(u @ u.mT))
        residual = labels[:, :, None] - rows @ mean[:, :, None]
        both = torch.linalg.solve_triangular(factor, torch.cat([u, residual], dim=-1), upper=False)
        solved, innovation = both[:, :, :-1], both[:, :, -1]
        yield Chunk(start, end, mean, root, solved, innovation, factor.diagonal(dim1=1, dim2=2))
        if end < n_context:
            mean = mean + (root @ (solved.mT @ both[:, :, -1:]))[:, :, 0]
            small = _cholesky(_plus_identity(u.mT @ u))
            root = torch.linalg.solve_triangular(small.mT, root, upper=True, left=False)


def _cholesky(matrix: Tensor) -> Tensor:
    """Return the factor; NoClosedForm where rounding has made the matrix indefinite (see the limit on |U|)."""
    try:
        factor: Tensor = torch.linalg.cholesky(matrix)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise NoClosedForm("no posterior in float64: the Gram matrix of the examples is indefinite") from error
    return factor


def _plus_identity(matrix: Tensor) -> Tensor:
    """Add 1 to the diagonal of a fresh matrix, in place."""
    matrix.diagonal(dim1=-2, dim2=-1).add_(1.0)
    return matrix
