"""Jobs spread over worker processes, one thread each; a worker that hangs or dies is replaced."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any, Self

from icl_bench.plugins.protocols import Outcome


def _quiet_worker() -> None:
    """Leave Ctrl-C to the parent, which stops its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Processes:
    """Jobs spread over `workers` processes.

    A job that outlasts its time ends as `timeout` and one whose worker dies as `error`; either way the worker is
    replaced and no other job is touched.
    """

    def __init__(self, workers: int) -> None:
        from pebble import ProcessPool

        self.workers = workers
        context = multiprocessing.get_context("spawn")
        self._pool: Any = ProcessPool(max_workers=workers, initializer=_quiet_worker, context=context)

    def map(self, work: Callable[[Any], Any], jobs: Sequence[Any], timeout: float | None) -> Iterator[Outcome]:
        """Yield outcomes as jobs end; a few more jobs than workers are queued at a time."""
        from pebble import ProcessExpired

        waiting = iter(jobs)
        pending: dict[Any, Any] = {}

        def submit() -> None:
            for job in waiting:
                pending[self._pool.schedule(work, args=(job,), timeout=timeout)] = job
                return

        for _ in range(2 * self.workers):
            submit()
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                job = pending.pop(future)
                try:
                    outcome = Outcome(job, future.result())
                except TimeoutError:
                    outcome = Outcome(job, None, "timeout", f"no end within {timeout:g} s")
                except ProcessExpired as error:
                    outcome = Outcome(job, None, "error", f"the worker process died (exit code {error.exitcode})")
                submit()
                yield outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()


EXECUTOR = Processes
