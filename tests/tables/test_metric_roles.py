"""Readers find the metrics of a run by what they declare, whatever these are called."""

from __future__ import annotations

from dataclasses import replace

from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.metric_roles import MetricRoles

PLAIN = MetricCard("m", "squared label", "lower", False, None, "mean", True, "")


def stored(label: str, role: str | None, **changes: object) -> MetricCard:
    return replace(PLAIN, of=label, role=role, needs_model=role not in ("signal", "bayes_risk"), **changes)  # type: ignore[arg-type]


def ratio(of: str, over: str) -> MetricCard:
    return replace(PLAIN, statistic="ratio of means", of=of, over=over)


CARDS = {
    "far": stored("far", "distance", reference="ols"),
    "my_loss": stored("my_loss", None),
    "mine": stored("mine", "risk"),
    "nothing": stored("nothing", "signal"),
    "best": stored("best", "bayes_risk"),
    "above": stored("above", "excess"),
    "share_above": ratio("above", "nothing"),
    "share": ratio("mine", "nothing"),
}


def test_each_part_is_found_under_any_name() -> None:
    roles = MetricRoles(CARDS)
    assert (roles.signal, roles.bayes_risk, roles.risk, roles.excess) == ("nothing", "best", "mine", "above")
    assert (roles.normalised_excess, roles.normalised_risk) == ("share_above", "share")
    assert roles.distances == {"ols": "far"}
    assert [label for label in CARDS if roles.is_normalised(label)] == ["share_above", "share"]


def test_the_most_telling_is_shown_first_and_distances_never() -> None:
    assert MetricRoles(CARDS).shown == ("share_above", "share", "above", "mine", "my_loss")


def test_a_run_of_one_metric_without_a_role_shows_it() -> None:
    roles = MetricRoles({"my_loss": CARDS["my_loss"]})
    assert roles.shown == ("my_loss",)
    assert (roles.signal, roles.normalised_risk, roles.normalised_excess, roles.distances) == (None, None, None, {})


def test_a_ratio_over_something_else_is_not_normalised() -> None:
    roles = MetricRoles({**CARDS, "share": ratio("mine", "my_loss")})
    assert roles.normalised_risk is None
    assert not roles.is_normalised("share")
