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
from icl_bench.tables.earlier_metrics import completed_cards
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.model_cards import ModelCard, earlier_cards
from icl_bench.tables.schema import SCHEMA_VERSION

RUN, BASELINE = "run", "baseline"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Full provenance of a run; digests are of logical content, never of file bytes."""

    suite: str  # its name
    suite_version: int  # a released suite never changes
    suite_digest: str  # of the suite's content, neither its layout nor where it lies
    run_digest: str  # suite without its models, device, and the code that draws and answers
    code_digest: str  # of icl-bench's code that draws, answers and scores
    suite_text: str  # the suite file as it was read
    training_context: int  # examples in a prompt of the training law
    n_dims: int  # of the unshifted prompts' covariates
    scenarios: tuple[str, ...]  # labels, in the order of the suite
    models: Mapping[str, str]  # label -> digest
    metrics: tuple[str, ...]  # labels, in the order of the suite
    identities: Mapping[str, str] = field(default_factory=dict)  # scenario -> unshifted severity, as text
    prompt_digests: Mapping[str, str] = field(default_factory=dict)  # scenario/severity/seed -> digest
    versions: Mapping[str, str] = field(default_factory=dict)  # package -> version, icl-bench's own among them
    machine: Mapping[str, str] = field(default_factory=dict)  # system, processor, cores
    device: str = "cpu"  # what models answered on
    dtype: str = "float64"  # of prompts and answers
    executor: str = "serial"  # what asked the blocks
    workers: int = 1  # processes that answered
    threads: int = 1  # a worker
    git: Mapping[str, Any] = field(default_factory=dict)  # commit, and whether the tree was dirty
    command: str = ""  # as it was typed
    started: str = ""  # UTC
    finished: str = ""  # UTC
    seconds: float = 0.0  # of the last command that worked on this folder
    cells: Mapping[str, int] = field(default_factory=dict)  # planned | ok | skipped | looked_up | failed | missing
    status: str = "running"  # running | complete | incomplete
    noise_variance: float | None = None  # of the unshifted prompts' labels; since version 2, null before
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # joint shift -> single ones; since version 2
    metric_cards: Mapping[str, MetricCard] = field(default_factory=dict)  # label -> card (below); since version 3
    model_cards: Mapping[str, ModelCard] = field(default_factory=dict)  # label -> card (below); since version 5
    skill_left_out: tuple[str, ...] | None = None  # places as the suite names them; null: told from prompts; since 5
    at_identity: tuple[str, ...] = ()  # joint shifts with a factor at its unshifted severity; since version 5
    kind: str = RUN  # run | baseline (what paired comparison needs of a run); since version 2
    schema_version: int = SCHEMA_VERSION  # of all tables of the folder


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
        return _manifest(fields, version)
    except (TypeError, KeyError, AttributeError) as error:
        raise TableError(f"{path} is damaged ({error}); run the suite again with --fresh") from error


def _manifest(fields: Mapping[str, Any], version: int) -> Manifest:
    held = _known(Manifest, fields, version)
    held["scenarios"], held["metrics"] = tuple(held["scenarios"]), tuple(held["metrics"])
    held["factors"] = {label: tuple(names) for label, names in held.get("factors", {}).items()}
    left_out = held.get("skill_left_out")
    held["skill_left_out"] = None if left_out is None else tuple(left_out)
    held["at_identity"] = tuple(held.get("at_identity", ()))
    held["model_cards"] = {
        **earlier_cards(held["models"], held["suite_text"]),
        **{label: ModelCard(**_known(ModelCard, card, version)) for label, card in held.get("model_cards", {}).items()},
    }
    stored = {
        label: MetricCard(**_known(MetricCard, card, version)) for label, card in held.get("metric_cards", {}).items()
    }
    held["metric_cards"] = completed_cards(stored, held["metrics"], version)
    return Manifest(**held)


def _known(cls: type[Any], fields: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the fields that a record has today: what an older version said beyond them is of no use any more."""
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: value for name, value in fields.items() if name in names or version == SCHEMA_VERSION}
