"""How long work shows where it is: a live bar on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from icl_bench.cli.console import err, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PLAIN_SECONDS = 10.0
"""Between two plain lines."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast work has gone since it was begun or continued."""

    rate: float  # units a second
    left: float  # seconds, at that rate


class PlainLines:
    """A line at the start, one at most every ten seconds, and the notes."""

    def __init__(self) -> None:
        self.total = self.done = self._before = 0
        self._started = self._last = time.monotonic()

    def start(self, total: int, done: int, units: str) -> None:
        """Say how much there is to do, of which `done` was finished before."""
        self.total, self.done, self._before = total, done, done
        self._started = self._last = time.monotonic()
        say(f"{total} {units}{f', {done} finished before' if done else ''}")

    def moved(self, done: int) -> Pace | None:
        """Take what is done by now; return the pace when a line is due, else None."""
        self.done = done
        now = time.monotonic()
        if now - self._last < PLAIN_SECONDS:
            return None
        self._last = now
        rate = (done - self._before) / (now - self._started)
        return Pace(rate, (self.total - done) / rate)

    def note(self, text: str) -> None:
        """Print the note."""
        say(f"note: {text}")


class LiveBar:
    """A rich progress bar with time left; what is said meanwhile is printed above it."""

    def __init__(self, bar: Bar, first: str) -> None:
        self._bar = bar
        self._task = bar.add_task(first, total=None)

    def show(self, **fields: Any) -> None:
        """Update the bar: total, completed, advance, description."""
        self._bar.update(self._task, **fields)

    def above(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False)

    def note(self, text: str) -> None:
        """Print the note above the bar."""
        self.above(f"note: {text}")


@contextmanager
def bar_of(units: str, width: int) -> Iterator[Bar | None]:
    """Yield a bar that counts `units` after a description of `width` characters; None where stderr is no terminal."""
    console = err()
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(f"{{task.description:<{width}.{width}}}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(units),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar
