"""The machine: its cores and devices, the versions of what moves a number, the git state of the current folder."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from icl_bench.errors import UsageError

PACKAGES = ("icl-bench", "torch", "numpy", "scipy", "pyarrow", "pandas", "scikit-learn")


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of every package that can move a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def provenance() -> dict[str, Any]:
    """Return the manifest's fields on versions, machine and git state of the current folder."""
    commit = _git("rev-parse", "HEAD")
    git: dict[str, Any] = {} if commit is None else {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}
    machine = {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": str(usable_cores()),
    }
    return {"versions": versions(), "machine": machine, "git": git}


def check_device(device: str, number_type: str = "float64") -> None:
    """Raise UsageError unless torch can compute in `number_type` on `device`."""
    import torch

    try:
        torch.zeros(1, dtype=getattr(torch, number_type), device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise UsageError(
            f"device: {device!r} cannot be used ({' '.join(str(error).split())[:160]});"
            " `icl-bench doctor` lists what can"
        ) from error
