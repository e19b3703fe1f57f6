"""What skill should leave out of a suite: its cells judged from many prompts each, no model asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from icl_bench.arrays import Array
from icl_bench.assembly.laws import CellLaw
from icl_bench.assembly.resolved import Resolved
from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.run.block import with_bayes
from icl_bench.run.suite_run import check_suite
from icl_bench.seeding import BLOCK_SIZE, Streams
from icl_bench.statistics.skill import nothing_to_know
from icl_bench.suites.plan import PromptSet, make_plan
from icl_bench.suites.suite_file import load_suite

ENOUGH = 20_480
"""Prompts of one seed that a cell is judged by."""


@dataclass(frozen=True, slots=True)
class JudgedPlace:
    """One severity of a suite: why skill leaves it out, and whether the suite says so."""

    name: str
    reason: str  # empty: it has something to know
    declared: bool | None  # whether `[skill] left_out` names it; None: the suite has no such list

    @property
    def problem(self) -> str:
        """What is wrong with the suite's list; empty where it agrees."""
        if self.declared is None or self.declared == bool(self.reason):
            return ""
        return f"left out without need ({self.name})" if self.declared else f"to be left out: {self.reason}"


def judge_places(path: str | Path, n_prompts: int = ENOUGH) -> Iterator[JudgedPlace]:
    """Yield every severity of the suite at `path` whose best possible answer is known; SuiteError as ever.

    Judged by the first of its seeds. Places without a Bayes prediction are passed over: they are left out by
    themselves.
    """
    suite = load_suite(path)
    plan = make_plan(suite)
    resolved: Resolved = check_suite(suite, plan)
    judged: dict[str, PromptSet] = {}
    for prompt_set in plan.prompt_sets:
        judged.setdefault(prompt_set.place.name, prompt_set)
    for name, prompt_set in judged.items():
        drawn = _squares(resolved.laws.cell(prompt_set), prompt_set.seed, n_prompts)
        if drawn is not None:
            declared = None if suite.left_out is None else name in suite.left_out
            yield JudgedPlace(name, nothing_to_know(*drawn), declared)


def _squares(cell: CellLaw, seed: int, n_prompts: int) -> tuple[Array, Array | None] | None:
    """Return b^2 and f^2 (prompt,) at the headline size, means over queries; None without a Bayes prediction."""
    law = _at_headline(cell)
    best, signal = [], []
    for block in range(-(-n_prompts // BLOCK_SIZE)):
        draw = with_bayes(law, law.draw(Streams(seed, block)))
        if draw.targets.bayes_mean is None:
            return None
        here = np.asarray(draw.prompts.context_sizes) == cell.headline_size
        best.append(draw.targets.bayes_mean.double().numpy()[:, here] ** 2)
        try:
            signal.append(draw.targets.noiseless().double().numpy()[:, here] ** 2)
        except NoClosedForm:
            continue
    square = np.concatenate(best).mean(axis=1)[:n_prompts]
    return square, np.concatenate(signal).mean(axis=1)[:n_prompts] if len(signal) == len(best) else None


def _at_headline(cell: CellLaw) -> PromptLaw:
    """Return the law asked at its headline size alone, which takes a fraction of the time."""
    alone = Sizes((cell.headline_size,), cell.law.sizes.queries_per_context)
    try:
        law = replace(cell.law, sizes=alone)
        law.draw(Streams(0, 0))
    except Exception:  # a law that wants its own sizes is asked at all of them
        return cell.law
    return law
