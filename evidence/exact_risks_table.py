"""Makes docs/exact-risks.md: measured risks beside exact ones, d = 8 and d = 20, over the whole catalogue.

python evidence/exact_risks_table.py [--prompts 4096] [--out docs/exact-risks.md]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evidence.exact_risks import (
    CELL_CAP,
    CLOSED_FORM,
    GIVEN_X,
    PROMPT_CAP,
    RATIO,
    Comparison,
    Setting,
    compare,
    exact_suite,
    worst,
)
from icl_bench import run_suite
from icl_bench.assembly.laws import base_law
from icl_bench.laws.law import PromptLaw
from icl_bench.places import severity_text
from icl_bench.plugins import loading

PAGE = Path(__file__).resolve().parent.parent / "docs" / "exact-risks.md"

SHOWN_MODELS = ("bayes", "ols", "gradient_descent", "linear_self_attention-optimal")
"""Columns of the table over scenarios; the table over models has them all."""

SHOWN_SCENARIOS = ("base", "covariate/scale", "query/covariance", "noise/variance")
"""Columns of the table over models, each at one severity."""

QUERIES = 8
"""Queries a context size: they share a prompt's context, which leaves less to chance in each prompt."""


def measure(n_dims: int, n_prompts: int) -> tuple[list[Comparison], dict[str, str]]:
    """Run the whole catalogue at d = `n_dims`; return every comparison, and the severity to show of each scenario."""
    with tempfile.TemporaryDirectory() as name:
        suite = exact_suite(Path(name), Setting(n_dims, n_prompts, QUERIES))
        found = list(compare(run_suite(suite, Path(name) / "run"), suite))
    return found, shown_severities(found, base_law(suite.prompts, suite.folder))


def _number(value: float) -> str:
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 or value == 0.0 else f"{value:.1e}"


def _pair(found: Comparison | None) -> str:
    return "" if found is None else f"{_number(found.measured)} / {_number(found.exact)} ({found.z:+.1f})"


def _row(parts: Sequence[object]) -> str:
    return "| " + " | ".join(str(part) for part in parts) + " |"


def _heading(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield _row(["---"] * len(names))


def shown_severities(found: Sequence[Comparison], law: PromptLaw) -> dict[str, str]:
    """Return each scenario's last usual severity but the identity, of those at which most cells have a variance."""
    counts = Counter((item.scenario, item.severity) for item in found if item.truth == GIVEN_X)
    most: dict[str, int] = {}
    shown: dict[str, str] = {}
    for (scenario, severity), count in counts.items():
        identity = loading.build("scenarios", scenario, {}).identity(law)
        unshifted = severity and identity is not None and severity == severity_text((identity,))
        if not unshifted and count >= most.get(scenario, 0):
            most[scenario], shown[scenario] = count, severity
    return shown


def scenario_table(found: Sequence[Comparison], severities: Mapping[str, str]) -> Iterator[str]:
    """Yield a row for each scenario at its shown severity and context size: measured / exact (z) of a few models."""
    yield from _heading(["scenario", "severity", "k", *SHOWN_MODELS])
    for scenario, severity in severities.items():
        here = {
            (item.model, item.context_size): item
            for item in found
            if (item.truth, item.scenario, item.severity) == (GIVEN_X, scenario, severity)
        }
        for size in sorted({size for _, size in here}):
            cells = [_pair(here.get((model, size))) for model in SHOWN_MODELS]
            yield _row([scenario, severity, size, *cells])


def model_table(found: Sequence[Comparison], severities: Mapping[str, str], n_dims: int) -> Iterator[str]:
    """Yield a row for each model and context size: measured / exact (z) in a few scenarios."""
    names = [f"{scenario} {severities[scenario]}".strip() for scenario in SHOWN_SCENARIOS]
    yield from _heading(["model", "k", *names])
    here = {
        (item.model, item.scenario, item.context_size): item
        for item in found
        if item.truth == GIVEN_X and item.severity == severities.get(item.scenario)
    }
    for model in dict.fromkeys(item.model for item in found):
        for size in (n_dims // 2, 2 * n_dims, 3 * n_dims):
            yield _row([model, size, *(_pair(here.get((model, name, size))) for name in SHOWN_SCENARIOS)])


def summary_table(found: Sequence[Comparison]) -> Iterator[str]:
    """Yield a row for each scenario, over severities, models and sizes: how many comparisons, and the largest |z|."""
    truths = (GIVEN_X, RATIO, CLOSED_FORM)
    yield from _heading(["scenario", *(f"{truth}: cells, largest abs(z)" for truth in truths)])
    for scenario in [*dict.fromkeys(item.scenario for item in found), "all"]:
        here = [item for item in found if scenario in (item.scenario, "all")]
        cells = []
        for truth in truths:
            count = sum(item.truth == truth for item in here)
            cells.append(f"{count}, {abs(worst(here, truth).z):.2f}" if count else "")
        yield _row([scenario, *cells])


INTRODUCTION = """# Exact risks, and what a run measures

Made by `python -m evidence.exact_risks_table --prompts {prompts}`: every scenario of the catalogue at its usual
severities, every model whose risk is known exactly, noise variance 0.25, {prompts} prompts a cell with {queries}
queries a context size, seed 0. `tests/theory/test_exact_risk.py` holds a smaller run to 4.5 standard errors.

Each entry reads *measured / exact (z)*: the mean of (prediction - f)^2 over prompts, its exact value, and the
difference in standard errors, which are those of the paired difference, prompt by prompt. Three truths are held:

- *given x*: the risk given the covariates of the prompt (metric `exact_risk`), where the squared error has a variance;
- *given x, as a ratio*: the mean of squared error over that risk is 1, also where the risk has no mean (least squares
  at k = d - 1, d, d + 1), for noise with four moments;
- *closed form*: the risk given the law alone: linear self-attention, least squares in Gaussian designs, and for `bayes`
  the posterior variance.

Every exact risk that is shown lies within bounds too: none is negative, and of models that cannot diverge none is above
{prompt:.0e} (one prompt) or {cell:.0e} (a cell on average) times the signal's power and the noise variance; `bayes` is
not above the signal's power. The page is not made otherwise.

An empty entry has no variance (least squares near k = d, heavy-tailed noise or covariates), no closed-form posterior,
or a descent that diverged. Scenarios that declare no exact risk (errors in variables, flipped labels, rows of a table)
are left out but for their identity. Where a few prompts make up nearly all of a mean (descent that diverges), z says
little.
"""


def document(prompts: int) -> str:
    """Measure, and return the whole page."""
    caps = {"prompt": PROMPT_CAP, "cell": CELL_CAP}
    lines = [INTRODUCTION.format(prompts=prompts, queries=QUERIES, **caps)]
    for n_dims in (8, 20):
        found, severities = measure(n_dims, prompts)
        furthest = max(found, key=lambda item: abs(item.z))
        lines += [f"## d = {n_dims}", ""]
        lines += [f"{len(found)} comparisons; the furthest off is {furthest}.", ""]
        lines += [*summary_table(found), "", "Each scenario at one severity:", ""]
        lines += [*scenario_table(found, severities), "", "Every model with an exact risk:", ""]
        lines += [*model_table(found, severities, n_dims), ""]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    text = document(arguments.prompts)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
