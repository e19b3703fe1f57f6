"""Parsing of suite files: types, names and values checked all at once, every problem with its file and line."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from icl_bench import catalogue
from icl_bench.errors import PluginError, SuiteError, nearest
from icl_bench.suite import (
    Factor,
    ModelSpec,
    PromptSettings,
    ScenarioSpec,
    Severity,
    Suite,
    TrainingSettings,
)
from icl_bench.suite_sections import (
    MetricsSection,
    ModelSection,
    PromptsSection,
    ScenarioSection,
    Section,
    SuiteSection,
    TrainingSection,
)
from icl_bench.toml_lines import TomlLines

_DEFAULT_METRICS = ["squared_error", "normalised_error", "excess_risk", "normalised_excess_risk", "bayes_risk"]
_TABLES: dict[str, type[Section]] = {
    "suite": SuiteSection,
    "prompts": PromptsSection,
    "training": TrainingSection,
    "metrics": MetricsSection,
}
_LISTS: dict[str, type[Section]] = {"models": ModelSection, "scenarios": ScenarioSection}


def load_suite(path: str | Path) -> Suite:
    """Read and check a suite file.

    Raises SuiteError with every problem in it: file:line, what was expected, what came, a near miss.
    """
    document, lines = _read(Path(path))
    parser = _Parser(Path(path), document, lines)
    suite = parser.parse()
    if parser.problems:
        raise SuiteError(parser.problems)
    assert suite is not None
    return suite


def _read(path: Path) -> tuple[dict[str, Any], TomlLines]:
    if path.is_dir():
        raise SuiteError([f"{path}: expected a suite file (TOML), got a folder; name the file inside it"])
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SuiteError([f"{path}: no such file; `icl-bench list suites` shows the suites that ship"]) from error
    except OSError as error:
        raise SuiteError([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError([f"{path}: expected a text file in UTF-8 (TOML), got other bytes at {error.start}"]) from error
    try:
        return tomllib.loads(text), TomlLines(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        where = f"{path}:{place[1]}" if place else f"{path}"
        raise SuiteError([f"{where}: not valid TOML: {error}"]) from error


class _Parser:
    """Checks one parsed document and gathers what is wrong with it."""

    def __init__(self, path: Path, document: Mapping[str, Any], lines: TomlLines) -> None:
        self.path = path
        self.document = document
        self.lines = lines
        self._found: list[tuple[int, str]] = []

    @property
    def problems(self) -> list[str]:
        """What is wrong with the file, in the order of its lines."""
        return [text for _, text in sorted(self._found, key=lambda item: item[0])]

    def where(self, place: Sequence[str | int]) -> str:
        """Return file:line of a place."""
        line = self.lines.find(place)
        return f"{self.path}:{line}" if line else str(self.path)

    def problem(self, place: Sequence[str | int], text: str) -> None:
        """Record a problem at a place such as ("scenarios", 2, "severities")."""
        shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        where = self.where(place)
        self._found.append((self.lines.find(place) or 0, f"{where}: {shown}: {text}" if shown else f"{where}: {text}"))

    def section(self, cls: type[Section], value: object, place: tuple[str | int, ...]) -> Any:
        """Return the section checked against `cls`, or None when it has problems."""
        if not isinstance(value, dict):
            self.problem(place, f"expected a table, got {value!r}")
            return None
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                self._explain(item, cls, place)
            return None

    def _explain(self, item: Any, cls: type[Section], place: tuple[str | int, ...]) -> None:
        inner = tuple(part for part in item["loc"] if isinstance(part, int) or "[" not in part)
        where = (*place, *inner)
        if item["type"] == "extra_forbidden":
            known = list(cls.model_fields)
            self.problem(where, f"unknown key{nearest(str(inner[-1]), known)}; expected: {', '.join(known)}")
        elif item["type"] == "missing":
            self.problem(where, "missing: it must be given")
        else:
            text = item["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
            self.problem(where, f"{text}, got {_short(item['input'])}")

    def parse(self) -> Suite | None:
        """Return the suite, or None (or an unusable one) when `problems` is not empty."""
        known = [*_TABLES, *_LISTS]
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
            name: self.section(
                cls, self.document.get(name, {} if name != "metrics" else {"use": _DEFAULT_METRICS}), (name,)
            )
            for name, cls in _TABLES.items()
            if name != "suite" or "suite" in self.document
        }
        lists = {name: self._list(name, cls) for name, cls in _LISTS.items()}
        prompts = _settings(tables["prompts"]) if tables["prompts"] else PromptSettings(context_sizes=(0,))
        models = self._models(lists["models"])
        scenarios = self._scenarios(lists["scenarios"], prompts)
        metrics = self._metrics(tables["metrics"])
        if tables["prompts"]:
            self._plugin("function_classes", prompts.function_class, ("prompts", "function_class"))
        head, training = tables.get("suite"), tables["training"]
        if self.problems or head is None or training is None:
            return None
        return Suite(
            name=head.name,
            version=head.version,
            description=head.description,
            folder=self.path.resolve().parent,
            prompts=prompts,
            training=TrainingSettings(training.n_context, training.noise_std),
            models=models,
            scenarios=scenarios,
            metrics=metrics,
            text=self.lines.text,
        )

    def _list(self, name: str, cls: type[Section]) -> list[tuple[int, Any]]:
        """Return the checked sections of `[[name]]` with their index, leaving out the ones with problems."""
        value = self.document.get(name)
        if value is None or value == []:
            self.problem((name,) if name in self.document else (), f"expected at least one [[{name}]], got none")
            return []
        if not isinstance(value, list):
            self.problem((name,), f"expected a list of tables ([[{name}]]), got {_short(value)}")
            return []
        checked = [(index, self.section(cls, item, (name, index))) for index, item in enumerate(value)]
        return [(index, item) for index, item in checked if item is not None]

    def _plugin(self, kind: str, use: str, place: tuple[str | int, ...]) -> None:
        """Record a problem when no plugin of `kind` is called `use`."""
        try:
            if not catalogue.is_file_reference(use):
                catalogue.find(kind, use)
                return
            file = self.path.resolve().parent / use.rpartition(":")[0]
            if not file.is_file():
                self.problem(place, f"no such file: {file}; expected `./file.py:Name` relative to the suite file")
        except PluginError as error:
            self.problem(place, str(error))

    def _unique(self, labels: Sequence[tuple[int, str]], kind: str) -> None:
        seen: dict[str, int] = {}
        for index, label in labels:
            if label in seen:
                self.problem(
                    (kind, index),
                    f"the name {label!r} is taken by {kind}[{seen[label]}]: give one of them another `name`",
                )
            seen.setdefault(label, index)

    def _models(self, sections: Sequence[tuple[int, ModelSection]]) -> tuple[ModelSpec, ...]:
        specs = []
        for index, item in sections:
            self._plugin("models", item.use, ("models", index, "use"))
            label = item.name or item.use.rpartition(":")[2]
            specs.append((index, ModelSpec(item.use, label, item.arguments, self.where(("models", index)))))
        self._unique([(index, spec.label) for index, spec in specs], "models")
        return tuple(spec for _, spec in specs)

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
            settings = self._override(base, item.prompts, (*place, "prompts"))
            if item.product is None:
                assert item.use is not None
                factors: tuple[Factor, ...] = (Factor(item.use, item.arguments),)
                grids = [self._grid(item.use, item.severities, (*place, "use"))]
                label = item.name or item.use.rpartition(":")[2]
            else:
                if item.arguments or item.severities is not None:
                    extra = ", ".join([*item.arguments, *(["severities"] if item.severities else [])])
                    self.problem(place, f"{extra}: expected inside the entries of `product`, not beside it")
                factors = tuple(Factor(part.use, part.arguments) for part in item.product)
                grids = [
                    self._grid(part.use, part.severities, (*place, "product", row))
                    for row, part in enumerate(item.product)
                ]
                label = item.name or "joint/" + "+".join(part.use.replace("/", "_") for part in item.product)
            specs.append(
                (
                    index,
                    ScenarioSpec(label, factors, tuple(itertools.product(*grids)), settings, self.where(place)),
                )
            )
        self._unique([(index, spec.label) for index, spec in specs], "scenarios")
        return tuple(spec for _, spec in specs)

    def _grid(
        self, use: str, severities: tuple[float, ...] | None, place: tuple[str | int, ...]
    ) -> tuple[Severity, ...]:
        self._plugin("scenarios", use, place)
        if use == "base":
            if severities is not None:
                self.problem(place, "base has no dial: expected no severities")
            return (None,)
        if severities is None:
            self.problem(
                place,
                f"severities are missing: expected a list of numbers; `icl-bench show {use}` shows the usual grid",
            )
            return ()
        return severities

    def _override(
        self, base: PromptSettings, values: Mapping[str, Any], place: tuple[str | int, ...]
    ) -> PromptSettings:
        section = self.section(PromptsSection, values, place)
        if section is None:
            return base
        return replace(base, **{name: getattr(section, name) for name in section.model_fields_set})

    def _metrics(self, section: MetricsSection | None) -> tuple[str, ...]:
        if section is None:
            return ()
        for index, name in enumerate(section.use):
            self._plugin("metrics", name.partition(":")[0], ("metrics", "use", index))
        if len(set(section.use)) != len(section.use):
            self.problem(("metrics", "use"), f"expected each metric once, got {', '.join(section.use)}")
        return tuple(section.use)


def _settings(section: PromptsSection) -> PromptSettings:
    return PromptSettings(**{item.name: getattr(section, item.name) for item in fields(PromptSettings)})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
