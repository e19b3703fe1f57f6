"""The table of skill for a paper goes through LaTeX, with whatever names it has."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from icl_bench.report.latex_skill import skill_table
from icl_bench.scores.summary import summarise
from tests.command import command

PAPER = r"""
\documentclass{article}
\usepackage{booktabs}
\begin{document}
\listoftables
\input{skill.tex}
Table~\ref{tab:LABEL}.
\end{document}
"""
needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex is on the PATH: apt-get install texlive-latex-recommended"
)


@pytest.fixture(scope="module")
def table(pages_run: Path) -> str:
    done = command("report", pages_run, "--format", "latex", "--table", "skill")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def compiled(folder: Path, text: str) -> str:
    """Compile twice, as references need, and return what was said the second time; an error stops it."""
    (label,) = re.findall(r"\\label\{tab:([^}]*)\}", text)
    (folder / "skill.tex").write_text(text, encoding="utf-8")
    (folder / "paper.tex").write_text(PAPER.replace("LABEL", label))
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(latex, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
        assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@needs_latex
def test_it_compiles_and_its_label_is_found(table: str, tmp_path: Path) -> None:
    said = compiled(tmp_path, table)
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "undefined" not in said


@needs_latex
def test_hostile_names_compile_as_text(pages_run: Path, tmp_path: Path) -> None:
    found = summarise(pages_run)
    hostile = {"ols": r"\input{/etc/passwd} & 100% #1 $x^2 ~_ {", "averaging": "räuber \\end{tabular}"}
    scores = tuple(replace(score, model=hostile.get(score.model, score.model)) for score in found.skills.scores)
    named = replace(found, skills=replace(found.skills, scores=scores))
    text = "\n".join(skill_table(named, ["a note with \n\\end{document} in it"]))
    said = compiled(tmp_path, text)
    assert "passwd" not in "".join(re.findall(r"\(([^()\s]+)", said))  # which files were read


def test_the_best_of_a_column_is_bold_and_points_are_aligned(table: str) -> None:
    rows = [line.split(" & ") for line in table.splitlines() if line.endswith(r"\\") and "&" in line]
    models = {cells[0]: cells for cells in rows}
    numbers = [cell for name in ("ols", "averaging") for cell in models[name][1:-2] if cell != "--"]
    assert numbers
    assert all(re.fullmatch(r"\$(\\mathbf\{-?\d\.\d\d\}|-?\d\.\d\d)\$", cell) for cell in numbers)
    assert r"\mathbf" in models["ols"][1]
    assert r"\mathbf" not in models["averaging"][1]
