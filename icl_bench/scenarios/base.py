"""No shift: test prompts are drawn from the law that the suite names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from icl_bench.laws.law import PromptLaw


@dataclass(frozen=True)
class Base:
    """No shift: test prompts are drawn from the law that the suite names."""

    severities: ClassVar[tuple[float | None, ...]] = (None,)

    def identity(self, law: PromptLaw) -> None:
        """There is no dial; the absent severity is the base law."""
        return

    def shift(self, law: PromptLaw, severity: float | None) -> PromptLaw:
        """Return `law`; ValueError when a severity is given."""
        if severity is not None:
            raise ValueError(f"base has no dial: expected no severity, got {severity}")
        return law


SCENARIO = Base
