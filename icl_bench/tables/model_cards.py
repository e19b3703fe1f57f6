"""What a manifest keeps of each model, so that readers need neither its name nor its code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

LEARNER, ALGORITHM, YARDSTICK = "learner", "algorithm", "yardstick"
KINDS = (LEARNER, ALGORITHM, YARDSTICK)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is to readers."""

    kind: str  # learner (trained, or built to learn in context) | algorithm | yardstick (stands by, has no rank)
    use: str = ""  # what the suite asked for: a name of the catalogue, or ./file.py:Name
    own: bool = False  # whether it came from a user's file, package or checkpoint folder


_EARLIER_ALGORITHMS = frozenset(
    {"averaging", "gradient_descent", "knn", "newton_iterations", "ols", "preconditioned_gd", "ridge"}
)
_EARLIER_YARDSTICKS = frozenset({"bayes", "bayes_train", "mean", "zero"})


def earlier_cards(models: Mapping[str, str], suite_text: str) -> dict[str, ModelCard]:
    """Return the cards of a manifest of schema versions 1 to 4, which kept none: read from its suite's text.

    Frozen: nothing new belongs here.
    """
    asked = _asked(suite_text)
    return {label: _earlier(asked.get(label, label)) for label in models}


def _earlier(use: str) -> ModelCard:
    if use in _EARLIER_YARDSTICKS:
        return ModelCard(YARDSTICK, use)
    return ModelCard(ALGORITHM if use in _EARLIER_ALGORITHMS else LEARNER, use, own=":" in use)


def _asked(suite_text: str) -> dict[str, str]:
    """Return label -> what the suite asked for, as far as the text can be read."""
    try:
        listed = tomllib.loads(suite_text).get("models", [])
        return {item.get("name") or item["use"].rpartition(":")[2]: item["use"] for item in listed}
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        return {}
