"""The formats that something comes in, by name; a name that is none is refused with the nearest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from icl_bench.errors import UsageError
from icl_bench.names import nearest

TERMINAL = "terminal"
"""What every verb prints unless it is asked for another format: styled lines, no single text."""
Shown = TypeVar("Shown")


def check_name(kind: str, name: str, known: Sequence[str]) -> None:
    """Raise UsageError unless there is a `kind` of this name among the known ones."""
    if name not in known:
        raise UsageError(f"no {kind} is called {name!r}{nearest(name, known)}; expected one of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Formats(Generic[Shown]):
    """The formats other than the terminal's, by name."""

    renderers: Mapping[str, Callable[[Shown], str]]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the terminal's first."""
        return (TERMINAL, *self.renderers)

    def check(self, name: str) -> None:
        """Raise UsageError unless there is a format of this name."""
        check_name("format", name, self.names)

    def render(self, name: str, shown: Shown) -> str:
        """Return what is shown as one text; `name` is checked, and not the terminal's."""
        return self.renderers[name](shown)
