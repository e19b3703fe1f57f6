"""Functions scaled by a factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import Posterior, TaskPart
from icl_bench.laws.tasks.wrapped import WrappedPrior
from icl_bench.prompts import PromptBatch


@dataclass(frozen=True, slots=True)
class ScaledPrior(WrappedPrior):
    """f -> factor * f, for any function class; its posterior is the inner one after division by the factor."""

    factor: float
    inner: TaskPart

    def draw(self, draws: Draws) -> Any:
        """Draw the inner functions."""
        return self.inner.draw(draws)

    def value(self, hidden: Any, x: Tensor, position: Tensor) -> Tensor:
        """Return the inner values, scaled."""
        return self.factor * self.inner.value(hidden, x, position)

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> Tensor | None:
        """factor^2 times the inner one."""
        inner = self.inner.kernel(first_x, first, second_x, second)
        return None if inner is None else self.factor**2 * inner

    def posterior(
        self, prompts: PromptBatch, noise_variance: float, label_scale: Tensor | None = None
    ) -> Posterior | None:
        """Scale the labels and the noise down, ask the inner prior, scale its answer up."""
        scaled = replace(prompts, context_y=prompts.context_y / self.factor)
        inner = self.inner.posterior(scaled, noise_variance / self.factor**2, label_scale)
        if inner is None:
            return None
        return Posterior(self.factor * inner.mean, self.factor**2 * inner.variance)

    def second_moment(self) -> Tensor | None:
        """factor^2 times the inner one."""
        inner = self.inner.second_moment()
        return None if inner is None else self.factor**2 * inner

    def ridge_penalty(self, noise_variance: float) -> float | None:
        """As the inner prior's, at the noise variance over factor^2."""
        return self.inner.ridge_penalty(noise_variance / self.factor**2)
