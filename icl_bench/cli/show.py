"""`icl-bench show NAME`: one entry's definition, arguments, source and exact risk, or what a suite holds."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from icl_bench.cli import show_trained
from icl_bench.cli.console import guarded, print_json
from icl_bench.errors import PluginError, UsageError
from icl_bench.names import nearest

if TYPE_CHECKING:
    from icl_bench.laws.law import PromptLaw
    from icl_bench.suites.suite import ModelSpec, ScenarioSpec, Suite


@guarded
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A name of any kind, ./file.py:Name, or a suite or recipe by name or file.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show one entry: definition, arguments, severities, source, exact risk; or what a suite, recipe or card holds.

    A name that stands for several things (`mean`) shows them all.
    """
    found = _described(name)
    if as_json:
        print_json(found)
        return
    for number, item in enumerate(found):
        if number:
            print()
        for line in _lines(item):
            print(line)


def _described(name: str) -> list[dict[str, Any]]:
    """Return a description of everything that `name` stands for; UsageError names a near miss over all kinds."""
    from icl_bench.cli.list import listed
    from icl_bench.plugins import catalogue, loading

    if name.endswith(".toml"):
        path = Path(name)
        return [show_trained.recipe(path) if _holds_a_recipe(path) else _suite(path)]
    if catalogue.is_file_reference(name):
        return [_plugin(_kind_of(loading.plugin_class("models", name)), name)]
    files = {kind: {item.name: Path(item.where) for item in listed(kind)} for kind in _FILES}
    found = [_plugin(kind, entry) for kind in catalogue.KINDS for entry in _matches(catalogue.entries(kind), name)]
    found += [describe(files[kind][name]) for kind, describe in _FILES.items() if name in files[kind]]
    if not found:
        known = [entry for kind in catalogue.KINDS for entry in catalogue.entries(kind)]
        known += [entry for kind in _FILES for entry in files[kind]]
        raise UsageError(f"nothing is called {name!r}{nearest(name, known)}; `icl-bench list` shows all that there is")
    return found


def _holds_a_recipe(path: Path) -> bool:
    """Tell whether a TOML file has the table of a recipe; what cannot be read is told as a suite's problem."""
    import tomllib

    try:
        return "recipe" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _matches(known: Any, name: str) -> list[str]:
    """Return the entries called `name`, or `axis/name`, or with an argument behind a colon (`agreement:ols`)."""
    wanted = name.partition(":")[0]
    return [entry for entry in known if wanted in (entry, entry.rpartition("/")[2])]


def _kind_of(cls: Any) -> str:
    """Return which kind of plugin a user's class is, by its methods."""
    kinds = {
        "predict": "models",
        "bind": "models",
        "shift": "scenarios",
        "losses": "metrics",
        "map": "executors",
        "draw": "function_classes",
    }
    kind = next((kind for method, kind in kinds.items() if hasattr(cls, method)), None)
    if kind is None:
        expected = ", ".join(f"{method} ({kind})" for method, kind in kinds.items())
        raise PluginError(f"{cls.__name__} is no plugin: expected a class with one of {expected}")
    return kind


def _plugin(kind: str, name: str) -> dict[str, Any]:
    from icl_bench.plugins import loading
    from icl_bench.plugins.arguments import signature_of

    cls = loading.plugin_class(kind, name)
    text = inspect.getdoc(cls) or ""
    sources = re.findall(r"\b\d{4}\.\d{5}\b", f"{inspect.getmodule(cls).__doc__ or ''} {text}")
    return {
        "kind": kind,
        "name": name,
        "definition": text,
        "arguments": [
            {
                "name": parameter.name,
                "type": _type(parameter),
                "default": None if parameter.default is parameter.empty else repr(parameter.default),
                "required": parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD,
            }
            for parameter in signature_of(cls).values()
        ],
        **(_dial(cls) if kind == "scenarios" else {}),
        **({"exact_risk": _exact_risk(name)} if kind == "models" else {}),
        "sources": [f"arXiv:{number}" for number in dict.fromkeys(sources)],
        "file": inspect.getsourcefile(cls),
    }


def _type(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return "any other keys"
    if parameter.annotation is parameter.empty:
        return "any"
    return inspect.formatannotation(getattr(parameter.annotation, "__metadata__", [parameter.annotation])[0])


def _law(noise_std: float) -> PromptLaw:
    from icl_bench.assembly.laws import base_law
    from icl_bench.suites.suite import PromptSettings

    return base_law(PromptSettings(n_dims=4, context_sizes=(0, 8), noise_std=noise_std))


def _dial(cls: Any) -> dict[str, Any]:
    """Return a scenario's usual severities and its unshifted one."""
    from icl_bench.assembly.products import scenario_problem

    try:
        scenario = cls()
        problem = scenario_problem(scenario)
        identities = set() if problem else {scenario.identity(_law(noise_std)) for noise_std in (0.5, 1.0)}
    except (Exception, SystemExit) as error:  # a user's own
        raise PluginError(f"{cls.__name__}: {type(error).__name__}: {error}") from error
    if problem:
        raise PluginError(f"{cls.__name__}: {problem}")
    identity = "that of the suite's prompts" if len(identities) > 1 else _severity(identities.pop())
    return {"severities": [_severity(severity) for severity in cls.severities], "identity": identity}


def _severity(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _exact_risk(name: str) -> str:
    """Return whether the model's risk has a closed form given the covariates, with its default arguments."""
    from icl_bench.assembly.plugins import bound
    from icl_bench.errors import IclBenchError
    from icl_bench.plugins import loading
    from icl_bench.plugins.protocols import LinearLearner

    try:
        model = bound(loading.build("models", name, {}), _law(0.5), _law(0.5))
    except IclBenchError:
        return "not known without arguments"
    except (Exception, SystemExit) as error:  # a user's own
        return f"not known: {type(error).__name__}: {error}"
    return "known given the covariates" if isinstance(model, LinearLearner) else "not known"


def _suite(path: Path) -> dict[str, Any]:
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


def _lines(item: dict[str, Any]) -> list[str]:
    from icl_bench.plugins.catalogue import KINDS

    if item["kind"] in _LINES:
        return _LINES[item["kind"]](item)
    kind = KINDS[item["kind"]].singular
    lines = [f"{item['name']} ({kind.replace('_', ' ')})", *textwrap.indent(item["definition"], "  ").splitlines(), ""]
    if not item["arguments"]:
        lines.append("arguments: none")
    for argument in item["arguments"]:
        ending = " (required)" if argument["required"] else f" = {argument['default']}" if argument["default"] else ""
        lines.append(f"argument {argument['name']}: {argument['type']}{ending}")
    if "severities" in item:
        lines.append(f"usual severities: {', '.join(item['severities'])}; unshifted: {item['identity']}")
    if "exact_risk" in item:
        lines.append(f"exact risk: {item['exact_risk']}")
    if item["sources"]:
        lines.append(f"source: {', '.join(item['sources'])}")
    return [*lines, f"file: {item['file']}"]


def _suite_lines(item: dict[str, Any]) -> list[str]:
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


_FILES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "suites": _suite,
    "recipes": show_trained.recipe,
    "weights": show_trained.weights,
}
_LINES: Mapping[str, Callable[[dict[str, Any]], list[str]]] = {
    "suites": _suite_lines,
    "recipes": show_trained.recipe_lines,
    "weights": show_trained.weights_lines,
}
