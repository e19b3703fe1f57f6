"""`icl-bench plot RUN... --kind KIND --out FILE`: a figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from icl_bench.cli import options
from icl_bench.cli.console import guarded, names_in, say


@guarded
def plot(
    runs: options.Runs,
    destination: Annotated[
        Path,
        typer.Option("--out", "-o", help="File; its ending is the format: pdf, svg, png or eps.", show_default=False),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            "-k",
            help="skill, severity (risks), context, heatmap, scores, agreement, interaction or breakdown.",
        ),
    ] = "skill",
    models: options.Models = "",
    scenarios: options.Scenarios = "",
    severity: Annotated[
        str,
        typer.Option(
            "--severity",
            help="Only these severities, comma-separated; context and agreement show no shift and the worst covariate"
            " shift unless told.",
        ),
    ] = "",
    metric: Annotated[
        str | None,
        options.metric_option("What is shown [default: the risk where there is one; heatmap: skill]."),
    ] = None,
    overlay: Annotated[
        list[Path] | None,
        typer.Option(
            "--overlay",
            metavar="FILE.csv",
            help="Own curves on skill, severity or context: columns x, value, and perhaps scenario, label; repeatable.",
        ),
    ] = None,
    width: Annotated[float, typer.Option(help="Inches; a column of a two-column paper has 3.25.")] = 5.5,
    height: Annotated[float | None, typer.Option(help="Inches [default: what the panels take].")] = None,
) -> None:
    """Draw one figure of finished runs: vector, fonts as text, colours that everyone can tell apart.

    Several runs are laid over each other in severity and context, a dash pattern each. Ends with 4, and writes
    nothing, when a run has nothing to draw.
    """
    from icl_bench.figures.drawing import plot as draw
    from icl_bench.figures.request import Request

    request = Request(
        kind=kind,
        out=destination,
        models=names_in(models),
        scenarios=names_in(scenarios),
        severities=names_in(severity),
        metric=metric,
        overlays=tuple(overlay or ()),
        width=width,
        height=height,
    )
    draw(runs, request)
    say(f"wrote {destination}")
