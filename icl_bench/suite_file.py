"""Parsing of suite files: types, names and values checked all at once, every problem with its file and line."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

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
from icl_bench.toml_lines import TomlLines

LONGEST_CONTEXT = 65_536
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,79}")


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(
            "expected letters, digits and . _ + = - only, at most 80, starting with a letter or digit"
        )
    return value


def _scenario_label(value: str) -> str:
    for part in value.split("/"):
        _label(part)
    return value


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _sizes(value: object) -> tuple[int, ...]:
    """Parse "0:24" (inclusive), "0:24:4" or a list of context sizes."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}:\d{1,6}(:[1-9]\d{0,5})?", value):
        first, last, *step = (int(part) for part in value.split(":"))
        value = list(range(first, last + 1, step[0] if step else 1))
    if not isinstance(value, list) or not value or not all(_whole(size) for size in value):
        raise ValueError('expected "first:last", "first:last:step" or a list of whole numbers')
    if len(set(value)) != len(value):
        raise ValueError(
            "expected each context size once (use queries_per_context for several queries of a size)"
        )
    if min(value) < 0 or max(value) > LONGEST_CONTEXT:
        raise ValueError(f"expected context sizes from 0 to {LONGEST_CONTEXT}")
    return tuple(sorted(value))


def _severities(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of at least one number")
    if not all((_whole(item) or isinstance(item, float)) and not math.isnan(item) for item in value):
        raise ValueError("expected numbers only (inf is one, nan is not)")
    if len({float(item) for item in value}) != len(value):
        raise ValueError("expected each severity once")
    return tuple(float(item) for item in value)


def _seeds(value: object) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or not value
        or not all(_whole(seed) and 0 <= seed < 2**63 for seed in value)
    ):
        raise ValueError("expected a list of at least one whole number >= 0")
    if len(set(value)) != len(value):
        raise ValueError("expected each seed once")
    return tuple(value)


_Label = Annotated[str, AfterValidator(_label)]
_Sizes = Annotated[tuple[int, ...], BeforeValidator(_sizes)]
_Dial = Annotated[float, Field(allow_inf_nan=True)]  # `_severities` has refused nan; inf is noise/heavy_tail's identity
_Severities = Annotated[tuple[_Dial, ...], BeforeValidator(_severities)]
_NoiseStd = Annotated[float, Field(ge=0.0)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Open(_Section):
    """A section whose other keys are a plugin's arguments."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class _SuiteSection(_Section):
    name: _Label
    version: Annotated[int, Field(ge=1, le=10**6)]
    description: str = ""


class _PromptsSection(_Section):
    function_class: str = "linear"
    n_dims: Annotated[int, Field(ge=1, le=4096)] = 8
    context_sizes: _Sizes = (0,)
    queries_per_context: Annotated[int, Field(ge=1, le=4096)] = 1
    noise_std: _NoiseStd = 0.0
    n_prompts: Annotated[int, Field(ge=1, le=10**9)] = 2048
    seeds: Annotated[tuple[int, ...], BeforeValidator(_seeds)] = (0,)
    function_class_arguments: dict[str, Any] = {}


class _TrainingSection(_Section):
    n_context: Annotated[int, Field(ge=1, le=LONGEST_CONTEXT)] | None = None
    noise_std: _NoiseStd | None = None


class _ModelSection(_Open):
    use: str
    name: _Label | None = None


class _FactorSection(_Open):
    use: str
    severities: _Severities | None = None


class _ScenarioSection(_Open):
    use: str | None = None
    product: Annotated[list[_FactorSection], Field(min_length=2)] | None = None
    name: Annotated[str, AfterValidator(_scenario_label)] | None = None
    severities: _Severities | None = None
    prompts: dict[str, Any] = {}


class _MetricsSection(_Section):
    use: Annotated[list[str], Field(min_length=1)]


_DEFAULT_METRICS = ["squared_error", "normalised_error", "excess_risk", "normalised_excess_risk", "bayes_risk"]
_TABLES: dict[str, type[_Section]] = {
    "suite": _SuiteSection,
    "prompts": _PromptsSection,
    "training": _TrainingSection,
    "metrics": _MetricsSection,
}
_LISTS: dict[str, type[_Section]] = {"models": _ModelSection, "scenarios": _ScenarioSection}


def parse_suite(path: Path) -> Suite:
    """Read the suite file at `path`; SuiteError with every problem found."""
    document, lines = _read(path)
    parser = _Parser(path, document, lines)
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
        raise SuiteError(
            [f"{path}: no such file; `icl-bench list suites` shows the suites that ship"]
        ) from error
    except OSError as error:
        raise SuiteError([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(
            [f"{path}: expected a text file in UTF-8 (TOML), got other bytes at {error.start}"]
        ) from error
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

    def section(self, cls: type[_Section], value: object, place: tuple[str | int, ...]) -> Any:
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

    def _explain(self, item: Any, cls: type[_Section], place: tuple[str | int, ...]) -> None:
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

    def _list(self, name: str, cls: type[_Section]) -> list[tuple[int, Any]]:
        """Return the checked sections of `[[name]]` with their index, leaving out the ones with problems."""
        value = self.document.get(name)
        if value is None or value == []:
            self.problem(
                (name,) if name in self.document else (), f"expected at least one [[{name}]], got none"
            )
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
                self.problem(
                    place, f"no such file: {file}; expected `./file.py:Name` relative to the suite file"
                )
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

    def _models(self, sections: Sequence[tuple[int, _ModelSection]]) -> tuple[ModelSpec, ...]:
        specs = []
        for index, item in sections:
            self._plugin("models", item.use, ("models", index, "use"))
            label = item.name or item.use.rpartition(":")[2]
            specs.append((index, ModelSpec(item.use, label, item.arguments, self.where(("models", index)))))
        self._unique([(index, spec.label) for index, spec in specs], "models")
        return tuple(spec for _, spec in specs)

    def _scenarios(
        self, sections: Sequence[tuple[int, _ScenarioSection]], base: PromptSettings
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
                    ScenarioSpec(
                        label, factors, tuple(itertools.product(*grids)), settings, self.where(place)
                    ),
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
        section = self.section(_PromptsSection, values, place)
        if section is None:
            return base
        return replace(base, **{name: getattr(section, name) for name in section.model_fields_set})

    def _metrics(self, section: _MetricsSection | None) -> tuple[str, ...]:
        if section is None:
            return ()
        for index, name in enumerate(section.use):
            self._plugin("metrics", name.partition(":")[0], ("metrics", "use", index))
        if len(set(section.use)) != len(section.use):
            self.problem(("metrics", "use"), f"expected each metric once, got {', '.join(section.use)}")
        return tuple(section.use)


def _settings(section: _PromptsSection) -> PromptSettings:
    return PromptSettings(**{item.name: getattr(section, item.name) for item in fields(PromptSettings)})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
