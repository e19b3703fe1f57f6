"""Text that no format lets break out: names and messages come from suites and from foreign code."""

from __future__ import annotations

from icl_bench.text import plain, printable

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
    """Return a value for a field of csv: of text the control characters are spaces, quoting is the writer's."""
    return plain(value) if isinstance(value, str) else value
