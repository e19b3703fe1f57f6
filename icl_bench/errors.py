"""Every error that icl-bench raises on purpose, and the exit code each one ends the command line with.

An error says what was expected, what came, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_NOT_COMPARABLE = 3
EXIT_INCOMPLETE = 4
EXIT_INTERNAL = 5
EXIT_INTERRUPTED = 130


class IclBenchError(Exception):
    """Root of the tree; `exit_code` is what the command line ends with."""

    exit_code = EXIT_INTERNAL


class UsageError(IclBenchError):
    """What was asked cannot be done as it was asked: a bad option, name, value or file."""

    exit_code = EXIT_USAGE


class DocumentError(UsageError):
    """A file of ours is refused; `problems` holds every reason, each with its file and line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[DocumentError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)  # from a worker process back to the command


class SuiteError(DocumentError):
    """A suite file is refused."""


class RecipeError(DocumentError):
    """A training recipe is refused."""


class TrainingError(UsageError):
    """Training cannot go on (the loss diverged, memory ran out); the last good state is kept."""


class PluginError(UsageError):
    """A model, scenario, metric or executor cannot be found, imported or built with these arguments."""


class NotBoundError(PluginError, AttributeError):
    """A model was asked before it was told its law: it has no `predict`, and what its `bind` returns has one."""


class CheckpointError(UsageError):
    """A checkpoint is missing, damaged, or not what its card says; nothing of it is used."""


class TableError(UsageError):
    """A table on disk is missing, damaged, or not one of icl-bench's."""


class RunFolderError(UsageError):
    """The results folder cannot be used: in use, unwritable, or another suite's."""


class InstallationError(IclBenchError):
    """The installed package lacks what it ships with; nothing that the user asked for is wrong."""


class NotComparableError(IclBenchError):
    """Two results answer different questions (prompts or schema differ)."""

    exit_code = EXIT_NOT_COMPARABLE


class IncompleteError(IclBenchError):
    """Cells are missing or failed; what was finished is kept."""

    exit_code = EXIT_INCOMPLETE


class OutputError(IncompleteError):
    """A table could not be written (disk full, quota, permissions lost); finished units are kept."""


class NoClosedForm(IclBenchError):  # noqa: N818
    """A reference answer was asked for where no closed form is known; becomes a `skipped` row."""


MOVED = "docs/plugins-0.2.md says what changed for plugins"
"""Ends the refusal of a plugin that was written for 0.1."""


def told(error: BaseException) -> str:
    """Return an error as one line of at most 300 characters, after the part of a law that raised it (its notes)."""
    text = " ".join(str(error).split())
    shown = text if isinstance(error, IclBenchError) else f"{type(error).__name__}: {text}".rstrip(": ")
    shown = ": ".join([*getattr(error, "__notes__", ()), shown])
    return shown if len(shown) <= 300 else f"{shown[:297]}..."
