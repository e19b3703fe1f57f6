"""`icl-bench train RECIPE`: a recipe becomes a checkpoint folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from icl_bench.cli.console import err, guarded, print_json, say
from icl_bench.errors import EXIT_INTERRUPTED
from icl_bench.shipped import recipe_file

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PLAIN_SECONDS = 10.0
"""Between two plain lines."""


@guarded
def train(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe file (TOML), or the name of one that ships.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Checkpoint folder [default: checkpoints/NAME of the recipe].")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Delete what the folder holds / continue it.")
    ] = False,
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps of the schedule; continue later.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: torch's choice].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last measurement as JSON on stdout.")] = False,
) -> None:
    """Train a network from one file: weights, card, training table.

    Runs again into the same folder continue what is there. Ctrl-C loses nothing.
    """
    from icl_bench.training.train import train as run_training

    recipe = recipe_file(recipe)
    with _reporter() as progress:
        try:
            folder = run_training(
                recipe, out, device=device, fresh=fresh, until=until, threads=threads, progress=progress
            )
        except KeyboardInterrupt:
            say("interrupted; the state is kept: run the same command again to continue")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    finished = (folder / "card.toml").exists()
    if as_json:
        print_json({"out": str(folder), "finished": finished, "measured": progress.rows})
    elif finished:
        print(f'{folder}: trained; use it in a suite with `use = "checkpoint"`, `path = "{folder}"`')
        _print_curve(progress.rows)
    else:
        print(f"{folder}: stopped on the way; run the same command without --until to continue")


def _print_curve(rows: list[dict[str, Any]]) -> None:
    """Print risk against context size on unshifted tuning prompts."""
    from icl_bench.training.measuring import OVER_BAYES, SQUARED

    base = [row for row in rows if row["scenario"] == "base"]
    table: dict[int, dict[str, dict[str, Any]]] = {}
    for row in base:
        table.setdefault(row["context_size"], {})[row["metric"]] = row
    if not table:
        return
    print(f"{'context size':>12}  {'squared error':>20}  {'over Bayes':>16}")
    for size, metrics in table.items():
        squared, over = metrics[SQUARED], metrics.get(OVER_BAYES)
        shown = "" if over is None or over["value"] is None else f"{over['value']:.3f} ±{1.96 * over['stderr']:.3f}"
        print(f"{size:>12}  {squared['value']:>12.4g} ±{1.96 * squared['stderr']:<7.2g}  {shown:>16}")


class _Reporter:
    """What both ways of telling share: the last measurement, and its one-line form."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._steps = self._done = self._before = 0
        self._started = self._last = time.monotonic()

    def begin(self, steps: int, done: int) -> None:
        """Say how much there is to do."""
        self._steps, self._done, self._before = steps, done, done
        self._started = self._last = time.monotonic()
        say(f"{steps} steps{f', {done} finished before' if done else ''}")

    def advance(self, step: int, loss: float) -> None:
        """Say where training is, at most every ten seconds."""
        self._done = step
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            rate = (step - self._before) / (now - self._started)
            left = (self._steps - step) / rate
            say(f"step {step}/{self._steps}, loss {loss:.4g}, {rate:.1f} steps/s, about {left:.0f} s left")

    def measured(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Say how far from the best achievable the learner is."""
        self.rows = rows
        say(f"step {step}: {_in_short(rows)}")

    def note(self, text: str) -> None:
        """Print the note."""
        say(f"note: {text}")


class _Live(_Reporter):
    """A rich progress bar with time left; measurements are printed above it."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("drawing prompts", total=None)

    def begin(self, steps: int, done: int) -> None:
        """Show the number of steps."""
        self._bar.update(self._task, total=steps, completed=done)

    def advance(self, step: int, loss: float) -> None:
        """Move on to `step`."""
        self._bar.update(self._task, completed=step, description=f"loss {loss:.4g}")

    def measured(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Print the measurement above the bar."""
        self.rows = rows
        self._bar.console.print(f"step {step}: {_in_short(rows)}", markup=False)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(f"note: {text}", markup=False)


def _in_short(rows: list[dict[str, Any]]) -> str:
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
def _reporter() -> Iterator[_Reporter]:
    """Yield what tells the user how training goes, fit for where stderr leads."""
    console = err()
    if not console.is_terminal:
        yield _Reporter()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<20.20}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Live(bar)
