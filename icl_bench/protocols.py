"""What a plugin must look like. A plugin is any class with these members; nothing needs to be inherited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from icl_bench.laws.law import Parameters, PromptLaw
    from icl_bench.prompts import Prediction, PromptBatch, TargetBatch


@runtime_checkable
class Model(Protocol):
    """An in-context learner: maps prompts to predictions with no weight update.

    A query's answer may depend on that query and its first `context_sizes[j]` examples alone.
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

        Asked only where the law declares what tail indices follow from.
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
        if self.parameters.no_tail:
            return None
        tail_index = getattr(model, "tail_index", None)  # isinstance of a protocol is slow, and this is asked often
        return tail_index(self.parameters, context_size) if callable(tail_index) else None


class Metric(Protocol):
    """A loss per query. A ratio metric divides the mean of column `of` by the mean of column `over`.

    `needs_model` is False for what depends on the prompts alone (stored once, not once a model).
    """

    @property
    def needs_model(self) -> bool:
        """Whether the loss depends on the model, not on the prompts alone."""
        ...

    @property
    def of(self) -> str:
        """The stored column this metric summarises: its own name, but for a ratio."""
        ...

    @property
    def over(self) -> str | None:
        """The column whose mean divides it, or None."""
        ...

    def losses(self, answer: Answer) -> Tensor:
        """Return the losses, shape (prompt, query), float64; NoClosedForm where the metric has no value."""
        ...

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return the tail index of the loss, None when theory does not give it."""
        ...


class RatioMetric:
    """Base of metrics that divide the mean of one stored column by the mean of another; stores nothing itself."""

    needs_model: ClassVar[bool] = True

    def losses(self, answer: Answer) -> Tensor:
        """Refuse: a ratio is made of the columns `of` and `over`."""
        raise NotImplementedError(f"{type(self).__name__} stores no losses of its own")

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """None: as of the column `of`."""
        return None


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
