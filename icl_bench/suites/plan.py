"""The plan of a run: which prompts are drawn, and which models answer them. Plain values; draws nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from icl_bench.names import matching
from icl_bench.places import Place
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.suites.suite import ScenarioSpec, Suite


@dataclass(frozen=True, slots=True)
class PromptSet:
    """All prompts of one scenario, severity and seed; with a model, a cell."""

    scenario: int  # index into suite.scenarios
    place: Place
    seed: int
    n_prompts: int

    @property
    def key(self) -> str:
        """Name of the set among a run's prompt digests: scenario/severity/seed."""
        return self.place.with_seed(self.seed)

    @property
    def n_blocks(self) -> int:
        """Blocks of 256 that hold the prompts; the last may be used in part."""
        return -(-self.n_prompts // BLOCK_SIZE)

    def rows(self, block: int) -> int:
        """Return how many prompts of `block` count."""
        return min(BLOCK_SIZE, self.n_prompts - block * BLOCK_SIZE)

    def file_stem(self, block: int) -> str:
        """Return the start of the name of this block's units: readable, safe in any file system."""
        dial = "x".join(f"{value:.6g}" for value in self.place.severities if value is not None)
        text = "_".join(part for part in (self.place.scenario, dial, f"s{self.seed}", f"b{block:06d}") if part)
        return re.sub(r"[^A-Za-z0-9._+-]", "-", text)


@dataclass(frozen=True, slots=True)
class Block:
    """One block to draw, and the models that shall answer it."""

    prompt_set: PromptSet
    block: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one command asks for: a part or all of a suite."""

    prompt_sets: tuple[PromptSet, ...]
    models: tuple[str, ...]

    def blocks(self) -> Iterator[Block]:
        """Yield every block, in the order of the suite."""
        for prompt_set in self.prompt_sets:
            for block in range(prompt_set.n_blocks):
                yield Block(prompt_set, block, self.models)

    @property
    def n_cells(self) -> int:
        """Scenario x severity x seed x model."""
        return len(self.prompt_sets) * len(self.models)


def prompt_sets(spec: ScenarioSpec, index: int) -> Iterator[PromptSet]:
    """Yield the prompt sets of one scenario of a suite."""
    for point in spec.points:
        for seed in spec.prompts.seeds:
            yield PromptSet(index, Place(spec.label, point), seed, spec.prompts.n_prompts)


def make_plan(suite: Suite, models: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Plan:
    """Return the plan of a suite, narrowed to the models and scenarios that match any of the given patterns.

    Patterns are names or globs (`covariate/*`). Raises UsageError when one matches nothing.
    """
    labels = [spec.label for spec in suite.models]
    chosen_models = matching(labels, models, "model of this suite")
    chosen = set(matching([spec.label for spec in suite.scenarios], scenarios, "scenario of this suite"))
    sets = tuple(
        prompt_set
        for index, spec in enumerate(suite.scenarios)
        if spec.label in chosen
        for prompt_set in prompt_sets(spec, index)
    )
    return Plan(sets, chosen_models)
