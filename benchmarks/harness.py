"""What share of a run is the harness (drawing, Bayes reference, scoring, writing, workers, tables), and what is models.

    python benchmarks/harness.py [--suite suites/core.toml] [--prompts N] [--workers 2] [--parts]

A run costs its wall time on every worker: wall x workers. Models answering is the sum of `seconds` over the cells of
scores.parquet (each measured around `predict` alone); all the rest is the harness, idle and start-up time included.
Target: at most 30% of core.toml. `--parts` runs serially with a clock around each part, to see where the rest goes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import icl_bench.run.asking
import icl_bench.run.block
import icl_bench.run.jobs
import icl_bench.run.suite_run
from icl_bench.assembly.laws import SuiteLaws
from icl_bench.laws.law import PromptLaw
from icl_bench.results import Run
from icl_bench.run.suite_run import run_suite
from icl_bench.tables.schema import PROMPTS

SUITE = Path(__file__).resolve().parent.parent / "suites" / "core.toml"
TARGET = 0.30

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("cell law", SuiteLaws, "cell"),
    ("draw", PromptLaw, "draw"),
    ("Bayes reference", icl_bench.run.block, "with_bayes"),
    ("predict (models and copies)", icl_bench.run.asking, "predict"),
    ("losses (references included)", icl_bench.run.block, "losses_of"),
    ("write unit", icl_bench.run.jobs, "write_unit"),
    ("score and write tables", icl_bench.run.suite_run, "score_run"),
)


@dataclass(frozen=True, slots=True)
class Share:
    """Where the worker-seconds of a run went."""

    wall: float  # seconds
    workers: int
    models: float  # worker-seconds inside predict

    @property
    def harness(self) -> float:
        """Share of the worker-seconds that is not models answering."""
        return 1.0 - self.models / (self.wall * self.workers)


def share_of(run: Run) -> Share:
    """Return the shares of a finished run of one command."""
    scores = run.scores
    cells = scores[scores["model"] != PROMPTS].drop_duplicates(["scenario", "severity_label", "seed", "model"])
    return Share(run.manifest.seconds, run.manifest.workers, float(cells["seconds"].sum()))


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Put a clock around every part; yield the seconds of each. A part's clock stops while an inner part's runs."""
    spent: dict[str, float] = defaultdict(float)
    running: list[str] = []
    since = [time.perf_counter()]

    def switch() -> None:
        now = time.perf_counter()
        if running:
            spent[running[-1]] += now - since[0]
        since[0] = now

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            switch()
            running.append(name)
            try:
                return function(*arguments, **options)
            finally:
                switch()
                running.pop()

        return call

    with ExitStack() as stack:
        for name, owner, attribute in PARTS:
            stack.enter_context(mock.patch.object(owner, attribute, timed(name, getattr(owner, attribute))))
        yield spent


def measure(suite: Path, prompts: int | None, workers: int, parts: bool) -> None:
    """Run the suite into a temporary folder and print what it cost."""
    with tempfile.TemporaryDirectory() as out:
        if not parts:
            run = run_suite(suite, out, n_prompts=prompts, executor="processes", workers=workers)
        else:
            with clocks() as spent:
                run = run_suite(suite, out, n_prompts=prompts)
        share = share_of(run)
    total = share.wall * share.workers
    print(f"{suite.name}: {share.wall:.1f} s on {share.workers} worker(s), {total:.1f} worker-seconds")
    print(f"models answering: {share.models:.1f} s")
    verdict = "within" if share.harness <= TARGET else "ABOVE"
    print(f"harness: {total - share.models:.1f} s, {share.harness:.1%} ({verdict} the target of {TARGET:.0%})")
    if parts:
        spent["predict (models and copies)"] -= share.models
        for name, _, _ in PARTS:
            label = "copies and checks around predict" if name.startswith("predict") else name
            print(f"  {label:32} {spent[name]:7.2f} s {spent[name] / total:6.1%}")
        rest = total - share.models - sum(spent.values())
        print(f"  {'the rest':32} {rest:7.2f} s {rest / total:6.1%}")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--prompts", type=int, default=None, help="prompts a cell (default: the suite's)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", action="store_true", help="serially, with a clock around each part")
    arguments = parser.parse_args()
    if arguments.parts:
        import torch

        torch.set_num_threads(1)
    measure(arguments.suite, arguments.prompts, arguments.workers, arguments.parts)


if __name__ == "__main__":
    main()
