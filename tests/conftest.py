"""Fixtures that many tests share: a small suite, the finished runs of `stored_runs`, and synthetic ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import torch

from tests.small_suites import SMALL
from tests.synthetic_runs import BASE, Synthetic

pytest_plugins = ["tests.stored_runs"]

torch.set_num_threads(1)

# How long an example takes says how busy the machine is, not whether a property holds.
hypothesis.settings.register_profile(
    "whatever the load", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whatever the load")


@pytest.fixture
def small_suite(tmp_path: Path) -> Path:
    """A suite file that runs in a second."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Write a synthetic run of a name, `base` by default as it is."""

    def write(name: str, run: Synthetic = BASE) -> Path:
        return run.write(tmp_path / name)

    return write
