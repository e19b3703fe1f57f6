"""How far a device's numbers are from the CPU's: `python benchmarks/device_tolerance.py --device cuda`.

Runs a suite on the CPU and on the device and prints, for each model, the largest difference of any per-prompt loss
(relative to the loss plus the risk of predicting zero) and of any mean risk, and the seconds that the model took.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from icl_bench import run_suite

ROOT = Path(__file__).parent.parent
KEYS = ["scenario", "severity_label", "seed", "model", "prompt", "context_size"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default=str(ROOT / "suites" / "quick.toml"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompts", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            device: run_suite(arguments.suite, Path(folder) / device, device=device, n_prompts=arguments.prompts)
            for device in ("cpu", arguments.device)
        }
        losses = {
            device: run.losses.set_index(KEYS).squared_error.dropna().sort_index() for device, run in runs.items()
        }
        scores = {device: run.scores for device, run in runs.items()}
    cpu, other = losses["cpu"], losses[arguments.device]
    assert cpu.index.equals(other.index), "the same rows on both"
    difference = (cpu - other).abs() / (cpu + 1.0)
    seconds = {device: _seconds(table) for device, table in scores.items()}
    risks = {device: _risks(table) for device, table in scores.items()}
    relative = ((risks["cpu"] - risks[arguments.device]).abs() / (risks["cpu"] + 1.0)).groupby("model").max()
    print(f"{'model':<22}{'largest loss diff':>18}{'largest risk diff':>18}{'cpu s':>9}{arguments.device + ' s':>9}")
    for model, worst in difference.groupby("model").max().items():
        row = (seconds["cpu"][model], seconds[arguments.device][model])
        print(f"{model:<22}{worst:>18.1e}{relative.get(model, np.nan):>18.1e}{row[0]:>9.2f}{row[1]:>9.2f}")


def _seconds(scores: pd.DataFrame) -> Any:
    cells = scores.drop_duplicates(["scenario", "severity_label", "seed", "model"])
    return cells.groupby("model").seconds.sum()


def _risks(scores: pd.DataFrame) -> Any:
    rows = scores[(scores.metric == "squared_error") & scores["mean"].notna()]
    return rows.set_index(["scenario", "severity_label", "seed", "model", "context_size"])["mean"]


if __name__ == "__main__":
    main()
