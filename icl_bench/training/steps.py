"""One optimisation step: loss, gradient, clipping, update, running average."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

from icl_bench.errors import RecipeError
from icl_bench.layers.learner import Learner, SequenceLearner
from icl_bench.training.batches import PromptSource
from icl_bench.training.population import PopulationLoss
from icl_bench.training.recipe import Optimisation, Recipe


def make_optimisers(learner: Learner, settings: Optimisation) -> list[torch.optim.Optimizer]:
    """Return the optimisers, their updates fused into one kernel where torch can.

    muon (Liu et al. 2502.16982) moves the matrices inside blocks, AdamW all else; RecipeError before torch 2.9.
    """
    parameters = {name: value for name, value in learner.named_parameters() if value.requires_grad}
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        values = list(parameters.values())
        return [_scheduled(torch.optim.SGD(values, lr=rate, momentum=settings.momentum, weight_decay=decay))]
    matrices: list[Tensor] = []
    if settings.optimiser == "muon":
        matrices = [value for name, value in parameters.items() if value.ndim == 2 and "blocks." in name]
        if not matrices or not hasattr(torch.optim, "Muon"):
            raise RecipeError(
                [
                    'optimisation.optimiser: "muon" needs torch 2.9 and a network with matrices in blocks;'
                    ' expected "adamw"'
                ]
            )
    chosen = {id(value) for value in matrices}
    others = [value for value in parameters.values() if id(value) not in chosen]
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    optimisers: list[torch.optim.Optimizer] = [
        kind(others, lr=rate, betas=settings.betas, weight_decay=decay, fused=True)
    ]
    if matrices:
        optimisers.append(torch.optim.Muon(matrices, lr=settings.matrix_learning_rate, weight_decay=decay))
    return [_scheduled(optimiser) for optimiser in optimisers]


def _scheduled(optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return the optimiser, its full learning rates noted beside the ones that the schedule sets."""
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    return optimiser


def compiled(learner: Learner, settings: Optimisation, device: torch.device) -> None:
    """Let torch.compile fuse the decoder: on a GPU by default, with CUDA graphs; elsewhere only when asked to."""
    wanted = settings.compile == "always" or (settings.compile == "auto" and device.type == "cuda")
    if wanted and isinstance(learner, SequenceLearner):
        learner.decoder.compile(mode="reduce-overhead" if device.type == "cuda" else "default")


class Stepper:
    """Moves a learner's weights along a recipe, one step at a time."""

    def __init__(self, recipe: Recipe, learner: Learner, source: PromptSource, device: torch.device) -> None:
        self.settings = recipe.optimisation
        self.learner, self.device = learner, device
        self.optimisers = make_optimisers(learner, self.settings)
        self.average: dict[str, Tensor] | None = None
        if self.settings.average:
            self.average = {name: value.detach().clone() for name, value in learner.state_dict().items()}
        self._dtype = torch.float64 if self.settings.precision == "float64" else torch.float32
        self._source = source
        self._population = self._population_loss(recipe) if self.settings.target == "population" else None
        compiled(learner, self.settings, device)

    def step(self, number: int) -> Tensor:
        """Do optimisation step `number` (from 0); return its loss, not yet read from the device."""
        loss = self._loss(number)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(self.learner.parameters(), self.settings.clip, foreach=True)
        share = self.settings.share_at(number)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self._averaged(number)
        return loss.detach()

    def _loss(self, number: int) -> Tensor:
        """Return the mean loss over prompts and context sizes."""
        if self._population is not None:
            matrix: Any = self.learner.matrix  # `_population_loss` has checked that there is one
            return self._population.at(number)(matrix)
        batch = self._source.batch(number)
        prompts = batch.prompts.to(self.device, self._dtype)
        targets = batch.targets.to(self.device, self._dtype, non_blocking=True)
        low = self.settings.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if low else contextlib.nullcontext():
            outputs = self.learner(prompts)
        return self.learner.head.loss(outputs.to(self._dtype), targets).mean()

    def _averaged(self, number: int) -> None:
        """Move the running average; early on it forgets faster, so that the initial weights do not linger."""
        assert self.average is not None
        keep = min(self.settings.average, (1.0 + number) / (10.0 + number))
        values = self.learner.state_dict()
        moving = [name for name, value in values.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[name] for name in moving], [values[name] for name in moving], 1.0 - keep)

    def _population_loss(self, recipe: Recipe) -> PopulationLoss:
        """Return the exact training loss of one linear self-attention layer; RecipeError when it is not known."""
        if not hasattr(self.learner, "matrix") or len(self._source.laws) != 1:
            raise RecipeError(
                [
                    f"{recipe.target_where}: optimisation.target: 'population' is known for linear_attention_layer"
                    ' with blocks = "corner" under one law; expected "label", "function" or "bayes"'
                ]
            )
        return PopulationLoss(recipe, self._source.laws[0])
