"""What each table of a recipe file may hold: types and values, checked by pydantic."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from icl_bench.seeding import BLOCK_SIZE
from icl_bench.suites.sections import FactorAtSection, OpenTomlSection, Sizes, SuiteSection, TomlSection

_Count = Annotated[int, Field(ge=1, le=10**9)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Positive = Annotated[float, Field(gt=0.0)]


def _betas(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(b, float) and 0 <= b < 1 for b in value):
        raise ValueError("expected two numbers from 0 to 1, 1 excluded")
    return tuple(value)


class RecipeSection(SuiteSection):
    """[recipe]: what the recipe is called, and who answers for the weights."""

    licence: str = ""
    author: str = ""


class NetworkSection(OpenTomlSection):
    """[network]: an architecture and its arguments."""

    use: str


class RecipePromptsSection(TomlSection):
    """[prompts]: the unshifted training law. Every context size asked for is a term of the loss."""

    function_class: str = "linear"
    n_dims: Annotated[int, Field(ge=1, le=4096)] = 8
    context_sizes: Sizes = (0,)
    noise_std: Annotated[float, Field(ge=0.0)] = 0.0
    function_class_arguments: dict[str, Any] = Field(default_factory=dict)


class ComponentSection(TomlSection):
    """[[mixture]]: one law that training prompts are drawn from."""

    weight: _Positive = 1.0
    scenarios: list[FactorAtSection] = Field(default_factory=list)
    prompts: dict[str, Any] = Field(default_factory=dict)


class GrowthSection(TomlSection):
    """One size of the curriculum."""

    start: _Count
    step: _Count
    every: _Count


class CurriculumSection(TomlSection):
    """[curriculum]: what grows as training goes on."""

    n_dims: GrowthSection | None = None
    n_context: GrowthSection | None = None


class OptimisationSection(TomlSection):
    """[optimisation]: how weights are moved. Defaults are those of `icl_bench.training.recipe.Optimisation`."""

    n_steps: _Count
    batch_size: _Count = 64
    optimiser: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
    learning_rate: _Positive = 1e-3
    matrix_learning_rate: _Positive = 0.02
    betas: Annotated[tuple[float, ...], BeforeValidator(_betas)] = (0.9, 0.98)
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    warmup: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    final_share: _Share = 0.0
    clip: Annotated[float, Field(ge=0.0)] = 1.0
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    target: Literal["label", "function", "bayes", "population"] = "label"
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    compile: Literal["auto", "always", "never"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**40)] = 0

    @model_validator(mode="after")
    def _batches_fill_blocks(self) -> OptimisationSection:
        size = self.batch_size
        if max(size, BLOCK_SIZE) % min(size, BLOCK_SIZE):
            raise ValueError(f"batch_size: expected a divisor or a multiple of {BLOCK_SIZE} (prompts come in blocks)")
        if self.warmup >= self.n_steps:
            raise ValueError(f"warmup: expected fewer than n_steps = {self.n_steps}")
        return self


class EvaluationSection(TomlSection):
    """[evaluation]: what is measured along the way."""

    every: _Count = 1000
    n_prompts: _Count = 1024
    suite: str | None = None
