"""Tables of run-level scores: models against axes of shift, with intervals and how many severities each rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from icl_bench.report.breakdown import Breakdown
from icl_bench.report.html.markup import BodyRow, Data, Group, element, items, paragraph, table, text
from icl_bench.report.summary import Summary
from icl_bench.run_scores.records import RunScore
from icl_bench.text import printable, short

LISTED = 3
"""Scenarios that a cell of the breakdown table names before it counts the rest."""
MEANINGS = {
    "sdr": (
        "SDR: degradation beyond intrinsic difficulty",
        "[(R + kappa) / (Bayes R + kappa)] under shift over the same unshifted; geometric mean over severities;"
        " 1 is no degradation, lower is better.",
    ),
    "ausc": (
        "AUSC: area under the shift curve",
        "Mean over severities of log10[(R + kappa) / (Bayes R + kappa)]; 0 is Bayes, lower is better.",
    ),
    "frozen_prior_gap": (
        "Frozen-prior gap",
        "Squared distance to the Bayes prediction of the test law minus that to the Bayes prediction of the training"
        " law, over the risk of predicting zero; positive: nearer to the answer of the frozen training prior.",
    ),
    "interaction": (
        "Interaction of joint shifts",
        "log R(joint) - sum of log R(single shifts) + (k - 1) log R(unshifted); 0: the factors multiply; positive:"
        " worse together than apart.",
    ),
}


@dataclass(slots=True)
class Notes:
    """Numbered remarks below a table, each written once."""

    lines: list[str] = field(default_factory=list)

    def mark(self, message: str) -> str:
        """Return the superscript of a remark; nothing for an empty one."""
        if not message:
            return ""
        line = printable(message)
        if line not in self.lines:
            self.lines.append(line)
        return f"<sup>{self.lines.index(line) + 1}</sup>"

    def markup(self) -> str:
        """Return the remarks as a numbered list."""
        listed = "".join(element("li", text(line)) for line in self.lines)
        return element("ol", listed, class_="notes") if listed else ""


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run, what the page calls it, and the index of its first model among all of the page."""

    name: str
    summary: Summary
    first_model: int
    alone: bool  # whether the page shows no other run

    def labels(self) -> list[tuple[int, str, str]]:
        """Return index, name on the page and label of every model."""
        prefix = "" if self.alone else f"{self.name}: "
        return [
            (self.first_model + number, f"{prefix}{label}", label) for number, label in enumerate(self.summary.models)
        ]


def score_table(runs: Sequence[NamedRun], name: str, scope: str) -> str:
    """Return the table of one run-level score, models against what the scope names; nothing where no run has it."""
    columns = list(dict.fromkeys(_column(score) for run in runs for score in _scores(run, name, scope)))
    if not columns:
        return ""
    notes = Notes()
    rows = []
    for run in runs:
        found = {(score.model, _column(score)): score for score in _scores(run, name, scope)}
        for index, shown, label in run.labels():
            cells = [_score_cell(found.get((label, column)), notes) for column in columns]
            rows.append(BodyRow(shown, cells, index))
    title, meaning = MEANINGS[name]
    caption = f"<b>{text(title)}</b> {text(meaning)}"
    return table(caption, "model", _groups(columns), rows, sortable=True) + notes.markup()


def _scores(run: NamedRun, name: str, scope: str) -> list[RunScore]:
    return [score for score in run.summary.run_scores.scores if score.name == name and score.scope == scope]


def _column(score: RunScore) -> tuple[str, str]:
    return (score.scenario, score.severity_label)


def _groups(columns: Sequence[tuple[str, str]]) -> list[Group]:
    """Return columns under their scenario where they are severities, under their axis where they are scenarios."""
    if any(label for _, label in columns):
        pairs = [(scenario, label or "-") for scenario, label in columns]
    else:
        pairs = [
            (axis if inner else "", inner or axis)
            for axis, inner in ((scenario.partition("/")[0], scenario.partition("/")[2]) for scenario, _ in columns)
        ]
    heads = dict.fromkeys(head for head, _ in pairs)
    return [Group(head, tuple(title for other, title in pairs if other == head)) for head in heads]


def _score_cell(score: RunScore | None, notes: Notes) -> Data:
    if score is None:
        return Data("-", standing="none")
    coverage = f' <span class="cov">{score.n_points}/{score.n_possible}</span>'
    mark = notes.mark(score.message)
    if score.value is None:
        return Data(f"n/a{mark}{coverage}", standing="none")
    ends = [short(end) for end in (score.low, score.high) if end is not None]
    interval = f"[{', '.join(ends)}]" if len(ends) == 2 else "no interval"
    return Data(f'{short(score.value)}{coverage}{mark}<span class="ci">{interval}</span>', score.value)


def breakdown_table(runs: Sequence[NamedRun]) -> str:
    """Return where each model stops beating the zero predictor, a column per axis."""
    axes = list(dict.fromkeys(_axis(item) for run in runs for item in run.summary.breakdowns))
    if not axes:
        return ""
    rows = []
    for run in runs:
        for index, shown, label in run.labels():
            own = [item for item in run.summary.breakdowns if item.model == label]
            cells = [_breakdown_cell([item for item in own if _axis(item) == axis]) for axis in axes]
            rows.append(BodyRow(shown, cells, index))
    caption = (
        "<b>Breakdown severity</b> First severity, going outward from no shift, at which the 95% interval of the"
        " normalised error lies at or above that of predicting zero; by scenario. Sorted by the share of scenarios that"
        " break."
    )
    legend = items(
        [
            "none: no severity of the grid; 2?: the estimate says so, its interval does not; unshifted: no better than"
            " zero without any shift; 4/5: scenarios that could be judged, of those that were run"
        ],
        class_="notes",
    )
    return table(caption, "model", [Group("", tuple(axes))], rows, sortable=True) + legend


def _axis(item: Breakdown) -> str:
    return item.scenario.partition("/")[0]


def _breakdown_cell(members: Sequence[Breakdown]) -> Data:
    if not members:
        return Data("-", standing="none")
    known = [item for item in members if item.known]
    coverage = f' <span class="cov">{len(known)}/{len(members)}</span>'
    if members[0].unshifted:
        return Data(f"unshifted{coverage}", 2.0, "at_zero")
    if not known:
        return Data(f"?{coverage}", standing="none")
    broken = [f"{_inner(item)} {', '.join(item.severities)}".strip() for item in known if item.severities]
    doubtful = [f"{_inner(item)} {item.estimated}?" for item in known if item.estimated]
    key = (len(broken) + len(doubtful) / 1000.0) / len(known)
    standing = "at_zero" if broken else "between" if doubtful else ""
    return Data(f"{_listed([*broken, *doubtful]) or 'none'}{coverage}", key, standing)


def _inner(item: Breakdown) -> str:
    return item.scenario.partition("/")[2]


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - LISTED} more"] if len(names) > LISTED else []
    return "<br>".join(text(name) for name in [*names[:LISTED], *more])


def kappas(runs: Iterable[NamedRun]) -> str:
    """Return kappa of every run, and why a run has no scores."""
    lines = []
    for run in runs:
        scores = run.summary.run_scores
        who = "" if run.alone else f"{run.name}: "
        if scores.kappa is not None:
            lines.append(f"{who}kappa = {short(scores.kappa)} ({scores.kappa_source})")
        if scores.note:
            lines.append(f"{who}{scores.note}")
    return "".join(paragraph(line) for line in lines)
