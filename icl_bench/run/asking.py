"""Models asked about one drawn block, bound to its law, each asked once."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from icl_bench.assembly.resolved import Resolved
from icl_bench.contracts.models import model_violations, prediction_problem
from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.plugins.protocols import Answer, Model
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.run.failures import Failure, caught

PROBED_PROMPTS = 6
"""Prompts on which the contracts of a model from outside the package are checked, in the first block of a cell."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How models are asked."""

    device: str = "cpu"
    time_limit: float | None = 600.0  # seconds a model may take for one block
    threads: int = 1


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

    def __init__(self, resolved: Resolved, law: PromptLaw, draw: Draw, conditions: Conditions) -> None:
        self.resolved = resolved
        self.law, self.draw, self.conditions = law, draw, conditions
        self._asked: dict[str, tuple[Model, Prediction, float]] = {}  # catalogue models of default arguments

    def reference(self, name: str) -> tuple[Model, Prediction]:
        """Return a catalogue model of default arguments, bound, with its answer; NoClosedForm when it has none."""
        if name not in self._asked:
            model = self.resolved.reference(name, self.law)
            try:
                self._asked[name] = (model, *predict(model, self.draw.prompts, self.conditions))
            except Failure as failure:
                raise NoClosedForm(f"the reference {name} has no answer: {failure.message}") from failure
        return self._asked[name][:2]

    def ask(self, label: str, probe: bool) -> tuple[Answer, float]:
        """Return a model's answer and its seconds; Failure when it has none."""
        asked = self.resolved.models[label]
        name = asked.spec.use if asked.of_catalogue else None
        if name in self._asked:
            model, prediction, seconds = self._asked[name]
            return self.answer(model, prediction), seconds
        with caught(self.conditions.time_limit):
            model = self.resolved.bound(label, self.law)
        prediction, seconds = predict(model, self.draw.prompts, self.conditions)
        if name is not None:
            self._asked[name] = (model, prediction, seconds)
        if probe:
            _check_contracts(model, self.draw.prompts, self.conditions)
        return self.answer(model, prediction), seconds

    def answer(self, model: Model, prediction: Prediction) -> Answer:
        """Return what metrics look at."""
        draw = self.draw
        return Answer(draw.prompts, draw.targets, draw.parameters, self.law, prediction, model, self.reference)
