"""Text that no format lets break out: names and messages come from suites and from foreign code."""

from __future__ import annotations

import re

from icl_bench.formatting import plain, printable

_BLOCK = re.compile(r"^(?:([-+])(?=\s|$|-+[\s-]*$)|(\d{1,9})([.)])(?=\s|$))")  # begins a list, or is a rule
_FORMULA = ("=", "+", "-", "@")
_JOINT = " x "
"""Stands between the severities of a joint shift: `-1 x 2` is no formula."""
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|~$&@"})
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "±": r"$\pm$",
        "†": r"$^\dagger$",
        "·": r"$\cdot$",
        "…": r"\dots{}",
        "–": "--",
        "[": "{[}",  # at the start of a row it would be an argument of the row end before it
        "*": "{*}",
    }
)


def markdown(text: str) -> str:
    """Return text that Markdown and the HTML in it leave as it is, on one line; `@` names nobody."""
    return printable(text).translate(_MARKDOWN)


def markdown_line(text: str) -> str:
    """Return text as `markdown` does for a line or an item of its own: it begins no list in it and is no rule."""
    return _BLOCK.sub(lambda found: f"{found[2] or ''}\\{found[1] or found[3]}", markdown(text))


def latex(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line."""
    return printable(text).translate(_LATEX)


def latex_comment(text: str) -> str:
    """Return a line that LaTeX passes over."""
    return f"% {printable(text)}"


def fenced(line: str) -> str:
    """Return a line for a fenced block of Markdown, which it cannot end: its spaces stay."""
    return plain(line).replace("```", "'''")


def csv_value(value: object) -> object:
    """Return a value for a field of csv, which the writer quotes.

    Of text the control characters are spaces, and a quote keeps a spreadsheet from taking a name for a formula.
    """
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) and not all(map(_is_number, text.split(_JOINT))) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
