"""Fixtures that many tests share: small suites, and the real command in its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent

SMALL_SUITE = """
[suite]
name = "small"
version = 1

[prompts]
n_dims = 3
context_sizes = [0, 1, 2, 3, 4, 6]
noise_std = 0.5
n_prompts = 256

[training]
n_context = 4

[[models]]
use = "bayes"

[[models]]
use = "ols"

[[models]]
use = "zero"

[[scenarios]]
use = "base"

[[scenarios]]
use = "covariate/scale"
severities = [2.0]

[metrics]
use = ["squared_error", "normalised_error", "excess_risk"]
"""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def small_suite(tmp_path: Path) -> Path:
    """A suite file that runs in a second."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_SUITE)
    return path


def heed_ctrl_c() -> None:
    """In a new process: heed Ctrl-C even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def icl_bench(tmp_path: Path) -> Command:
    """The real command, run in a process of its own in the test's folder."""

    def call(*arguments: str | Path, timeout: float = 120, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
        code = "from icl_bench.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env=environment,
            **options,  # type: ignore[call-overload]
        )

    return call
