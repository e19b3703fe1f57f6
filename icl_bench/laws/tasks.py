"""Task priors: what functions are drawn from. Function classes implement the protocol; a prior can be rescaled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams


class Task(Protocol):
    """One drawn function per prompt."""

    def __call__(self, x: Tensor) -> Tensor:
        """Map covariates (prompt, example, dim) to noiseless values (prompt, example)."""
        ...


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the labels say about f at each query, under one law."""

    mean: Tensor  # (prompt, query)
    variance: Tensor  # (prompt, query) of the noiseless f(x)


class TaskPrior(Protocol):
    """A function class with its distribution over functions."""

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate."""
        ...

    def sample(self, streams: Streams) -> Task:
        """Draw one function for each prompt of a block."""
        ...

    def posterior(self, prompts: PromptBatch, noise_variance: float) -> Posterior | None:
        """Return the posterior of f at the queries under Gaussian noise; None when no closed form is known."""
        ...

    def second_moment(self) -> Tensor | None:
        """Return E[w w^T], shape (dim, dim), when f = w . x; None for a class that is not linear."""
        ...

    def ridge_penalty(self, noise_variance: float) -> float | None:
        """Return the penalty at which ridge regression IS the posterior mean; None when it never is."""
        ...


@dataclass(frozen=True, slots=True)
class _ScaledFunctions:
    task: Task
    factor: float

    def __call__(self, x: Tensor) -> Tensor:
        return self.factor * self.task(x)


@dataclass(frozen=True, slots=True)
class ScaledPrior:
    """f -> factor * f, for any function class; its posterior is the inner one after division by the factor."""

    factor: float
    inner: TaskPrior

    @property
    def n_dims(self) -> int:
        """As of the inner prior."""
        return self.inner.n_dims

    def sample(self, streams: Streams) -> Task:
        """Return the inner functions, scaled."""
        return _ScaledFunctions(self.inner.sample(streams), self.factor)

    def posterior(self, prompts: PromptBatch, noise_variance: float) -> Posterior | None:
        """Scale the labels and the noise down, ask the inner prior, scale its answer up."""
        scaled = replace(prompts, context_y=prompts.context_y / self.factor)
        inner = self.inner.posterior(scaled, noise_variance / self.factor**2)
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
