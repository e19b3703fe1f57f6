"""Which models, scenarios and metric a figure shows, of what its runs hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from icl_bench.figures.loaded_run import LoadedRun
from icl_bench.figures.request import Request
from icl_bench.names import matching


@dataclass(frozen=True, slots=True)
class Choice:
    """Labels in the order of the suites, each once."""

    models: tuple[str, ...]
    scenarios: tuple[str, ...]
    metric: str

    def of(self, run: LoadedRun) -> tuple[str, ...]:
        """Return the chosen models that a run has."""
        return tuple(model for model in self.models if model in run.summary.models)


def choose(request: Request, runs: Sequence[LoadedRun], metric: str) -> Choice:
    """Return what matches the request; UsageError, with a near miss, when a pattern matches nothing."""
    models = _each_once(
        model for run in runs for model in run.summary.models if model not in run.summary.coverage.absent_models
    )
    scenarios = _each_once(scenario for run in runs for scenario in run.scenarios)
    return Choice(matching(models, request.models, "model"), matching(scenarios, request.scenarios, "scenario"), metric)


def _each_once(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))
