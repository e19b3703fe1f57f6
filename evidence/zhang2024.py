"""The reference result in one figure and its tables: what docs/reproductions.md shows of suites/zhang2024.toml.

    icl-bench run suites/zhang2024.toml
    python -m evidence.zhang2024 results/zhang2024 [--plot docs/zhang2024.svg]

Prints the normalised error (risk over the risk of predicting zero) of each learner under each shift, with its 95%
interval, as Markdown; the figure has it against prompt length under covariance c * diag(Exp(1)), as the paper's first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from icl_bench import read_run

SHIFTS = (
    ("task, query", "base", None),
    ("task, query", "task/scale", 3.0),
    ("task, query", "query/scale", 3.0),
    ("task, query", "query/covariance", 2.0),
    ("covariate", "covariate/random_diagonal", 1.0),
    ("covariate", "covariate/random_diagonal", 4.0),
    ("covariate", "covariate/random_diagonal", 9.0),
    ("covariate", "covariate/scale", 2.0),
    ("covariate", "covariate/spectrum", 2.0),
)
COLUMNS = ("unshifted", "task x3", "query x3", "query spectrum 2", "c = 1", "c = 4", "c = 9", "x2", "spectrum 2")
CURVES = {
    "lsa-trained-fixed": ("linear attention, fixed covariance", "-", "o"),
    "lsa-trained-random": ("linear attention, random covariance", "--", "o"),
    "gpt2-fixed": ("GPT-2 tiny, fixed covariance", "-", "s"),
    "gpt2-random": ("GPT-2 tiny, random covariance", "--", "s"),
    "ols": ("least squares", "-", "^"),
}
TRAINING_LENGTH = 40


def cell(scores: pd.DataFrame, model: str, scenario: str, severity: float | None, size: int) -> pd.Series | None:
    chosen = scores[
        (scores["model"] == model)
        & (scores["scenario"] == scenario)
        & (scores["context_size"] == size)
        & (scores["metric"] == "normalised_error")
        & (scores["severity"].isna() if severity is None else scores["severity"] == severity)
    ]
    return chosen.iloc[0] if len(chosen) else None


def shown(row: Any) -> str:
    """Return a mean with half its interval, or the median where no mean exists."""
    if row is None or row["status"] != "ok":
        return "-"
    if pd.isna(row["mean"]):
        return f"med {row['median']:.3g}"
    half = "" if pd.isna(row["ci_low"]) else f" ±{(row['ci_high'] - row['ci_low']) / 2:.2g}"
    return f"{row['mean']:.3g}{half}"


def shift_table(scores: pd.DataFrame, models: Sequence[str]) -> None:
    """Print normalised errors after `TRAINING_LENGTH` examples."""
    print(f"| learner | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for model in models:
        values = [shown(cell(scores, model, scenario, dial, TRAINING_LENGTH)) for _, scenario, dial in SHIFTS]
        print(f"| `{model}` | {' | '.join(values)} |")


def length_table(scores: pd.DataFrame, models: Sequence[str], sizes: Sequence[int]) -> None:
    """Print normalised errors without a shift against the number of examples."""
    print(f"\n| learner, unshifted | {' | '.join(f'M = {size}' for size in sizes)} |")
    print("|---" * (len(sizes) + 1) + "|")
    for model in models:
        values = [shown(cell(scores, model, "base", None, size)) for size in sizes]
        print(f"| `{model}` | {' | '.join(values)} |")


def plot(scores: pd.DataFrame, sizes: Sequence[int], path: Path) -> None:
    """Draw normalised error against prompt length for c = 1, 4, 9, with 95% bands."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "icl-bench"
    pyplot.style.use("tableau-colorblind10")
    figure, panels = pyplot.subplots(1, 3, figsize=(11, 4.2), sharey=True, layout="constrained")
    for panel, severity in zip(panels, (1.0, 4.0, 9.0), strict=True):
        for model, (label, line, marker) in CURVES.items():
            rows = [cell(scores, model, "covariate/random_diagonal", severity, size) for size in sizes]
            kept = [(size, row) for size, row in zip(sizes, rows, strict=True) if row is not None]
            at = [size for size, _ in kept]
            middle = [max(1e-6, row["median"] if pd.isna(row["mean"]) else row["mean"]) for _, row in kept]
            (drawn,) = panel.plot(at, middle, line, marker=marker, markersize=4, label=label)
            low = [max(1e-6, row["ci_low"]) for _, row in kept]
            panel.fill_between(at, low, [row["ci_high"] for _, row in kept], color=drawn.get_color(), alpha=0.15)
        panel.axhline(1.0, color="0.4", linewidth=0.8)
        panel.axvline(TRAINING_LENGTH, color="0.4", linewidth=0.8, linestyle=":")
        panel.set(yscale="log", title=f"covariance {severity:g} diag(Exp(1))", xlabel="examples in the prompt")
        panel.set_ylim(1e-4, 1e3)
    panels[0].set_ylabel("risk / risk of predicting zero")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9
    )
    figure.savefig(path, metadata={"Date": None})
    print(f"\nplotted to {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    scores = read_run(arguments.run).scores
    models = [model for model in scores["model"].unique() if model != "(prompts)"]
    sizes = sorted(int(size) for size in scores[scores["scenario"] == "base"]["context_size"].dropna().unique())
    shift_table(scores, models)
    length_table(scores, models, sizes)
    if arguments.plot is not None:
        plot(scores, sizes, arguments.plot)


if __name__ == "__main__":
    main()
