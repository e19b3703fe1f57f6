"""One job after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from icl_bench.plugins.protocols import Outcome


class Serial:
    """One job after another in this process, on one thread.

    The time limit is an alarm inside the process: it ends Python code, but not a native call that never returns.
    """

    def __init__(self, workers: int = 1) -> None:
        del workers  # there is one: this process

    def map(
        self,
        work: Callable[[Any], Any],
        jobs: Sequence[Any],
        timeout: float | None,
    ) -> Iterator[Outcome]:
        """Yield each job's outcome in turn; an error of the harness itself propagates."""
        for job in jobs:
            yield Outcome(job, work(job))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


EXECUTOR = Serial
