"""Training prompts: drawn as they are needed, from a stream that no suite and no tuning ever draws from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from icl_bench.assembly.laws import base_law
from icl_bench.assembly.products import shifted_by
from icl_bench.errors import NoClosedForm, PluginError, RecipeError
from icl_bench.laws.covariates.truncated import Truncated
from icl_bench.laws.law import PromptLaw
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import BLOCK_SIZE, TRAINING_SEEDS, TUNING_SEEDS, Streams
from icl_bench.training.recipe import Component, Recipe, Target


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of one optimisation step, and what the learner is pulled towards."""

    prompts: PromptBatch
    targets: Tensor  # (prompt, query)


def component_law(recipe: Recipe, component: Component) -> PromptLaw:
    """Return the law of one part of the mixture; RecipeError when it cannot be had, or has no f to train on."""
    place = f"{component.where}: " if component.where else ""
    settings, folder = component.prompts, recipe.folder
    try:
        if base_law(replace(settings, noise_std=0.0), folder).rows is not None:  # refused for that, not for its noise
            raise RecipeError(
                [
                    f"{place}prompts: function_class: {settings.function_class!r} gives rows of a table, which have no"
                    " f to train on; expected another class"
                ]
            )
        return shifted_by(
            base_law(settings, folder),
            component.factors,
            component.point,
            folder,
            lambda factor, why: RecipeError([f"{place}mixture: {factor.use} {why}"]),
        )
    except PluginError as error:
        raise RecipeError([f"{place}{error}"]) from error


def grown(law: PromptLaw, recipe: Recipe, step: int) -> PromptLaw:
    """Return `law` as the curriculum has it at an optimisation step."""
    dims, context = recipe.curriculum.n_dims, recipe.curriculum.n_context
    if dims is not None:
        active = dims.at(step, law.n_dims)
        if active < law.n_dims:
            law = law.under("curriculum").add("covariates", Truncated(active)).under("")
    if context is not None:
        longest = context.at(step, law.sizes.n_context)
        sizes = tuple(size for size in law.sizes.context_sizes if size <= longest) or (longest,)
        law = law.with_sizes(sizes)
    return law


class PromptSource:
    """Batches of a recipe by step: a pure function of (recipe, step), drawn ahead on threads.

    Block b of the training stream holds prompts 256 b .. 256 b + 255; a block is drawn under the curriculum of the
    step that it begins at. In a mixture each prompt's law is drawn on its own where all laws have the same sizes,
    else that of each block, or of all blocks of a step where a step has several.

    Raises RecipeError when a severity is refused, or the target is the Bayes prediction and a law has none.
    """

    def __init__(self, recipe: Recipe, ahead: int = 2) -> None:
        self.recipe = recipe
        self.laws = [component_law(recipe, component) for component in recipe.mixture]
        weights = torch.tensor([component.weight for component in recipe.mixture], dtype=torch.float64)
        self._shares = (weights / weights.sum()).cumsum(0)
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(max_workers=1) if ahead else None
        self._drawn: dict[int, Future[Batch]] = {}
        if recipe.optimisation.target == "bayes":
            for law in self.laws:
                self._one_law(law, Streams(TRAINING_SEEDS + recipe.optimisation.seed, 0))

    def batch(self, step: int) -> Batch:
        """Return the batch of optimisation step `step` (from 0), float64 on the CPU."""
        size = self.recipe.optimisation.batch_size
        if size >= BLOCK_SIZE:
            per_step = size // BLOCK_SIZE
            blocks = [self._block(step * per_step + number) for number in range(per_step)]
            return blocks[0] if per_step == 1 else _joined(blocks)
        block, row = divmod(step * size, BLOCK_SIZE)
        drawn = self._block(block)
        rows = slice(row, row + size)
        return Batch(drawn.prompts.select(rows), drawn.targets[rows])

    def close(self) -> None:
        """Stop drawing ahead."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _block(self, block: int) -> Batch:
        """Return a block, and have the next ones drawn meanwhile."""
        if self._pool is None:
            return self.draw(block)
        for number in range(block, block + 1 + self._ahead):
            if number not in self._drawn:
                self._drawn[number] = self._pool.submit(self.draw, number)
        for number in [number for number in self._drawn if number < block]:
            del self._drawn[number]
        return self._drawn[block].result()

    def draw(self, block: int) -> Batch:
        """Draw one block of training prompts."""
        size = self.recipe.optimisation.batch_size
        streams = Streams(TRAINING_SEEDS + self.recipe.optimisation.seed, block)
        laws = [grown(law, self.recipe, block * BLOCK_SIZE // size) for law in self.laws]
        if len(laws) == 1:
            return self._one_law(laws[0], streams)
        if len({law.sizes for law in laws}) > 1:
            per_step = max(1, size // BLOCK_SIZE)
            first = Streams(streams.seed, block - block % per_step)
            return self._one_law(laws[int(self._choice(first)[0])], streams)
        which = self._choice(streams)
        parts = {number: self._one_law(laws[number], streams.anew()) for number in sorted(set(which.tolist()))}
        return _chosen(parts, which)

    def _choice(self, streams: Streams) -> Tensor:
        """Return the law of each prompt of a block, (prompt,)."""
        choice = torch.from_numpy(streams.uniform("mixture", (BLOCK_SIZE,)))
        return torch.searchsorted(self._shares, choice, right=True).clamp_max(len(self.laws) - 1)

    def _one_law(self, law: PromptLaw, streams: Streams) -> Batch:
        try:
            return _drawn(law, streams, self.recipe.optimisation.target)
        except NoClosedForm as error:
            raise RecipeError(
                [
                    f"{self.recipe.target_where}: optimisation.target: 'bayes' is not known here: {error}; expected"
                    ' "label" or "function"'
                ]
            ) from error


def _drawn(law: PromptLaw, streams: Streams, target: Target) -> Batch:
    """Return a block of one law with its targets; NoClosedForm where they are Bayes predictions and none is known."""
    draw = law.draw(streams)
    if target == "bayes":
        return Batch(draw.prompts, law.bayes(draw.prompts).mean)
    return Batch(draw.prompts, draw.targets.query_y if target == "label" else draw.targets.noiseless())


def _chosen(parts: dict[int, Batch], which: Tensor) -> Batch:
    """Return the block whose prompt i is taken from `parts[which[i]]`."""
    first = next(iter(parts.values()))

    def taken(read: Callable[[Batch], Tensor]) -> Tensor:
        result = read(first).clone()
        for number, part in parts.items():
            result[which == number] = read(part)[which == number]
        return result

    prompts = replace(
        first.prompts,
        context_x=taken(lambda part: part.prompts.context_x),
        context_y=taken(lambda part: part.prompts.context_y),
        query_x=taken(lambda part: part.prompts.query_x),
        next_example=all(part.prompts.next_example for part in parts.values()),
    )
    return Batch(prompts, taken(lambda part: part.targets))


def _joined(blocks: list[Batch]) -> Batch:
    def joined(read: Callable[[Batch], Tensor]) -> Tensor:
        return torch.cat([read(block) for block in blocks])

    prompts = replace(
        blocks[0].prompts,
        context_x=joined(lambda block: block.prompts.context_x),
        context_y=joined(lambda block: block.prompts.context_y),
        query_x=joined(lambda block: block.prompts.query_x),
        next_example=all(block.prompts.next_example for block in blocks),
    )
    return Batch(prompts, joined(lambda block: block.targets))


def tuning_streams(n_prompts: int) -> Iterator[Streams]:
    """Yield the streams of the blocks that hold `n_prompts` prompts for tuning, apart from training and suites."""
    for block in range(-(-n_prompts // BLOCK_SIZE)):
        yield Streams(TUNING_SEEDS, block)
