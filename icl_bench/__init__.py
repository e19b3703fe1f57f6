"""icl-bench: how robust are in-context learners when test prompts differ from training prompts?

The public names below are imported on first use, so `import icl_bench` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from icl_bench.version import __version__ as __version__

if TYPE_CHECKING:
    from icl_bench.assembly.plugins import load_model, load_scenario
    from icl_bench.compare.comparison import Comparison, compare_runs
    from icl_bench.errors import NoClosedForm
    from icl_bench.laws.dials import Dial
    from icl_bench.laws.draws import Draws
    from icl_bench.laws.law import PromptLaw
    from icl_bench.laws.moments import Moments
    from icl_bench.laws.parts import (
        CovariatePart,
        LabelPart,
        NoisePart,
        ObservePart,
        Posterior,
        QueryPart,
        RowsPart,
        TaskPart,
    )
    from icl_bench.layers.architecture import Architecture
    from icl_bench.layers.heads import MeanHead
    from icl_bench.layers.learner import Learner
    from icl_bench.layers.mixing import Mixer
    from icl_bench.layers.stack import Stack
    from icl_bench.plugins.bases import PlainMetric, RatioMetric
    from icl_bench.plugins.protocols import Outcome
    from icl_bench.prompts import Prediction, PromptBatch, TargetBatch
    from icl_bench.results import Run, read_run
    from icl_bench.run.suite_run import run_suite

_HOME = {
    "Architecture": "icl_bench.layers.architecture",
    "Comparison": "icl_bench.compare.comparison",
    "CovariatePart": "icl_bench.laws.parts",
    "Dial": "icl_bench.laws.dials",
    "Draws": "icl_bench.laws.draws",
    "LabelPart": "icl_bench.laws.parts",
    "Learner": "icl_bench.layers.learner",
    "MeanHead": "icl_bench.layers.heads",
    "Mixer": "icl_bench.layers.mixing",
    "Moments": "icl_bench.laws.moments",
    "NoClosedForm": "icl_bench.errors",
    "NoisePart": "icl_bench.laws.parts",
    "ObservePart": "icl_bench.laws.parts",
    "Outcome": "icl_bench.plugins.protocols",
    "PlainMetric": "icl_bench.plugins.bases",
    "Posterior": "icl_bench.laws.parts",
    "Prediction": "icl_bench.prompts",
    "PromptBatch": "icl_bench.prompts",
    "PromptLaw": "icl_bench.laws.law",
    "QueryPart": "icl_bench.laws.parts",
    "RatioMetric": "icl_bench.plugins.bases",
    "RowsPart": "icl_bench.laws.parts",
    "Run": "icl_bench.results",
    "Stack": "icl_bench.layers.stack",
    "TargetBatch": "icl_bench.prompts",
    "TaskPart": "icl_bench.laws.parts",
    "compare_runs": "icl_bench.compare.comparison",
    "load_model": "icl_bench.assembly.plugins",
    "load_scenario": "icl_bench.assembly.plugins",
    "read_run": "icl_bench.results",
    "run_suite": "icl_bench.run.suite_run",
}

__all__ = [
    "Architecture",
    "Comparison",
    "CovariatePart",
    "Dial",
    "Draws",
    "LabelPart",
    "Learner",
    "MeanHead",
    "Mixer",
    "Moments",
    "NoClosedForm",
    "NoisePart",
    "ObservePart",
    "Outcome",
    "PlainMetric",
    "Posterior",
    "Prediction",
    "PromptBatch",
    "PromptLaw",
    "QueryPart",
    "RatioMetric",
    "RowsPart",
    "Run",
    "Stack",
    "TargetBatch",
    "TaskPart",
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
