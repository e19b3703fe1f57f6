"""Places: one record, one text and one order for a scenario at a severity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from icl_bench.places import Place, Severity

dials = st.none() | st.floats(-100.0, 100.0, allow_nan=False)


@pytest.mark.parametrize(
    ("severities", "severity", "label", "name"),
    [
        ((None,), None, "", "covariate/scale"),
        ((2.0,), 2.0, "2", "covariate/scale 2"),
        ((1 / 3,), 1 / 3, "0.3333", "covariate/scale 0.3333"),
        ((2.0, 0.25), None, "2 x 0.25", "covariate/scale 2 x 0.25"),
        ((2.0, None), None, "2", "covariate/scale 2"),
    ],
)
def test_text(severities: tuple[Severity, ...], severity: Severity, label: str, name: str) -> None:
    place = Place("covariate/scale", severities)
    assert (place.severity, place.label, place.name) == (severity, label, name)
    assert (place.axis, place.inner) == ("covariate", "scale")


def test_a_scenario_without_an_axis_is_its_own() -> None:
    place = Place("base", (None,), True)
    assert (place.axis, place.inner, place.with_seed(3)) == ("base", "base", "base/3")
    assert Place("covariate/scale", (2.0,)).with_seed(0) == "covariate/scale/2/0"


def test_identity_is_no_part_of_what_a_place_is() -> None:
    assert Place("base", (None,), True) == Place("base", (None,), None)
    assert len({Place("base", (None,), True), Place("base", (None,), False)}) == 1


@given(st.lists(dials, min_size=1, max_size=3).map(tuple))
def test_a_row_of_scores_gives_the_same_place(severities: tuple[Severity, ...]) -> None:
    place = Place("covariate/scale+noise/variance", severities, None)
    row = {"scenario": place.scenario, "severity": place.severity, "severity_label": place.label, "identity": None}
    assert Place.of_row({**row, "severities": list(severities)}) == place
    if None not in severities:  # text of an older table: as exact as it is written
        assert Place.of_row(row).label == place.label
    assert len(place.order) == len(severities)


def test_order_is_of_numbers_not_of_their_text() -> None:
    severities = [(10.0, 1.0), (2.0, 10.0), (2.0, 9.0)]
    assert sorted(severities, key=lambda each: Place("joint", each).order) == [(2.0, 9.0), (2.0, 10.0), (10.0, 1.0)]
