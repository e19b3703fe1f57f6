"""Contexts in one orthant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import CovariatePart
from icl_bench.laws.sizes import PromptRows


def in_orthant(x: Tensor, draws: Draws, fraction: float, side: float) -> Tensor:
    """Return x (prompt, row, dim) with the signs of its first round(fraction d) coordinates those of one orthant.

    The orthant is drawn for the prompt (the stream `signs`), uniformly; side -1 is the opposite one.
    """
    fixed = round(fraction * x.shape[-1])
    signs = side * draws.per_prompt("signs", (x.shape[-1],)).sign()[:, None, :fixed]
    return torch.cat([x[..., :fixed].abs() * signs, x[..., fixed:]], dim=-1)


@dataclass(frozen=True, slots=True)
class Orthant(CovariatePart):
    """The context in one random orthant a prompt, along the first round(fraction d) coordinates; queries as before."""

    fraction: float

    on = "context"
    light = True

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return x with the signs of the prompt's orthant."""
        return in_orthant(x, draws, self.fraction, 1.0)
