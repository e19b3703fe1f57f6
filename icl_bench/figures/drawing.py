"""From run folders and a request to a figure in a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_bench.errors import UsageError
from icl_bench.figures import agreement, breakdown, context, heatmap, interaction, scores, severity, skill
from icl_bench.figures.choice import Choice, choose
from icl_bench.figures.loaded_run import LoadedRun, chosen_metric, load_runs
from icl_bench.figures.page import write_figure
from icl_bench.figures.request import OVERLAID, Request
from icl_bench.figures.style import SETTINGS
from icl_bench.tables.manifest import Manifest, read_manifest
from icl_bench.tables.metric_roles import MetricRoles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAINTERS: dict[str, Callable[[Request, Sequence[LoadedRun], Choice], Figure]] = {
    "skill": skill.draw,
    "severity": severity.draw,
    "context": context.draw,
    "heatmap": heatmap.draw,
    "scores": scores.draw,
    "agreement": agreement.draw,
    "interaction": interaction.draw,
    "breakdown": breakdown.draw,
}
"""Every kind of request.KINDS."""


def plot(folders: Sequence[Path], request: Request) -> Figure:
    """Draw one figure of run folders, and write it where the request names a file; then return it.

    Raises UsageError when the request does not fit the runs or matplotlib is missing, TableError when a folder is no
    run, IncompleteError when there is nothing to draw; then nothing is written.
    """
    if len(folders) > 1 and request.kind not in OVERLAID:
        raise UsageError(
            f"--kind {request.kind} takes one run, {len(folders)} came; {', '.join(OVERLAID)} take several"
        )
    if request.out is not None and (not request.out.parent.is_dir() or request.out.is_dir()):
        raise UsageError(f"--out {request.out}: expected a file in an existing folder")
    with _matplotlib().rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a name in a script the font lacks
        manifests = [read_manifest(folder) for folder in folders]
        metric = _metric(request, manifests)
        runs = load_runs(folders, _needed(request.kind, metric, manifests[0]))
        figure = PAINTERS[request.kind](request, runs, choose(request, runs, metric))
        if request.out is not None:
            write_figure(figure, request.out)
        return figure


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError("icl-bench plot needs matplotlib: pip install 'icl-bench[plot]'") from error
    return matplotlib


def _metric(request: Request, manifests: Sequence[Manifest]) -> str:
    """Return the metric of the figure; empty where the kind has its own."""
    if request.kind == "skill" or (request.metric is None and request.kind not in OVERLAID):
        return ""
    return chosen_metric(request.metric, manifests)


def _needed(kind: str, metric: str, manifest: Manifest) -> list[str]:
    """Return the metrics whose rows the figure reads."""
    if kind == "agreement":
        return list(agreement.reference_metrics(MetricRoles(manifest.metric_cards)))
    return [metric] if metric else []
