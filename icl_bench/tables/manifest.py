"""manifest.json: where a run's numbers come from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icl_bench.errors import NotComparableError, TableError
from icl_bench.files import write_text
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.schema import SCHEMA_VERSION

RUN, BASELINE = "run", "baseline"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Full provenance of a run; digests are of logical content, never of file bytes."""

    suite: str
    suite_version: int
    suite_digest: str
    run_digest: str  # suite without its models, device, and the code that draws and answers
    code_digest: str
    suite_text: str
    training_context: int  # examples in a prompt of the training law
    n_dims: int
    scenarios: tuple[str, ...]  # labels, in the order of the suite
    models: Mapping[str, str]  # label -> digest
    metrics: tuple[str, ...]
    identities: Mapping[str, str] = field(default_factory=dict)  # scenario -> unshifted severity, as text
    prompt_digests: Mapping[str, str] = field(default_factory=dict)  # scenario/severity/seed -> digest
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "float64"
    executor: str = "serial"
    workers: int = 1
    threads: int = 1  # a worker
    git: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    started: str = ""
    finished: str = ""
    seconds: float = 0.0  # of the last command that worked on this folder
    cells: Mapping[str, int] = field(default_factory=dict)  # planned | ok | skipped | looked_up | failed | missing
    status: str = "running"  # running | complete | incomplete
    noise_variance: float | None = None  # of the unshifted prompts' labels; None in schema version 1
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # joint shift -> labels of its single shifts
    metric_cards: Mapping[str, MetricCard] = field(default_factory=dict)  # label -> card; none before schema version 3
    kind: str = RUN  # run | baseline (what paired comparison needs of a run)
    schema_version: int = SCHEMA_VERSION


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json atomically."""
    write_text(folder / "manifest.json", json.dumps(dataclasses.asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Return a run folder's manifest; TableError when it is missing or damaged, NotComparableError when newer."""
    path = folder / "manifest.json"
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TableError(
            f"{folder} is not a run: it has no manifest.json; give a folder that `icl-bench run` wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again with --fresh") from error
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if not isinstance(version, int):
        raise TableError(f"{path} is not a manifest of icl-bench: expected schema_version, a whole number")
    if version > SCHEMA_VERSION:
        raise NotComparableError(
            f"{path} has schema version {version}, newer than this icl-bench's {SCHEMA_VERSION}: upgrade icl-bench"
        )
    try:
        fields["scenarios"], fields["metrics"] = tuple(fields["scenarios"]), tuple(fields["metrics"])
        factors = {label: tuple(names) for label, names in fields.get("factors", {}).items()}
        cards = {label: MetricCard(**card) for label, card in fields.get("metric_cards", {}).items()}
        return Manifest(**{**fields, "factors": factors, "metric_cards": cards})
    except (TypeError, KeyError, AttributeError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again with --fresh") from error
