"""The stages of one draw, in order.

Base normals -> covariate parts -> query parts, size by size -> the task at true x and position -> base noise -> label
parts -> targets are taken -> observation -> what models see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from icl_bench.laws.asked import asked
from icl_bench.laws.draws import OWN, Draws
from icl_bench.laws.parts import Placed
from icl_bench.seeding import BLOCK_SIZE

if TYPE_CHECKING:
    from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True, slots=True)
class Truth:
    """The true prompt, before anything is observed: all rows."""

    x: Tensor  # (prompt, row, dim)
    y: Tensor  # (prompt, row)
    f: Tensor | None  # (prompt, row); None for rows of a table
    hidden: Any  # the task


def true_prompt(law: PromptLaw, draws: Draws) -> Truth:
    """Draw the true prompt, all rows; what a part raises, or answers wrongly, is told with its name."""
    rows = draws.rows
    if law.rows is not None:
        with asked(law.rows, "sample") as of:
            x, y = law.rows.sample(rows, draws.scoped("rows"))
            of.shaped(x, (BLOCK_SIZE, rows.n_rows, law.n_dims))
            of.shaped(y, (BLOCK_SIZE, rows.n_rows))
        return Truth(x, y, None, None)
    x = draws.scoped("covariates").per_example(OWN, (law.n_dims,))
    for placed in law.covariates:
        with asked(placed.part, "move") as of:
            moved = of.shaped(placed.part.move(x, rows, draws.scoped(placed.factor)), tuple(x.shape))
        x = moved if placed.part.on == "both" else torch.where(rows.in_context[:, None], moved, x)
    for placed in law.query:
        x = _moved_queries(placed, x, law.sizes.context_sizes, draws)
    shape = tuple(x.shape[:2])
    with asked(law.prior, "draw"):
        hidden = law.prior.draw(draws.scoped("task"))
    with asked(law.prior, "value") as of:
        f = of.shaped(law.prior.value(hidden, x, rows.position), shape)
    with asked(law.noise, "sample") as of:
        y = f + of.shaped(law.noise.sample(draws.scoped("noise")), shape)
    for placed in law.labels:
        with asked(placed.part, "labels") as of:
            y = of.shaped(placed.part.labels(y, f, x, draws.scoped(placed.factor)), shape)
    return Truth(x, y, f, hidden)


def _moved_queries(placed: Placed, x: Tensor, context_sizes: Sequence[int], draws: Draws) -> Tensor:
    """Return x with the query rows moved; the context is cut here, so a part cannot look past its k examples."""
    own, rows = draws.scoped(placed.factor), draws.rows
    moved = x.clone()
    if not placed.part.sees_context:
        index = torch.tensor(rows.queries)
        with asked(placed.part, "move") as of:
            queries = placed.part.move(x[:, index], x[:, :0], own.at(rows.queries))
            moved[:, index] = of.shaped(queries, tuple(x[:, index].shape))
        return moved
    for size in context_sizes:
        rows_asked = rows.of_size(size)
        index = torch.tensor(rows_asked)
        with asked(placed.part, "move") as of:
            queries = placed.part.move(x[:, index], x[:, :size].clone(), own.at(rows_asked))
            moved[:, index] = of.shaped(queries, tuple(x[:, index].shape))
    return moved


def observed(law: PromptLaw, truth: Truth, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return what is seen of every row, x (prompt, row, dim) and y (prompt, row)."""
    x, y, rows = truth.x, truth.y, draws.rows
    for placed in law.observe:
        with asked(placed.part, "observe") as of:
            seen_x, seen_y = placed.part.observe(x, y, truth.f, truth.hidden, rows, draws.scoped(placed.factor))
            of.shaped(seen_x, tuple(x.shape))
            of.shaped(seen_y, tuple(y.shape))
        if placed.part.on == "context":
            seen_x = torch.where(rows.in_context[:, None], seen_x, x)
            seen_y = torch.where(rows.in_context, seen_y, y)
        x, y = (seen_x if placed.part.moves_x else x), seen_y
    return x, y
