"""Small suites and the models that fail in them: composed here, so that a test says only what is its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Table = Mapping[str, Any]
Plugin = str | Table
"""What a suite calls a plugin, or the whole of its table."""


def suite_text(
    name: str = "small",
    version: int = 1,
    *,
    prompts: Table | None = None,
    training: Table | None = None,
    models: Sequence[Plugin] = ("ols",),
    scenarios: Sequence[Plugin] = ("base",),
    metrics: Sequence[Plugin] = (),
) -> str:
    """Return the text of a suite of small prompts; `prompts` says what is otherwise, None leaves a key out.

    Metrics by name alone are the short form, `[metrics] use = [...]`; without any the suite asks the usual ones.
    """
    asked = {"n_dims": 3, "context_sizes": [0, 2, 4], "noise_std": 0.5, "n_prompts": 256, **(prompts or {})}
    tables = [_table("[suite]", {"name": name, "version": version}), _table("[prompts]", asked)]
    if training is not None:
        tables.append(_table("[training]", training))
    short = [metric for metric in metrics if isinstance(metric, str)]
    if metrics and len(short) == len(metrics):
        last, metrics = [_table("[metrics]", {"use": short})], ()
    else:
        last = []
    for kind, plugins in (("models", models), ("scenarios", scenarios), ("metrics", metrics)):
        tables += [_table(f"[[{kind}]]", {"use": item} if isinstance(item, str) else item) for item in plugins]
    return "\n".join(tables + last)


def _table(head: str, entries: Table) -> str:
    return "".join([f"{head}\n", *(f"{key} = {_value(item)}\n" for key, item in entries.items() if item is not None)])


def _value(item: object) -> str:
    if isinstance(item, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(part)}' for key, part in item.items())} }}"
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(_value, item))}]"
    return repr(item) if isinstance(item, float) else json.dumps(item, ensure_ascii=False)


SMALL = suite_text(
    prompts={"context_sizes": [0, 1, 2, 3, 4, 6]},
    training={"n_context": 4},
    models=["bayes", "ols", "zero"],
    scenarios=["base", {"use": "covariate/scale", "severities": [2.0]}],
    metrics=["squared_error", "normalised_error", "excess_risk"],
)
"""A suite that runs in a second: six cells."""


def fragile_model(reach: float = 8.0, message: str = "far out", answer: float = 0.0) -> str:
    """Return a file with `Fragile`: the same answer everywhere, but an error where a covariate is beyond `reach`."""
    return f"""
import torch
from icl_bench import Prediction

class Fragile:
    def predict(self, prompts):
        if prompts.context_x.abs().max() > {reach!r}:
            raise ValueError({message!r})
        return Prediction({answer!r} * torch.ones(prompts.query_x.shape[:2], dtype=torch.float64))
"""


def slow_model(seconds: float) -> str:
    """Return a file with `Slow`: least squares that takes `seconds` for every block, contract checks apart."""
    return f"""
import time

from icl_bench.models.estimators.ols import Ols


class Slow(Ols):
    def predict(self, prompts):
        if prompts.n_prompts > 16:  # not in the contract checks
            time.sleep({seconds!r})
        return super().predict(prompts)
"""
