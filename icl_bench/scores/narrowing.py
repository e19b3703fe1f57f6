"""A run narrowed to some of its models, scenarios and metrics, as `--models`, `--scenarios` and `--metric` ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from icl_bench.errors import UsageError
from icl_bench.names import matching, nearest
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredLosses
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.metric_roles import MetricRoles


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is asked of a run; nothing: all of it."""

    models: tuple[str, ...] = ()  # names or globs
    scenarios: tuple[str, ...] = ()
    metric: str | None = None  # shown in the place of what a report shows by itself

    def of(self, manifest: Manifest) -> Manifest:
        """Return the manifest with the models and scenarios that are asked for.

        Raises UsageError, with a near miss, when a pattern or the metric names nothing.
        """
        models = matching(tuple(manifest.models), self.models, "model")
        scenarios = matching(manifest.scenarios, self.scenarios, "scenario")
        shown = MetricRoles(manifest.metric_cards).shown
        if self.metric is not None and self.metric not in shown:
            known = ", ".join(shown) or "none"
            raise UsageError(
                f"--metric {self.metric}: the run has no such metric{nearest(self.metric, shown)}: {known}"
            )
        return dataclasses.replace(
            manifest, models={model: manifest.models[model] for model in models}, scenarios=scenarios
        )

    @property
    def is_whole(self) -> bool:
        """Whether every model and scenario is asked for."""
        return not self.models and not self.scenarios


class ShownLosses:
    """The losses of some models under some scenarios, and without any shift."""

    def __init__(self, losses: StoredLosses, manifest: Manifest) -> None:
        self.folder: Path = losses.folder
        self.manifest, self._losses = manifest, losses
        self.sets = tuple(
            loss_set
            for loss_set in losses.sets
            if loss_set.place.scenario in manifest.scenarios or is_reference(loss_set)
        )

    def read(self, loss_set: LossSet, columns: Sequence[str], sizes: Sequence[int] | None = None) -> ModelLosses:
        """Return the losses on one of `sets`, as of the whole run."""
        return self._losses.read(loss_set, columns, sizes)


def is_reference(loss_set: LossSet) -> bool:
    """Tell whether a set is of the unshifted prompts that shifts are held against."""
    return bool(loss_set.place.identity) and loss_set.place.severities == (None,)
