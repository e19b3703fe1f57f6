"""icl-bench: how robust are in-context learners when test prompts differ from training prompts?

The public names below are imported on first use, so `import icl_bench` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icl_bench.assemble import load_model, load_scenario
    from icl_bench.compare.comparison import Comparison, compare_runs
    from icl_bench.errors import NoClosedForm
    from icl_bench.prompts import Prediction, PromptBatch, TargetBatch
    from icl_bench.protocols import PlainMetric, RatioMetric
    from icl_bench.run import Run, read_run, run_suite

__version__ = "0.1.0"

_HOME = {
    "Comparison": "icl_bench.compare.comparison",
    "NoClosedForm": "icl_bench.errors",
    "PlainMetric": "icl_bench.protocols",
    "Prediction": "icl_bench.prompts",
    "PromptBatch": "icl_bench.prompts",
    "RatioMetric": "icl_bench.protocols",
    "Run": "icl_bench.run",
    "TargetBatch": "icl_bench.prompts",
    "compare_runs": "icl_bench.compare.comparison",
    "load_model": "icl_bench.assemble",
    "load_scenario": "icl_bench.assemble",
    "read_run": "icl_bench.run",
    "run_suite": "icl_bench.run",
}

__all__ = [
    "Comparison",
    "NoClosedForm",
    "PlainMetric",
    "Prediction",
    "PromptBatch",
    "RatioMetric",
    "Run",
    "TargetBatch",
    "compare_runs",
    "load_model",
    "load_scenario",
    "read_run",
    "run_suite",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'icl_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
