"""Label noise whose variance follows the covariates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import LabelPart


@dataclass(frozen=True, slots=True)
class Heteroscedastic(LabelPart):
    """y - f times sqrt((1 - mix) + mix |x|^2/d), x true: the same mean variance where E|x|^2 = d."""

    mix: float

    light = True

    def factor(self, x: Tensor) -> Tensor:
        """Return sqrt((1 - mix) + mix |x|^2/d)."""
        return ((1.0 - self.mix) + self.mix * x.square().mean(-1)).sqrt()

    def labels(self, y: Tensor, f: Tensor, x: Tensor, draws: Draws) -> Tensor:
        """Return f + s(x) (y - f)."""
        return f + (y - f) * self.factor(x)
