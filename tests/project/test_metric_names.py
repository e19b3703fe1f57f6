"""No part of the package but metrics themselves, and what may, names a metric: readers ask by role."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from icl_bench.plugins import catalogue
from icl_bench.shipped import package_root

PACKAGE = package_root()
METRICS = frozenset(catalogue.entries("metrics"))
ALLOWED = {
    "suites/suite_file.py": METRICS,  # what a suite that names none is asked
    "tables/earlier_metrics.py": METRICS,  # what manifests of earlier versions do not say
    "training/measuring.py": {"squared_error", "excess_risk"},  # what the table of training calls its measures
    # the role that is called like the metric that plays it
    "plugins/protocols.py": {"bayes_risk", "bayes_signal"},
    "contracts/metric_declarations.py": {"bayes_risk", "bayes_signal"},
    "tables/metric_roles.py": {"bayes_risk", "bayes_signal"},
    # columns, tables, figures and answers of the command that are called like a metric
    "report/sections/headline.py": {"normalised_error", "bayes_risk"},
    "report/sections/curves.py": {"normalised_error"},
    "report/sections/agreement.py": {"agreement"},
    "report/page/report_sections.py": {"agreement"},
    "report/page/payload.py": {"bayes_risk"},
    "figures/request.py": {"agreement"},
    "figures/drawing.py": {"agreement"},
    "cli/show_plugin.py": {"exact_risk"},
}
"""File -> the names that it may hold."""


def names_in(source: str) -> set[str]:
    """Return the metrics that a file's string constants name, `agreement:ols` among them."""
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    texts = {value.partition(":")[0] for value in constants if isinstance(value, str)}
    return texts & METRICS


def files() -> Iterator[tuple[str, str]]:
    """Yield every module of the package but the metrics, with its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("metrics/"):
            yield name, path.read_text(encoding="utf-8")


def test_readers_name_no_metric() -> None:
    found = {name: names_in(source) for name, source in files()}
    assert len(found) > 100
    assert {"squared_error", "agreement"} <= METRICS
    beyond = {name: sorted(names - set(ALLOWED.get(name, ()))) for name, names in found.items()}
    assert {name: names for name, names in beyond.items() if names} == {}


def test_what_is_found() -> None:
    assert names_in('A = ("squared_error", f(x="agreement:ols"), "a squared_error of 3")') == {
        "squared_error",
        "agreement",
    }
