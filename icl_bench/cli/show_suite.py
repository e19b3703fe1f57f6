"""What `icl-bench show` says of a suite: prompts, training, models, scenarios, metrics."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_bench.cli import show_trained

if TYPE_CHECKING:
    from icl_bench.suites.suite import ModelSpec, ScenarioSpec, Suite


def described(path: Path) -> dict[str, Any]:
    """Return what a suite file holds; SuiteError when it cannot be read."""
    from icl_bench.suites.plan import make_plan
    from icl_bench.suites.suite_file import load_suite

    suite = load_suite(path)
    plan, settings = make_plan(suite), suite.prompts
    return {
        "kind": "suites",
        "name": suite.name,
        "version": suite.version,
        "definition": suite.description,
        "prompts": {
            "function_class": settings.function_class,
            "function_class_arguments": dict(settings.function_class_arguments),
            "n_dims": settings.n_dims,
            "context_sizes": list(settings.context_sizes),
            "noise_std": settings.noise_std,
            "seeds": list(settings.seeds),
        },
        "training_context": _training_context(suite),
        "training": show_trained.training_law(suite.training),
        "models": [_of_model(spec) for spec in suite.models],
        "scenarios": [_of_scenario(spec) for spec in suite.scenarios],
        "metrics": [spec.label for spec in suite.metrics],
        "cells": plan.n_cells,
        "prompts_in_all": sum(prompt_set.n_prompts for prompt_set in plan.prompt_sets),
        "file": str(path),
    }


def _training_context(suite: Suite) -> int:
    """Return the examples in a prompt of the training law: the longest of the suite's unless it says otherwise."""
    named = suite.training.n_context
    return named if named is not None else max(suite.prompts.context_sizes)


def _of_model(spec: ModelSpec) -> dict[str, Any]:
    own = {} if spec.training is None else {"training": show_trained.training_law(spec.training)}
    return {"name": spec.label, "use": spec.use, "arguments": dict(spec.arguments), **own}


def _of_scenario(spec: ScenarioSpec) -> dict[str, Any]:
    from icl_bench.places import severity_text

    return {
        "name": spec.label,
        "use": [factor.use for factor in spec.factors],
        "arguments": [dict(factor.arguments) for factor in spec.factors],
        "severities": [severity_text(point) for point in spec.points],
        "n_prompts": spec.prompts.n_prompts,
    }


def lines(item: dict[str, Any]) -> list[str]:
    """Return the lines that describe a suite."""
    prompts = item["prompts"]
    return [
        f"{item['name']} version {item['version']} (suite)",
        *textwrap.indent(item["definition"], "  ").splitlines(),
        "",
        f"prompts: {show_trained.called(prompts)}, {prompts['n_dims']} dimensions, noise standard deviation"
        f" {prompts['noise_std']:g}, seeds {', '.join(map(str, prompts['seeds']))}",
        f"context sizes: {_ranges(prompts['context_sizes'])}; learners trained on {item['training_context']} examples"
        + show_trained.training_words({name: value for name, value in item["training"].items() if name != "n_context"}),
        f"cells: {item['cells']:,}; prompts in all: {item['prompts_in_all']:,}",
        f"metrics: {', '.join(item['metrics'])}",
        f"file: {item['file']}",
        "",
        "models",
        *(f"  {model['name']}{_use(model)}{_own_training(model)}" for model in item["models"]),
        "",
        "scenarios",
        *(f"  {_scenario_line(scenario)}" for scenario in item["scenarios"]),
    ]


def _use(model: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name} = {value!r}" for name, value in model["arguments"].items())
    use = "" if model["use"] == model["name"] else model["use"]
    text = f"{use}({arguments})" if arguments else use
    return f"  {text}" if text else ""


def _own_training(model: dict[str, Any]) -> str:
    words = show_trained.training_words(model.get("training", {}))
    return f"  trained on its own law{words}" if words else ""


def _scenario_line(scenario: dict[str, Any]) -> str:
    severities = ", ".join(text for text in scenario["severities"] if text)
    return f"{scenario['name']}: {severities or 'no dial'} ({scenario['n_prompts']:,} prompts each)"


def _ranges(sizes: Sequence[int]) -> str:
    """Return `0:24` for consecutive sizes, else the list."""
    consecutive = len(sizes) > 2 and list(sizes) == list(range(sizes[0], sizes[-1] + 1))
    return f"{sizes[0]}:{sizes[-1]}" if consecutive else ", ".join(map(str, sizes))
