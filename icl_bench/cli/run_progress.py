"""How a run shows where it is: blocks of prompts, and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from icl_bench.cli.console import say
from icl_bench.cli.progress import LiveBar, PlainLines, bar_of

if TYPE_CHECKING:
    from icl_bench.run.jobs import Progress


class RunBar(LiveBar):
    """A run as a bar."""

    def begin(self, blocks: int, done: int) -> None:
        """Show the number of blocks."""
        self.show(total=blocks, completed=done, description="starting workers")

    def advance(self, label: str) -> None:
        """Move on by one block."""
        self.show(advance=1, description=label)

    def scoring(self) -> None:
        """Say that tables are being made."""
        self.show(description="writing tables")


class RunLines(PlainLines):
    """A run as lines."""

    def begin(self, blocks: int, done: int) -> None:
        """Say how much there is to do."""
        self.start(blocks, done, "blocks of prompts")

    def advance(self, label: str) -> None:
        """Say where the run is, now and then."""
        pace = self.moved(self.done + 1)
        if pace is not None:
            say(f"{self.done}/{self.total} blocks, about {pace.left:.0f} s left ({label})")

    def scoring(self) -> None:
        """Say that tables are being made."""
        say(f"{self.done}/{self.total} blocks, writing tables")


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Yield what tells the user how a run goes, fit for where stderr leads."""
    with bar_of("blocks", 26) as bar:
        yield RunLines() if bar is None else RunBar(bar, "checking the suite")
