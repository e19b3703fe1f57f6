"""What each table of a suite file may hold: types and values, checked by pydantic."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from icl_bench.places import severity_text
from icl_bench.seeding import checked_seeds

LONGEST_CONTEXT = 65_536
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,79}")


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError("expected letters, digits and . _ + = - only, at most 80, starting with a letter or digit")
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
        raise ValueError("expected each context size once (use queries_per_context for several queries of a size)")
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
    named: dict[str, float] = {}
    for item in value:
        other = named.setdefault(severity_text((float(item),)), item)
        if other != item:  # tables, reports and scores name a severity by its text
            raise ValueError(
                f"expected severities that differ in their first 4 digits: {other!r} and {item!r} would both be"
                f" {severity_text((float(item),))} in tables"
            )
    return tuple(float(item) for item in value)


def _seeds(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(_whole(seed) for seed in value):
        raise ValueError("expected a list of at least one whole number >= 0")
    return checked_seeds(value)


_Label = Annotated[str, AfterValidator(_label)]
Sizes = Annotated[tuple[int, ...], BeforeValidator(_sizes)]
_Dial = Annotated[float, Field(allow_inf_nan=True)]  # `_severities` has refused nan; inf is noise/heavy_tail's identity
_Severities = Annotated[tuple[_Dial, ...], BeforeValidator(_severities)]
_NoiseStd = Annotated[float, Field(ge=0.0)]


class TomlSection(BaseModel):
    """A table of a suite file: unknown keys and ill-typed values are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class OpenTomlSection(TomlSection):
    """A section whose other keys are a plugin's arguments."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def arguments(self) -> dict[str, Any]:
        """Every key that is not the section's own."""
        return dict(self.model_extra or {})


class SuiteSection(TomlSection):
    """[suite]: what the suite is called."""

    name: _Label
    version: Annotated[int, Field(ge=1, le=10**6)]
    description: str = ""


class PromptsSection(TomlSection):
    """[prompts], and what a scenario overrides of it."""

    function_class: str = "linear"
    n_dims: Annotated[int, Field(ge=1, le=4096)] = 8
    context_sizes: Sizes = (0,)
    queries_per_context: Annotated[int, Field(ge=1, le=4096)] = 1
    noise_std: _NoiseStd = 0.0
    n_prompts: Annotated[int, Field(ge=1, le=10**9)] = 2048
    seeds: Annotated[tuple[int, ...], BeforeValidator(_seeds)] = (0,)
    function_class_arguments: dict[str, Any] = {}


class SkillSection(TomlSection):
    """[skill]: what the headline score is over."""

    left_out: list[str]


class FactorAtSection(OpenTomlSection):
    """An entry of `scenarios` of a training law: one scenario at one severity."""

    use: str
    severity: _Dial | None = None


class TrainingSection(TomlSection):
    """[training], and `training` of one model: what differs from [prompts] in the training law."""

    n_context: Annotated[int, Field(ge=1, le=LONGEST_CONTEXT)] | None = None
    noise_std: _NoiseStd | None = None
    scenarios: list[FactorAtSection] | None = None


class ModelSection(OpenTomlSection):
    """[[models]]: one model and its arguments."""

    use: str
    name: _Label | None = None
    training: dict[str, Any] | None = None


class FactorSection(OpenTomlSection):
    """An entry of `product`: one scenario of a joint shift."""

    use: str
    severities: _Severities | None = None


class ScenarioSection(OpenTomlSection):
    """[[scenarios]]: one scenario, or a product of several."""

    use: str | None = None
    product: Annotated[list[FactorSection], Field(min_length=2)] | None = None
    name: Annotated[str, AfterValidator(_scenario_label)] | None = None
    severities: _Severities | None = None
    prompts: dict[str, Any] = {}


class MetricsSection(TomlSection):
    """[metrics]: what is computed, in short: metrics without arguments."""

    use: Annotated[list[str], Field(min_length=1)]


class MetricSection(OpenTomlSection):
    """[[metrics]]: one metric and its arguments."""

    use: str
    name: _Label | None = None
