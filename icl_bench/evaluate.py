"""One block: draw it once, let every model answer, turn answers into losses. Foreign code is caught here alone."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icl_bench.assemble import (
    CellLaw,
    bound,
    build_metrics,
    build_model,
    cell_law,
    is_foreign,
    load_model,
    model_digest,
    training_law,
)
from icl_bench.contracts import model_violations, prediction_problem
from icl_bench.errors import IclBenchError, NoClosedForm
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.plan import Block
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.protocols import Answer, Metric, Model
from icl_bench.seeding import Streams
from icl_bench.suite import ModelSpec, Suite
from icl_bench.tables.io import ModelOutcome, Unit, UnitHeader
from icl_bench.tables.schema import PROMPTS

PROBED_PROMPTS = 6
"""Prompts on which the contracts of a model from outside the package are checked, in the first block of a cell."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How models are asked."""

    device: str = "cpu"
    time_limit: float | None = 600.0  # seconds a model may take for one block
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Failure(Exception):  # noqa: N818
    """A model did not answer: why, in the words of a table row."""

    status: str
    message: str


class _TimeUp(BaseException):
    """Raised inside a model that outlasts its time; not an Exception, so that no model swallows it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise Failure("timeout") when the block runs longer; only in a main thread, where the alarm can be set."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeUp:
        raise Failure("timeout", f"no answer within {seconds:g} s for one block of prompts") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def told(error: BaseException) -> str:
    """Return an error as one line of at most 300 characters."""
    text = " ".join(str(error).split())
    shown = text if isinstance(error, IclBenchError) else f"{type(error).__name__}: {text}".rstrip(": ")
    return shown if len(shown) <= 300 else f"{shown[:297]}..."


class _Models:
    """The models of a suite, each built at most once in a process."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.training: PromptLaw = training_law(suite)
        self.specs: dict[str, ModelSpec] = {spec.label: spec for spec in suite.models}
        self._built: dict[str, Model] = {}

    def get(self, label: str, law: PromptLaw) -> Model:
        """Return a model of the suite bound to `law`."""
        if label not in self._built:
            self._built[label] = build_model(self.suite, self.specs[label])
        return bound(self._built[label], self.training, law)


_BUILT: dict[tuple[str, ...], _Models] = {}


def _models(suite: Suite, run_digest: str) -> _Models:
    """Return this process's models of a suite; built anew when a model's own file has changed."""
    labelled = (f"{spec.label}={model_digest(suite, spec)}" for spec in suite.models)
    key = (run_digest, str(suite.folder), *labelled)
    if key not in _BUILT:
        _BUILT.clear()
        _BUILT[key] = _Models(suite)
    return _BUILT[key]


def predict(model: Model, prompts: PromptBatch, conditions: Conditions) -> tuple[Prediction, float]:
    """Ask a model on copies of the prompts; return its answer on the CPU in float64, and the seconds it took.

    Raises Failure with the status and message of the row that takes the answer's place.
    """
    given = prompts.to(conditions.device)
    try:
        with time_limit(conditions.time_limit), torch.no_grad():
            start = time.perf_counter()
            prediction = model.predict(given)
            if given.context_x.is_cuda:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
    except NoClosedForm as error:
        raise Failure("skipped", told(error)) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, Failure):
            raise
        raise Failure("error", told(error)) from error
    problem = prediction_problem(prediction, prompts)
    if problem:
        raise Failure("error", problem)
    if not (given.to("cpu") if given.context_x.device.type != "cpu" else given).same_values(prompts):
        raise Failure("error", "predict changes its input: expected the prompts to be left as they are")
    mean = prediction.mean.detach().to("cpu", torch.float64)
    if not bool(mean.isfinite().all()):
        wrong = int((~mean.isfinite()).any(dim=1).sum())
        raise Failure("nan", f"answers are not finite in {wrong} of {prompts.n_prompts} prompts of the block")
    return replace(prediction, mean=mean), seconds


def _check_contracts(model: Model, prompts: PromptBatch, conditions: Conditions) -> None:
    """Raise Failure when a model from outside the package breaks a contract on a few of the prompts."""
    few = prompts.select(slice(0, PROBED_PROMPTS)).to(conditions.device)
    try:
        with time_limit(conditions.time_limit), torch.no_grad():
            broken = next(iter(model_violations(model, few)), None)
    except (Exception, SystemExit) as error:
        if isinstance(error, Failure):
            raise
        raise Failure("error", told(error)) from error
    if broken:
        raise Failure("error", f"breaks a contract: {broken}")


@dataclass(frozen=True, slots=True)
class _Losses:
    """One model's losses on one block, ready to store."""

    columns: dict[str, NDArray[np.float32]]  # column -> (prompt, size)
    absent: dict[str, str]
    tails: dict[str, tuple[float | None, ...]]


def _stored(metrics: Mapping[str, Metric], needs_model: bool) -> dict[str, Metric]:
    """Return the metrics that store a column: every one but ratios."""
    return {
        name: metric
        for name, metric in metrics.items()
        if metric.of == name and metric.over is None and metric.needs_model == needs_model
    }


def _losses(answer: Answer, metrics: Mapping[str, Metric], rows: int) -> _Losses:
    """Average each metric's losses over a prompt's queries of one context size.

    Raises Failure("nan") when a loss is not finite in float32, as when a learner diverges.
    """
    sizes, position = answer.prompts.distinct_sizes()
    found = _Losses({}, {}, {})
    for name, metric in metrics.items():
        try:
            losses = metric.losses(answer)
            tails = tuple(metric.tail_index(answer, size) for size in sizes)
        except NoClosedForm as error:
            found.absent[name] = told(error)
            continue
        except (Exception, SystemExit) as error:
            raise Failure("error", f"metric {name}: {told(error)}") from error
        with np.errstate(over="ignore"):  # what overflows is told below
            columns = _by_size(losses, position, len(sizes))[:rows].numpy().astype(np.float32)
        if not np.isfinite(columns).all():
            size = sizes[int(np.argmax(~np.isfinite(columns).all(axis=0)))]
            raise Failure("nan", f"the loss {name} overflows at context size {size}: the learner diverges")
        found.columns[name], found.tails[name] = columns, tails
    return found


def _by_size(losses: Tensor, position: Tensor, n_sizes: int) -> Tensor:
    """(prompt, query) -> (prompt, size): the mean over the queries of each size."""
    total = losses.new_zeros(losses.shape[0], n_sizes).index_add_(1, position, losses)
    return total / torch.bincount(position, minlength=n_sizes)


class _Asker:
    """Asks models about one drawn block, each once, whether it is in the suite, a metric's reference, or both."""

    def __init__(self, models: _Models, cell: CellLaw, draw: Draw, conditions: Conditions) -> None:
        self.models = models
        self.law, self.draw, self.conditions = cell.law, draw, conditions
        self._asked: dict[str, tuple[Model, Prediction, float]] = {}  # catalogue models of default arguments

    def reference(self, name: str) -> tuple[Model, Prediction]:
        """Return a catalogue model of default arguments, bound, with its answer; NoClosedForm when it has none."""
        if name not in self._asked:
            model = bound(load_model(name), self.models.training, self.law)
            try:
                self._asked[name] = (model, *predict(model, self.draw.prompts, self.conditions))
            except Failure as failure:
                raise NoClosedForm(f"the reference {name} has no answer: {failure.message}") from failure
        return self._asked[name][:2]

    def ask(self, label: str, probe: bool) -> tuple[Answer, float]:
        """Return a model's answer and its seconds; Failure when it has none."""
        spec = self.models.specs[label]
        of_catalogue = not spec.arguments and not is_foreign(spec)
        if of_catalogue and spec.use in self._asked:
            model, prediction, seconds = self._asked[spec.use]
            return self.answer(model, prediction), seconds
        try:
            with time_limit(self.conditions.time_limit):
                model = self.models.get(label, self.law)
        except NoClosedForm as error:
            raise Failure("skipped", told(error)) from error
        except (Exception, SystemExit) as error:
            if isinstance(error, Failure):
                raise
            raise Failure("error", told(error)) from error
        prediction, seconds = predict(model, self.draw.prompts, self.conditions)
        if of_catalogue:
            self._asked[spec.use] = (model, prediction, seconds)
        if probe:
            _check_contracts(model, self.draw.prompts, self.conditions)
        return self.answer(model, prediction), seconds

    def answer(self, model: Model, prediction: Prediction) -> Answer:
        """Return what metrics look at."""
        draw = self.draw
        return Answer(draw.prompts, draw.targets, draw.parameters, prediction, model, self.reference)


def with_bayes(law: PromptLaw, draw: Draw) -> Draw:
    """Return the draw with the Bayes prediction of its own law among the targets, where one is known."""
    try:
        posterior = law.bayes(draw.prompts)
    except NoClosedForm:
        return draw
    targets = replace(draw.targets, bayes_mean=posterior.mean, bayes_var=posterior.variance)
    return replace(draw, targets=targets)


def evaluate_block(
    suite: Suite,
    block: Block,
    run_digest: str,
    conditions: Conditions,
    given_up: Mapping[str, tuple[str, str]] | None = None,
    before: Callable[[str], object] = str,
) -> Unit:
    """Draw a block, let `block.models` answer, and return their losses with what became of each.

    `given_up` holds models not to be asked, with their status and message (they took a worker down); `before` is told
    the model about to be asked. `(prompts)` among the models stands for the losses of the prompts alone.
    """
    cell = cell_law(suite, block.prompt_set)
    rows = block.prompt_set.rows(block.block)
    draw = with_bayes(cell.law, cell.law.draw(Streams(block.prompt_set.seed, block.block)))
    metrics = build_metrics(suite.metrics)
    asker = _Asker(_models(suite, run_digest), cell, draw, conditions)
    outcomes: list[ModelOutcome] = []
    losses: dict[str, dict[str, NDArray[np.float32]]] = {}
    for label in block.models:
        digest = "" if label == PROMPTS else model_digest(suite, asker.models.specs[label])
        seconds, found = None, _Losses({}, {}, {})
        try:
            if label in (given_up or {}):
                raise Failure(*(given_up or {})[label])
            before(label)
            if label == PROMPTS:
                answer = asker.answer(_NoModel(), Prediction(draw.targets.query_f))
            else:
                probe = block.block == 0 and is_foreign(asker.models.specs[label])
                answer, seconds = asker.ask(label, probe)
            found = _losses(answer, _stored(metrics, needs_model=label != PROMPTS), rows)
            losses[label] = found.columns
            status, message = "ok", ""
        except Failure as failure:
            status, message = failure.status, failure.message
        outcomes.append(ModelOutcome(label, digest, status, message, seconds, found.absent, found.tails))
    columns = [*_stored(metrics, needs_model=False), *_stored(metrics, needs_model=True)]
    header = UnitHeader(
        run_digest=run_digest,
        prompt_digest=draw.digest,
        scenario=block.prompt_set.label,
        severity=block.prompt_set.severity,
        severity_label=block.prompt_set.severity_label,
        point=block.prompt_set.point,
        identity=cell.identity,
        seed=block.prompt_set.seed,
        block=block.block,
        n_prompts=rows,
        context_sizes=cell.law.sizes.context_sizes,
        headline_size=cell.headline_size,
        cluster_size=cell.law.prompts_per_draw,
        columns=tuple(columns),
        outcomes=tuple(outcomes),
    )
    return Unit(header, losses)


class _NoModel:
    """Stands where no model is asked."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Never called."""
        raise NotImplementedError
