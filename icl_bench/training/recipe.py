"""A training recipe as one frozen record: network, training law, curriculum, optimisation, evaluation."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from icl_bench.digests import content_digest
from icl_bench.places import Severity
from icl_bench.suites.suite import Factor, ModelSpec, PromptSettings

Target = Literal["label", "function", "bayes", "population"]


@dataclass(frozen=True, slots=True)
class Component:
    """One law that training prompts are drawn from: scenarios applied in turn to the unshifted law."""

    weight: float  # share of the prompts, relative to the other components
    factors: tuple[Factor, ...]
    point: tuple[Severity, ...]  # one severity per factor
    prompts: PromptSettings
    where: str = field(default="", compare=False)  # file:line, for messages


@dataclass(frozen=True, slots=True)
class Growth:
    """A size that grows as training goes on: `start`, then `step` more every `every` steps."""

    start: int
    step: int
    every: int

    def at(self, step: int, final: int) -> int:
        """Return the size at an optimisation step, `final` at most."""
        return min(final, self.start + self.step * (step // self.every))


@dataclass(frozen=True, slots=True)
class Curriculum:
    """What grows: covariate dimensions that are not zero, examples in a prompt (Garg 2208.01066, appendix A)."""

    n_dims: Growth | None = None
    n_context: Growth | None = None


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How weights are moved."""

    n_steps: int
    batch_size: int = 64
    optimiser: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 0.02  # of muon, for the matrices inside blocks
    betas: tuple[float, float] = (0.9, 0.98)
    momentum: float = 0.0  # of sgd
    weight_decay: float = 0.0
    warmup: int = 0  # steps of linear rise
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    final_share: float = 0.0  # of the learning rate, at the last step
    clip: float = 1.0  # largest norm of the gradient; 0: none
    average: float = 0.0  # decay of the running average of the weights that is kept in the end; 0: none
    target: Target = "label"
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    compile: Literal["auto", "always", "never"] = "auto"
    seed: int = 0

    def share_at(self, step: int) -> float:
        """Return the share of the learning rate that the step after `step` finished ones has."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        done = (step - self.warmup) / max(1, self.n_steps - self.warmup)
        left = 1.0 - done if self.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
        return self.final_share + (1.0 - self.final_share) * left

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of the step that follows `step` finished ones."""
        return self.learning_rate * self.share_at(step)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is measured along the way, on prompts that neither training nor any suite ever draws."""

    every: int = 1000  # steps
    n_prompts: int = 1024
    suite: Path | None = None  # its scenarios; None: the unshifted training law alone


@dataclass(frozen=True, slots=True)
class Recipe:
    """A parsed recipe file."""

    name: str
    version: int
    description: str
    folder: Path  # what paths in the recipe are relative to
    network: ModelSpec
    prompts: PromptSettings
    mixture: tuple[Component, ...]
    curriculum: Curriculum
    optimisation: Optimisation
    evaluation: Evaluation
    licence: str = ""
    author: str = ""
    text: str = field(default="", compare=False)  # the file as it was read
    target_where: str = field(default="", compare=False)  # file:line of [optimisation] target, for messages

    @property
    def digest(self) -> str:
        """Hex digest of what decides the weights: network, prompts, mixture, curriculum, optimisation."""
        mixture = [dataclasses.asdict(component) for component in self.mixture]
        for component in mixture:
            del component["where"]
        content = {
            "network": [self.network.use, self.network.arguments],
            "prompts": dataclasses.asdict(self.prompts),
            "mixture": mixture,
            "curriculum": dataclasses.asdict(self.curriculum),
            "optimisation": dataclasses.asdict(self.optimisation),
        }
        return content_digest(content)
