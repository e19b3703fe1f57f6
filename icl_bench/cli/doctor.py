"""`icl-bench doctor`: versions, devices, memory, what optional parts are missing and how to get them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from icl_bench.cli import options
from icl_bench.cli.console import guarded, print_json

RESULTS = Path("results")
"""Where runs go unless --out says otherwise."""


@guarded
def doctor(
    as_json: options.Json = False,
) -> None:
    """Show versions, devices, cores, memory, and optional parts that are missing."""
    from icl_bench.machine import usable_cores, versions

    threads, devices = _torch()
    found: dict[str, Any] = {
        "versions": versions(),
        "system": platform.platform(),
        "devices": devices,
        "cores": usable_cores(),
        "torch_threads": threads,
        "memory_gb": _memory(),
        "results": _results(),
        "missing": _missing(),
    }
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        print(line)


def _lines(found: dict[str, Any]) -> list[str]:
    memory = found["memory_gb"]
    rows = [
        *found["versions"].items(),
        ("system", found["system"]),
        *((f"device {name}", text) for name, text in found["devices"].items()),
        ("cores", f"{found['cores']} usable; {found['torch_threads'] or '?'} threads in torch (one in a worker)"),
        ("memory", "unknown" if memory is None else f"{memory['total']} GB, {memory['available'] or '?'} GB available"),
        ("results", found["results"]["message"]),
    ]
    width = max(len(name) for name, _ in rows) + 2
    lines = [f"{name:<{width}}{text}" for name, text in rows]
    missing = found["missing"]
    lines.append("optional parts: none missing" if not missing else "optional parts that are missing:")
    lines += [f"  {part['what']}: {part['missing']}; {part['how']}" for part in missing]
    return lines


def _torch() -> tuple[int | None, dict[str, str]]:
    """Return torch's threads, and every device that it can compute on with what it is; a broken torch is told."""
    try:
        import torch

        return torch.get_num_threads(), _devices()
    except Exception as error:  # OSError from a library, AttributeError from half an installation, ...
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return None, {"none": f"torch cannot be used: {told}; install it again: pip install torch"}


def _devices() -> dict[str, str]:
    import torch

    devices = {"cpu": "usable"}
    try:
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            devices[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    except RuntimeError as error:  # a driver that torch does not fit
        devices["cuda"] = f"cannot be used: {' '.join(str(error).split())}"
    if torch.backends.mps.is_available():
        devices["mps"] = "usable (float32 only)"
    return devices


def _memory() -> dict[str, float | None] | None:
    """Return total and available memory in GB (10^9 bytes), None where the system does not tell."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else None
    total = round(os.sysconf("SC_PHYS_PAGES") * page / 1e9, 1)
    return {"total": total, "available": None if free is None else round(free * page / 1e9, 1)}


def _results() -> dict[str, Any]:
    """Return whether runs can be written to the usual folder."""
    folder = RESULTS if RESULTS.is_dir() else Path()
    usable = os.access(folder, os.W_OK | os.X_OK) and (not RESULTS.exists() or RESULTS.is_dir())
    where = RESULTS.resolve()
    message = f"{where} {'can' if usable else 'cannot'} be written" + ("" if usable else "; give `run` another --out")
    return {"folder": str(where), "writable": usable, "message": message}


def _missing() -> list[dict[str, str]]:
    """Return optional parts that are not installed: the extras of the package, and git."""
    import shutil
    from importlib.metadata import PackageNotFoundError, requires

    found = []
    try:
        wanted = requires("icl-bench") or []
    except PackageNotFoundError:
        found.append(
            {
                "what": "icl-bench itself",
                "missing": "not installed, it runs from a folder",
                "how": f"{Path(sys.executable).name} -m pip install -e .",
            }
        )
        wanted = []
    for extra, packages in _extras(wanted).items():
        lacking = [package for package in packages if not _installed(package)]
        if lacking:
            how = f'pip install "icl-bench[{extra}]"'
            found.append({"what": f"extra `{extra}`", "missing": ", ".join(lacking), "how": how})
    if shutil.which("git") is None:
        found.append({"what": "git", "missing": "the program git", "how": "without it manifests name no commit"})
    return found


def _extras(wanted: list[str]) -> dict[str, list[str]]:
    """Return the packages of each extra, from requirement lines such as `ruff<1,>=0.12; extra == "test"`."""
    import re

    extras: dict[str, list[str]] = {}
    for line in wanted:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if name and extra:
            extras.setdefault(extra[1], []).append(name[0])
    return extras


def _installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
