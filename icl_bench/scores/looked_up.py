"""Which cells of a run were looked up: every cell is judged, and every model on all cells of a seed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from icl_bench.arrays import Array
from icl_bench.places import Place
from icl_bench.scores.cells import ScoredSet
from icl_bench.statistics.looked_up import FEWEST, LIMIT, Judgement, judge, pooled
from icl_bench.tables.schema import LOOKED_UP

Rows = Sequence[dict[str, Any]]
Cell = tuple[Place, int, str]
"""place, seed, model"""


@dataclass(slots=True)
class Judging:
    """What is known of a run's answers, a prompt set after another in the order of the suite."""

    _cells: dict[Cell, Judgement] = field(default_factory=dict)
    _totals: dict[tuple[int, str], Array] = field(default_factory=dict)  # seed, model -> U (prompt,) over the cells

    def take(self, scored: ScoredSet) -> None:
        """Judge the cells of one prompt set, and add them to their seed's."""
        for (place, seed, model), total in scored.unsaid.items():
            found = judge(total)
            if found is not None:
                self._cells[place, seed, model] = found
            earlier = self._totals.get((seed, model))
            self._totals[seed, model] = total if earlier is None else pooled(earlier, total)

    def verdicts(self) -> Verdicts:
        """Return the judgement of everything that was taken."""
        seeds = {key: judge(total) for key, total in self._totals.items()}
        return Verdicts(self._cells, {key: found for key, found in seeds.items() if found is not None})


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was judged."""

    cells: Mapping[Cell, Judgement]
    seeds: Mapping[tuple[int, str], Judgement]  # seed, model: all cells together

    def mark(self, rows: Rows) -> None:
        """Give the answered rows of looked-up cells their status and message; their numbers stay."""
        for row in rows:
            if row["status"] == "ok":
                message = self.message(Place.of_row(row), row["seed"], row["model"])
                if message:
                    row.update(status=LOOKED_UP, message=message)

    def message(self, place: Place, seed: int, model: str) -> str:
        """Return why a cell counts as looked up, empty when it does not."""
        together = self.seeds.get((seed, model))
        if together is not None and together.looked_up:
            return _sentence(together, f" over all cells of seed {seed}")
        alone = self.cells.get((place, seed, model))
        return _sentence(alone, "") if alone is not None and alone.looked_up else ""

    def defect(self) -> str:
        """Return what to tell where z says that a Bayes prediction is wrong, empty when it never does."""
        named = {f"{model} on {place.name}, seed {seed}": found for (place, seed, model), found in self.cells.items()}
        named |= {f"{model} on all cells of seed {seed}": found for (seed, model), found in self.seeds.items()}
        wrong = {name: found.z for name, found in named.items() if found.wrong_bayes}
        if not wrong:
            return ""
        worst = max(wrong, key=lambda name: wrong[name])
        others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return (
            f"a defect of icl-bench, not of a model: the Bayes prediction is wrong, as {worst}{others} shows"
            f" (z = {wrong[worst]:+.1f}, and no answer can come above +{LIMIT:g} against a right one);"
            " do not use the excess risks there, nor what is looked_up there, and please report it with the suite file"
        )


def _sentence(found: Judgement, where: str) -> str:
    return (
        f"its answers know what the prompts do not tell: z = {found.z:.1f}{where}, where honest answers stay above"
        f" -{LIMIT:g} (some {FEWEST}/n = {found.smallest_share:.1%} of n = {found.n_prompts:,} prompts looked up"
        " are enough to be found)"
    )
