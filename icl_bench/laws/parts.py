"""What a prompt law is made of. A part is a frozen dataclass that inherits one of these bases.

Every declaration defaults to "unknown", and a formula runs only where all that it needs is declared (`laws.truth`): a
part that declares nothing is drawn, asked and scored like any other, and gets no number that rests on a guess. What is
declared is held to simulation by the tests of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from icl_bench.laws.declarations import declaration
from icl_bench.laws.draws import Draws
from icl_bench.laws.moments import Moments
from icl_bench.laws.sizes import PromptRows
from icl_bench.prompts import PromptBatch


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the labels say about f at each query, under one law."""

    mean: Tensor  # (prompt, query)
    variance: Tensor  # (prompt, query) of the noiseless f(x)


class CovariatePart:
    """Moves covariates. Row t may depend on rows at positions <= t only.

    on: "both", or "context": then a query keeps what it had before. gaussian: rows that are iid Gaussian given what was
    drawn for the prompt stay so. light: every moment of x exists after it where every one did before (as where it is
    Gaussian). inverse_tail: tail index of 1 over the smallest eigenvalue of the covariance (infinity when it is bounded
    away from 0 on its range); None: unknown.
    """

    on: Literal["both", "context"] = "both"

    __slots__ = ()

    @declaration
    def gaussian(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def light(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def inverse_tail(self) -> float | None:
        """Unknown."""
        return None

    def move(self, x: Tensor, rows: PromptRows, draws: Draws) -> Tensor:
        """Return moved covariates, (prompt, row, dim); sums over dimensions go in an order fixed by the dimension."""
        raise NotImplementedError

    def moments(self, before: Moments, draws: Draws) -> Moments | None:
        """Return the exact moments after this part, given those before it and what is drawn for the prompt."""
        return None


class QueryPart:
    """Moves queries alone, after all covariate parts; sees the true first k examples of its context, and no label.

    sees_context: False when `move` does not look at the context; it is then called once for all sizes, with an empty
    one. gaussian: given the moments, the query is Gaussian and independent of its context. light: as of a covariate
    part.
    """

    sees_context: bool = True

    __slots__ = ()

    @declaration
    def gaussian(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def light(self) -> bool:
        """Unknown."""
        return False

    def move(self, query: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """Return the moved queries of one size, (prompt, repeat, dim); context (prompt, k, dim)."""
        raise NotImplementedError

    def moments(self, before: Moments, draws: Draws) -> Moments | None:
        """Return the exact moments of a query after this part, given those before it."""
        return None


class TaskPart:
    """A function class with its distribution over functions: the prior of the task.

    gaussian: f is a Gaussian process of mean 0 with `kernel`. zero_mean: E f(x) = 0 at every x. light: every moment of
    f(x) exists where every one of x does (what is Gaussian is light).
    """

    n_dims: int

    __slots__ = ()

    @declaration
    def gaussian(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def zero_mean(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def light(self) -> bool:
        """Unknown."""
        return False

    def draw(self, draws: Draws) -> Any:
        """Draw one function for each prompt of a block; whatever `value` needs of it."""
        raise NotImplementedError

    def value(self, hidden: Any, x: Tensor, position: Tensor) -> Tensor:
        """Return noiseless values (prompt, row) at covariates x (prompt, row, dim) and positions (row,)."""
        raise NotImplementedError

    def kernel(self, first_x: Tensor, first: Tensor, second_x: Tensor, second: Tensor) -> Tensor | None:
        """Return E[f(x, t) f(x', t')], uncentred, (prompt, row, row'), at rows x and positions t; None: unknown.

        first_x (prompt, row, dim) at positions first (row,), second_x (prompt, row', dim) at second (row',).
        """
        return None

    def second_moment(self) -> Tensor | None:
        """Return E[w w^T], (dim, dim), where f = w . x with ONE w a prompt; None for any other class."""
        return None

    def posterior(
        self, prompts: PromptBatch, noise_variance: float, label_scale: Tensor | None = None
    ) -> Posterior | None:
        """Return the posterior of f at the queries in a form of the class's own; None when it has none.

        Labels are f + e, e Gaussian of standard deviation sqrt(noise_variance) times `label_scale` (prompt, context),
        1 when None. A Gaussian class with a `kernel` needs no form of its own.
        """
        return None

    def ridge_penalty(self, noise_variance: float) -> float | None:
        """Return the penalty at which ridge regression IS the posterior mean; None when it never is."""
        return None


class NoisePart:
    """Label noise: mean zero, independent of x and of the task. tail: its tail index; infinity: every moment exists."""

    __slots__ = ()

    @declaration
    def variance(self) -> float | None:
        """Unknown."""
        return None

    @declaration
    def gaussian(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def tail(self) -> float | None:
        """Unknown."""
        return None

    def sample(self, draws: Draws) -> Tensor:
        """Return noise for each row, (prompt, row)."""
        raise NotImplementedError

    def with_variance(self, variance: float) -> NoisePart:
        """Return the same noise at another variance; ValueError when it has none to set."""
        raise ValueError(f"expected noise whose variance can be set, got {type(self).__name__}")


class LabelPart:
    """Changes labels y of all rows; a query's by its own x and its own draws.

    tail_kept: the tail of y - f is no heavier than before. light: every moment of y exists where every one
    of y, f and x did.
    """

    __slots__ = ()

    @declaration
    def tail_kept(self) -> bool:
        """Unknown."""
        return False

    @declaration
    def light(self) -> bool:
        """Unknown."""
        return False

    def labels(self, y: Tensor, f: Tensor, x: Tensor, draws: Draws) -> Tensor:
        """Return the changed labels, (prompt, row); x (prompt, row, dim) true covariates."""
        raise NotImplementedError

    def factor(self, x: Tensor) -> Tensor | None:
        """Return s(x), (prompt, row), where y - f is multiplied by s(x) and nothing else; None: anything may happen."""
        return None


class ObservePart:
    """What a model sees of the true prompt. Its presence denies every formula; targets are taken before it.

    on: "both", or "context": then the query is seen as it is. moves_x: whether it changes covariates. sees_task:
    whether the observed covariates follow the function or the labels.
    """

    on: Literal["both", "context"] = "both"
    moves_x: bool = True
    sees_task: bool = False

    __slots__ = ()

    def observe(
        self, x: Tensor, y: Tensor, f: Tensor | None, hidden: Any, rows: PromptRows, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return what is seen of every row: x (prompt, row, dim), y (prompt, row). Labels of queries are never seen."""
        raise NotImplementedError


class RowsPart:
    """Rows of a real table: gives x and y together, in place of covariates, query, task, noise and labels."""

    n_dims: int

    __slots__ = ()

    def check(self, draws: Draws) -> None:
        """Raise ValueError when there are too few rows for the prompts of `draws`, before any is drawn."""

    def sample(self, rows: PromptRows, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return x (prompt, row, dim) and y (prompt, row); one set of query rows for all context sizes."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Placed:
    """A part in its place in a law, with the name of the factor (the scenario) that put it there."""

    factor: str
    part: Any
