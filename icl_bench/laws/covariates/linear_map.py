"""Base of covariate parts x -> T x."""

from __future__ import annotations

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws, check_prompts_per_draw
from icl_bench.laws.moments import Moments
from icl_bench.laws.parts import CovariatePart
from icl_bench.laws.sizes import PromptRows


def mapped(matrices: Tensor, x: Tensor) -> Tensor:
    """Return T x, (prompt, row, dim), for T (prompt or 1, dim, dim).

    Products are added in the order of the dimensions: what a matrix product over rows rounds to depends on how many
    rows it is given, and prompts must not.
    """
    total = torch.zeros_like(x)
    for column in range(x.shape[-1]):
        total.add_(x[:, :, column, None] * matrices[:, None, :, column])
    return total


class LinearMap(CovariatePart):
    """x -> T x with T drawn for the prompt or fixed; subclasses give `matrices`."""

    gaussian = True

    __slots__ = ()

    def matrices(self, n_dims: int, draws: Draws) -> Tensor:
        """Return T, shape (prompt or 1, dim, dim)."""
        raise NotImplementedError

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return T x."""
        return mapped(self.matrices(x.shape[-1], draws), x)

    def moments(self, before: Moments, draws: Draws) -> Moments:
        """Mean T m, covariance T C T^T."""
        matrices = self.matrices(before.mean.shape[-1], draws)
        mean = (matrices @ before.mean[:, :, None])[:, :, 0]
        return Moments(mean, matrices @ before.covariance @ matrices.mT)


class RedrawnMap(LinearMap):
    """A map drawn afresh every `prompts_per_draw` prompts; None: one for the law. Subclasses have it as a field."""

    prompts_per_draw: int | None

    __slots__ = ()

    def __post_init__(self) -> None:
        if self.prompts_per_draw is not None:
            check_prompts_per_draw(self.prompts_per_draw)
