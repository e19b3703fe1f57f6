"""Bases that declare what most plugins of a kind have in common; nothing needs to inherit them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from icl_bench.errors import NotBoundError
from icl_bench.plugins.protocols import Answer, Direction, Role, Statistic

if TYPE_CHECKING:
    from torch import Tensor


class NeedsLaw:
    """A model that answers only once it knows its training law, or the test law too: what `bind` returns predicts."""

    def __getattr__(self, name: str) -> Any:
        """Say, to whoever looks for `predict`, where it is."""
        if name != "predict":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        laws = "training, test" if getattr(self, "sees_test_law", False) else "training"
        raise NotBoundError(f"{type(self).__name__} knows no law yet: expected bind({laws}).predict(prompts)")


class PlainMetric:
    """Base of metrics that store a loss: one of the model, without a role, summarised by its mean, its tail unknown.

    What is left to declare: `unit`, `direction`, `can_be_negative` and `losses`.
    """

    role: ClassVar[Role | None] = None
    statistic: ClassVar[Statistic] = "mean"
    needs_model: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ()
    """Metrics of the catalogue that are stored wherever this one is."""

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """None: estimated from the losses."""
        return None


class SquaredMetric(PlainMetric):
    """Base of squared differences of labels, best at 0, as heavy as the model's own squared error; `losses` is left."""

    unit: ClassVar[str] = "squared label"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Return that of the model's squared error."""
        return answer.tail_index(answer.model, context_size)


class PromptMetric(SquaredMetric):
    """Base of squared labels that depend on the prompts alone; `role` and `losses` are left."""

    needs_model: ClassVar[bool] = False

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """Every moment exists."""
        return math.inf


class RatioMetric:
    """Base of metrics that divide the mean of one stored column by the mean of another; stores nothing itself.

    `of` and `over` name metrics of the suite by their label, or of the catalogue by their name.
    """

    unit: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "lower"
    can_be_negative: ClassVar[bool] = False
    role: ClassVar[Role | None] = None
    statistic: ClassVar[Statistic] = "ratio of means"
    needs_model: ClassVar[bool] = True

    def losses(self, answer: Answer) -> Tensor:
        """Refuse: a ratio is made of the columns `of` and `over`."""
        raise NotImplementedError(f"{type(self).__name__} stores no losses of its own")

    def tail_index(self, answer: Answer, context_size: int) -> float | None:
        """None: as of the column `of`."""
        return None
