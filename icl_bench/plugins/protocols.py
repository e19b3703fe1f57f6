"""What a plugin must look like. A plugin is any class with these members; nothing needs to be inherited."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from icl_bench.laws.law import Parameters, PromptLaw
    from icl_bench.prompts import Prediction, PromptBatch, TargetBatch


@runtime_checkable
class Model(Protocol):
    """An in-context learner: maps prompts to predictions with no weight update.

    A query's answer may depend on that query and its first `context_sizes[j]` examples alone. A plugin that
    follows from a law may have `bind` alone; what that returns is the model (`BindsTrainingLaw`, `SeesTestLaw`).
    """

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Answer every query of every prompt; mean has shape (prompt, query)."""
        ...


@runtime_checkable
class BindsTrainingLaw(Protocol):
    """A learner that needs to know its training law before it can answer. It is never told the test law."""

    def bind(self, training: PromptLaw) -> Model:
        """Return the model to be asked; NoClosedForm when nothing follows from such a law."""
        ...


class SeesTestLaw(Protocol):
    """A reference, not a learner: it is told the law that prompts are drawn from, and says so."""

    sees_test_law: ClassVar[bool]  # True

    def bind(self, training: PromptLaw, test: PromptLaw) -> Model:
        """Return the model to be asked on prompts drawn from `test`."""
        ...


@dataclass(frozen=True, slots=True)
class LinearMaps:
    """What a learner linear in the labels does: its weight estimate is B(X) y, at each context size."""

    signal: Tensor  # (prompt, size, dim, dim) B X: what the noiseless weights are mapped to
    noise: Tensor  # (prompt, size, dim, dim) B B^T: covariance of the estimate per unit of noise variance


@runtime_checkable
class LinearLearner(Model, Protocol):
    """A model whose prediction is x_q . B(X) y, so that its risk given X is exact (THEORY: estimators).

    One that is linear in the labels without being of that form says `linear_in_labels = True`, and is asked with unit
    labels instead.
    """

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """Return B X and B B^T at each of `prompts.distinct_sizes()`."""
        ...


class KnowsItsTail(Protocol):
    """A model whose squared error has a known tail index; the mean exists where the index exceeds 1.

    Metrics ask it through `Answer.tail_index`.
    """

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """Return the tail index of the squared error to f; infinity when every moment exists, None when not known.

        Asked only where the law declares what tail indices follow from. Where `parameters.no_tail` says why no finite
        one does, every moment of x, f and y exists, and infinity alone is believed.
        """
        ...


class Scenario(Protocol):
    """One shift with one dial: a function from law to law that draws nothing.

    It may also say its `stage` (what it changes; found out by applying it otherwise), whether it `replaces` a base part
    (False otherwise), its own `headline_size(law)`, and the `name` that its random streams go by (its class otherwise).
    """

    @property
    def severities(self) -> tuple[float | None, ...]:
        """The usual grid."""
        ...

    def identity(self, law: PromptLaw) -> float | None:
        """Return the severity at which `shift` returns `law` itself, or None when there is none."""
        ...

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return the shifted law; ValueError when the severity makes no sense for it."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a metric may look at: one model's prediction on one block, with the truth."""

    prompts: PromptBatch
    targets: TargetBatch
    parameters: Parameters
    law: PromptLaw
    prediction: Prediction
    model: Model
    reference: Callable[[str], tuple[Model, Prediction]]
    """Answer of a named reference model on the same prompts; NoClosedForm when it has none."""

    def tail_index(self, model: Model, context_size: int) -> float | None:
        """Return the tail index of `model`'s squared error after `context_size` examples, None when unknown."""
        if self.parameters.no_tail and not self.parameters.all_moments:
            return None
        tail_index = getattr(model, "tail_index", None)  # isinstance of a protocol is slow, and this is asked often
        found: float | None = tail_index(self.parameters, context_size) if callable(tail_index) else None
        return None if self.parameters.no_tail and found != math.inf else found


Direction = Literal["lower", "higher"]
Role = Literal["signal", "bayes_signal", "bayes_risk", "risk", "excess", "distance"]
Statistic = Literal["mean", "ratio of means", "quantile", "worst group"]


class Metric(Protocol):
    """A loss per query, and what readers must know of it: every member below is needed, and declared, never guessed.

    The bases in `icl_bench.plugins.bases` declare what most metrics have in common; nothing needs to inherit them. By
    its statistic a metric has further members: `level` for "quantile", `groups` for "worst group", and for "ratio of
    means" `of` and `over` in place of `losses` and `tail_index`. One whose role is "distance" names its `reference`.
    """

    @property
    def unit(self) -> str:
        """Unit of a loss: "squared label" for a squared difference of labels, "label", "nat", "1" for a pure number."""
        ...

    @property
    def direction(self) -> Direction:
        """Which is better; names ending in _error, _risk, _loss are better low, _score high."""
        ...

    @property
    def can_be_negative(self) -> bool:
        """Whether a loss can be below 0; one that cannot is at its best at the truth."""
        ...

    @property
    def role(self) -> Role | None:
        """What readers may take the metric for, None for none.

        signal: what predicting zero loses; bayes_risk: what the best possible answer loses; bayes_signal: the square
        of the best possible answer (all three of the prompts alone); risk: what a model loses against the noiseless
        f(x); excess: the loss above that of the best possible answer; distance: to the answers of a `reference`.
        """
        ...

    @property
    def statistic(self) -> Statistic:
        """What summarises the losses of many prompts.

        mean; ratio of means: of the column `of` over that of the column `over`; quantile: at `level`; worst group: the
        worst of the means over groups of prompts, which `groups(answer)` gives as whole numbers, (prompt,).
        """
        ...

    @property
    def needs_model(self) -> bool:
        """Whether the loss depends on the model; False for what depends on the prompts alone (stored once)."""
        ...

    def losses(self, answer: Answer) -> Tensor:
        """Return the losses, shape (prompt, query), float64; NoClosedForm where the metric has no value.

        `answer.targets.query_f`, `bayes_mean` and `bayes_var`, and `std` and `quantiles` of a prediction, may be None.
        """
        ...

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return the tail index of the loss, None when theory does not give it."""
        ...


RATIO: Statistic = "ratio of means"


class _Missing:
    """Stands for a member that is not there; None is a value."""


MISSING = _Missing()


def declared(plugin: object, member: str) -> Any:
    """Return a member of foreign code, `MISSING` where it has none, or the error that reading it raises."""
    try:
        return getattr(plugin, member, MISSING)
    except Exception as error:  # a property of somebody else's class
        return error


def is_ratio(metric: object) -> bool:
    """Tell whether a metric divides two columns and stores none of its own."""
    statistic = declared(metric, "statistic")
    return isinstance(statistic, str) and statistic == RATIO


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job: `value` when it ended, else why it did not."""

    job: Any
    value: Any = None
    status: str = "ok"  # ok | error | timeout
    message: str = ""


class Executor(Protocol):
    """Runs jobs somewhere. Outcomes may come in any order; each job yields exactly one."""

    def __init__(self, workers: int) -> None: ...

    def map(self, work: Callable[[Any], Any], jobs: Sequence[Any], timeout: float | None) -> Iterator[Outcome]:
        """Run `work(job)` for each job; one that outlasts `timeout` seconds ends as `timeout`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
