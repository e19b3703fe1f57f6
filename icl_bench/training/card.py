"""The card of a trained network: everything that its recipe, its run and its machine say about it."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from icl_bench.checkpoints.card import Card, DataLaw, plain_arguments
from icl_bench.checkpoints.card import TrainedBy as RecipeCard
from icl_bench.digests import combined_digest
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.law import PromptLaw
from icl_bench.machine import usable_cores
from icl_bench.plugins import loading
from icl_bench.training.batches import PromptSource
from icl_bench.training.recipe import Component, Recipe
from icl_bench.version import __version__


def card_of(
    recipe: Recipe,
    source: PromptSource,
    rows: Sequence[Mapping[str, Any]],
    steps: int,
    seconds: float,
    device: str,
) -> Card:
    """Return the card of a finished training run; `rows` is its last measurement."""
    spec, settings = recipe.network, recipe.optimisation
    architecture = loading.build("models", spec.use, spec.arguments, recipe.folder)
    population = settings.target == "population"
    return Card(
        architecture=spec.use,
        arguments=plain_arguments(architecture),
        n_dims=recipe.prompts.n_dims,
        law=data_law(recipe, source.laws),
        n_context=max(recipe.prompts.context_sizes),
        steps=steps,
        prompts_seen=0 if population else steps * settings.batch_size,
        seed=settings.seed,
        author=recipe.author,
        licence=recipe.licence,
        hardware=_hardware(device),
        icl_bench_version=__version__,
        torch_version=torch.__version__,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        losses=_losses(rows),
        recipe=RecipeCard(recipe.name, recipe.version, recipe.digest),
        notes=f"Trained in {seconds:.0f} s. {recipe.description}".strip(),
    )


def data_law(recipe: Recipe, laws: Sequence[PromptLaw]) -> DataLaw:
    """Return what a recipe's prompts are drawn from in plain values; `laws` are those of its mixture."""
    return DataLaw(
        function_class=recipe.prompts.function_class,
        n_dims=recipe.prompts.n_dims,
        noise_std=recipe.prompts.noise_std,
        n_context=max(recipe.prompts.context_sizes),
        digest=combined_digest(law_digest(law) for law in laws),
        function_class_arguments=dict(recipe.prompts.function_class_arguments),
        scenarios=tuple(_component(component) for component in recipe.mixture),
    )


def _component(component: Component) -> dict[str, Any]:
    """Return one part of the mixture in plain values."""
    factors = [
        {"use": factor.use, **({} if severity is None else {"severity": severity}), **factor.arguments}
        for factor, severity in zip(component.factors, component.point, strict=True)
    ]
    return {
        "weight": component.weight,
        "n_context": max(component.prompts.context_sizes),
        "noise_std": component.prompts.noise_std,
        "scenarios": factors,
    }


def _losses(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the last measurement on unshifted tuning prompts: metric at context size -> value."""
    return {
        f"{row['metric']}_at_{row['context_size']}": float(f"{row['value']:.6g}")
        for row in rows
        if row["scenario"] == "base" and row["value"] is not None
    }


def _hardware(device: str) -> str:
    """Return what the weights were computed on."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"CPU, {platform.machine()}, {usable_cores()} cores, {torch.get_num_threads()} threads"
