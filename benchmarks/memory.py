"""Peak memory of a run's parent and workers, and whether it grows with the number of prompts.

    python benchmarks/memory.py [--suite suites/quick.toml] [--prompts N] [--factor 10] [--workers 2]
                                [--scenarios base,covariate/scale]

Runs the real command twice, with N (default: the suite's) and `factor` times N prompts a cell, and prints the peak
resident memory of the parent and of its largest worker, as the kernel counts it (VmHWM). Targets: under 1.5 GB a
worker, and at most 1.2 times the peak for 10 times the prompts. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT, GROWTH = 1.5e9, 1.2
"""Bytes a worker may take at its peak; times the peak that 10 times the prompts may take."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peak resident memory, bytes."""

    parent: int
    worker: int  # the largest
    seconds: float

    def __str__(self) -> str:
        return f"parent {self.parent / 1e6:.0f} MB, largest worker {self.worker / 1e6:.0f} MB, {self.seconds:.0f} s"


def _peak(process: int) -> int:
    """Return the peak resident memory of a process so far, 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) * 1024 if lines else 0


def _children(process: int) -> list[int]:
    """Return the processes that descend from one, by the parents that /proc names."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [process]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(below)
    return found


def measure(suite: Path, prompts: int | None, workers: int, scenarios: str) -> Peaks:
    """Run the command once, looking at its processes' peaks as it goes."""
    with tempfile.TemporaryDirectory() as out:
        code = "from icl_bench.cli.main import main; main()"
        command = [sys.executable, "-c", code, "run", str(suite), "--out", out, "--json", "--workers", str(workers)]
        command += ["--scenarios", scenarios] if scenarios else []
        command += ["--prompts", str(prompts)] if prompts else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        parent = worker = 0
        while process.poll() is None:
            parent = max(parent, _peak(process.pid))
            worker = max([worker, *map(_peak, _children(process.pid))])
            time.sleep(0.1)
        if process.returncode != 0:
            raise SystemExit(f"the run ended with exit code {process.returncode}")
    return Peaks(parent, worker, time.monotonic() - started)


def main() -> None:
    """Read the options, measure twice, and print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=ROOT / "suites" / "quick.toml")
    parser.add_argument("--prompts", type=int, default=None, help="prompts a cell (default: the suite's)")
    parser.add_argument("--factor", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenarios", default="", help="as of `icl-bench run` (default: all)")
    given = parser.parse_args()
    if given.prompts is None:
        from icl_bench.suites.suite_file import load_suite

        given.prompts = load_suite(given.suite).prompts.n_prompts
    few = measure(given.suite, given.prompts, given.workers, given.scenarios)
    print(f"{given.suite.name}, {given.prompts} prompts a cell: {few}", flush=True)
    many = measure(given.suite, given.factor * given.prompts, given.workers, given.scenarios)
    print(f"{given.suite.name}, {given.factor * given.prompts} prompts a cell: {many}")
    growth = {"worker": many.worker / few.worker, "parent": many.parent / few.parent}
    print(f"largest worker: {many.worker / 1e9:.2f} GB (target: under {LIMIT / 1e9:.1f} GB)")
    for name, times in growth.items():
        print(f"{name}: {times:.2f} times the peak for {given.factor} times the prompts (target: at most {GROWTH})")


if __name__ == "__main__":
    main()
