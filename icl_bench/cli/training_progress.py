"""How training shows where it is: steps, the loss, and how far from the best achievable the learner is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from icl_bench.cli.console import say
from icl_bench.cli.progress import LiveBar, PlainLines, bar_of

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Rows = list[dict[str, Any]]


class TrainingBar(LiveBar):
    """Training as a bar; measurements stand above it."""

    def __init__(self, bar: Bar) -> None:
        super().__init__(bar, "drawing prompts")
        self.rows: Rows = []  # of the last measurement

    def begin(self, steps: int, done: int) -> None:
        """Show the number of steps."""
        self.show(total=steps, completed=done)

    def advance(self, step: int, loss: float) -> None:
        """Move on to `step`."""
        self.show(completed=step, description=f"loss {loss:.4g}")

    def measured(self, step: int, rows: Rows) -> None:
        """Print the measurement above the bar."""
        self.rows = rows
        self.above(f"step {step}: {_in_short(rows)}")


class TrainingLines(PlainLines):
    """Training as lines."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Rows = []  # of the last measurement

    def begin(self, steps: int, done: int) -> None:
        """Say how much there is to do."""
        self.start(steps, done, "steps")

    def advance(self, step: int, loss: float) -> None:
        """Say where training is, now and then."""
        pace = self.moved(step)
        if pace is not None:
            said = f"{pace.rate:.1f} steps/s, about {pace.left:.0f} s left"
            say(f"step {step}/{self.total}, loss {loss:.4g}, {said}")

    def measured(self, step: int, rows: Rows) -> None:
        """Say how far from the best achievable the learner is."""
        self.rows = rows
        say(f"step {step}: {_in_short(rows)}")


def _in_short(rows: Rows) -> str:
    """Return a measurement in one line: risk over Bayes risk at a few context sizes, else the squared error."""
    from icl_bench.training.measuring import OVER_BAYES, SQUARED

    base = [row for row in rows if row["scenario"] == "base" and row["value"] is not None]
    for metric, words in ((OVER_BAYES, "risk over Bayes risk"), (SQUARED, "squared error")):
        chosen = [row for row in base if row["metric"] == metric]
        if chosen:
            few = chosen[:: max(1, len(chosen) // 4)]
            return f"{words} " + ", ".join(f"{row['value']:.3g} at {row['context_size']}" for row in few)
    return "nothing to measure"


@contextmanager
def training_progress() -> Iterator[TrainingBar | TrainingLines]:
    """Yield what tells the user how training goes, fit for where stderr leads."""
    with bar_of("steps", 20) as bar:
        yield TrainingLines() if bar is None else TrainingBar(bar)
