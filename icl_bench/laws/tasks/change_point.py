"""A task that changes inside the prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.parts import Posterior, TaskPart
from icl_bench.laws.tasks.wrapped import WrappedPrior
from icl_bench.prompts import PromptBatch


@dataclass(frozen=True, slots=True)
class ChangePoint(WrappedPrior):
    """One function before position `at`, another from it on, both drawn from the inner prior.

    The second is drawn under `factor`, the name of the scenario that wraps the prior. Given the change point the two
    parts of a prompt say nothing about each other where the inner prior has mean 0: a query before it is answered by
    the inner posterior, one from it on by that of the examples from `at` on alone.
    """

    inner: TaskPart
    at: int
    factor: str

    def draw(self, draws: Draws) -> tuple[Any, Any]:
        """Draw both functions; the first is the one that a prompt without a change has."""
        return self.inner.draw(draws), self.inner.draw(draws.scoped(self.factor))

    def value(self, hidden: tuple[Any, Any], x: Tensor, position: Tensor) -> Tensor:
        """Return the value of the function that holds at each row's position."""
        before, after = (self.inner.value(function, x, position) for function in hidden)
        return torch.where(position >= self.at, after, before)

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> Tensor | None:
        """The inner one within a part, 0 across the change; unknown where the inner prior's mean is."""
        inner = self.inner.kernel(first_x, first, second_x, second)
        if inner is None or not self.zero_mean:
            return None
        return inner * ((first[:, None] >= self.at) == (second[None] >= self.at))

    def posterior(
        self, prompts: PromptBatch, noise_variance: float, label_scale: Tensor | None = None
    ) -> Posterior | None:
        """Ask the inner posterior with the examples of each query's own part of the prompt."""
        if not self.zero_mean:
            return None
        parts = [(0, [j for j, size in enumerate(prompts.context_sizes) if size < self.at])]
        parts.append((self.at, [j for j, size in enumerate(prompts.context_sizes) if size >= self.at]))
        found = torch.zeros(2, prompts.n_prompts, prompts.n_queries, dtype=torch.float64)
        for start, queries in parts:
            if not queries:
                continue
            own = replace(
                prompts,
                context_x=prompts.context_x[:, start:],
                context_y=prompts.context_y[:, start:],
                query_x=prompts.query_x[:, queries],
                context_sizes=tuple(prompts.context_sizes[j] - start for j in queries),
                next_example=False,
            )
            scale = None if label_scale is None else label_scale[:, start:]
            inner = self.inner.posterior(own, noise_variance, scale)
            if inner is None:
                return None
            found = found.to(inner.mean.device)
            found[0][:, queries], found[1][:, queries] = inner.mean, inner.variance
        return Posterior(found[0], found[1])
