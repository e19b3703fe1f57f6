"""What every verb shares: where text goes, and how an error ends the command."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import typer

from icl_bench.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, DocumentError, IclBenchError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

P = ParamSpec("P")


def out() -> Console:
    """Return the console for data (stdout)."""
    from rich.console import Console

    class Stdout(Console):
        """Goes quiet when its reader goes away (`| head`); the verb then ends with its own exit code."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            forget_stdout()

    return Stdout(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """Return the console for progress and messages (stderr)."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def forget_stdout() -> None:
    """Send what is still written to stdout nowhere: whoever read it went away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


ASCII = str.maketrans({"±": "+-", "†": "^", "·": ".", "…": "~", "–": "-"})
"""For a stdout that cannot write more."""


def print_lines(lines: Iterable[Text], console: Console) -> None:
    """Print styled lines on stdout, plain where it is no terminal, in ASCII where it takes no more.

    A reader that goes away (`| head`) changes nothing of how the command ends.
    """
    try:
        for line in lines:
            try:
                line.plain.encode(console.encoding)
            except UnicodeEncodeError:
                line.plain = line.plain.translate(ASCII).encode(console.encoding, "replace").decode(console.encoding)
            if console.is_terminal:
                console.print(line, soft_wrap=True)
            else:
                print(line.plain)  # rich would end a broken pipe with the code of a regression
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()


def print_text(text: str) -> None:
    """Print a text on stdout; a reader that goes away changes nothing of how the command ends."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        forget_stdout()


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def check_out(path: Path) -> None:
    """Raise UsageError unless `--out PATH` can be a file: before the work, not after it."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--out {path}: expected a file in an existing folder")


def say(text: str) -> None:
    """Write one plain line to stderr."""
    print(text, file=sys.stderr, flush=True)


def fail(error: IclBenchError) -> NoReturn:
    """Write an error to stderr and end with its exit code."""
    if isinstance(error, DocumentError):
        for problem in error.problems:
            say(f"error: {problem}")
    else:
        say(f"error: {error}")
    raise typer.Exit(error.exit_code)


def guarded(verb: Callable[P, None]) -> Callable[P, None]:
    """Turn what a verb raises into a message on stderr and a documented exit code, never a traceback.

    ICL_BENCH_DEBUG=1 shows the traceback of an internal error.
    """

    @functools.wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except IclBenchError as error:
            fail(error)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            forget_stdout()
        except typer.Exit:
            raise
        except Exception as error:
            if os.environ.get("ICL_BENCH_DEBUG"):
                raise
            say(f"internal error: {type(error).__name__}: {error}")
            say("this is a bug in icl-bench: run again with ICL_BENCH_DEBUG=1 for the traceback, and please report it")
            raise typer.Exit(EXIT_INTERNAL) from error

    return wrapped


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON, numbers that are not finite as null."""
    import json

    from icl_bench.formatting import finite

    print(json.dumps(finite(value), indent=2))
