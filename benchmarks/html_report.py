"""Seconds, bytes and response of the HTML report on a synthetic run: `python -m benchmarks.html_report`.

50 models x 60 scenarios x 4 severities x 41 context sizes unless told otherwise; with a Chromium installed, also the
milliseconds until the page's controls answer, until the first plot is drawn, and from a toggle to the next picture.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.metric_cards import cards_of
from icl_bench.arrays import Array
from icl_bench.places import Place
from icl_bench.tables.manifest import Manifest, write_manifest
from icl_bench.tables.schema import PROMPTS, scores_schema

ROOT = Path(__file__).parent.parent
AXES = ("covariate", "query", "task", "length", "noise", "joint")
OF_MODELS = ("squared_error", "normalised_error", "normalised_excess_risk", "agreement:ols", "agreement:bayes_train")
OF_PROMPTS = ("bayes_risk", "zero_error")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the synthetic run is."""

    models: int
    scenarios: int
    severities: int
    contexts: int

    @property
    def points(self) -> list[tuple[str, float | None]]:
        """Scenario and severity of every point, the unshifted one first."""
        shifted = [
            (f"{AXES[number % len(AXES)]}/shift_{number:02d}", 1.5**step)
            for number in range(self.scenarios)
            for step in range(1, self.severities + 1)
        ]
        return [("base", None), *shifted]


def write_run(folder: Path, size: Size, seed: int = 0, names: Sequence[str] = ()) -> None:
    """Write manifest.json and scores.parquet of a run without losses; curves fall with noise like real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    models = list(names) or [f"learner-{number:02d}" for number in range(size.models)]
    write_manifest(folder, _manifest(size, models))
    generator = np.random.Generator(np.random.Philox(seed))
    with pq.ParquetWriter(folder / "scores.parquet", scores_schema(), write_page_checksum=True) as writer:
        for scenario, severity in size.points:
            writer.write_table(_point(generator, size, models, scenario, severity))


def _manifest(size: Size, models: list[str]) -> Manifest:
    scenarios = tuple(dict.fromkeys(scenario for scenario, _ in size.points))
    return Manifest(
        suite="synthetic",
        suite_version=1,
        suite_digest="0" * 32,
        run_digest="0" * 32,
        code_digest="0" * 32,
        suite_text='[suite]\nname = "synthetic"\n',
        training_context=size.contexts - 1,
        n_dims=20,
        scenarios=scenarios,
        models=dict.fromkeys(models, "0" * 32),
        metrics=(*OF_MODELS, "bayes_risk"),
        metric_cards=cards_of((*OF_MODELS, *OF_PROMPTS)),
        identities=dict.fromkeys(scenarios[1:], "1.0"),
        noise_variance=0.25,
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
        status="complete",
    )


def _point(
    generator: np.random.Generator, size: Size, models: list[str], scenario: str, severity: float | None
) -> pa.Table:
    contexts = np.arange(size.contexts)
    fall = 20.0 / (1.0 + 0.2 * contexts)  # (size,)
    skill = np.exp(generator.normal(0.5, 0.8, (len(models), 1)) * (severity or 1.0) * 0.4)
    parts = []
    for metric in (*OF_MODELS, *OF_PROMPTS):
        labels = [PROMPTS] if metric in OF_PROMPTS else models
        scale = np.ones((1, 1)) if metric in OF_PROMPTS else skill
        wobble = np.exp(generator.normal(0.0, 0.03, (len(labels), size.contexts)))
        parts.append(_rows(size, labels, scenario, severity, metric, fall * scale * wobble))
    return pa.concat_tables(parts)


def _rows(size: Size, labels: list[str], scenario: str, severity: float | None, metric: str, values: Array) -> pa.Table:
    """Return one metric at one point as rows of scores.parquet; `values` is (model, size)."""
    count = values.size
    flat, reach = values.ravel(), 0.06 * values.ravel()
    text = Place(scenario, (severity,)).label
    contexts = np.tile(np.arange(size.contexts), len(labels))
    given: dict[str, Any] = {
        "suite": ["synthetic"] * count,
        "suite_version": np.ones(count, dtype=np.int32),
        "model": np.repeat(labels, size.contexts),
        "scenario": [scenario] * count,
        "severity": [severity] * count,
        "severity_label": [text] * count,
        "severities": [[severity]] * count,
        "identity": [severity is None] * count,
        "seed": np.zeros(count, dtype=np.int64),
        "context_size": contexts,
        "headline": contexts == size.contexts - 1,
        "metric": [metric] * count,
        "mean": flat,
        "stderr": reach / 1.96,
        "ci_low": flat - reach,
        "ci_high": flat + reach,
        "median": 0.8 * flat,
        "median_low": 0.75 * flat,
        "median_high": 0.85 * flat,
        "q10": 0.1 * flat,
        "q90": 2.0 * flat,
        "mean_exists": [True] * count,
        "tail_index": np.full(count, 4.0),
        "n_prompts": np.full(count, 1024),
        "status": ["ok"] * count,
        "message": [""] * count,
        "seconds": np.full(count, 0.1),
        "statistic": ["mean"] * count,
        "value": flat,
        "value_low": flat - reach,
        "value_high": flat + reach,
    }
    schema = scores_schema()
    nothing = [None] * count  # in a column that the page does not need
    return pa.table({name: pa.array(given.get(name, nothing), schema.field(name).type) for name in schema.names})


def build(folder: Path, page: Path) -> Iterator[tuple[str, str]]:
    """Write the page; yield what it took."""
    from icl_bench.report.page.page import render
    from icl_bench.scores.summary import summarise

    began = time.perf_counter()
    summary = summarise(folder)
    summarised = time.perf_counter()
    text = render([summary])
    page.write_text(text, encoding="utf-8")
    done = time.perf_counter()
    yield "seconds to summarise", f"{summarised - began:.2f}"
    yield "seconds to render and write", f"{done - summarised:.2f}"
    yield "bytes", f"{len(text.encode()):,}"


def respond(page: Path, repetitions: int) -> Iterator[tuple[str, str]]:
    """Open the page in a headless Chromium; yield medians of what a reader waits for."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import Browser, find_chromium

    path = find_chromium()
    if path is None:
        yield "browser", "no chromium is installed"
        return
    toggle = (
        "(() => { const began = performance.now(); document.querySelector('#model-list input').click();"
        " return new Promise((done) => requestAnimationFrame(() => setTimeout("
        "() => done(performance.now() - began)))); })()"
    )
    measured: dict[str, list[float]] = {}
    with Browser(path) as browser:
        for _ in range(repetitions):
            with browser.page(page) as tab:
                tab.wait("window.iclBench && window.iclBench.ready")
                for name in ("controls", "ready"):
                    measured.setdefault(f"ms until {name}", []).append(tab.value(f"window.iclBench.{name}"))
                for section in ("severity", "size", "map"):
                    tab.seen(f"{section}-plot")
                    time.sleep(0.3)  # what came into view with it is drawn, too
                    measured.setdefault(f"ms from a toggle to the next picture, {section} in view", []).append(
                        tab.value(toggle)
                    )
    for name, values in measured.items():
        yield name, f"{statistics.median(values):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("models", 50), ("scenarios", 60), ("severities", 4), ("contexts", 41)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repetitions", type=int, default=3, help="page loads of which medians are printed")
    parser.add_argument("--out", type=Path, help="keep the page here")
    asked = parser.parse_args()
    size = Size(asked.models, asked.scenarios, asked.severities, asked.contexts)
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "run", size)
        page = asked.out or Path(folder) / "page.html"
        print(f"{size.models} models x {len(size.points)} severities x {size.contexts} context sizes")
        for name, value in (*build(Path(folder) / "run", page), *respond(page, asked.repetitions)):
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
