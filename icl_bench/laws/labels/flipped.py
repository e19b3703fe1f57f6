"""Labels of the wrong sign."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import LabelPart


@dataclass(frozen=True, slots=True)
class Flipped(LabelPart):
    """y -> -y with probability `rate`, each label on its own: y - f is then no multiple of what it was."""

    rate: float

    light = True

    def labels(self, y: Tensor, f: Tensor, x: Tensor, draws: Draws) -> Tensor:
        """Return the labels, some with the other sign."""
        return torch.where(draws.per_example("flip", (), "uniform") < self.rate, -y, y)
