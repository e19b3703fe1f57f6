"""How foreign code is caught: whatever it raises, and however long it takes, becomes the words of a table row."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from icl_bench.errors import NoClosedForm, told


@dataclass(eq=False)  # not frozen: Python sets an exception's traceback as it passes through a `with`
class Failure(Exception):  # noqa: N818
    """A model did not answer: why, in the words of a table row."""

    status: str
    message: str


class _TimeUp(BaseException):
    """Raised inside a model that outlasts its time; not an Exception, so that no model swallows it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise Failure("timeout") when the block runs longer; only in a main thread, where the alarm can be set."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeUp:
        raise Failure("timeout", f"no answer within {seconds:g} s for one block of prompts") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def caught(seconds: float | None = None, what: str = "") -> Iterator[None]:
    """Turn what foreign code raises into a Failure, its message after `what`, and end it after `seconds`."""
    try:
        with time_limit(seconds):
            yield
    except Failure:
        raise
    except NoClosedForm as error:
        raise Failure("skipped", told(error)) from error
    except (Exception, SystemExit) as error:
        raise Failure("error", f"{what}{told(error)}") from error
