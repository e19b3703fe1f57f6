"""What a run-level score is."""

from __future__ import annotations

from dataclasses import dataclass

SDR, AUSC, GAP, INTERACTION = "sdr", "ausc", "frozen_prior_gap", "interaction"
NAMES = (SDR, AUSC, GAP, INTERACTION)
POINT, SCENARIO, AXIS = "point", "scenario", "axis"


@dataclass(frozen=True, slots=True)
class RunScore:
    """One run-level score of one model with its 95% interval, over a severity, a scenario, or an axis of shift."""

    name: str  # sdr | ausc | frozen_prior_gap | interaction
    model: str
    scope: str  # point | scenario | axis
    scenario: str  # label, `covariate/scale`; of an axis `covariate`
    severity_label: str  # of a point; empty else
    value: float | None
    low: float | None
    high: float | None
    n_points: int  # severities that it rests on
    n_possible: int  # severities that the run has there
    message: str  # why there is no value, no interval, or not every severity; empty else


@dataclass(frozen=True, slots=True)
class RunScores:
    """Every run-level score of a run, at the context size that a prompt of the training length has."""

    kappa: float | None  # added to risks before they are divided, so that a Bayes risk of 0 is no trouble
    kappa_source: str  # such as `noise variance`
    scores: tuple[RunScore, ...]
    note: str = ""  # why there are none; empty else

    def of(self, name: str, scope: str) -> dict[tuple[str, str, str], RunScore]:
        """Return the scores of one name and scope by model, scenario and severity label."""
        found = [score for score in self.scores if score.name == name and score.scope == scope]
        return {(score.model, score.scenario, score.severity_label): score for score in found}
