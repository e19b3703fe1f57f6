"""Least squares and its penalised forms by the singular value decomposition of one context, at its numerical rank.

The slow and sure way, for the prompts where a recursion would have to guess. Directions below the tolerance are
dropped whatever the penalty: theirs is rounding, which a small penalty turns into weights of eps |X| |y| / penalty.

Rounding is relative to each number, and features may differ in scale by more than the inverse of a float32's epsilon.
So the rank is told with every column of X divided by its norm (van der Sluis 1969: within sqrt(d) of the best column
scaling), and the rest is done inside the row space found, in the units that came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.numerical_rank import rank_tolerance
from icl_bench.prefix_solvers.posterior_at_queries import GaussianPosterior
from icl_bench.prompts import PromptBatch


@dataclass(frozen=True, slots=True)
class Decomposition:
    """X = U diag(s) V^T for the first k examples of each prompt; columns past the rank are 0."""

    left: Tensor  # (prompt, k, column) U
    values: Tensor  # (prompt, column) s, decreasing
    right: Tensor  # (prompt, dim, column) V
    rank: Tensor  # (prompt,)

    def weights(self, y: Tensor, penalty: float = 0.0) -> Tensor:
        """Return V diag(s / (s^2 + penalty)) U^T y, (prompt, dim); y (prompt, k)."""
        coordinates = (self.left.mT @ y[:, :, None])[:, :, 0]
        return (self.right @ (self._gain(penalty) * coordinates)[:, :, None])[:, :, 0]

    def root(self) -> Tensor:
        """Return G = V diag(1/s), padded to (prompt, dim, dim): G G^T = (X^T X)^+."""
        narrow = self.right * self._gain(0.0)[:, None]
        return torch.nn.functional.pad(narrow, (0, narrow.shape[1] - narrow.shape[2]))

    def maps(self, penalty: float) -> tuple[Tensor, Tensor]:
        """Return B X = V diag(s^2 / (s^2 + penalty)) V^T and B B^T = V diag(s / (s^2 + penalty))^2 V^T."""
        gain = self._gain(penalty)
        half = self.right * gain[:, None]
        return (self.right * (gain * self.values)[:, None]) @ self.right.mT, half @ half.mT

    def _gain(self, penalty: float) -> Tensor:
        """s / (s^2 + penalty), 0 past the rank, without a square that could overflow the quotient."""
        seen = self.values > 0.0
        s = torch.where(seen, self.values, 1.0)
        return torch.where(seen, 1.0 / (s + penalty / s), 0.0)


def truncated_svd(x: Tensor, tolerance: float) -> Decomposition:
    """Return the decomposition of x (prompt, k, dim), float64, without directions below `tolerance`.

    `tolerance` is relative to the largest singular value after every column is divided by its norm; a column below
    a quarter of it, relative to the largest column, is rounding as a whole. Raises NoClosedForm when it does not
    converge.
    """
    try:
        return _truncated_svd(x, tolerance)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise NoClosedForm(f"no least squares: the singular values of {x.shape[1]} examples do not converge") from error


def _truncated_svd(x: Tensor, tolerance: float) -> Decomposition:
    width = min(x.shape[1:])
    if width == 0:
        empty = x.new_zeros(len(x), 0)
        return Decomposition(
            x.new_zeros(*x.shape[:2], 0), empty, x.new_zeros(len(x), x.shape[2], 0), empty.sum(1).long()
        )
    columns = torch.linalg.vector_norm(x, dim=1)  # (prompt, dim)
    real = columns > 0.25 * tolerance * columns.amax(1, keepdim=True)
    columns = torch.where(real, columns, 1.0)
    _, values, right = torch.linalg.svd(torch.where(real, 1.0 / columns, 0.0)[:, None] * x, full_matrices=False)
    rank = (values > tolerance * values[:, :1]).sum(1)
    kept = torch.arange(width, device=x.device) < rank[:, None]  # (prompt, column)
    inside, _ = torch.linalg.qr((columns * real)[:, :, None] * right.mT * kept[:, None])
    inside = inside * kept[:, None]  # orthonormal basis of the row space
    left, values, turned = torch.linalg.svd(x @ inside, full_matrices=False)
    return Decomposition(left * kept[:, None], values * kept, (inside @ turned.mT) * kept[:, None], rank)


def spectra(prompts: PromptBatch) -> Iterator[tuple[int, Decomposition, Tensor]]:
    """Yield (row, spectrum, y) at each distinct context size: the row of the size, y (prompt, k) in float64."""
    tolerance = rank_tolerance(prompts.context_x.dtype)
    x, y = prompts.context_x.double(), prompts.context_y.double()
    for row, size in enumerate(prompts.distinct_sizes()[0]):
        yield row, truncated_svd(x[:, :size], tolerance), y[:, :size]


def spectral_weights(prompts: PromptBatch, penalty: float) -> Tensor:
    """Return the ridge weights at each distinct context size, (prompt, size, dim)."""
    return torch.stack([spectrum.weights(y, penalty) for _, spectrum, y in spectra(prompts)], dim=1)


def spectral_maps(prompts: PromptBatch, penalty: float) -> LinearMaps:
    """Return the maps of ridge regression at each distinct context size."""
    signal, noise = zip(*(spectrum.maps(penalty) for _, spectrum, _ in spectra(prompts)), strict=True)
    return LinearMaps(torch.stack(signal, dim=1), torch.stack(noise, dim=1))


def spectral_posterior(prompts: PromptBatch, penalty: float) -> GaussianPosterior:
    """Return the posterior at every query; see `gaussian_posterior`."""
    position = prompts.distinct_sizes()[1]
    query_x = prompts.query_x.double()
    found = GaussianPosterior.empty(query_x)
    for row, spectrum, y in spectra(prompts):
        asked = (position == row).nonzero()[:, 0]
        at = query_x[:, asked]  # (prompt, asked, dim)
        square = spectrum.values.square()[:, None]
        incomplete = (spectrum.rank < prompts.n_dims)[:, None]  # else what is outside is rounding over the penalty
        overdetermined = spectrum.rank < y.shape[1]
        along = at @ spectrum.right  # (prompt, asked, column)
        outside = (at - along @ spectrum.right.mT).square().sum(-1) * incomplete
        found.mean[:, asked] = (at @ spectrum.weights(y, penalty)[:, :, None])[:, :, 0]
        found.leverage[:, asked] = outside / penalty + (along.square() / (square + penalty)).sum(-1)
        labels = (spectrum.left.mT @ y[:, :, None])[:, :, 0]
        unexplained = (y - (spectrum.left @ labels[:, :, None])[:, :, 0]).square().sum(-1)
        fit = unexplained * overdetermined + (labels.square() / (1.0 + square[:, 0] / penalty)).sum(-1)
        found.fit[:, asked] = fit[:, None]
        found.log_det[:, asked] = torch.log1p(square[:, 0] / penalty).sum(-1)[:, None]
    return found


def min_norm_cells(
    x: Tensor, y: Tensor, sizes: Sequence[int], cells: Tensor, tolerance: float
) -> Iterator[tuple[int, Tensor, Tensor, Decomposition]]:
    """Yield (row, prompts, weights, spectrum) for the sizes that have a cell (prompt, size) in `cells`."""
    for row, size in enumerate(sizes):
        prompts = cells[:, row].nonzero()[:, 0]
        if len(prompts):
            spectrum = truncated_svd(x[prompts, :size], tolerance)
            yield row, prompts, spectrum.weights(y[prompts, :size]), spectrum
