"""The prompt law: covariates, queries, task prior, noise and sizes in one frozen record, and the one draw from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.covariates import CovariateLaw, Moments, PromptsPerDraw, StandardNormal
from icl_bench.laws.noise import NoiseLaw
from icl_bench.laws.tasks import Posterior, TaskPrior
from icl_bench.prompts import PromptBatch, TargetBatch
from icl_bench.seeding import BLOCK_SIZE, Streams


@dataclass(frozen=True, slots=True)
class Sizes:
    """Which context sizes are asked for, and how many queries each."""

    context_sizes: tuple[int, ...]  # increasing, distinct
    queries_per_context: int = 1

    def __post_init__(self) -> None:
        sizes = self.context_sizes
        if not sizes or any(size < 0 for size in sizes) or list(sizes) != sorted(set(sizes)):
            raise ValueError(f"context sizes: expected increasing numbers from 0, got {sizes}")
        if self.queries_per_context < 1:
            raise ValueError(f"queries_per_context: expected at least 1, got {self.queries_per_context}")

    @property
    def n_context(self) -> int:
        """The largest context size."""
        return self.context_sizes[-1]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The exact parameters of the law one block was drawn from, given what is random per prompt."""

    context: Moments
    query: Moments
    task_second_moment: Tensor | None  # (dim, dim) E[w w^T]; None when the class is not linear
    noise_variance: float
    noise_tail: float  # tail index of the noise
    context_rank: int  # rank of the context covariance
    inverse_tail: float  # tail index of 1/smallest eigenvalue of the context covariance, if queries do not share it

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate."""
        return int(self.context.mean.shape[-1])


@dataclass(frozen=True, slots=True)
class Draw:
    """One block: what models see, what metrics see, the exact parameters, and the digest of it all."""

    prompts: PromptBatch
    targets: TargetBatch
    parameters: Parameters
    digest: str  # of the base draws and of the canonical law


def _prompt_major(drawn: Tensor) -> Tensor:
    """(example, prompt, ...) -> (prompt, example, ...), contiguous."""
    return drawn.transpose(0, 1).contiguous()


@dataclass(frozen=True, slots=True)
class PromptLaw:
    """What prompts are drawn from. Scenarios replace parts of it; drawing happens in `draw` and nowhere else."""

    prior: TaskPrior
    noise: NoiseLaw
    sizes: Sizes
    covariates: CovariateLaw = StandardNormal()
    query: CovariateLaw | None = None  # None: a query is drawn as the context is

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate."""
        return self.prior.n_dims

    @property
    def prompts_per_draw(self) -> PromptsPerDraw:
        """How many consecutive prompts share a random part: the cluster of standard errors (None: all)."""
        laws = [self.covariates, self.query or self.covariates]
        shared = [law.prompts_per_draw for law in laws]
        known = [value for value in shared if value is not None]
        return max(known) if len(known) == len(shared) else None

    def map_covariates(self, transform: Callable[[CovariateLaw], CovariateLaw]) -> Self:
        """Return the law with context and query covariates both transformed."""
        query = None if self.query is None else transform(self.query)
        return replace(self, covariates=transform(self.covariates), query=query)

    def map_query(self, transform: Callable[[CovariateLaw], CovariateLaw]) -> Self:
        """Return the law with the query covariates alone transformed."""
        return replace(self, query=transform(self.query or self.covariates))

    def draw(self, streams: Streams) -> Draw:
        """Draw one block of prompts and targets (no Bayes prediction yet: see `bayes`)."""
        sizes, repeats = self.sizes.context_sizes, self.sizes.queries_per_context
        n_context, n_dims = self.sizes.n_context, self.n_dims
        shape = (n_context + 1, BLOCK_SIZE, n_dims)
        normals = _prompt_major(torch.from_numpy(streams.normal("covariates", shape)))
        x = self.covariates.sample(normals, streams)  # (prompt, context + 1, dim)
        index = torch.tensor(sizes)
        query_x = x[:, index]
        if self.query is not None or repeats > 1:
            query_x = (self.query or self.covariates).sample(self._query_normals(normals, index, streams), streams)
        task = self.prior.sample(streams)
        noise = _prompt_major(self.noise.sample(streams, "noise", (n_context + 1, BLOCK_SIZE)))
        query_f = task(query_x)
        prompts = PromptBatch(
            context_x=x[:, :n_context].contiguous(),
            context_y=task(x)[:, :n_context] + noise[:, :n_context],
            query_x=query_x.contiguous(),
            context_sizes=tuple(size for size in sizes for _ in range(repeats)),
            next_example=self.query is None and repeats == 1,
        )
        targets = TargetBatch(query_f, query_f + self._query_noise(noise, index, streams))
        parameters = self.parameters(streams)
        digest = hashlib.blake2b(f"{law_digest(self)}/{streams.digest()}".encode(), digest_size=16)
        return Draw(prompts, targets, parameters, digest.hexdigest())

    def _query_normals(self, normals: Tensor, index: Tensor, streams: Streams) -> Tensor:
        """Base draws of the queries: the next example's for the first of each size, the query stream's after."""
        repeats = self.sizes.queries_per_context
        base = normals[:, index][:, :, None]  # (prompt, size, 1, dim)
        if repeats > 1:
            shape = (self.sizes.n_context + 1, BLOCK_SIZE, repeats - 1, self.n_dims)
            further = _prompt_major(torch.from_numpy(streams.normal("query", shape)))
            base = torch.cat([base, further[:, index]], dim=2)
        return base.flatten(1, 2)

    def _query_noise(self, noise: Tensor, index: Tensor, streams: Streams) -> Tensor:
        """Label noise of the queries, shape (prompt, query)."""
        repeats = self.sizes.queries_per_context
        own = noise[:, index][:, :, None]
        if repeats > 1:
            shape = (self.sizes.n_context + 1, BLOCK_SIZE, repeats - 1)
            further = _prompt_major(self.noise.sample(streams, "query_noise", shape))
            own = torch.cat([own, further[:, index]], dim=2)
        return own.flatten(1, 2)

    def bayes(self, prompts: PromptBatch) -> Posterior:
        """Return the posterior of f at the queries under THIS law; NoClosedForm when none is known."""
        if not self.noise.gaussian:
            raise NoClosedForm(f"no closed-form Bayes prediction under {type(self.noise).__name__}")
        posterior = self.prior.posterior(prompts, self.noise.variance)
        if posterior is None:
            raise NoClosedForm(f"no closed-form Bayes prediction for {type(self.prior).__name__}")
        return posterior

    def parameters(self, streams: Streams) -> Parameters:
        """Return the exact parameters of the block that `streams` draws."""
        context = self.covariates.moments(self.n_dims, streams)
        query = context if self.query is None else self.query.moments(self.n_dims, streams)
        rank = int(torch.linalg.matrix_rank(context.covariance[0], hermitian=True))
        return Parameters(
            context=context,
            query=query,
            task_second_moment=self.prior.second_moment(),
            noise_variance=self.noise.variance,
            noise_tail=self.noise.tail,
            context_rank=rank,
            inverse_tail=float("inf") if self.query is None else self.covariates.inverse_tail,
        )
