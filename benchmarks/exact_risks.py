"""Measured risks beside exact ones: makes docs/exact-risks.md; tests/test_exact_risk.py holds a smaller run to 4.5 errors.

`python benchmarks/exact_risks.py` runs every scenario of the catalogue at its usual severities against every model that
knows an exact risk, for d = 8 and d = 20, and writes the table. Nothing here names a scenario: a new one is included
because it is in the catalogue, and so is a new model that needs no argument.

Two truths are compared with the measured mean of (prediction - f)^2:

- given the covariates: the metric `exact_risk`, paired prompt by prompt, so that z is that of their mean difference;
- given the law alone, where a formula is known: one linear self-attention layer (THEORY, section 2), least squares in
  Gaussian designs (section 3), and the posterior variance for the Bayes prediction.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from icl_bench import catalogue
from icl_bench.assemble import bound, build_model, cell_law, training_law
from icl_bench.errors import NoClosedForm, PluginError
from icl_bench.laws.law import Parameters, PromptLaw, Sizes
from icl_bench.models.attention.linear_self_attention import TrainedLayer
from icl_bench.plan import PromptSet, make_plan
from icl_bench.protocols import LinearLearner
from icl_bench.run import Run, run_suite
from icl_bench.seeding import BLOCK_SIZE, Streams
from icl_bench.statistics.intervals import mean_interval
from icl_bench.suite import Suite, load_suite
from icl_bench.tables.io import read_header, read_unit_losses
from icl_bench.tables.schema import PROMPTS
from icl_bench.theory.least_squares import ols_risk, ols_shifted_risk
from icl_bench.theory.linear_self_attention import one_layer_risk

Array = NDArray[np.float64]

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

ROUNDING = 1e-9
"""A difference below this times the signal's power is the arithmetic's, not the sample's (noiseless least squares)."""

VARIANCE_EXISTS = 2.0
"""Tail index above which a squared error has a variance, so that its mean has a standard error."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell at one context size: what a run measured, and what is exact."""

    truth: str  # "given x" | "closed form"
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
        return f"{where}, {self.model}, k = {self.context_size}, {self.truth}: {self.measured:.5g} v. {self.exact:.5g}, z = {self.z:.2f}"


def suite_text(n_dims: int, n_prompts: int, models: str) -> str:
    """Return a suite of every scenario of the catalogue at its usual severities, d = `n_dims`."""
    sizes = [n_dims // 2, 2 * n_dims, 3 * n_dims]
    head = f"""[suite]
name = "exact-d{n_dims}"
version = 1

[prompts]
n_dims = {n_dims}
context_sizes = {sizes}
noise_std = 0.5
n_prompts = {n_prompts}

[training]
n_context = {2 * n_dims}
"""
    scenarios = "".join(_scenario_text(name) for name in catalogue.entries("scenarios"))
    return f'{head}{models}{scenarios}\n[metrics]\nuse = ["squared_error", "exact_risk", "bayes_risk"]\n'


def _scenario_text(name: str) -> str:
    usual = catalogue.build("scenarios", name, {}).severities
    dials = [repr(severity) for severity in usual if severity is not None]
    severities = f"severities = [{', '.join(dials)}]\n" if dials else ""
    return f'\n[[scenarios]]\nuse = "{name}"\n{severities}'


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


def models_with_exact_risk(law: PromptLaw) -> str:
    """Return the suite entries of every model of the catalogue whose risk given x is known once bound to `law`."""
    entries = []
    for name in catalogue.entries("models"):
        for arguments in VARIANTS.get(name, ({},)):
            try:
                model = bound(catalogue.build("models", name, arguments), law, law)
            except (PluginError, NoClosedForm):
                continue  # needs arguments that only a suite can give, as `sklearn` does
            if _knows_exact_risk(model, law):
                label = "-".join([name, *(str(value) for value in arguments.values())])
                entries.append(_model_text(name, label, arguments))
    return "".join(entries)


def exact_suite(folder: Path, n_dims: int, n_prompts: int) -> Suite:
    """Write the suite into `folder` and return it."""
    path = folder / f"exact-d{n_dims}.toml"
    path.write_text(suite_text(n_dims, n_prompts, _model_text("zero", "zero", {})), encoding="utf-8")
    law = training_law(load_suite(path))
    path.write_text(suite_text(n_dims, n_prompts, models_with_exact_risk(law)), encoding="utf-8")
    return load_suite(path)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a run stored of one model on one prompt set."""

    prompt_set: PromptSet
    model: str
    sizes: tuple[int, ...]
    cluster_size: int | None
    columns: Mapping[str, Array]  # (prompt, size)
    tails: tuple[float | None, ...]  # of the squared error, at each size


def stored_cells(run: Run, suite: Suite) -> Iterator[Cell]:
    """Yield every cell of a finished run of one seed, its blocks in order."""
    plan = {(item.label, item.point): item for item in make_plan(suite).prompt_sets}
    units: dict[tuple[str, tuple[float | None, ...]], list[tuple[int, Path]]] = {}
    for path in (run.path / "losses").glob("*.parquet"):
        header = read_header(path)
        units.setdefault((header.scenario, header.point), []).append((header.block, path))
    for key, blocks in units.items():
        paths = [path for _, path in sorted(blocks)]
        header = read_header(paths[0])
        for outcome in header.outcomes:
            if outcome.status != "ok":
                continue
            parts = [read_unit_losses(path, read_header(path), outcome.model) for path in paths]
            columns = {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}
            tails = tuple(outcome.tails.get("squared_error", ()))
            yield Cell(plan[key], outcome.model, header.context_sizes, header.cluster_size, columns, tails)


def _drawn_parameters(law: PromptLaw, prompt_set: PromptSet) -> Parameters:
    """Return the exact parameters of all of a cell's prompts, block after block."""
    blocks = [law.parameters(Streams(prompt_set.seed, block)) for block in range(prompt_set.n_blocks)]

    def joined(parts: list[Any]) -> Any:
        return torch.cat([part.expand(BLOCK_SIZE, *part.shape[1:]) for part in parts])[: prompt_set.n_prompts]

    first = blocks[0]
    context = replace(
        first.context,
        mean=joined([block.context.mean for block in blocks]),
        covariance=joined([block.context.covariance for block in blocks]),
    )
    query = replace(
        first.query,
        mean=joined([block.query.mean for block in blocks]),
        covariance=joined([block.query.covariance for block in blocks]),
    )
    return replace(first, context=context, query=query)


def least_squares_risk(parameters: Parameters, context_size: int) -> float | None:
    """Return the exact risk of least squares given the law's random parts, None where no formula is known here.

    In a subspace of rank r it is the r-dimensional problem at task variance d/r; with covariance of full rank and
    n >= d + 2 it is s2 tr(Lq Lc^-1)/(n - d - 1), averaged over prompts.
    """
    context, query, omega = parameters.context, parameters.query, parameters.task_second_moment
    assert omega is not None
    if bool((context.mean != 0).any()):
        return None
    d, rank, s2 = parameters.n_dims, parameters.context_rank, parameters.noise_variance
    eigenvalues = torch.linalg.eigvalsh(context.covariance)
    flat = bool((eigenvalues[:, -rank:] - eigenvalues[:, -1:]).abs().max() < 1e-9)
    if flat and query is context:
        power = float((query.second * omega).sum((-1, -2)).mean())
        return ols_risk(rank, context_size, s2, power)
    if rank < d or context_size < d + 2:
        return None
    ratio = torch.linalg.solve(context.covariance, query.second).diagonal(dim1=1, dim2=2).sum(-1).mean()
    return ols_shifted_risk(d, context_size, s2, float(ratio))


def _closed_form(suite: Suite, cell: Cell, parameters: Parameters, law: PromptLaw, size: int) -> Array | float | None:
    """Return the risk given the law alone, one number a prompt or one for all; None where no formula is known."""
    spec = next(spec for spec in suite.models if spec.label == cell.model)
    if spec.use == "ols":
        return least_squares_risk(parameters, size)
    model = bound(build_model(suite, spec), training_law(suite), law)
    if not isinstance(model, TrainedLayer) or parameters.task_second_moment is None:
        return None
    omega, s2 = parameters.task_second_moment, parameters.noise_variance
    return one_layer_risk(model.matrix, parameters.context, parameters.query, omega, s2, size).numpy()


def compare(run: Run, suite: Suite) -> list[Comparison]:
    """Return every comparison that a finished run allows: all cells and context sizes whose variance exists."""
    found: list[Comparison] = []
    posterior = {
        cell.prompt_set: cell.columns["bayes_risk"]
        for cell in stored_cells(run, suite)
        if cell.model == PROMPTS and "bayes_risk" in cell.columns
    }
    for cell in stored_cells(run, suite):
        if cell.model == PROMPTS or "exact_risk" not in cell.columns:
            continue
        law = cell_law(suite, cell.prompt_set).law
        parameters = _drawn_parameters(law, cell.prompt_set)
        assert parameters.task_second_moment is not None
        power = float((parameters.query.second * parameters.task_second_moment).sum((-1, -2)).mean())
        for column, size in enumerate(cell.sizes):
            tail = cell.tails[column]
            if tail is not None and tail <= VARIANCE_EXISTS:
                continue
            truths: dict[str, Array | float | None] = {"given x": cell.columns["exact_risk"][:, column]}
            if cell.model == "bayes" and cell.prompt_set in posterior:
                truths["closed form"] = posterior[cell.prompt_set][:, column]
            else:
                truths["closed form"] = _closed_form(suite, cell, parameters, law, size)
            found.extend(
                _compared(name, cell, column, exact, power) for name, exact in truths.items() if exact is not None
            )
    return found


def _compared(truth: str, cell: Cell, column: int, exact: Array | float, power: float) -> Comparison:
    measured = cell.columns["squared_error"][:, column : column + 1]
    expected = np.broadcast_to(np.reshape(exact, (-1, 1)), measured.shape)
    estimate = mean_interval(measured - expected, cell.cluster_size)
    where = cell.prompt_set
    return Comparison(
        truth,
        where.label,
        where.severity_label,
        cell.model,
        cell.sizes[column],
        float(measured.mean()),
        float(expected.mean()),
        float(estimate.stderr[0]),
        power,
    )
