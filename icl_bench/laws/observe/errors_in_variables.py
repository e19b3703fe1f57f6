"""Covariates seen with errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import ObservePart
from icl_bench.laws.sizes import PromptRows


@dataclass(frozen=True, slots=True)
class ErrorsInVariables(ObservePart):
    """The model sees x + N(0, variance I) in the context; labels and the query belong to the true x."""

    variance: float

    on = "context"

    def observe(
        self, x: Tensor, y: Tensor, f: Tensor | None, hidden: Any, rows: PromptRows, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return x with errors, y as it is."""
        return x + math.sqrt(self.variance) * draws.per_example("errors", (x.shape[-1],)), y
