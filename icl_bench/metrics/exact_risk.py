"""Exact risk given the covariates, for learners linear in the labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.plugins.bases import SquaredMetric
from icl_bench.plugins.protocols import Answer, LinearLearner
from icl_bench.theory.linear_learners import exact_risk


@dataclass(frozen=True)
class ExactRisk(SquaredMetric):
    """E[(prediction - f)^2 | X] in closed form: no label, task or query is sampled (THEORY, section 3).

    Its mean equals that of squared_error, with far less variance; known for learners linear in the labels.
    """

    def losses(self, answer: Answer) -> Tensor:
        """Return the risk given the query's context, (prompt, query); NoClosedForm for other learners."""
        if not isinstance(answer.model, LinearLearner):
            raise NoClosedForm("no exact risk: the model is not known to be linear in the labels")
        return exact_risk(answer.model, answer.prompts, answer.parameters, answer.law)


METRIC = ExactRisk
