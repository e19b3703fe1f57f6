"""What a model is to readers: a learner, an algorithm or a yardstick, and whether it is a user's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from icl_bench.errors import PluginError
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import file_arguments
from icl_bench.suites.suite import ModelSpec, Suite
from icl_bench.tables.model_cards import ALGORITHM, KINDS, LEARNER, YARDSTICK, ModelCard

_OF_ROOM = {"estimators": ALGORITHM, "references": YARDSTICK}
_SHIPPED = "zoo:"


def model_card(suite: Suite, spec: ModelSpec) -> ModelCard:
    """Return what readers know of a suite's model; it is imported, not built."""
    foreign = catalogue.is_foreign("models", spec.use)
    try:
        cls = loading.plugin_class("models", spec.use, suite.folder)
    except PluginError:
        return ModelCard(LEARNER, spec.use, foreign)  # told where the model is built
    files = file_arguments(cls, spec.arguments, suite.folder)
    brought = any(not str(spec.arguments[name]).startswith(_SHIPPED) for name in files)
    return ModelCard(_kind(cls, spec.use, foreign), spec.use, foreign or brought)


def _kind(cls: Any, use: str, foreign: bool) -> str:
    """Return what a class says it is, else what its room says; a learner where neither does."""
    said = getattr(cls, "kind", None)
    if isinstance(said, str) and said in KINDS:
        return said
    if foreign:
        return YARDSTICK if getattr(cls, "sees_test_law", False) is True else LEARNER
    return _OF_ROOM.get(catalogue.find("models", use).module.split(".")[2], LEARNER)


def kind_problem(cls: Any) -> Iterator[str]:
    """Yield what is wrong with the kind that a model's class declares; nothing where it declares none."""
    said = getattr(cls, "kind", None)
    if isinstance(said, str) and said not in KINDS:
        yield f"kind: expected one of {', '.join(KINDS)}, got {said!r}"
