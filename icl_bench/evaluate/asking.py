"""Models asked about one drawn block: built once a process, bound to its law, each asked once."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from icl_bench.assemble import bound, build_model, is_foreign, load_model, model_digest
from icl_bench.assembly.laws import CellLaw, training_law
from icl_bench.contracts import model_violations, prediction_problem
from icl_bench.errors import NoClosedForm
from icl_bench.evaluate.failures import Failure, caught
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.plugins.protocols import Answer, Model
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.suite import ModelSpec, Suite

PROBED_PROMPTS = 6
"""Prompts on which the contracts of a model from outside the package are checked, in the first block of a cell."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How models are asked."""

    device: str = "cpu"
    time_limit: float | None = 600.0  # seconds a model may take for one block
    threads: int = 1


class Models:
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
        return bound(self._built[label], self.trained_under(label), law)

    def trained_under(self, label: str) -> PromptLaw:
        """Return the law that a model of the suite was trained under: its own, or the suite's."""
        spec = self.specs[label]
        return self.training if spec.training is None else training_law(self.suite, spec)


_BUILT: dict[tuple[str, ...], Models] = {}


def models_of(suite: Suite, run_digest: str) -> Models:
    """Return this process's models of a suite; built anew when a model's own file has changed."""
    labelled = (f"{spec.label}={model_digest(suite, spec)}" for spec in suite.models)
    key = (run_digest, str(suite.folder), *labelled)
    if key not in _BUILT:
        _BUILT.clear()
        _BUILT[key] = Models(suite)
    return _BUILT[key]


def predict(model: Model, prompts: PromptBatch, conditions: Conditions) -> tuple[Prediction, float]:
    """Ask a model on copies of the prompts; return its answer on the CPU in float64, and the seconds it took.

    Raises Failure with the status and message of the row that takes the answer's place.
    """
    given = prompts.to(conditions.device)
    with caught(conditions.time_limit), torch.no_grad():
        start = time.perf_counter()
        prediction = model.predict(given)
        if given.context_x.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    with caught():  # what comes back is foreign too: a tensor of no numbers, or of another machine
        problem = prediction_problem(prediction, prompts)
        if problem:
            raise Failure("error", problem)
        prediction = _on_cpu(prediction)
    if not (given.to("cpu") if given.context_x.device.type != "cpu" else given).same_values(prompts):
        raise Failure("error", "predict changes its input: expected the prompts to be left as they are")
    for part, tensor in prediction.parts().items():
        if not bool(tensor.isfinite().all()):
            wrong = int((~tensor.isfinite()).flatten(1).any(dim=1).sum())
            named = "answers are" if part == "mean" else f"the answers' {part} {'is' if part == 'std' else 'are'}"
            raise Failure("nan", f"{named} not finite in {wrong} of {prompts.n_prompts} prompts of the block")
    return prediction, seconds


def _on_cpu(prediction: Prediction) -> Prediction:
    """Return a checked answer with every part on the CPU in float64, apart from what the model keeps."""
    moved = {part: tensor.detach().to("cpu", torch.float64) for part, tensor in prediction.parts().items()}
    levels = prediction.levels
    return replace(prediction, **moved, levels=None if levels is None else tuple(float(level) for level in levels))


def _check_contracts(model: Model, prompts: PromptBatch, conditions: Conditions) -> None:
    """Raise Failure when a model from outside the package breaks a contract on a few of the prompts."""
    few = prompts.select(slice(0, PROBED_PROMPTS)).to(conditions.device)
    with caught(conditions.time_limit), torch.no_grad():
        broken = next(iter(model_violations(model, few)), None)
    if broken:
        raise Failure("error", f"breaks a contract: {broken}")


class Asker:
    """Asks models about one drawn block, each once, whether it is in the suite, a metric's reference, or both."""

    def __init__(self, models: Models, cell: CellLaw, draw: Draw, conditions: Conditions) -> None:
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
        of_catalogue = not spec.arguments and spec.training is None and not is_foreign(spec)
        if of_catalogue and spec.use in self._asked:
            model, prediction, seconds = self._asked[spec.use]
            return self.answer(model, prediction), seconds
        with caught(self.conditions.time_limit):
            model = self.models.get(label, self.law)
        prediction, seconds = predict(model, self.draw.prompts, self.conditions)
        if of_catalogue:
            self._asked[spec.use] = (model, prediction, seconds)
        if probe:
            _check_contracts(model, self.draw.prompts, self.conditions)
        return self.answer(model, prediction), seconds

    def answer(self, model: Model, prediction: Prediction) -> Answer:
        """Return what metrics look at."""
        draw = self.draw
        return Answer(draw.prompts, draw.targets, draw.parameters, self.law, prediction, model, self.reference)
