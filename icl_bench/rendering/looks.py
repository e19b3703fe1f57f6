"""Which colour and mark a model is drawn in: by its name, so that they are the same in every figure, page and run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from icl_bench.digests import text_digest

COLOURS, MARKS = 12, 11
"""How many there are; they share no factor."""


@dataclass(frozen=True, slots=True)
class Look:
    """Numbers of a colour and of a mark; figures and pages have a list of each."""

    colour: int
    mark: int


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of every model of a figure or page, by name.

    The colour follows from the name alone, and so does the mark, but where two models would look alike: the later name
    in alphabetical order then takes the next mark that is free in its colour, as long as there is one.
    """
    found: dict[str, Look] = {}
    taken: set[Look] = set()
    for name in sorted(set(names)):
        number = int(text_digest(name)[:12], 16)
        colour, first = number % COLOURS, number // COLOURS % MARKS
        marks = (Look(colour, (first + step) % MARKS) for step in range(MARKS))
        look = next((own for own in marks if own not in taken), Look(colour, first))
        taken.add(look)
        found[name] = look
    return found
