"""What `icl-bench show` tells of recipes and of the weights that ship."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icl_bench.places import Severity
    from icl_bench.suites.suite import Factor, TrainingSettings


def recipe(path: Path) -> dict[str, Any]:
    """Return what a recipe file holds; RecipeError says what is wrong with it."""
    from icl_bench.training.recipe_file import load_recipe

    found = load_recipe(path)
    return {
        "kind": "recipes",
        "name": found.name,
        "version": found.version,
        "definition": found.description,
        "network": {"use": found.network.use, "arguments": dict(found.network.arguments)},
        "prompts": {
            "function_class": found.prompts.function_class,
            "function_class_arguments": dict(found.prompts.function_class_arguments),
            "n_dims": found.prompts.n_dims,
            "context_sizes": list(found.prompts.context_sizes),
            "noise_std": found.prompts.noise_std,
        },
        "mixture": [
            {
                "weight": component.weight,
                "scenarios": factors(component.factors, component.point),
            }
            for component in found.mixture
        ],
        "optimisation": dataclasses.asdict(found.optimisation),
        "digest": found.digest,
        "file": str(path),
    }


def factors(listed: Sequence[Factor], point: Sequence[Severity]) -> list[dict[str, Any]]:
    """Return the scenarios of a training law in plain values."""
    return [
        {"use": factor.use, "severity": severity, **factor.arguments}
        for factor, severity in zip(listed, point, strict=True)
    ]


def training_law(settings: TrainingSettings) -> dict[str, Any]:
    """Return what a training law differs in from the suite's prompts; a model's, from the suite's training law."""
    named = {
        "n_context": settings.n_context,
        "noise_std": settings.noise_std,
        "scenarios": None if settings.factors is None else factors(settings.factors, settings.point),
    }
    return {name: value for name, value in named.items() if value is not None}


def weights(folder: Path) -> dict[str, Any]:
    """Return what the card of shipped weights says."""
    from icl_bench.checkpoints.card_file import read_card

    card = read_card(folder / "card.toml")
    return {
        "kind": "weights",
        "name": folder.name,
        "definition": card.notes,
        "use": f'use = "checkpoint", path = "zoo:{folder.name}"',
        "card": dataclasses.asdict(card),
        "file": str(folder),
    }


def recipe_lines(item: dict[str, Any]) -> list[str]:
    """Return a recipe as text."""
    prompts, settings = item["prompts"], item["optimisation"]
    arguments = ", ".join(f"{name} = {value!r}" for name, value in item["network"]["arguments"].items())
    shares = [
        f"  {component['weight']:g}  {' then '.join(map(factor_words, component['scenarios'])) or 'unshifted'}"
        for component in item["mixture"]
    ]
    return [
        f"{item['name']} version {item['version']} (recipe)",
        *textwrap.indent(item["definition"], "  ").splitlines(),
        "",
        f"network: {item['network']['use']}({arguments})",
        f"prompts: {called(prompts)}, {prompts['n_dims']} dimensions, noise standard deviation"
        f" {prompts['noise_std']:g}, up to {max(prompts['context_sizes'])} examples",
        *(["mixture", *shares] if len(shares) > 1 or item["mixture"][0]["scenarios"] else []),
        f"steps: {settings['n_steps']:,} of {settings['batch_size']} prompts, {settings['optimiser']}, target"
        f" {settings['target']}",
        f"file: {item['file']}",
    ]


def called(prompts: dict[str, Any]) -> str:
    """Return a function class with the arguments that it was given."""
    given = ", ".join(f"{name} = {value!r}" for name, value in prompts["function_class_arguments"].items())
    return f"{prompts['function_class']}({given})" if given else str(prompts["function_class"])


def factor_words(factor: dict[str, Any]) -> str:
    """Return one scenario of a training law: name, severity, arguments."""
    severity = "" if factor["severity"] is None else f" {factor['severity']:g}"
    given = ", ".join(f"{name} = {value!r}" for name, value in factor.items() if name not in ("use", "severity"))
    return f"{factor['use']}{severity}{f' ({given})' if given else ''}"


def training_words(training: dict[str, Any]) -> str:
    """Return what a training law differs in, each after a comma; empty when in nothing."""
    words = []
    if "n_context" in training:
        words.append(f"{training['n_context']} examples")
    if "noise_std" in training:
        words.append(f"noise standard deviation {training['noise_std']:g}")
    if "scenarios" in training:
        words.append(" then ".join(map(factor_words, training["scenarios"])) or "unshifted")
    return "".join(f", {text}" for text in words)


def weights_lines(item: dict[str, Any]) -> list[str]:
    """Return a card as text."""
    card = item["card"]
    arguments = ", ".join(f"{name} = {value!r}" for name, value in card["arguments"].items())
    return [
        f"{item['name']} (weights)",
        *textwrap.indent(item["definition"], "  ").splitlines(),
        "",
        f"in a suite: {item['use']}",
        f"network: {card['architecture']}({arguments}), {card['n_dims']} dimensions,"
        f" {card['weights']['n_parameters']:,} parameters, {card['weights']['dtype']}",
        f"trained: {card['steps']:,} steps, {card['prompts_seen']:,} prompts of up to {card['n_context']} examples, by"
        f" {card['author']}, {card['date']}, on {card['hardware']}",
        f"recipe: {card['recipe']['name']} version {card['recipe']['version']}; licence: {card['licence']}",
        f"weights: {card['weights']['digest']}",
        f"file: {item['file']}",
    ]
