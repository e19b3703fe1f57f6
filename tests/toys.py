"""Toy plugins of every kind, one file each, written from the protocols alone; and twins that break one rule each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from icl_bench.plugins import catalogue
from tests.small_suites import suite_text

SCENARIO = '''
"""Covariates mirrored."""

from dataclasses import dataclass

from icl_bench import CovariatePart


@dataclass(frozen=True)
class Times(CovariatePart):
    factor: float

    def move(self, x, rows, draws):
        return self.factor * x


@dataclass(frozen=True)
class Flip:
    """x -> -x. Dial: 1 flips, 0 is the identity."""

    severities = (0.0, 1.0)

    def identity(self, law):
        return 0.0

    def shift(self, law, severity):
        if severity not in (0.0, 1.0):
            raise ValueError(f"expected 0 or 1, got {severity}")
        return law if severity == 0.0 else law.add("covariates", Times(-1.0))
'''

MODEL = '''
"""The mean label of the examples on the query's side."""

import torch

from icl_bench import Prediction


class Sided:
    """Averages labels of examples that point in the query's direction."""

    def predict(self, prompts):
        seen = torch.arange(prompts.n_context)[None] < torch.tensor(prompts.context_sizes)[:, None]
        aligned = (prompts.query_x @ prompts.context_x.mT > 0) & seen
        return Prediction((aligned * prompts.context_y[:, None]).sum(-1) / aligned.sum(-1).clamp_min(1))
'''

FUNCTION_CLASS = '''
"""Weighted sums of squares."""

from dataclasses import dataclass, field

from icl_bench import TaskPart


@dataclass(frozen=True)
class Squares(TaskPart):
    """f(x) = w . x^2, w ~ N(0, I)."""

    n_dims: int = field()

    gaussian = True
    zero_mean = True

    def draw(self, draws):
        return draws.per_prompt("weights", (self.n_dims,))

    def value(self, hidden, x, position):
        return (x.square() * hidden[:, None, :]).sum(-1)

    def kernel(self, first_x, first, second_x, second):
        return first_x.square() @ second_x.square().mT
'''

ARCHITECTURE = '''
"""Blocks whose tokens see the mean of the tokens up to themselves."""

from dataclasses import dataclass

import torch
from torch import nn

from icl_bench import Mixer, Stack


class RunningMean(Mixer):
    def __init__(self, width):
        super().__init__()
        self.value = nn.Linear(width, width)

    def forward(self, tokens, queries, seen):
        sums = self.value(tokens).cumsum(1)
        counts = torch.arange(1, tokens.shape[1] + 1)[:, None]
        if queries is None:
            return sums / counts, None
        before = torch.cat([torch.zeros_like(queries[:, :1]), sums], dim=1)[:, seen]
        return sums / counts, (before + self.value(queries)) / (seen + 1)[:, None]


@dataclass(frozen=True, kw_only=True)
class MeanNetwork(Stack):
    """A stack of running means."""

    n_layers: int = 1
    width: int = 8

    def mixer(self, layer):
        return RunningMean(self.width)
'''

EXECUTOR = '''
"""One job after another, the last first."""

from icl_bench import Outcome


class Backwards:
    """Jobs in this process, the last first."""

    def __init__(self, workers: int):
        pass

    def map(self, work, jobs, timeout):
        for job in reversed(jobs):
            yield Outcome(job, work(job))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None
'''

METRIC = '''
"""Absolute error to the noiseless f(x)."""


class Absolute:
    """|prediction - f(x)|."""

    unit = "label"
    direction = "lower"
    can_be_negative = False
    role = None
    statistic = "mean"
    needs_model = True

    def losses(self, answer):
        return (answer.prediction.mean - answer.targets.noiseless()).abs()

    def tail_index(self, answer, context_size):
        return None
'''


@dataclass(frozen=True)
class Toy:
    """A plugin that keeps every rule of its kind."""

    kind: str
    name: str  # of the class
    source: str


@dataclass(frozen=True)
class Twin:
    """The toy with one thing broken: `old` replaced by `new`, refused with `said`."""

    kind: str
    old: str
    new: str
    said: str
    in_run: int  # exit code of `run`: 2 refused, 4 rows of failures, 0 where only `validate` looks


TOYS = {
    "scenarios": Toy("scenarios", "Flip", SCENARIO),
    "models": Toy("models", "Sided", MODEL),
    "function_classes": Toy("function_classes", "Squares", FUNCTION_CLASS),
    "architectures": Toy("models", "MeanNetwork", ARCHITECTURE),
    "metrics": Toy("metrics", "Absolute", METRIC),
    "executors": Toy("executors", "Backwards", EXECUTOR),
}
"""By kind."""

_MEMBER = "    def identity(self, law):\n        return 0.0\n"
_SHIFTED = 'law.add("covariates", Times(-1.0))'
_ANSWER = "        return Prediction("
_TWO_LAWS = f"    def bind(self, training, test):\n        return self\n\n{'    def predict'}"
_LEAK = "        return Prediction(prompts.query_x.mean((1, 2))[:, None] + "
_DRAWN = 'draws.per_prompt("weights", (self.n_dims,))'
_VALUE = "(x.square() * hidden[:, None, :]).sum(-1)"
_MIXER = "    def mixer(self, layer):\n        return RunningMean(self.width)\n"
_BUILT = "    def build(self, n_dims):\n        "
_DECLARES = METRIC[METRIC.index("    unit") : METRIC.index("    needs_model")]
_YIELD = "yield Outcome(job, work(job))"

TWINS = {
    "scenario without identity": Twin("scenarios", _MEMBER, "", "has no method identity", 2),
    "scenario without severities": Twin("scenarios", "severities = ", "grid = ", "severities: expected", 2),
    "scenario of an unknown stage": Twin("scenarios", _MEMBER, f"    stage = 'x'\n{_MEMBER}", "stage: expected one", 2),
    "scenario of another stage": Twin("scenarios", _MEMBER, f"    stage = 'task'\n{_MEMBER}", "stage: 'task'", 0),
    "scenario that shifts to nothing": Twin("scenarios", _SHIFTED, "None", "shift: expected a PromptLaw", 2),
    "scenario that raises": Twin("scenarios", _SHIFTED, "law.nothing", "AttributeError", 2),
    "scenario of 0.1": Twin("scenarios", _SHIFTED, "law.map_covariates(Times)", "docs/plugins-0.2.md", 2),
    "scenario with a generator of its own": Twin(
        "scenarios",
        _SHIFTED,
        '(__import__("numpy").random.rand(), law.add("covariates", Times(-1.0)))[1]',
        "global random generator",
        0,
    ),
    "scenario whose identity is none": Twin(
        "scenarios", "return law if severity == 0.0 else", "return", "identity severity", 0
    ),
    "scenario whose part raises": Twin("scenarios", "self.factor * x", "x.nothing", "Times.move: AttributeError", 4),
    "scenario whose part has another shape": Twin("scenarios", "self.factor * x", "x[:, 1:]", "Times.move", 4),
    "scenario whose part is no value": Twin("scenarios", "Times(-1.0)", "Times({1})", "no canonical form", 2),
    "model without predict": Twin("models", "def predict", "def answer", "has no method predict", 4),
    "model that leaks": Twin("models", _ANSWER, _LEAK, "depends on other queries", 4),
    "model that is told two laws": Twin("models", "    def predict", _TWO_LAWS, "sees_test_law = True", 4),
    "model that is bound to nothing": Twin(
        "models", "    def predict", "    def bind(self, training):\n        pass\n\n    def predict", "Sided.bind", 4
    ),
    "function class without value": Twin("function_classes", "def value", "def values", "has no method value", 2),
    "function class without draw": Twin("function_classes", "def draw", "def drawn", "has no method draw", 2),
    "function class of 0.1": Twin(
        "function_classes", "def draw(self, draws)", "def sample(self, streams)", "docs/pl", 2
    ),
    "function class without a base": Twin("function_classes", "(TaskPart)", "", "inherits icl_bench.TaskPart", 2),
    "function class that is not frozen": Twin("function_classes", "(frozen=True)", "", "frozen dataclass", 2),
    "function class of other dimensions": Twin(
        "function_classes",
        "field()\n",
        "field()\n\n    def __post_init__(self):\n        object.__setattr__(self, 'n_dims', 1)\n",
        "n_dims: expected the 3 of [prompts], got 1",
        2,
    ),
    "function class on a global generator": Twin(
        "function_classes",
        _DRAWN,
        '__import__("torch").randn(256, self.n_dims).double()',
        "draw: a global random generator was used",
        0,
    ),
    "function class that draws nothing": Twin(
        "function_classes", _DRAWN, '__import__("torch").ones(256, self.n_dims).double()', "no named stream", 0
    ),
    "function class that mixes rows": Twin(
        "function_classes", _VALUE, f"{_VALUE} + x.sum((1, 2))[:, None]", "value: a row depends on other rows", 0
    ),
    "function class that mixes prompts": Twin("function_classes", _VALUE, f"{_VALUE} + x[:, :1].sum()", "value: ", 0),
    "function class of another shape": Twin("function_classes", _VALUE, f"({_VALUE})[:, :1]", "value: expected", 4),
    "function class that raises": Twin("function_classes", _VALUE, "hidden.nothing", "AttributeError", 4),
    "function class with a wrong kernel": Twin(
        "function_classes", "return first_x.square()", "return 1.2 * first_x.square()", "kernel: simulated", 0
    ),
    "function class whose mean is not 0": Twin("function_classes", _DRAWN, f"{_DRAWN} + 0.5", "zero_mean: ", 0),
    "function class that is not Gaussian": Twin("function_classes", _DRAWN, f"{_DRAWN}.sign()", "gaussian: ", 0),
    "function class that is not one w": Twin(
        "function_classes",
        "    def kernel",
        "    def second_moment(self):\n        return __import__('torch').eye(self.n_dims).double()\n\n    def kernel",
        "second_moment",
        0,
    ),
    "function class with a posterior of 0.1": Twin(
        "function_classes",
        "    def kernel",
        "    def posterior(self, prompts, noise_variance):\n        return None\n\n    def kernel",
        "posterior: expected posterior(prompts, noise_variance, label_scale)",
        4,
    ),
    "function class with a wrong posterior": Twin(
        "function_classes",
        "    def kernel",
        "    def posterior(self, prompts, noise_variance, label_scale):\n"
        "        from icl_bench import Posterior\n"
        "        return Posterior(0 * prompts.query_x.sum(-1), 3.0 * prompts.query_x.square().square().sum(-1))\n\n"
        "    def kernel",
        "posterior: the error f - mean",
        0,
    ),
    "function class whose posterior leaves the label_scale out": Twin(
        "function_classes",
        "    def kernel",
        "    def posterior(self, prompts, noise_variance, label_scale):\n"
        "        from icl_bench import Posterior\n"
        "        from icl_bench.prefix_solvers.gaussian_process import process_posterior\n"
        "        spread = 0 * prompts.context_y + noise_variance\n"
        "        return Posterior(*process_posterior(self.kernel, prompts, spread))\n\n"
        "    def kernel",
        "posterior: with a label_scale of 2",
        0,
    ),
    "function class whose ridge penalty is none": Twin(
        "function_classes",
        "    def kernel",
        "    def ridge_penalty(self, noise_variance):\n        return noise_variance\n\n    def kernel",
        "ridge_penalty: ridge regression with penalty 0.25 is not the posterior mean",
        0,
    ),
    "function class that counts rows": Twin(
        "function_classes", _VALUE, f"{_VALUE} * __import__('torch').arange(x.shape[1])", "rows in another order", 0
    ),
    "function class that changes x": Twin(
        "function_classes", "return (x.square()", "x.mul_(2.0)\n        return (x.square()", "value changes the cov", 0
    ),
    "architecture that builds no learner": Twin(
        "architectures", _MIXER, f"{_MIXER}\n{_BUILT}return nn.Linear(n_dims, 1)\n", "expected an icl_bench.Learner", 4
    ),
    "architecture that seeds": Twin(
        "architectures",
        _MIXER,
        f"{_MIXER}\n{_BUILT}torch.manual_seed(0)\n        return super().build(n_dims)\n",
        "build: torch's generator is seeded anew",
        0,
    ),
    "architecture without a base": Twin(
        "models",
        "    def predict",
        "    def build(self, n_dims):\n        pass\n\n    def predict",
        "icl_bench.Architec",
        0,
    ),
    "metric without a unit": Twin("metrics", '    unit = "label"\n', "", "unit", 2),
    "metric of 0.1": Twin("metrics", _DECLARES, "    of = 'absolute'\n    over = None\n", "docs/plugins-0.2.md", 2),
    "metric without losses": Twin("metrics", "def losses", "def loss", "losses", 2),
    "metric that is negative": Twin("metrics", ".abs()", "", "can_be_negative", 4),
    "metric of another shape": Twin("metrics", ".abs()", ".abs().mean(1)", "losses", 4),
    "metric that raises": Twin("metrics", ".abs()", ".nothing", "AttributeError", 4),
    "executor without map": Twin("executors", "def map", "def apply", "has no method map", 2),
    "executor without exit": Twin("executors", "def __exit__", "def close", "has no method __exit__", 2),
    "executor that loses a job": Twin("executors", "reversed(jobs)", "jobs[1:]", "expected exactly one Outcome", 2),
    "executor that does a job twice": Twin(
        "executors", _YIELD, f"{_YIELD}\n            {_YIELD}", "expected exactly one Outcome", 2
    ),
    "executor that yields values": Twin("executors", _YIELD, "yield work(job)", "Outcome for each job", 2),
    "executor that raises": Twin("executors", _YIELD, "raise KeyError(job)", "map: KeyError", 2),
    "executor with other arguments": Twin("executors", "workers: int", "cores: int", "unknown argument 'workers'", 2),
}


def suite_using(kind: str, use: str) -> str:
    """Return a small suite that uses one plugin of a kind; executors are not named in a suite."""
    dial = {"use": use, "name": "toy/flip", "severities": [0.0, 1.0]}
    return suite_text(
        "toys",
        prompts={"function_class": use} if kind == "function_classes" else {},
        models=[use if kind in ("models", "architectures") else "ols", "bayes"],
        scenarios=["base", dial] if kind == "scenarios" else ["base"],
        metrics=["squared_error", "bayes_risk", *([use] if kind == "metrics" else [])],
    )


def in_file(folder: Path, toy: Toy) -> str:
    """Write a toy into a user's own file; return what a suite calls it."""
    (folder / "toy.py").write_text(toy.source.lstrip())
    return f"./toy.py:{toy.name}"


def in_package(folder: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a toy as an installed package with an entry point; return what a suite calls it."""
    module = f"toy_of_{folder.name}".replace("-", "_").replace("[", "").replace("]", "")
    site = installed(folder, toy.kind, f"toy/one = {module}:{toy.name}", toy.source.lstrip())
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, module, raising=False)
    catalogue.entries.cache_clear()
    return "toy/one"


def installed(folder: Path, kind: str, entry_point: str, source: str) -> Path:
    """Write what `pip install` of a package leaves behind, an entry point `name = module:Class`; return its site."""
    site = folder / "site"
    info = site / "toys-1.0.dist-info"
    info.mkdir(parents=True)
    module = entry_point.partition(" = ")[2].partition(":")[0]
    (site / f"{module}.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[icl_bench.{kind}]\n{entry_point}\n")
    return site
