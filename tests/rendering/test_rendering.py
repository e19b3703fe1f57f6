"""What every format is made of: no text breaks out of it, and tables fit a width with nothing lost."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from icl_bench.errors import UsageError
from icl_bench.formatting import printable
from icl_bench.rendering import escaping, latex, markdown, terminal
from icl_bench.rendering.formats import Formats
from icl_bench.rendering.table import Cell, Column, Row, Table, by_column, of_rows

NASTY = ["|", "<b>", "@team", "&amp;", "`", "```", "\\", "\\|", "*", "_", "~", "$", "#", "{", "}", "[x](y)", "![i](j)"]
NASTY += [
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\r",
    "\n",
    "\n\n# h",
    "\u2028",
    "\u202e",
    "\x00",
    "%",
    "^",
    "1. ",
    "- ",
    "--- ",
]
texts = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=6)), max_size=6).map("".join)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[Table]:
    def made(shape: tuple[int, int, int]) -> st.SearchStrategy[Table]:
        labels, columns, rows = shape
        row = st.builds(Row, st.tuples(*[cells] * labels), st.tuples(*[st.builds(Cell, cells)] * columns))
        return st.builds(
            Table,
            st.tuples(*[st.builds(Column, cells, st.sampled_from(["", "one", "a/two"]))] * columns),
            st.lists(row, min_size=rows, max_size=rows).map(tuple),
            st.tuples(*[cells] * labels),
            cells,
            st.integers(0, 1),
            st.sampled_from([None, 0, 1]),
        )

    return st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 4)).flatmap(made)


def read(tokens: list[Token]) -> str:
    """Return the text that a reader of inline Markdown sees; an assertion where it holds anything but text."""
    assert {token.type for token in tokens} <= {"text", "text_special"}, tokens
    return "".join(token.content for token in tokens)


@given(texts, texts)
def test_markdown_lines_and_headings_are_read_as_they_were_written(heading: str, item: str) -> None:
    tokens = PARSER.parse("\n".join([*markdown.heading_lines(2, heading), *markdown.item_lines([item])]))
    opened = [token.type for token in tokens if token.nesting == 1]
    seen = [read(token.children or []) for token in tokens if token.type == "inline"]
    assert opened[:3] == ["heading_open", "bullet_list_open", "list_item_open"]
    assert set(opened[3:]) <= {"paragraph_open"}
    assert [text for text in seen if text] == [text for text in map(printable, (heading, item)) if text]


def test_markdown_names_nobody_and_links_to_nothing_on_github() -> None:
    (line, _) = markdown.item_lines(["1. @team & #12 <a@b.c>"])
    assert line == r"- 1\. \@team \& \#12 \<a\@b.c\>"


@given(tables(texts))
def test_markdown_tables_are_whole_and_read_as_they_were_written(table: Table) -> None:
    tokens = PARSER.parse("\n".join(markdown.table_lines(table)))
    seen = [read(token.children or []) for token in tokens if token.type == "inline"]
    heads = [*table.labels, *(f"{column.group} {column.title}" for column in table.columns)]
    rows = [text for row in table.rows for text in (*row.labels, *(cell.text for cell in row.cells))]
    assert seen == list(map(printable, [*heads, *rows]))
    assert [token.type for token in tokens].count("table_open") == 1


@given(st.lists(texts, max_size=4))
@example(["one", "```", "two"])
def test_a_block_of_markdown_cannot_be_ended(lines: list[str]) -> None:
    (fence,) = PARSER.parse("\n".join(markdown.block_lines(lines)))
    assert fence.type == "fence"
    assert len(fence.content.splitlines()) == len(lines)


def test_a_long_table_is_cut_and_says_so() -> None:
    lines = markdown.table_lines(of_rows(("a",), (), [Row((str(number),), ()) for number in range(1234)]), most_rows=34)
    assert lines[-2] == "and 1,200 more rows: `--format json` has them all"
    assert len(lines) == 2 + 34 + 3


SEQUENCES = (
    r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\\dots\{\}|\\[{}&%$#_]"
    r"|\$(?:<|>|\\pm|\^\\dagger|\\cdot)\$|\{[\[*]\}"
)


@given(texts)
def test_latex_is_one_line_in_which_nothing_is_a_command(text: str) -> None:
    written = escaping.latex(text)
    assert written.isprintable()
    assert not re.search(r"[\\{}&%$#_~^<>*\[]", re.sub(SEQUENCES, "", written))
    comment = escaping.latex_comment(text)
    assert comment.startswith("% ")
    assert comment.isprintable()


@given(tables(texts))
def test_latex_rows_have_as_many_cells_as_the_table_has_columns(table: Table) -> None:
    lines = latex.table_lines(table, "caption")
    assert not [line for line in lines if line.startswith(("[", "*"))]  # an argument of the row end before it
    for shape, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", "\n".join(lines), re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
        assert len(rows) == len(table.rows) + 1
        assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {len(shape) - 1}


@given(st.lists(texts, min_size=1, max_size=4))
def test_csv_is_read_as_it_was_written_without_control_characters_or_formulas(values: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerow(map(escaping.csv_value, values))
    assert text.getvalue().removesuffix("\r\n").isprintable()
    (seen,) = csv.reader(io.StringIO(text.getvalue()))
    assert len(seen) == len(values)
    assert not [value for value in seen if re.match(r"[=@]|[+-](?!\d|\.\d|inf|nan)", value, re.IGNORECASE)]


@pytest.mark.parametrize(
    ("value", "written"),
    [(-0.5, -0.5), (None, None), ("-0.5", "-0.5"), ("-1 x 2", "-1 x 2"), ("=A1", "'=A1"), ("-1+A1", "'-1+A1")],
)
def test_csv_numbers_stay_numbers(value: object, written: object) -> None:
    assert escaping.csv_value(value) == written


@given(tables(texts), st.integers(40, 160))
def test_the_terminal_gets_only_what_it_can_print(table: Table, width: int) -> None:
    lines = [*terminal.table_lines(table, width), *terminal.wrapped(table.title, width), *terminal.heading("a\x1b", 40)]
    assert all(line.plain.isprintable() for line in lines)


NAMES = st.text("abcdefgh-_ /", min_size=1, max_size=30).map(str.strip)


@given(tables(NAMES), st.integers(40, 160))
def test_tables_fit_unless_a_single_column_is_too_wide_and_lose_no_cell(table: Table, width: int) -> None:
    lines = [line.plain for line in terminal.table_lines(table, width)]
    widest = max(map(len, lines))
    shown = max(1, table.fixed + 1)
    least = max(len(cell.text) for row in table.rows for cell in row.cells)
    heads = max(max(len(column.title), len(column.group)) for column in table.columns)
    assert widest <= max(width, len(table.labels) * (width // 3 + 2) + shown * (max(least, heads) + 2))
    text = "\n".join(lines)
    assert all(cell.text in text for row in table.rows for cell in row.cells)


def test_labels_are_shortened_only_where_they_must_be_and_a_table_is_split_before_they_read_alike() -> None:
    names = [f"transformer-with-a-long-name-{number}-and-tail" for number in range(3)]
    columns = [(Column(str(number)), [Cell("0.123 ±0.01")] * 3) for number in range(2)]
    table = by_column(columns, names, names)
    wide = [line.plain for line in terminal.table_lines(table, 80)]
    assert [name for name in names if any(line.startswith(name + " ") for line in wide)] == names
    narrow = [line.plain for line in terminal.table_lines(table, 60)]
    assert len({line.split()[0] for line in narrow[2:]}) == 3
    assert "…" in narrow[-1]
    assert max(map(len, narrow)) <= 60
    for width, height in ((45, 5), (44, 11)):
        lines = [line.plain for line in terminal.table_lines(table, width)]
        assert len(lines) == height
        assert len({line.split()[0] for line in lines[2:5]}) == 3


def test_a_table_is_split_evenly_with_its_fixed_columns_in_every_part() -> None:
    columns = [(Column("base"), [Cell("first")]), *((Column(f"head{index}"), [Cell("x" * 12)]) for index in range(5))]
    table = by_column(columns, ["m"], ["m"])
    table = Table(table.columns, table.rows, fixed=1)
    lines = [line.plain for line in terminal.table_lines(table, 60)]
    assert [line.split() for line in lines if "base" in line] == [
        ["base", "head0", "head1"],
        ["base", "head2", "head3", "head4"],
    ]
    assert sum("first" in line for line in lines) == 2


def test_heads_of_numbers_stand_on_two_lines_above_their_right_ends() -> None:
    table = of_rows(("model",), ("covariate/scale", "p"), [Row(("ols",), (Cell("+1%"), Cell("0.5")))])
    assert [line.plain for line in terminal.table_lines(table, 80)] == [
        "      covariate/",
        "model      scale   p",
        "ols          +1% 0.5",
    ]


def test_rows_of_models_know_which_model_they_are_about_and_heads_do_not() -> None:
    table = by_column(
        [(Column("a"), [Cell("1"), Cell("2"), Cell("3")])], ["ols", "zero"], ["bayes", "ols", "zero"], ["ols"]
    )
    assert [(row.labels, row.model) for row in table.rows] == [(("ols",), None), (("ols",), 1), (("zero",), 2)]
    assert table.rule_after == 1


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    formats: Formats[int] = Formats({"markdown": str, "json": repr})
    assert formats.names == ("terminal", "markdown", "json")
    formats.check("terminal")
    assert formats.render("json", 3) == "3"
    with pytest.raises(UsageError, match=r"no format is called 'markdwn' \(did you mean 'markdown'\?\)"):
        formats.check("markdwn")
