"""The prompt law: all that prompts are drawn from in one frozen record, what scenarios do to it, what it tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor

from icl_bench.digests import text_digest
from icl_bench.errors import MOVED, NoClosedForm
from icl_bench.laws.asked import asked
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.draws import Clusters, Draws
from icl_bench.laws.moments import Moments, standard_moments
from icl_bench.laws.parts import NoisePart, Placed, Posterior, RowsPart, TaskPart
from icl_bench.laws.sizes import PromptRows, Sizes
from icl_bench.laws.stages import observed, true_prompt
from icl_bench.laws.truth import (
    all_moments,
    has_kernel,
    inverse_tail,
    why_no_bayes,
    why_no_exact_risk,
    why_no_tail,
    why_no_training_loss,
)
from icl_bench.prefix_solvers.gaussian_process import process_posterior
from icl_bench.prompts import PromptBatch, TargetBatch
from icl_bench.seeding import Streams

Stage = Literal["sizes", "covariates", "query", "task", "labels", "observe"]
STAGES: tuple[Stage, ...] = ("sizes", "covariates", "query", "task", "labels", "observe")
"""The order in which the factors of a product are applied, whatever order they are listed in."""

_MEMBERS = {"covariates": "move", "query": "move", "labels": "labels", "observe": "observe"}
"""What a part of each stage must have."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The exact parameters of the law one block was drawn from, given what is random per prompt; None: not declared."""

    context: Moments | None
    query: Moments | None
    task_second_moment: Tensor | None  # (dim, dim) E[w w^T]; None when f is not one w . x a prompt
    noise_variance: float | None  # of labels given f; None where it is not one number
    noise_tail: float | None  # tail index of the noise
    context_rank: int | None  # rank of the context covariance
    inverse_tail: float | None  # tail index of 1/least eigenvalue of the context covariance, if queries do not share it
    no_tail: str | None = None  # why no finite tail index follows from the law; None: it does
    all_moments: bool = False  # whether every moment of x, f and y exists, so that infinity may follow all the same

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate; ValueError where no moments are declared."""
        if self.context is None:
            raise ValueError("expected a law that declares its covariates' moments")
        return int(self.context.mean.shape[-1])


@dataclass(frozen=True, slots=True)
class Draw:
    """One block: what models see, what metrics see, the exact parameters, and the digest of it all."""

    prompts: PromptBatch
    targets: TargetBatch
    parameters: Parameters
    digest: str  # of the base draws and of the canonical law
    cluster_size: int  # consecutive prompts that share a random part; the law's own fixed parts are given
    streams: frozenset[str]  # the base draws it is made of


@dataclass(frozen=True, slots=True)
class PromptLaw:
    """What prompts are drawn from. Scenarios add parts to it or replace one; drawing happens in `draw` alone.

    `rows` stand in place of prior, noise and all parts but observation, which are then absent.
    """

    prior: TaskPart
    noise: NoisePart
    sizes: Sizes
    covariates: tuple[Placed, ...] = ()
    query: tuple[Placed, ...] = ()
    labels: tuple[Placed, ...] = ()
    observe: tuple[Placed, ...] = ()
    rows: RowsPart | None = None
    factor: str = field(default="", compare=False)  # names what `add` adds; not part of the law

    @classmethod
    def of_rows(cls, rows: RowsPart, sizes: Sizes) -> Self:
        """Return the law of prompts cut from rows of a table."""
        absent: Any = None  # nothing reads the task or the noise of a law that has rows
        return cls(prior=absent, noise=absent, sizes=sizes, rows=rows)

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate."""
        return self.rows.n_dims if self.rows is not None else self.prior.n_dims

    @property
    def forked(self) -> bool:
        """Whether queries have rows of their own, so that no query IS the next example."""
        moved = [*(placed.part for placed in self.covariates), *(p.part for p in self.observe if p.part.moves_x)]
        return self.rows is not None or bool(self.query) or any(part.on == "context" for part in moved)

    # What scenarios do to a law

    def under(self, factor: str) -> Self:
        """Return the law with the name of the factor that the next parts belong to; it names their random streams."""
        return replace(self, factor=factor)

    def add(self, stage: Literal["covariates", "query", "labels", "observe"], part: Any) -> Self:
        """Return the law with one more part, applied after those that are there.

        Raises ValueError when the law cannot carry it: rows of a table, a name that is taken, a part without members.
        """
        if stage not in _MEMBERS:
            raise ValueError(f"stage: expected one of {', '.join(_MEMBERS)}, got {stage!r}")
        self._carries(stage)
        if not callable(getattr(part, _MEMBERS[stage], None)):
            raise ValueError(
                f"{type(part).__name__} has no method {_MEMBERS[stage]}: expected a part of stage {stage!r}"
            )
        if not dataclasses.is_dataclass(part):
            raise ValueError(
                f"{type(part).__name__}: expected a frozen dataclass of plain values, so that it has a digest"
            )
        name = self.factor or type(part).__name__
        placed: tuple[Placed, ...] = getattr(self, stage)
        if name in {other.factor for other in placed}:
            raise ValueError(f"two factors are called {name!r}: expected another name for the second")
        change: dict[str, Any] = {stage: (*placed, Placed(name, part))}
        return replace(self, **change)

    def with_prior(self, prior: TaskPart) -> Self:
        """Return the law with another task prior; ValueError for rows of a table."""
        self._carries("task")
        return replace(self, prior=prior)

    def with_noise(self, noise: NoisePart) -> Self:
        """Return the law with other base noise; ValueError for rows of a table."""
        self._carries("labels")
        return replace(self, noise=noise)

    def with_sizes(self, context_sizes: tuple[int, ...]) -> Self:
        """Return the law at other context sizes."""
        return replace(self, sizes=replace(self.sizes, context_sizes=context_sizes))

    def skipping(self, impossible: Callable[[int], bool], reason: str) -> Self:
        """Return the law without the context sizes that cannot be had; ValueError when none is left."""
        return replace(self, sizes=self.sizes.without(impossible, reason))

    def map_covariates(self, transform: Any) -> Self:
        """Refuse: gone since 0.2."""
        raise ValueError(f'map_covariates is gone since 0.2: expected law.add("covariates", part); {MOVED}')

    def map_query(self, transform: Any) -> Self:
        """Refuse: gone since 0.2."""
        raise ValueError(f'map_query is gone since 0.2: expected law.add("query", part); {MOVED}')

    def check(self) -> None:
        """Raise ValueError when prompts of these sizes cannot be drawn: a side of a table with too few rows."""
        if self.rows is not None:
            self.rows.check(self._draws(Streams(0, 0)).scoped("rows"))

    def _carries(self, stage: str) -> None:
        """Raise ValueError where rows of a table leave nothing to shift at a stage."""
        if self.rows is not None and stage != "observe":
            raise ValueError(f"rows of a table give x and y together: there is nothing to shift at the stage {stage!r}")

    # Drawing

    def draw(self, streams: Streams) -> Draw:
        """Draw one block of prompts and targets (no Bayes prediction yet: see `bayes`)."""
        draws = self._draws(streams)
        rows = draws.rows
        truth = true_prompt(self, draws)
        x, y = observed(self, truth, draws)
        queries = torch.tensor(rows.queries)
        prompts = PromptBatch(
            context_x=x[:, : rows.n_context].contiguous(),
            context_y=y[:, : rows.n_context].contiguous(),
            query_x=x[:, queries].contiguous(),
            context_sizes=rows.sizes,
            next_example=not self.forked and self.sizes.queries_per_context == 1,
        )
        query_f = None if truth.f is None else truth.f[:, queries]
        targets = TargetBatch(query_f, truth.y[:, queries])
        parameters = self._parameters(draws)
        digest = text_digest(f"{law_digest(self)}/{streams.digest()}")
        return Draw(prompts, targets, parameters, digest, draws.clusters.size, streams.names)

    def _draws(self, streams: Streams) -> Draws:
        return Draws(streams, PromptRows.of(self.sizes, self.forked), clusters=Clusters())

    # What is known of it

    def bayes(self, prompts: PromptBatch) -> Posterior:
        """Return the posterior of f at the queries under THIS law; NoClosedForm when none is known."""
        reason = why_no_bayes(self)
        if reason:
            raise NoClosedForm(reason)
        variance = self.noise.variance
        assert variance is not None
        scale = self.label_scale(prompts.context_x)
        with asked(self.prior, "posterior"):
            posterior = self.prior.posterior(prompts, variance, scale)
        if posterior is not None:
            return posterior
        if not self.prior.gaussian or not has_kernel(self):
            raise NoClosedForm(f"no closed-form Bayes prediction for {type(self.prior).__name__}")
        return Posterior(*process_posterior(self.prior.kernel, prompts, self.label_variance(prompts.context_x)))

    def label_scale(self, x: Tensor) -> Tensor | None:
        """Return what the noise is multiplied by at covariates x, (prompt, row); None where by 1 everywhere.

        Only for laws whose label parts all have a factor.
        """
        if not self.labels:
            return None
        scale = torch.ones(x.shape[:-1], dtype=torch.float64, device=x.device)
        for placed in self.labels:
            scale = scale * placed.part.factor(x.double())
        return scale

    def label_variance(self, x: Tensor) -> Tensor:
        """Return the variance of labels given f at covariates x, (prompt, row), for laws that declare it."""
        variance, scale = self.noise.variance, self.label_scale(x)
        assert variance is not None  # `laws.truth` has refused what lacks it
        spread = torch.full(x.shape[:-1], variance, dtype=torch.float64, device=x.device)
        return spread if scale is None else spread * scale.square()

    def parameters(self, streams: Streams) -> Parameters:
        """Return the exact parameters of the block that `streams` draws."""
        return self._parameters(self._draws(streams))

    def _parameters(self, draws: Draws) -> Parameters:
        if self.rows is not None:
            return Parameters(None, None, None, None, None, None, None, why_no_tail(self))
        context, query = self._moments(draws)
        variance = self.noise.variance if not self.labels else None
        no_tail = why_no_tail(self) or ("no moments of the covariates are declared" if context is None else None)
        return Parameters(
            context=context,
            query=query,
            task_second_moment=self.prior.second_moment(),
            noise_variance=variance,
            noise_tail=self.noise.tail,
            context_rank=_rank(context),
            inverse_tail=inverse_tail(self),
            no_tail=no_tail,
            all_moments=all_moments(self),
        )

    def _moments(self, draws: Draws) -> tuple[Moments | None, Moments | None]:
        """Return the moments of an example and of a query, None where a part does not declare them."""
        context = _moved(standard_moments(self.n_dims), self.covariates, draws)
        shared = tuple(placed for placed in self.covariates if placed.part.on == "both")
        if not self.query and len(shared) == len(self.covariates):
            return context, context
        return context, _moved(standard_moments(self.n_dims), (*shared, *self.query), draws)

    def training_moments(self) -> tuple[Moments, Moments]:
        """Return the moments of an example and of a query where they are the same for every prompt.

        They are what the closed training losses of linear attention need, with `prior.second_moment()` and
        `noise.variance`. Raises NoClosedForm for any other law, with the reason.
        """
        context, query = (None, None) if self.rows is not None else self._moments(self._draws(Streams(0, 0)))
        reason = why_no_training_loss(self, context, query)
        if reason or context is None or query is None:
            raise NoClosedForm(f"no training loss in closed form: {reason}")
        return context, query

    def why_no_exact_risk(self) -> str | None:
        """Return why no exact risk given x is known for learners linear in the labels; None when it is."""
        return why_no_exact_risk(self)


def _moved(moments: Moments | None, parts: tuple[Placed, ...], draws: Draws) -> Moments | None:
    for placed in parts:
        with asked(placed.part, "moments"):
            moments = None if moments is None else placed.part.moments(moments, draws.scoped(placed.factor))
    return moments


def _rank(context: Moments | None) -> int | None:
    """Return the rank of the covariance, the same for every prompt."""
    return None if context is None else int(torch.linalg.matrix_rank(context.covariance[0], hermitian=True))
