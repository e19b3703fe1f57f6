"""What answers are held against, Bayes or f(x), and which severities count: properties of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.tables.loss_sets import LossSet, ModelLosses, StoredLosses
from icl_bench.tables.manifest import Manifest
from icl_bench.tables.metric_roles import MetricRoles
from icl_bench.tables.schema import PROMPTS

JOINT = "joint"
"""The axis of joint shifts."""
BAYES, TRUTH = "bayes", "f"
"""What answers are held against: the Bayes prediction, or f(x) itself where too few laws have one."""
ZERO = "zero"
"""The model whose excess over Bayes is the squared Bayes prediction: older runs keep no other trace of it."""


@dataclass(frozen=True, slots=True)
class SkillColumns:
    """The stored columns of one basis: errors of models, the square of what they are held against, and f^2."""

    basis: str  # bayes | f
    error: str
    best: tuple[str, str]  # model, column
    signal: str | None

    def known(self, place: Sequence[LossSet]) -> bool:
        """Tell whether the prompts of a place, a set a seed, have what answers are held against."""
        model, column = self.best
        return all(
            model in loss_set.cells
            and loss_set.cells[model].status == "ok"
            and column in loss_set.cells[model].tails
            and not loss_set.cells[PROMPTS].absent.get(column)
            for loss_set in place
        )

    def read(self, losses: StoredLosses, loss_set: LossSet) -> ModelLosses:
        """Return a set's losses at its headline size."""
        wanted = {self.error, self.best[1], *([self.signal] if self.signal else [])}
        return losses.read(loss_set, sorted(wanted), [loss_set.headline_size])


def skill_columns(losses: StoredLosses, basis: str) -> SkillColumns | None:
    """Return what a basis rests on in a run; None where the run stored no such losses."""
    roles = MetricRoles(losses.manifest.metric_cards)
    if basis == TRUTH:
        known = roles.risk is not None and roles.signal is not None
        return SkillColumns(TRUTH, roles.risk or "", (PROMPTS, roles.signal or ""), roles.signal) if known else None
    if roles.excess is None:
        return None
    if roles.bayes_signal is not None:
        return SkillColumns(BAYES, roles.excess, (PROMPTS, roles.bayes_signal), roles.signal)
    cards = losses.manifest.model_cards
    zero = next((label for label in losses.manifest.models if label in cards and cards[label].use == ZERO), None)
    return None if zero is None else SkillColumns(BAYES, roles.excess, (zero, roles.excess), roles.signal)


def is_shifted(manifest: Manifest, place: Place) -> bool:
    """Tell whether a severity is off its identity; a joint one only where every factor is."""
    if len(place.severities) == 1:
        return place.identity is False
    if manifest.at_identity:
        return place.name not in manifest.at_identity
    singles = manifest.factors.get(place.scenario, ())
    own = [manifest.identities.get(label) for label in singles]
    at = (text is not None and severity == float(text) for text, severity in zip(own, place.severities, strict=False))
    return not any(at)


def axis_of(place: Place) -> str:
    """Return the axis that a severity counts in."""
    return JOINT if len(place.severities) > 1 else place.axis


def choose_basis(losses: StoredLosses, places: Mapping[Place, Sequence[LossSet]]) -> tuple[SkillColumns | None, str]:
    """Return what answers are held against, and what is to be said of it; None, and why, where there is nothing.

    The Bayes prediction, if at least half of the shifted severities have one; else f in all of them.
    """
    shifted = [sets for place, sets in places.items() if is_shifted(losses.manifest, place)] or list(places.values())
    bayes, truth = (skill_columns(losses, basis) for basis in (BAYES, TRUTH))
    known = sum(bayes is not None and bayes.known(sets) for sets in shifted)
    if bayes is not None and known and 2 * known >= len(shifted):
        return bayes, ""
    if truth is not None and any(truth.known(sets) for sets in shifted):
        why = f"{known} of {len(shifted)} severities have a Bayes prediction" if bayes else _no_bayes(losses)
        return truth, f"held against f(x), not against Bayes: {why}"
    if bayes is None and truth is None:
        return None, f"no skill: {_no_bayes(losses)}, nor squared_error and zero_error"
    return None, "no skill: neither a Bayes prediction nor a noiseless f(x) is known for these prompts"


def _no_bayes(losses: StoredLosses) -> str:
    if losses.manifest.schema_version < 5:
        return f"the run is of schema version {losses.manifest.schema_version} and stored no squared Bayes prediction"
    return "the run stored no excess_risk"
