"""A comparison as JUnit XML: a test suite per scenario, a test case per cell."""

from __future__ import annotations

from xml.etree import ElementTree

from icl_bench.compare.view import Case, View
from icl_bench.formatting import printable

_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render(view: View) -> str:
    """Return well-formed XML whatever the names hold: they are escaped, control characters dropped."""
    root = ElementTree.Element("testsuites", name="icl-bench compare")
    _count(root, view.cases)
    by_scenario: dict[str, list[Case]] = {}
    for case in view.cases:
        by_scenario.setdefault(case.scenario, []).append(case)
    for scenario, cases in by_scenario.items():
        suite = ElementTree.SubElement(root, "testsuite", name=printable(scenario))
        _count(suite, cases)
        for case in cases:
            _append(suite, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _count(element: ElementTree.Element, cases: list[Case] | tuple[Case, ...]) -> None:
    element.set("tests", str(len(cases)))
    for name, outcome in _COUNTED.items():
        element.set(name, str(sum(case.outcome == outcome for case in cases)))


def _append(suite: ElementTree.Element, case: Case) -> None:
    element = ElementTree.SubElement(suite, "testcase", classname=printable(case.scenario), name=printable(case.name))
    message = printable(case.message)
    if case.outcome == "passed":
        ElementTree.SubElement(element, "system-out").text = message
    else:
        ElementTree.SubElement(element, case.outcome, message=message)
