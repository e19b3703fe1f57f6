"""Parsing of suite files: types, names and values checked all at once, every problem with its file and line."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from icl_bench.errors import SuiteError
from icl_bench.names import nearest
from icl_bench.places import Place
from icl_bench.plugins import catalogue
from icl_bench.suites.section_reader import SectionReader
from icl_bench.suites.sections import (
    MetricSection,
    MetricsSection,
    ModelSection,
    PromptsSection,
    ScenarioSection,
    SkillSection,
    SuiteSection,
    TomlSection,
    TrainingSection,
)
from icl_bench.suites.suite import (
    Factor,
    MetricSpec,
    ModelSpec,
    PromptSettings,
    ScenarioSpec,
    Suite,
    TrainingSettings,
    metric_spec,
)
from icl_bench.toml import read_toml

_DEFAULT_METRICS = ["squared_error", "normalised_error", "excess_risk", "normalised_excess_risk", "bayes_risk"]
_TABLES: dict[str, type[TomlSection]] = {
    "suite": SuiteSection,
    "prompts": PromptsSection,
    "training": TrainingSection,
    "skill": SkillSection,
}
_LISTS: dict[str, type[TomlSection]] = {"models": ModelSection, "scenarios": ScenarioSection}


def load_suite(path: str | Path) -> Suite:
    """Read and check a suite file.

    Raises SuiteError with every problem in it: file:line, what was expected, what came, a near miss.
    """
    document, lines = read_toml(Path(path), "suite", SuiteError)
    parser = _SuiteParser(Path(path), document, lines)
    suite = parser.parse()
    if parser.problems:
        raise SuiteError(parser.problems)
    assert suite is not None
    return suite


class _SuiteParser(SectionReader):
    """The tables of a suite file."""

    def parse(self) -> Suite | None:
        """Return the suite, or None (or an unusable one) when `problems` is not empty."""
        known = [*_TABLES, *_LISTS, "metrics"]
        for key in self.document:
            if key not in known:
                self.problem((key,), f"unknown table{nearest(key, known)}; expected: {', '.join(known)}")
        if "suite" not in self.document:
            self.problem((), "the table [suite] with name and version is missing")
        if "prompts" not in self.document:
            self.problem((), "the table [prompts] is missing: expected n_dims, context_sizes, noise_std, ...")
        elif isinstance(self.document["prompts"], dict) and "context_sizes" not in self.document["prompts"]:
            self.problem(("prompts",), 'context_sizes is missing: expected "0:24" or a list')
        tables = {
            name: self.section(cls, self.document.get(name, {}), (name,))
            for name, cls in _TABLES.items()
            if name in self.document or name in ("prompts", "training")
        }
        lists = {name: self.listed(name, cls) for name, cls in _LISTS.items()}
        prompts = _settings(tables["prompts"]) if tables["prompts"] else PromptSettings(context_sizes=(0,))
        models = self._models(lists["models"])
        scenarios = self._scenarios(lists["scenarios"], prompts)
        metrics = self._metrics(self.document.get("metrics", {"use": _DEFAULT_METRICS}))
        if tables["prompts"]:
            self.plugin("function_classes", prompts.function_class, ("prompts", "function_class"))
        head = tables.get("suite")
        left_out = self._left_out(tables.get("skill"), scenarios)
        training = self._training(tables["training"], ("training",)) if tables["training"] else None
        if self.problems or head is None or training is None:
            return None
        return Suite(
            name=head.name,
            version=head.version,
            description=head.description,
            folder=self.path.resolve().parent,
            prompts=prompts,
            training=training,
            models=models,
            scenarios=scenarios,
            metrics=metrics,
            left_out=left_out,
            text=self.lines.text,
        )

    def _left_out(self, section: Any, scenarios: Sequence[ScenarioSpec]) -> tuple[str, ...] | None:
        """Return the places that skill leaves out; what names none of the suite's is a problem."""
        if section is None:
            return None
        known = [Place(spec.label, point).name for spec in scenarios for point in spec.points]
        for index, name in enumerate(section.left_out):
            if name not in known:
                what = f"no severity of this suite is called {name!r}{nearest(name, known)}"
                self.problem(
                    ("skill", "left_out", index), f'{what}; expected such as "{known[-1] if known else "base"}"'
                )
        return tuple(section.left_out)

    def _models(self, sections: Sequence[tuple[int, ModelSection]]) -> tuple[ModelSpec, ...]:
        specs = []
        for index, item in sections:
            self.plugin("models", item.use, ("models", index, "use"))
            label = item.name or item.use.rpartition(":")[2]
            where, place = self.where(("models", index)), ("models", index, "training")
            own = None if item.training is None else self.section(TrainingSection, item.training, place)
            training = None if own is None else self._training(own, place)
            specs.append((index, ModelSpec(item.use, label, item.arguments, where, training)))
        self.unique([(index, spec.label) for index, spec in specs], "models")
        return tuple(spec for _, spec in specs)

    def _training(self, section: TrainingSection, place: tuple[str | int, ...]) -> TrainingSettings:
        where = self.where(place)
        if section.scenarios is None:
            return TrainingSettings(section.n_context, section.noise_std, where=where)
        factors, point = self.factors(section.scenarios, (*place, "scenarios"))
        return TrainingSettings(section.n_context, section.noise_std, factors, point, where)

    def _scenarios(
        self, sections: Sequence[tuple[int, ScenarioSection]], base: PromptSettings
    ) -> tuple[ScenarioSpec, ...]:
        specs = []
        for index, item in sections:
            place = ("scenarios", index)
            if (item.use is None) == (item.product is None):
                self.problem(
                    place,
                    "expected either `use` (one scenario) or `product` (a joint shift), not both or none",
                )
                continue
            settings = self.override(base, item.prompts, (*place, "prompts"))
            if item.product is None:
                assert item.use is not None
                factors: tuple[Factor, ...] = (Factor(item.use, item.arguments),)
                grids = [self.grid(item.use, item.severities, (*place, "use"))]
                label = item.name or item.use.rpartition(":")[2]
            else:
                if item.arguments or item.severities is not None:
                    extra = ", ".join([*item.arguments, *(["severities"] if item.severities else [])])
                    self.problem(place, f"{extra}: expected inside the entries of `product`, not beside it")
                factors = tuple(Factor(part.use, part.arguments) for part in item.product)
                grids = [
                    self.grid(part.use, part.severities, (*place, "product", row))
                    for row, part in enumerate(item.product)
                ]
                label = item.name or "joint/" + "+".join(part.use.replace("/", "_") for part in item.product)
            specs.append(
                (
                    index,
                    ScenarioSpec(label, factors, tuple(itertools.product(*grids)), settings, self.where(place)),
                )
            )
        self.unique([(index, spec.label) for index, spec in specs], "scenarios")
        return tuple(spec for _, spec in specs)

    def _metrics(self, value: object) -> tuple[MetricSpec, ...]:
        """Return the metrics of `[metrics]`, the short form, or of `[[metrics]]`, a table each with its arguments."""
        if isinstance(value, list):
            return self._listed_metrics(self.listed("metrics", MetricSection))
        section: MetricsSection | None = self.section(MetricsSection, value, ("metrics",))
        if section is None:
            return ()
        specs = [self._metric(use, {}, None, ("metrics", "use", index)) for index, use in enumerate(section.use)]
        if len(set(section.use)) != len(section.use):
            self.problem(("metrics", "use"), f"expected each metric once, got {', '.join(section.use)}")
        elif len({spec.label for spec in specs}) != len(specs):
            listed = ", ".join(section.use)
            self.problem(
                ("metrics", "use"),
                f"two metrics have the same name in {listed}: list them as [[metrics]] and give one a `name`",
            )
        return tuple(specs)

    def _listed_metrics(self, sections: Sequence[tuple[int, MetricSection]]) -> tuple[MetricSpec, ...]:
        specs = [
            (index, self._metric(item.use, item.arguments, item.name, ("metrics", index))) for index, item in sections
        ]
        self.unique([(index, spec.label) for index, spec in specs], "metrics")
        return tuple(spec for _, spec in specs)

    def _metric(
        self, use: str, arguments: Mapping[str, Any], name: str | None, place: tuple[str | int, ...]
    ) -> MetricSpec:
        try:
            spec = metric_spec(use, arguments, name, self.where(place))
        except ValueError as error:
            self.problem(place, str(error))
            return MetricSpec(use, name or use)
        self.plugin("metrics", spec.use, place if place[-2] == "use" else (*place, "use"))
        if spec.label != spec.use and spec.label in catalogue.entries("metrics"):
            self.problem(place, f"the name {spec.label!r} is that of another metric: give this one another `name`")
        return spec


def _settings(section: PromptsSection) -> PromptSettings:
    return PromptSettings(**{item.name: getattr(section, item.name) for item in fields(PromptSettings)})
