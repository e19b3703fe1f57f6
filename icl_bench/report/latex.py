"""A summary as LaTeX tables (packages booktabs and textcomp), split so that a page holds them."""

from __future__ import annotations

from collections.abc import Sequence

from icl_bench.report import wording
from icl_bench.report.grids import Grid, axis_grid, split
from icl_bench.report.sections import sections
from icl_bench.report.summary import Summary
from icl_bench.text import printable

WIDTH = 90  # characters of a table's text that fit a page at \\small
_SPECIAL = str.maketrans(
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
    }
)


def render(summaries: Sequence[Summary]) -> str:
    """Return the summaries as LaTeX tables, to be included in a document."""
    return "\n".join(line for summary in summaries for line in _document(summary))


def _document(summary: Summary) -> list[str]:
    facts = [wording.title(summary), *wording.head(summary), *wording.coverage_lines(summary)]
    lines = [f"% {printable(fact)}" for fact in facts]
    lines += [f"% {printable(line)}" for line in wording.trouble_lines(summary)]
    lines += [r"% needs \usepackage{booktabs}"]
    if summary.has_numbers:
        legend = " ".join([wording.shown(summary), *wording.legend(summary)])
        for number, axis in enumerate(summary.axes or (None,)):
            grid = axis_grid(summary, axis)
            caption = f"{wording.title(summary)}: {grid.title}. "
            lines += _tables(grid, caption + ("Legend as in the first table." if number else legend))
        for section in sections(summary):
            if section.grid is not None:
                sentences = [f"{wording.title(summary)}. {section.title}", *section.notes]
                lines += _tables(section.grid, ". ".join(sentences) + ".")
    return lines


def _tables(grid: Grid, caption: str) -> list[str]:
    label_width = max(len(label) for label in grid.labels)
    lines = []
    for number, part in enumerate(split(grid, WIDTH, 2, label_width)):
        text = caption if number == 0 else f"{grid.title or 'The same'}, continued."
        lines += [
            r"\begin{table}",
            r"\centering\small",
            *_tabular(part),
            rf"\caption{{{_escaped(text)}}}",
            r"\end{table}",
            "",
        ]
    return lines


def _tabular(grid: Grid) -> list[str]:
    groups, rules, position = [""], [], 2
    for name, members in grid.groups():
        last = position + len(members) - 1
        groups.append(rf"\multicolumn{{{len(members)}}}{{c}}{{{_escaped(name)}}}")
        rules += [rf"\cmidrule(lr){{{position}-{last}}}"] if name else []
        position = last + 1
    lines = [rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}}}", r"\toprule", _row(groups), "".join(rules)]
    lines.append(_row(["", *(_escaped(column.title) for column in grid.columns)]))
    for row, label in enumerate(grid.labels):
        lines += [r"\midrule"] if row in (0, grid.rule_after) else []
        lines.append(_row([_escaped(label), *(_escaped(column.cells[row].text) for column in grid.columns)]))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped(text: str) -> str:
    return printable(text).translate(_SPECIAL)
