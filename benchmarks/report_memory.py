"""Does the memory of `icl-bench report` stay flat while the rows of losses grow to 10 million?

    python -m benchmarks.report_memory [--suite suites/quick.toml] [--prompts 3900] [--growth 10]

Runs the suite's estimators twice, with `prompts` and with a `growth`-th of them, and reports both runs.
Target: at most 1.2 times the peak memory for 10 times the rows.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.commands import ROOT, measured
from icl_bench import run_suite
from icl_bench.tables.stored_losses import open_losses

MODELS = ("bayes", "bayes_train", "ols", "ridge-evidence", "averaging", "zero")
TARGET = 1.2


def rows_of(run: Path) -> int:
    """Return the rows of losses of a run: prompts x context sizes x models."""
    return sum(
        place.n_prompts * len(place.context_sizes) * sum(cell.status == "ok" for cell in place.cells.values())
        for place in open_losses(run).sets
    )


def main() -> None:
    """Make both runs, report them in each format, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=ROOT / "suites" / "quick.toml")
    parser.add_argument("--prompts", type=int, default=3900)
    parser.add_argument("--growth", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        runs = {}
        for prompts in (given.prompts // given.growth, given.prompts):
            out = Path(temporary) / str(prompts)
            run_suite(given.suite, out, models=MODELS, n_prompts=prompts, executor="processes", workers=2)
            runs[prompts] = out
        for format_name in ("terminal", "json", "html"):
            peaks = []
            for run in runs.values():
                found = measured("report", run, "--format", format_name, "--out", Path(temporary) / "report")
                peaks.append(found.peak)
                print(f"{format_name:9} {rows_of(run):11,} rows {found.seconds:5.2f} s {found.peak / 1e6:5.0f} MB")
            growth = peaks[1] / peaks[0]
            print(f"{format_name:9} {growth:.2f} times (target {TARGET})")


if __name__ == "__main__":
    main()
