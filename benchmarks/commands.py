"""A whole command of `icl-bench` in a process of its own: seconds, start-up included, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = (
    "import re, sys\n"
    "from icl_bench.cli.main import main\n"
    "try:\n    main()\n"
    "finally:\n    print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
)
"""Linux: `ru_maxrss` would begin with what the process that starts the command holds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took and printed."""

    seconds: float
    peak: float  # bytes
    stdout: str


def measured(*arguments: str | Path) -> Measured:
    """Run `icl-bench ARGUMENTS`; SystemExit when it ends with more than 1."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": ""}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    seconds = time.perf_counter() - started
    if done.returncode > 1:
        raise SystemExit(f"icl-bench {arguments[0]} ended with exit code {done.returncode}: {done.stderr}")
    return Measured(seconds, float(done.stderr.split()[-1]) * 1024.0, done.stdout)
