"""The command `icl-bench`: in this process, or in one of its own where the process is the point.

A process costs two seconds of imports before it does anything. It is the point where signals are held, workers that
die, a stdout that is closed or takes ASCII alone, and what an import loads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from icl_bench.cli.main import app

ROOT = Path(__file__).parent.parent
MAIN = "from icl_bench.cli.main import main; main()"
PATIENCE = 600.0
"""Seconds for one command: only a hang takes as long, however busy the machine is."""


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote; `output` is both streams in the order of writing."""

    exit_code: int
    stdout: str
    stderr: str
    output: str


def command(*arguments: object, **variables: str) -> Done:
    """Run the command in this process and folder, 100 columns wide; variables are of its environment."""
    runner = CliRunner(env={"COLUMNS": "100", **variables})
    result = runner.invoke(app, [str(argument) for argument in arguments])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception  # as a process it would have ended in a traceback
    return Done(result.exit_code, result.stdout, result.stderr, result.output)


def environment(**variables: str) -> dict[str, str]:
    """The environment of a command in a process of its own: this tree's code, no colours, 100 columns."""
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONPATH": str(ROOT), **variables}


def process(
    *arguments: object, folder: Path | None = None, code: str = MAIN, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command, or other code with its arguments, in a process of its own to its end."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=folder,
        env=environment(**variables),
    )


def started(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, its stderr to be read."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    """In a new process: heed Ctrl-C even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
