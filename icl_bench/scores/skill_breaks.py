"""Where a model breaks: the first severity, going outward, at which it is surely no better than predicting zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from icl_bench.places import Place
from icl_bench.scores.breakdown import outward
from icl_bench.scores.skill_records import CELL, Skills, SkillScore
from icl_bench.tables.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Break:
    """The first severity on one side of a scenario's identity whose whole interval of skill is at or below 0."""

    place: Place
    skill: float


def breaks(skills: Skills, manifest: Manifest) -> Mapping[str, tuple[Break, ...]]:
    """Return model -> where it breaks, in the order of the suite; severities without a skill are passed over."""
    found: dict[str, list[Break]] = {}
    cells = skills.of(CELL)
    models = list(dict.fromkeys(model for model, _ in cells))
    for scenario, places in _scenarios(skills).items():
        identity = manifest.identities.get(scenario)
        for side in outward(places, None if identity is None else float(identity)):
            for model in models:
                own = [(place, cells[model, place.name]) for place in side if (model, place.name) in cells]
                broken = [(place, score) for place, score in own if is_broken(score)]
                if broken:
                    found.setdefault(model, []).append(Break(broken[0][0], broken[0][1].skill or 0.0))
    return {model: tuple(members) for model, members in found.items()}


def is_broken(score: SkillScore) -> bool:
    """Tell whether the whole interval says that a model is no better than predicting zero."""
    return score.ci_high is not None and score.ci_high <= 0.0


def _scenarios(skills: Skills) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in skills.places:
        found.setdefault(place.scenario, []).append(place)
    return found


def breaks_text(found: Sequence[Break]) -> str:
    """Return `covariate/scale 2 +3`: the first, and how many scenarios more; empty where nothing breaks."""
    scenarios = list(dict.fromkeys(item.place.scenario for item in found))
    if not scenarios:
        return ""
    return found[0].place.name + (f" +{len(scenarios) - 1}" if len(scenarios) > 1 else "")
