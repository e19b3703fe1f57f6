"""What `icl-bench show` says of a plugin: definition, arguments, severities, exact risk, source."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

from icl_bench.errors import PluginError

if TYPE_CHECKING:
    from icl_bench.laws.law import PromptLaw


def kind_of(cls: Any) -> str:
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


def described(kind: str, name: str) -> dict[str, Any]:
    """Return what is known of a plugin by name or file; PluginError when it cannot be loaded."""
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


def lines(item: dict[str, Any]) -> list[str]:
    """Return the lines that describe a plugin."""
    from icl_bench.plugins.catalogue import KINDS

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
