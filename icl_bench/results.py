"""A finished run as Python sees it: its tables and its skill as frames, its first screen, its figures. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_bench.tables.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCREEN = 100
"""Columns of the first screen in `summary()` unless told."""
_SKILL_TYPES = {
    **dict.fromkeys(("model", "kind", "scope", "name", "worst_at", "basis", "message"), "string"),
    **dict.fromkeys(("skill", "ci_low", "ci_high", "uncapped", "at_cap", "worst"), "float64"),
    **dict.fromkeys(("n_points", "n_possible"), "int64"),
    **dict.fromkeys(("rank_low", "rank_high"), "Int64"),
}
_SCORE_TYPES = {
    **dict.fromkeys(("name", "model", "scope", "scenario", "severity_label", "message"), "string"),
    **dict.fromkeys(("value", "low", "high"), "float64"),
    **dict.fromkeys(("n_points", "n_possible"), "int64"),
}


@dataclass(frozen=True)
class Run:
    """A finished or partly finished run on disk."""

    path: Path
    manifest: Manifest

    @property
    def skill(self) -> pd.DataFrame:
        """Skill of every model as a pandas frame: overall, per axis, scenario and cell, unshifted; ranks overall.

        The columns are those of `icl-bench report --format csv --table skill`; strings, floats and nullable integers
        whatever the run holds. `attrs` has the `basis` (bayes, f), a `note`, and `left_out`: name -> reason.
        """
        from icl_bench.scores.skill import run_skills
        from icl_bench.scores.skill_records import SkillScore

        found = run_skills(self.path)
        frame = _frame(SkillScore, found.scores, _SKILL_TYPES)
        left_out = {item.place.name: item.reason for item in found.left_out}
        frame.attrs.update(basis=found.basis, note=found.note, left_out=left_out)
        return frame

    @property
    def scores(self) -> pd.DataFrame:
        """scores.parquet as a pandas frame: one row per cell, context size and metric.

        `attrs["absent"]` maps the columns that an older icl-bench did not write to the reason why they are null.
        """
        from icl_bench.tables.score_table import absent_columns, read_scores

        frame: pd.DataFrame = read_scores(self.path / "scores.parquet").to_pandas()
        frame.attrs["absent"] = absent_columns(self.path / "scores.parquet")
        return frame

    @property
    def losses(self) -> pd.DataFrame:
        """Every per-prompt loss as a pandas frame: one row per prompt, context size and model (large)."""
        from icl_bench.tables.units import read_losses

        return read_losses(self.path / "losses").to_pandas()  # type: ignore[no-any-return]

    @property
    def run_scores(self) -> pd.DataFrame:
        """SDR, AUSC, frozen-prior gap and interaction as a pandas frame, kappa in its `attrs`."""
        from icl_bench.scores.axis_scores import run_scores
        from icl_bench.scores.records import RunScore

        found = run_scores(self.path)
        frame = _frame(RunScore, found.scores, _SCORE_TYPES)
        frame.attrs.update(kappa=found.kappa, kappa_source=found.kappa_source, note=found.note)
        return frame

    @property
    def complete(self) -> bool:
        """Whether every cell asked for was answered, by no looked-up answers, or skipped for a stated reason."""
        return self.manifest.status == "complete"

    def summary(self, width: int = SCREEN) -> str:
        """Return the first screen of `icl-bench report` as text, no line wider than `width` (at least 40)."""
        from icl_bench.report import brief
        from icl_bench.scores.overview import read_overview

        return "\n".join(line.plain for line in brief.lines(read_overview(self.path), width))

    def plot(
        self,
        kind: str = "skill",
        *,
        models: str | Sequence[str] = (),
        scenarios: str | Sequence[str] = (),
        severities: str | float | Sequence[str | float] = (),
        metric: str | None = None,
        overlay: str | Path | Sequence[str | Path] = (),
        width: float = 5.5,
        height: float | None = None,
        out: str | Path | None = None,
    ) -> Figure:
        """Return a figure of the run as matplotlib has it, the one that `icl-bench plot` writes.

        `kind` is skill, severity, context, heatmap, scores, agreement, interaction or breakdown; models and scenarios
        are names or globs, `overlay` CSV files of own curves, width and height inches. `out` is a file (pdf, svg, png
        or eps) to write it to as well, its text kept as text. Raises UsageError when that cannot be asked of the run
        or matplotlib is missing, IncompleteError when there is nothing to draw.
        """
        from icl_bench.figures.drawing import plot
        from icl_bench.figures.request import Request

        request = Request(
            kind=kind,
            out=None if out is None else Path(out),
            models=_names(models),
            scenarios=_names(scenarios),
            severities=_names([severities] if isinstance(severities, str | float | int) else severities),
            metric=metric,
            overlays=tuple(map(Path, [overlay] if isinstance(overlay, str | Path) else overlay)),
            width=width,
            height=height,
        )
        return plot([self.path], request)

    def __repr__(self) -> str:
        """Return three lines: what was run, how it ended, and who holds up best."""
        manifest, cells = self.manifest, self.manifest.cells
        counted = ", ".join(f"{count:,} {name}" for name, count in cells.items() if count or name == "ok")
        return "\n".join(
            (
                f"Run {manifest.suite} version {manifest.suite_version} in {self.path}",
                f"{manifest.status}: {len(manifest.models)} models, {len(manifest.scenarios)} scenarios; {counted}",
                self._best(),
            )
        )

    def _best(self) -> str:
        from icl_bench.errors import IclBenchError
        from icl_bench.report.brief_sentences import best_of
        from icl_bench.scores.skill import run_skills

        try:
            return best_of(run_skills(self.path))
        except (IclBenchError, OSError) as error:
            return f"no skill: {error}"

    def _repr_html_(self) -> str:
        """Return the ranked scoreboard for a notebook; the text of `repr` where the run has no skill."""
        from icl_bench.errors import IclBenchError
        from icl_bench.report.scoreboard import scoreboard
        from icl_bench.scores.overview import read_overview

        try:
            return scoreboard(read_overview(self.path))
        except IclBenchError as error:
            return f"<pre>{escape(repr(self))}\n{escape(str(error))}</pre>"


def _names(given: str | Sequence[str | float]) -> tuple[str, ...]:
    """Return names, those of a text between its commas, as on the command line."""
    parts = [given] if isinstance(given, str) else [item if isinstance(item, str) else f"{item:g}" for item in given]
    return tuple(name.strip() for part in parts for name in part.split(",") if name.strip())


def _frame(record: type[Any], records: Iterable[Any], types: dict[str, str]) -> pd.DataFrame:
    """Return records as a frame whose columns and their types do not depend on what the records hold."""
    import pandas as pd

    names = [field.name for field in dataclasses.fields(record)]
    rows = [[getattr(item, name) for name in names] for item in records]
    return pd.DataFrame(rows, columns=names).astype(types)


def read_run(path: str | Path) -> Run:
    """Return the run in a folder; TableError when there is none."""
    folder = Path(path)
    return Run(folder, read_manifest(folder))
