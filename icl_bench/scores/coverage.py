"""What is not in the numbers: failed, skipped and missing cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.scores.rows import Row, ScoreRows
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.schema import LOOKED_UP, PROMPTS, WORST_FIRST


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cells of one model that lack numbers, or numbers that count, for the same reason."""

    model: str
    status: str  # error | timeout | nan | looked_up | skipped
    message: str
    metrics: tuple[str, ...]  # what lacks; empty: everything
    cells: int
    example: str  # one of the cells


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the suite the table holds."""

    cells: Mapping[
        str, int
    ]  # ok | skipped | failed | looked_up | missing, of the scenarios and models that the table has
    finished: bool  # whether the last command on this folder came to its end
    absent_scenarios: tuple[str, ...]  # of the suite, without any row
    absent_models: tuple[str, ...]
    uneven_seeds: bool  # some averages rest on fewer seeds than were run


def troubles(rows: ScoreRows) -> tuple[Trouble, ...]:
    """Return what is not ok, failures before skips, one entry per model, status and message."""
    grouped: dict[tuple[str, str, str, bool], list[Row]] = {}
    for row in rows.unwell:
        key = (row["model"], row["status"], row["message"], _is_whole(row))
        grouped.setdefault(key, []).append(row)
    found = []
    for (model, status, message, _), members in grouped.items():
        cells = {(row["scenario"], row["severity_label"], row["seed"]): row for row in members}
        metrics = tuple(dict.fromkeys(row["metric"] for row in members if not _is_whole(row)))
        found.append(Trouble(model, status, message, metrics, len(cells), _cell_name(members[0])))
    return tuple(sorted(found, key=lambda trouble: (WORST_FIRST.index(trouble.status), bool(trouble.metrics))))


def _is_whole(row: Row) -> bool:
    """Tell whether a row speaks for its whole cell."""
    return row["metric"] is None or row["status"] == LOOKED_UP


def _cell_name(row: Row) -> str:
    return f"{Place.of_row(row).name} seed {row['seed']}"


def coverage(rows: ScoreRows, manifest: Manifest) -> Coverage:
    """Return how much of the suite is there."""
    seen_scenarios = {place.scenario for place in rows.places}
    seen_models = {key[3] for key in rows.cells} - {PROMPTS}
    counts = Counter(dict.fromkeys(("ok", "skipped", "failed", LOOKED_UP, "missing"), 0))
    for prompt_set in {key[:3] for key in rows.cells}:
        for model in seen_models:
            status = rows.cells.get((*prompt_set, model), "missing")
            counts[status if status in counts else "failed"] += 1
    # what the last command asked for and did not get may have no row at all
    counts["missing"] = max(counts["missing"], manifest.cells.get("missing", 0))
    return Coverage(
        dict(counts),
        manifest.status != "running",
        tuple(label for label in manifest.scenarios if label not in seen_scenarios),
        tuple(label for label in manifest.models if label not in seen_models),
        _uneven(rows),
    )


def _uneven(rows: ScoreRows) -> bool:
    """Tell whether a model answered some but not all seeds of a scenario and severity."""
    answered: Counter[tuple[str, str, str]] = Counter()
    for (scenario, label, _, model), status in rows.cells.items():
        answered[scenario, label, model] += status == "ok"
    run = {(place.scenario, place.label): len(seeds) for place, seeds in rows.seeds.items()}
    return any(0 < count < run[scenario, label] for (scenario, label, _), count in answered.items())
