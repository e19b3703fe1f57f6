"""How a skill is written, wherever it stands: two decimals with its sign, its interval from low to high, its ranks."""

from __future__ import annotations

from icl_bench.scores.skill_records import SkillScore

HELD_AGAINST = {
    "bayes": "Skill: 1 is the Bayes prediction, 0 predicting zero, -1 the worst possible.",
    "f": "Skill: 1 is f(x) itself, 0 predicting zero, -1 the worst possible.",
}
"""What the ends of the scale are, by basis."""


def signed(value: float | None) -> str:
    """Return `.95`, `1`, `-.35`; empty without one."""
    if value is None:
        return ""
    if value in (1.0, -1.0, 0.0):
        return f"{value:.0f}"
    text = f"{value:.2f}"
    if text in ("1.00", "-1.00"):  # which only what is exactly 1 is
        return ".99" if value > 0.0 else "-.99"
    return text.replace("0.", ".", 1)


def ends(score: SkillScore) -> str:
    """Return `.93 to .95`; empty where there is no interval, or nothing to doubt."""
    if score.ci_low is None or score.ci_high is None:
        return "?" if score.skill is not None else ""
    if score.ci_low == score.ci_high:
        return ""
    return f"{signed(score.ci_low)} to {signed(score.ci_high)}"


def rank(score: SkillScore) -> str:
    """Return `2-4`, `5`; empty without a rank."""
    if score.rank_low is None or score.rank_high is None:
        return ""
    return f"{score.rank_low}" if score.rank_low == score.rank_high else f"{score.rank_low}-{score.rank_high}"
