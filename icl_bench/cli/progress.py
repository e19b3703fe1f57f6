"""How a run shows where it is: a live bar on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from icl_bench.cli.console import err, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from icl_bench.run.jobs import Progress

PLAIN_SECONDS = 10.0
"""Between two plain lines."""


class _Live:
    """A rich progress bar with time left."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("checking the suite", total=None)

    def begin(self, blocks: int, done: int) -> None:
        """Show the number of blocks."""
        self._bar.update(self._task, total=blocks, completed=done, description="starting workers")

    def advance(self, label: str) -> None:
        """Move on by one block."""
        self._bar.update(self._task, advance=1, description=label)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(f"note: {text}", markup=False)

    def scoring(self) -> None:
        """Say that tables are being made."""
        self._bar.update(self._task, description="writing tables")


class _Plain:
    """A line at the start, every ten seconds, and at the end."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._blocks = self._done = self._before = 0

    def begin(self, blocks: int, done: int) -> None:
        """Say how much there is to do."""
        self._blocks, self._done, self._before = blocks, done, done
        self._started = self._last = time.monotonic()
        kept = f", {done} finished before" if done else ""
        say(f"{blocks} blocks of prompts{kept}")

    def advance(self, label: str) -> None:
        """Say where the run is, at most every ten seconds."""
        self._done += 1
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            left = (now - self._started) / (self._done - self._before) * (self._blocks - self._done)
            say(f"{self._done}/{self._blocks} blocks, about {left:.0f} s left ({label})")

    def note(self, text: str) -> None:
        """Print the note."""
        say(f"note: {text}")

    def scoring(self) -> None:
        """Say that tables are being made."""
        say(f"{self._done}/{self._blocks} blocks, writing tables")


@contextmanager
def progress_reporter() -> Iterator[Progress]:
    """Yield what tells the user how a run goes, fit for where stderr leads."""
    console = err()
    if not console.is_terminal:
        yield _Plain()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<26.26}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("blocks"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Live(bar)
