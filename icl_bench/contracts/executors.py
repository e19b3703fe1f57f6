"""What an executor must keep: every job ends as exactly one Outcome, in whatever order.

`icl-bench validate --executor NAME` tries it on small jobs; a run holds an executor from outside the package to it
while it works, so that a lost job is told and never a hole in a table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from icl_bench.errors import IclBenchError, PluginError
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import argument_problems
from icl_bench.plugins.protocols import Executor, Outcome

STATUSES = ("ok", "error", "timeout")
N_JOBS = 7
"""Jobs that an executor is tried on: more than its workers."""


def executor_problem(executor: object) -> str | None:
    """Return what an executor, or its class, lacks to be used; None when nothing."""
    for name, meant in (("map", "map(work, jobs, timeout)"), ("__enter__", "`with`"), ("__exit__", "`with`")):
        if not callable(getattr(executor, name, None)):
            return f"has no method {name}: expected an executor with {meant}"
    return None


def check_executor(use: str, workers: int) -> None:
    """Raise PluginError when no executor is called `use`, or it lacks a member; nothing is started."""
    cls = loading.plugin_class("executors", use)
    problems = argument_problems(cls, {"workers": workers})
    missing = executor_problem(cls) if inspect.isclass(cls) else None
    problems = [*problems, *([missing] if missing else [])]
    if problems:
        raise PluginError("; ".join(f"executor {use}: {problem}" for problem in problems))


@contextmanager
def opened(use: str, workers: int) -> Iterator[Executor]:
    """Yield an executor, started; one from outside the package is held to its contract (PluginError)."""
    pool: Executor = loading.build("executors", use, {"workers": workers})
    if catalogue.is_foreign("executors", use):
        pool = Held(use, pool)
    with pool as started:
        yield started


class Held:
    """An executor that is held to its contract: what it raises, loses or makes up is a PluginError that names it."""

    def __init__(self, use: str, pool: Executor) -> None:
        problem = executor_problem(pool)
        if problem:
            raise PluginError(f"executor {use}: {problem}")
        self._use, self._pool = use, pool

    def map(self, work: Callable[[Any], Any], jobs: Sequence[Any], timeout: float | None) -> Iterator[Outcome]:
        """Yield the outcomes, each of a job that had none yet."""
        waiting = {id(job): job for job in jobs}
        try:
            for outcome in self._pool.map(work, jobs, timeout):
                problem = _outcome_problem(outcome)
                if problem:
                    raise self._broken(f"map: {problem}")
                key = _key(outcome.job, waiting)
                if key is None:
                    raise self._broken("map: expected exactly one Outcome for each job, got one of no job that waits")
                del waiting[key]
                yield outcome
        except (IclBenchError, GeneratorExit):
            raise
        except (Exception, SystemExit) as error:
            raise self._broken(f"map: {type(error).__name__}: {error}") from error
        if waiting:
            lost = f"{len(waiting)} of {len(jobs)} jobs have none"
            raise self._broken(f"map: expected exactly one Outcome for each job, {lost}")

    def __enter__(self) -> Self:
        with self._told("__enter__"):
            started = self._pool.__enter__()
        problem = executor_problem(started)
        if problem:
            raise self._broken(f"__enter__: expected the executor itself, got one that {problem}")
        self._pool = started
        return self

    def __exit__(self, *exc: object) -> None:
        with self._told("__exit__"):
            self._pool.__exit__(*exc)

    @contextmanager
    def _told(self, member: str) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:
            raise self._broken(f"{member}: {type(error).__name__}: {error}") from error

    def _broken(self, text: str) -> PluginError:
        return PluginError(f"executor {self._use}: {text}")


def _outcome_problem(outcome: object) -> str | None:
    if not isinstance(outcome, Outcome):
        return f"expected an icl_bench.Outcome for each job, got {type(outcome).__name__}"
    if outcome.status not in STATUSES:
        return f"Outcome.status: expected one of {', '.join(STATUSES)}, got {outcome.status!r}"
    if outcome.status == "ok" and outcome.value is None:
        return "Outcome.value: expected what work(job) returned, got None"
    return None


def _key(job: Any, waiting: dict[int, Any]) -> int | None:
    """Return where a job waits: itself, or an equal one that came back from another process."""
    if id(job) in waiting:
        return id(job)
    return next((key for key, other in waiting.items() if other == job), None)


def executor_violations(executor: Callable[..., Executor], use: str) -> Iterator[str]:
    """Yield every contract that an executor breaks on a few jobs; nothing when it keeps them all.

    More jobs than workers, twice over with the same workers, and then jobs of which one raises: that one ends as an
    Outcome that says so, or its error comes out of `map`; it is never lost and never "ok".
    """
    for workers in (1, 2):
        with Held(use, executor(workers=workers)) as pool:
            for _ in range(2):
                for outcome in pool.map(_squared, range(N_JOBS), None):
                    if outcome.status != "ok" or outcome.value != _squared(outcome.job):
                        yield f"map: expected work(job) of each job, got {outcome} with workers = {workers}"
                        return
    try:
        with Held(use, executor(workers=2)) as pool:
            outcomes = list(pool.map(_raising, range(N_JOBS), None))
    except PluginError as error:
        if isinstance(error.__cause__, _JobError):
            return
        raise
    status = {outcome.job: outcome.status for outcome in outcomes}
    if status[N_JOBS // 2] == "ok":
        yield "map: a job that raises ended as ok: expected status error, with the message"


class _JobError(Exception):
    """Raised by a job that an executor is tried on."""


def _squared(job: int) -> int:
    return job * job


def _raising(job: int) -> int:
    if job == N_JOBS // 2:
        raise _JobError("raised by a job on purpose")
    return job * job
