"""What every law that is drawn in stages must keep to the bit, whatever its parts, as checks that name what is broken.

`contracts.models.scenario_violations` runs them over every severity of a scenario, `icl-bench validate` with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from icl_bench.laws.draws import Draws
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.laws.parts import TaskPart
from icl_bench.laws.sizes import PromptRows
from icl_bench.seeding import Streams

LONGER = 9
"""Examples by which a prompt is made longer: sums over rows that round by their number are then found out."""


def law_violations(law: PromptLaw) -> Iterator[str]:
    """Yield every promise of drawing in stages that a law breaks; nothing when it keeps them all.

    Eight blocks are drawn. Raises what the law's parts raise.
    """
    draw = _drawn(law)
    yield from _sizes(law, draw)
    yield from _repeats(law, draw)
    yield from _next_examples(law, draw)
    yield from _seeds(law, draw)
    yield from _sight(law, draw)
    yield from _task(law)


def same_draws(first: Draw, second: Draw) -> bool:
    """Tell whether two blocks are one to the bit."""
    targets = (first.targets.query_f, second.targets.query_f), (first.targets.query_y, second.targets.query_y)
    return first.prompts.same_values(second.prompts) and all(_same(*pair) for pair in targets)


def same_query(first: Draw, at: int, second: Draw, other: int) -> bool:
    """Tell whether two columns, one of each block, are one question with one answer."""
    fs = first.targets.query_f, second.targets.query_f
    return (
        torch.equal(first.prompts.query_x[:, at], second.prompts.query_x[:, other])
        and torch.equal(first.targets.query_y[:, at], second.targets.query_y[:, other])
        and (fs[0] is None or fs[1] is None or torch.equal(fs[0][:, at], fs[1][:, other]))
    )


def _drawn(law: PromptLaw, seed: int = 0, block: int = 0) -> Draw:
    return law.draw(Streams(seed, block))


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def _asked(law: PromptLaw, sizes: Sequence[int], queries: int = 1) -> PromptLaw:
    """Return the same law, asked at other sizes."""
    chosen = replace(law.sizes, context_sizes=tuple(sorted(set(sizes))), queries_per_context=queries)
    return replace(law, sizes=chosen)


def _column(law: PromptLaw, size: int, repeat: int = 0) -> int:
    """Return where the repeat-th query of a size stands among all."""
    return law.sizes.context_sizes.index(size) * law.sizes.queries_per_context + repeat


def _sizes(law: PromptLaw, draw: Draw) -> Iterator[str]:
    """Prompts and queries do not depend on what else is asked."""
    sizes, n = law.sizes.context_sizes, law.sizes.n_context
    longer = _asked(law, (*sizes, n + LONGER))
    more = _drawn(longer)
    if not torch.equal(draw.prompts.context_x, more.prompts.context_x[:, :n]):
        yield "examples move when the prompt grows"
    if not torch.equal(draw.prompts.context_y, more.prompts.context_y[:, :n]):
        yield "labels move when the prompt grows"
    for size in sizes:
        if not same_query(draw, _column(law, size), more, _column(longer, size)):
            yield f"the query of size {size} moves when the prompt grows"
    fewer = _asked(law, (sizes[0], sizes[-1]))
    few = _drawn(fewer)
    for size in fewer.sizes.context_sizes:
        if not same_query(draw, _column(law, size), few, _column(fewer, size)):
            yield f"the query of size {size} depends on the other sizes"


def _repeats(law: PromptLaw, draw: Draw) -> Iterator[str]:
    """Queries do not depend on how many there are, and are different ones."""
    sizes = law.sizes.context_sizes
    two, three = _asked(law, sizes, 2), _asked(law, sizes, 3)
    pair, triple = _drawn(two), _drawn(three)
    if triple.prompts.next_example:
        yield "several queries of a size are called the next example"
    if not torch.equal(draw.prompts.context_x, triple.prompts.context_x):
        yield "examples depend on the number of queries"
    for size in sizes:
        if not same_query(draw, _column(law, size), triple, _column(three, size)):
            yield f"the first of three queries of size {size} differs from the only one"
        if not same_query(pair, _column(two, size, 1), triple, _column(three, size, 1)):
            yield f"the second query of size {size} depends on how many there are"


def _next_examples(law: PromptLaw, draw: Draw) -> Iterator[str]:
    """Where a query is said to be the next example, it is."""
    if not draw.prompts.next_example:
        return
    for at, size in enumerate(draw.prompts.context_sizes):
        if size == draw.prompts.n_context:
            continue
        if not torch.equal(draw.prompts.query_x[:, at], draw.prompts.context_x[:, size]):
            yield f"query {size} is called the next example and has another x"
        if not law.observe and not torch.equal(draw.targets.query_y[:, at], draw.prompts.context_y[:, size]):
            yield f"query {size} is called the next example and has another label"


def _seeds(law: PromptLaw, draw: Draw) -> Iterator[str]:
    """The same block is the same to the bit; another seed or block is another."""
    again = _drawn(law)
    if again.digest != draw.digest or not same_draws(again, draw):
        yield "the same block differs"
    for other in (_drawn(law, seed=1), _drawn(law, block=1)):
        if other.prompts.same_values(draw.prompts) or other.digest == draw.digest:
            yield "another seed or block draws the same"
    if not bool(draw.prompts.context_x.isfinite().all() and draw.prompts.query_x.isfinite().all()):
        yield "numbers that are not finite"


@dataclass(frozen=True)
class _OtherTask(TaskPart):
    """The same class, and another function of it."""

    inner: TaskPart

    @property
    def n_dims(self) -> int:  # type: ignore[override]
        """As of the inner prior."""
        return self.inner.n_dims

    def draw(self, draws: Draws) -> Any:
        """Draw the inner function under another name."""
        return self.inner.draw(draws.scoped("another function"))

    def value(self, hidden: Any, x: Tensor, position: Tensor) -> Tensor:
        """Return the inner values."""
        return self.inner.value(hidden, x, position)


def _sight(law: PromptLaw, draw: Draw) -> Iterator[str]:
    """What is seen of x does not follow the function or the labels, unless that is declared."""
    if law.rows is not None:
        return
    other = _drawn(replace(law, prior=_OtherTask(law.prior), noise=GaussianNoise(9.0)))
    x = (draw.prompts.context_x, other.prompts.context_x), (draw.prompts.query_x, other.prompts.query_x)
    follows = not all(torch.equal(*pair) for pair in x)
    declared = any(placed.part.sees_task for placed in law.observe)
    if follows != declared:
        yield f"x follows the task: {follows}; declared: {declared}"


def _task(law: PromptLaw) -> Iterator[str]:
    """A value is a function of x and of the position, whatever row asks."""
    if law.rows is not None:
        return
    rows = PromptRows.of(_asked(law, law.sizes.context_sizes, 2).sizes, law.forked)
    draws = Draws(Streams(0, 0), rows)
    hidden = law.prior.draw(draws.scoped("task"))
    x = draws.scoped("anywhere").per_example("x", (law.n_dims,))
    order = torch.arange(rows.n_rows).flip(0)
    values = law.prior.value(hidden, x, rows.position)
    turned = law.prior.value(hidden, x[:, order], rows.position[order])
    if not torch.allclose(turned, values[:, order], rtol=1e-9, atol=1e-12):
        yield "the value at a row is not that of its x and its position"
