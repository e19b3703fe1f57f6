"""Tables of a TOML file checked against their sections, every problem told with its file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from icl_bench.errors import PluginError
from icl_bench.names import nearest
from icl_bench.places import Severity
from icl_bench.plugins import catalogue
from icl_bench.suites.sections import FactorAtSection, PromptsSection, TomlSection
from icl_bench.suites.suite import Factor, PromptSettings
from icl_bench.toml import TomlLines


class SectionReader:
    """Checks the tables of one parsed document and gathers what is wrong with it."""

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

    def section(self, cls: type[TomlSection], value: object, place: tuple[str | int, ...]) -> Any:
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

    def _explain(self, item: Any, cls: type[TomlSection], place: tuple[str | int, ...]) -> None:
        inner = tuple(part for part in item["loc"] if isinstance(part, int) or "[" not in part)
        where = (*place, *inner)
        if item["type"] == "extra_forbidden":
            known = list(cls.model_fields)
            self.problem(where, f"unknown key{nearest(str(inner[-1]), known)}; expected: {', '.join(known)}")
        elif item["type"] == "missing":
            self.problem(where, "missing: it must be given")
        else:
            text = item["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
            self.problem(where, f"{text}, got {shortened(item['input'])}")

    def listed(self, name: str, cls: type[TomlSection]) -> list[tuple[int, Any]]:
        """Return the checked sections of `[[name]]` with their index, leaving out the ones with problems."""
        value = self.document.get(name)
        if value is None or value == []:
            self.problem((name,) if name in self.document else (), f"expected at least one [[{name}]], got none")
            return []
        if not isinstance(value, list):
            self.problem((name,), f"expected a list of tables ([[{name}]]), got {shortened(value)}")
            return []
        checked = [(index, self.section(cls, item, (name, index))) for index, item in enumerate(value)]
        return [(index, item) for index, item in checked if item is not None]

    def plugin(self, kind: str, use: str, place: tuple[str | int, ...]) -> None:
        """Record a problem when no plugin of `kind` is called `use`."""
        try:
            if not catalogue.is_file_reference(use):
                catalogue.find(kind, use)
                return
            file = self.path.resolve().parent / use.rpartition(":")[0]
            if not file.is_file():
                self.problem(place, f"no such file: {file}; expected `./file.py:Name` relative to {self.path.name}")
        except PluginError as error:
            self.problem(place, str(error))

    def unique(self, labels: Sequence[tuple[int, str]], kind: str) -> None:
        """Record a problem for each label that is taken by an earlier section of `kind`."""
        seen: dict[str, int] = {}
        for index, label in labels:
            if label in seen:
                self.problem(
                    (kind, index),
                    f"the name {label!r} is taken by {kind}[{seen[label]}]: give one of them another `name`",
                )
            seen.setdefault(label, index)

    def grid(
        self, use: str, severities: tuple[float, ...] | None, place: tuple[str | int, ...]
    ) -> tuple[Severity, ...]:
        """Return the severities of a scenario; a problem is recorded when a dial lacks them."""
        self.plugin("scenarios", use, place)
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

    def factors(
        self, sections: Sequence[FactorAtSection], place: tuple[str | int, ...]
    ) -> tuple[tuple[Factor, ...], tuple[Severity, ...]]:
        """Return scenarios at one severity each; problems with names and missing severities are recorded."""
        for row, item in enumerate(sections):
            self.plugin("scenarios", item.use, (*place, row))
            if item.severity is None and item.use != "base":
                self.problem((*place, row), f"{item.use}: severity is missing: expected a number")
        factors = tuple(Factor(item.use, item.arguments) for item in sections)
        return factors, tuple(item.severity for item in sections)

    def override(self, base: PromptSettings, values: Mapping[str, Any], place: tuple[str | int, ...]) -> PromptSettings:
        """Return `base` with the values of a table of prompt settings put in their place."""
        section = self.section(PromptsSection, values, place)
        if section is None:
            return base
        if "function_class" in section.model_fields_set:
            self.plugin("function_classes", section.function_class, (*place, "function_class"))
        return replace(base, **{name: getattr(section, name) for name in section.model_fields_set})


def shortened(value: object) -> str:
    """Return a value as text of at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
