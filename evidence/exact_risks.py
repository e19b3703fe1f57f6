"""Measured risks beside exact ones, cell by cell, over the whole catalogue.

tests/theory/test_exact_risk.py holds a run to them, docs/exact-risks.md shows them. Nothing names a scenario: a new one
is included because it is in the catalogue, and so is a new model that needs no argument. Exact truths are compared with
the measured mean of (prediction - f)^2:

- given the covariates: the metric `exact_risk`, paired prompt by prompt, so that z is that of their mean difference;
  where the noise has four moments also as a ratio, whose mean is 1 even where the risk has no mean (OLS at k = d);
- given the law alone, where a formula is known: one linear self-attention layer (THEORY, section 2), least squares in
  Gaussian designs (section 3), and the posterior variance for the Bayes prediction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from icl_bench.arrays import Array
from icl_bench.assembly.laws import SuiteLaws, base_law
from icl_bench.assembly.plugins import bound, build_model
from icl_bench.checkpoints.card_file import read_card
from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.laws.moments import Moments
from icl_bench.layers.linear_self_attention import CornerLayer
from icl_bench.models.attention.linear_self_attention import TrainedLayer
from icl_bench.models.networks.checkpoint import TrainedNetwork
from icl_bench.places import Place
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import ZOO
from icl_bench.plugins.protocols import LinearLearner, Scenario
from icl_bench.results import Run
from icl_bench.seeding import BLOCK_SIZE, Streams
from icl_bench.shipped import weights
from icl_bench.statistics.intervals import mean_interval
from icl_bench.statistics.tails import hill_index
from icl_bench.suites.plan import PromptSet, make_plan
from icl_bench.suites.suite import ModelSpec, PromptSettings, Suite
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.units import UnitHeader, read_header, read_unit_losses
from icl_bench.theory.least_squares import ols_risk, ols_shifted_risk
from icl_bench.theory.linear_self_attention import one_layer_risk

VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "linear_self_attention": (
        {"weights": "global_minimum"},
        {"weights": "random_covariance_minimum"},
        {"weights": "optimal"},
    ),
    "preconditioned_gd": ({"preconditioner": "optimal"}, {"preconditioner": "covariance"}),
    "ridge": ({"alpha": "bayes"}, {"alpha": 4.0}),
}
"""Arguments with which a model of the catalogue is asked; any other is asked with its defaults."""

GIVEN_X, RATIO, CLOSED_FORM = "given x", "given x, as a ratio", "closed form"
"""The truths of the module's docstring."""

ROUNDING = 1e-9
"""A difference below this times the signal's power is the arithmetic's, not the sample's (noiseless least squares)."""

MOMENTS_OF_NOISE = 4.0
"""Tail index above which noise has a fourth moment, so that a squared error has a variance given the covariates."""

VARIANCE_EXISTS = 2.0
"""Tail index above which a squared error has a variance, so that its mean has a standard error."""


LIGHT_BY_SAMPLE = 3.0
"""Where no theory gives the tail index, a Hill estimate above this counts as a variance."""

DESCENTS = frozenset({"gradient_descent", "newton_iterations", "preconditioned_gd"})
"""Models whose risk has no cap: their steps are not adapted to the prompt, so they may diverge."""

PROMPT_CAP, CELL_CAP = 1e6, 1e4
"""Largest exact risk of one prompt, and of a cell on average, in units of the signal's power and the noise variance."""


class OutOfBoundsError(ArithmeticError):
    """An exact risk is negative, or larger than any learner's that cannot diverge."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell at one context size: what a run measured, and what is exact."""

    truth: str  # GIVEN_X, RATIO or CLOSED_FORM
    scenario: str
    severity: str
    model: str
    context_size: int
    measured: float
    exact: float
    stderr: float  # of measured - exact, over clusters of prompts
    power: float  # of the signal: what counts as rounding is relative to it

    @property
    def z(self) -> float:
        """Difference in standard errors; 0 when it is within rounding."""
        difference = self.measured - self.exact
        return 0.0 if abs(difference) <= ROUNDING * self.power else difference / self.stderr

    def __str__(self) -> str:
        where = f"{self.scenario} {self.severity}".strip()
        numbers = f"{self.measured:.5g} against {self.exact:.5g}, z = {self.z:.2f}"
        return f"{where}, {self.model}, k = {self.context_size}, {self.truth}: {numbers}"


@dataclass(frozen=True, slots=True)
class Setting:
    """How large a suite is asked for."""

    n_dims: int
    n_prompts: int
    queries_per_context: int = 1
    every: int = 1  # of a scenario's usual severities, every second, third, ... counted from the last


def suite_text(setting: Setting, models: str) -> str:
    """Return a suite of every scenario of the catalogue that its law can carry, at the usual severities."""
    d = setting.n_dims
    sizes = (d // 2, 2 * d, 3 * d)
    head = f"""[suite]
name = "exact-d{d}"
version = 1

[prompts]
n_dims = {d}
context_sizes = {list(sizes)}
queries_per_context = {setting.queries_per_context}
noise_std = 0.5
n_prompts = {setting.n_prompts}

[training]
n_context = {2 * d}
"""
    law = base_law(PromptSettings(n_dims=d, context_sizes=sizes, noise_std=0.5))
    scenarios = "".join(_scenario_text(name, law, setting.every) for name in catalogue.entries("scenarios"))
    metrics = '["squared_error", "exact_risk", "bayes_risk"]'
    return f"{head}{models}{scenarios}\n[metrics]\nuse = {metrics}\n"


def _scenario_text(name: str, law: PromptLaw, every: int) -> str:
    """Return the entry of a scenario; nothing where the law refuses all of its usual severities."""
    scenario = loading.build("scenarios", name, {})
    carried = [severity for severity in scenario.severities if _carries(law, scenario, severity)]
    dials = [repr(severity) for severity in carried[::-every][::-1] if severity is not None]
    severities = f"severities = [{', '.join(dials)}]\n" if dials else ""
    return f'\n[[scenarios]]\nuse = "{name}"\n{severities}' if carried else ""


def _carries(law: PromptLaw, scenario: Scenario, severity: float | None) -> bool:
    try:
        scenario.shift(law, severity)
    except ValueError:
        return False
    return True


def _model_text(name: str, label: str, arguments: Mapping[str, Any]) -> str:
    keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in arguments.items())
    return f'\n[[models]]\nuse = "{name}"\nname = "{label}"\n{keys}'


def _knows_exact_risk(model: object, law: PromptLaw) -> bool:
    if not isinstance(model, LinearLearner):
        return False
    try:
        model.linear_maps(law.draw(Streams(0, 0)).prompts.select(slice(0, 1)))
    except NoClosedForm:
        return False
    return True


def shipped_layers(n_dims: int) -> tuple[dict[str, str], ...]:
    """Return the arguments of `checkpoint` for every trained layer of linear attention that ships at this dimension."""
    cards = {name: read_card(path) for name, path in weights().items()}
    return tuple(
        {"path": f"{ZOO}{name}"}
        for name, card in cards.items()
        if (card.architecture, card.n_dims) == ("linear_attention_layer", n_dims)
    )


def models_with_exact_risk(law: PromptLaw) -> str:
    """Return the suite entries of every model of the catalogue whose risk given x is known once bound to `law`."""
    entries = []
    for name in catalogue.entries("models"):
        for arguments in shipped_layers(law.n_dims) if name == "checkpoint" else VARIANTS.get(name, ({},)):
            try:
                model = bound(loading.build("models", name, arguments), law, law)
            except (PluginError, NoClosedForm):
                continue  # needs arguments that only a suite can give, as `sklearn` does
            if _knows_exact_risk(model, law):
                label = "-".join([name, *(str(value).removeprefix(ZOO) for value in arguments.values())])
                entries.append(_model_text(name, label, arguments))
    return "".join(entries)


def exact_suite(folder: Path, setting: Setting) -> Suite:
    """Write the suite into `folder` and return it."""
    path = folder / f"exact-d{setting.n_dims}.toml"
    path.write_text(suite_text(setting, _model_text("zero", "zero", {})), encoding="utf-8")
    law = SuiteLaws(load_suite(path)).training()
    path.write_text(suite_text(setting, models_with_exact_risk(law)), encoding="utf-8")
    return load_suite(path)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a run stored of one model on one prompt set."""

    model: str
    sizes: tuple[int, ...]
    cluster_size: int | None
    columns: Mapping[str, Array]  # column -> (prompt, size)
    tails: tuple[float | None, ...]  # of the squared error, at each size


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt set of a run: its exact parameters, and every model's cell."""

    prompt_set: PromptSet
    law: PromptLaw
    parameters: Parameters  # of all prompts
    cells: tuple[Cell, ...]

    @property
    def power(self) -> float:
        """E f(x_q)^2, by the answer that is always 0."""
        zero = next(cell for cell in self.cells if cell.model == "zero")
        return float(zero.columns["squared_error"].mean())


@dataclass(frozen=True, slots=True)
class Asked:
    """The models of a suite, built once, and the law that they were trained under."""

    suite: Suite
    models: Mapping[str, Any]  # by label
    training: PromptLaw

    def spec(self, label: str) -> ModelSpec:
        """Return what the suite says of a model."""
        return next(spec for spec in self.suite.models if spec.label == label)


def questions(run: Run, suite: Suite) -> Iterator[Question]:
    """Yield every prompt set of a finished run of one seed, with all that is stored of it."""
    units: dict[Place, list[tuple[UnitHeader, Path]]] = {}
    for path in sorted((run.path / "losses").glob("*.parquet")):
        header = read_header(path)
        units.setdefault(header.place, []).append((header, path))
    laws = SuiteLaws(suite)
    for prompt_set in make_plan(suite).prompt_sets:
        if prompt_set.place not in units:
            continue  # a run narrowed to other scenarios
        blocks = sorted(units[prompt_set.place], key=lambda block: block[0].block)
        law = laws.cell(prompt_set).law
        yield Question(prompt_set, law, _drawn_parameters(law, prompt_set), tuple(_cells(blocks)))


def _cells(blocks: list[tuple[UnitHeader, Path]]) -> Iterator[Cell]:
    """Yield the cells of models that answered every block."""
    first = blocks[0][0]
    for row, outcome in enumerate(first.outcomes):
        if any(header.outcomes[row].status != "ok" for header, _ in blocks):
            continue
        parts = [read_unit_losses(path, header, outcome.model) for header, path in blocks]
        columns = {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in parts[0]}
        tails = tuple(outcome.tails.get("squared_error", ()))
        yield Cell(outcome.model, first.context_sizes, first.cluster_size, columns, tails)


def _drawn_parameters(law: PromptLaw, prompt_set: PromptSet) -> Parameters:
    """Return the exact parameters of all of a cell's prompts, block after block."""
    blocks = [law.parameters(Streams(prompt_set.seed, block)) for block in range(prompt_set.n_blocks)]

    def joined(parts: list[Tensor]) -> Tensor:
        if all(part.shape[0] == 1 for part in parts):
            return parts[0]
        return torch.cat([part.expand(BLOCK_SIZE, *part.shape[1:]) for part in parts])[: prompt_set.n_prompts]

    def moments(parts: Sequence[Moments | None]) -> Moments | None:
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return Moments(joined([part.mean for part in known]), joined([part.covariance for part in known]))

    context, query = (moments([getattr(block, side) for block in blocks]) for side in ("context", "query"))
    if blocks[0].query is blocks[0].context:
        query = context  # shared: `least_squares_risk` asks
    return replace(blocks[0], context=context, query=query)


def least_squares_risk(parameters: Parameters, context_size: int) -> float | None:
    """Return the exact risk of least squares given the law's random parts, None where no formula is known here.

    In a subspace of rank r it is the r-dimensional problem at task variance d/r; with covariance of full rank and
    n >= d + 2 it is s2 tr(Lq Lc^-1)/(n - d - 1), averaged over prompts.
    """
    context, query, omega = parameters.context, parameters.query, parameters.task_second_moment
    rank, s2 = parameters.context_rank, parameters.noise_variance
    if context is None or query is None or omega is None or rank is None or s2 is None:
        return None
    if bool((context.mean != 0).any()):
        return None
    d = parameters.n_dims
    eigenvalues = torch.linalg.eigvalsh(context.covariance)
    flat = bool((eigenvalues[:, -rank:] - eigenvalues[:, -1:]).abs().max() < 1e-9)
    if flat and query is context:
        power = float((query.second * omega).sum((-1, -2)).mean())
        return ols_risk(rank, context_size, s2, power)
    if rank < d or context_size < d + 2:
        return None
    ratio = torch.linalg.solve(context.covariance, query.second).diagonal(dim1=1, dim2=2).sum(-1).mean()
    return ols_shifted_risk(d, context_size, s2, float(ratio))


def closed_form(asked: Asked, question: Question, cell: Cell, column: int) -> Array | float | None:
    """Return the risk given the law alone, one number a prompt or one for all; None where no formula is known."""
    parameters, size = question.parameters, cell.sizes[column]
    spec = asked.spec(cell.model)
    if spec.use == "bayes":
        prompts = next(other for other in question.cells if other.model == PROMPTS)
        risks = prompts.columns.get("bayes_risk")
        return None if risks is None else risks[:, column]
    if parameters.no_tail is not None:
        return None  # what denies a tail index denies Gaussian designs
    if spec.use == "ols":
        return least_squares_risk(parameters, size)
    matrix = one_layer_matrix(asked, cell.model, question.law)
    context, query, s2 = parameters.context, parameters.query, parameters.noise_variance
    omega = parameters.task_second_moment
    if matrix is None or context is None or query is None or omega is None or s2 is None:
        return None
    return one_layer_risk(matrix, context, query, omega, s2, size).numpy()


def one_layer_matrix(asked: Asked, label: str, law: PromptLaw) -> Tensor | None:
    """Return A of a model that answers x_q . A (1/k) sum y_i x_i, in closed form or trained; None for any other."""
    built = asked.models[label]
    if isinstance(built, TrainedNetwork):
        learner = built.on(torch.device("cpu"))
        return learner.matrix.detach() if isinstance(learner, CornerLayer) else None
    model = bound(built, asked.training, law)
    return model.matrix if isinstance(model, TrainedLayer) else None


def compare(run: Run, suite: Suite) -> Iterator[Comparison]:
    """Yield every comparison that a finished run allows, for all cells and context sizes."""
    asked = Asked(suite, {spec.label: build_model(suite, spec) for spec in suite.models}, SuiteLaws(suite).training())
    for question in questions(run, suite):
        for cell in question.cells:
            if cell.model != PROMPTS and "exact_risk" in cell.columns:
                for column in range(len(cell.sizes)):
                    yield from _compared_column(asked, question, cell, column)


def _compared_column(asked: Asked, question: Question, cell: Cell, column: int) -> Iterator[Comparison]:
    measured, exact = (cell.columns[name][:, column] for name in ("squared_error", "exact_risk"))
    power, tail = question.power, cell.tails[column]

    def compared(truth: str, measured: Array, exact: Array | float, power: float) -> Comparison:
        expected = np.broadcast_to(exact, measured.shape)
        estimate = mean_interval((measured - expected)[:, None], cell.cluster_size)
        means, stderr = (float(measured.mean()), float(expected.mean())), float(estimate.stderr[0])
        where = question.prompt_set.place
        return Comparison(truth, where.scenario, where.label, cell.model, cell.sizes[column], *means, stderr, power)

    noise = question.parameters.noise_tail
    if noise is not None and noise > MOMENTS_OF_NOISE and bool((exact > ROUNDING * power).all()):
        yield compared(RATIO, measured / exact, 1.0, 1.0)
    known = tail is not None
    index = tail if tail is not None else float(hill_index(measured[:, None])[0])
    if index <= (VARIANCE_EXISTS if known else LIGHT_BY_SAMPLE):
        return
    _hold_to_bounds(asked, question, cell, column)
    yield compared(GIVEN_X, measured, exact, power)
    unconditional = closed_form(asked, question, cell, column)
    if unconditional is not None:
        yield compared(CLOSED_FORM, measured, unconditional, power)


def _hold_to_bounds(asked: Asked, question: Question, cell: Cell, column: int) -> None:
    """Raise OutOfBoundsError for an exact risk below 0, or above its cap where the model cannot diverge.

    Asked where the risk has a variance: beside the interpolation threshold of least squares there is no cap.
    """
    exact, unit = cell.columns["exact_risk"][:, column], question.power + (question.law.noise.variance or 0.0)
    use = asked.spec(cell.model).use
    where = f"{question.prompt_set.place.name}, {cell.model}, k = {cell.sizes[column]}"
    if not bool((exact >= -ROUNDING * unit).all()):
        raise OutOfBoundsError(f"{where}: an exact risk of {exact.min():.3g}, expected none below 0")
    caps = (exact.max(), PROMPT_CAP, "of one prompt"), (exact.mean(), CELL_CAP, "of a cell")
    for found, cap, what in caps:
        if use not in DESCENTS and not found <= cap * unit:
            raise OutOfBoundsError(f"{where}: an exact risk {what} of {found:.3g}, expected at most {cap * unit:.3g}")
    if use == "bayes" and not exact.mean() <= 1.5 * question.power:
        raise OutOfBoundsError(f"{where}: a Bayes risk of {exact.mean():.3g}, expected at most E f^2")


def worst(found: Sequence[Comparison], truth: str) -> Comparison:
    """Return the comparison with this truth that is furthest off."""
    return max((item for item in found if item.truth == truth), key=lambda item: abs(item.z))
