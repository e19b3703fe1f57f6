"""Suite files: TOML in, one frozen record out; everything wrong with a file is told at once, with its line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icl_bench.digests import content_digest
from icl_bench.places import Severity
from icl_bench.plugins import catalogue


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """What prompts are drawn from and how many; a scenario may override any of it."""

    function_class: str = "linear"
    n_dims: int = 8
    context_sizes: tuple[int, ...] = ()
    queries_per_context: int = 1
    noise_std: float = 0.0
    n_prompts: int = 2048
    seeds: tuple[int, ...] = (0,)
    function_class_arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Factor:
    """One scenario in a product, with its arguments."""

    use: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The law that learners were trained under: the unshifted prompts, but for what is named here."""

    n_context: int | None = None
    noise_std: float | None = None
    factors: tuple[Factor, ...] | None = None  # shifts of the training law itself; None: not named
    point: tuple[Severity, ...] = ()  # one severity per factor
    where: str = field(default="", compare=False, repr=False)  # file:line, for messages

    def over(self, usual: TrainingSettings) -> TrainingSettings:
        """Return these settings, those of `usual` where nothing is named here."""
        scenarios = (usual.factors, usual.point) if self.factors is None else (self.factors, self.point)
        return TrainingSettings(
            usual.n_context if self.n_context is None else self.n_context,
            usual.noise_std if self.noise_std is None else self.noise_std,
            *scenarios,
            where=self.where,
        )


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of a suite."""

    use: str
    label: str
    arguments: Mapping[str, Any]
    where: str = field(default="", compare=False)  # file:line, for messages
    training: TrainingSettings | None = None  # what its own training law differs in from the suite's


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric of a suite; its label is what tables call it and the column that it stores."""

    use: str
    label: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    where: str = field(default="", compare=False)  # file:line, for messages


def metric_spec(
    use: str, arguments: Mapping[str, Any] | None = None, name: str | None = None, where: str = ""
) -> MetricSpec:
    """Return the metric that a suite asks for as `use`, called `name` or, by default, what `use` calls it.

    `agreement:ols` is short for `agreement` with the argument `reference = "ols"`, and either is called
    `agreement:ols`. Raises ValueError when the reference is given twice.
    """
    arguments = dict(arguments or {})
    if catalogue.is_file_reference(use):
        return MetricSpec(use, name or use.rpartition(":")[2], arguments, where)
    plugin, colon, reference = use.partition(":")
    if colon and "reference" in arguments:
        raise ValueError(f"the reference is given twice: in {use!r} and as reference = {arguments['reference']!r}")
    if colon:
        arguments["reference"] = reference
    compared = arguments.get("reference")
    label = name or (f"{plugin}:{compared}" if isinstance(compared, str) else plugin)
    return MetricSpec(plugin, label, arguments, where)


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """One scenario, or a product of several, with the severities at which it is asked."""

    label: str
    factors: tuple[Factor, ...]
    points: tuple[tuple[Severity, ...], ...]  # one severity per factor
    prompts: PromptSettings
    where: str = field(default="", compare=False)  # file:line, for messages


@dataclass(frozen=True, slots=True)
class Suite:
    """A parsed suite file."""

    name: str
    version: int
    description: str
    folder: Path  # what `./file.py:Name` is relative to
    prompts: PromptSettings
    training: TrainingSettings
    models: tuple[ModelSpec, ...]
    scenarios: tuple[ScenarioSpec, ...]
    metrics: tuple[MetricSpec, ...]
    left_out: tuple[str, ...] | None = None  # places that skill leaves out; None: told from the run's own prompts
    text: str = field(default="", compare=False)  # the file as it was read

    @property
    def digest(self) -> str:
        """Hex digest of the suite's logical content: neither its layout nor where it lies."""
        return self._digest(self.models)

    @property
    def question_digest(self) -> str:
        """Hex digest of all but the models: runs that agree in it can share a folder."""
        return self._digest(())

    def _digest(self, models: tuple[ModelSpec, ...]) -> str:
        content = dataclasses.asdict(dataclasses.replace(self, folder=Path(), description="", text="", models=models))
        if self.left_out is None:
            del content["left_out"]  # as it was before a suite could say
        own = [spec["training"] for spec in content["models"] if spec["training"] is not None]
        for part in (*content["models"], *content["scenarios"], *content["metrics"], content["training"], *own):
            del part["where"]
        return content_digest(content)


def single_shifts(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Return joint shift -> the scenario that applies each factor alone to the same prompts, "" where there is none."""

    def alone(joint: ScenarioSpec, factor: Factor) -> str:
        return next(
            (spec.label for spec in suite.scenarios if spec.factors == (factor,) and spec.prompts == joint.prompts), ""
        )

    joint = [spec for spec in suite.scenarios if len(spec.factors) > 1]
    return {spec.label: tuple(alone(spec, factor) for factor in spec.factors) for spec in joint}


def with_n_prompts(suite: Suite, n_prompts: int) -> Suite:
    """Return the suite with every prompt count replaced (`--prompts`); its digest differs from the file's."""
    scenarios = tuple(
        dataclasses.replace(spec, prompts=dataclasses.replace(spec.prompts, n_prompts=n_prompts))
        for spec in suite.scenarios
    )
    prompts = dataclasses.replace(suite.prompts, n_prompts=n_prompts)
    return dataclasses.replace(suite, prompts=prompts, scenarios=scenarios)


def with_seeds(suite: Suite, seeds: tuple[int, ...]) -> Suite:
    """Return the suite with every list of seeds replaced (`--seeds`): other prompts of the same laws."""
    scenarios = tuple(
        dataclasses.replace(spec, prompts=dataclasses.replace(spec.prompts, seeds=seeds)) for spec in suite.scenarios
    )
    return dataclasses.replace(suite, prompts=dataclasses.replace(suite.prompts, seeds=seeds), scenarios=scenarios)
