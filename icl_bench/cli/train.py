"""`icl-bench train RECIPE`: a recipe becomes a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from icl_bench.cli import options
from icl_bench.cli.console import guarded, print_json, say
from icl_bench.errors import EXIT_INTERRUPTED
from icl_bench.shipped import recipe_file


@guarded
def train(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe file (TOML), or the name of one that ships.", show_default=False)
    ],
    out: Annotated[
        Path | None, options.out_folder("Checkpoint folder [default: checkpoints/NAME of the recipe].")
    ] = None,
    device: Annotated[str, options.device_option("auto, ")] = "auto",
    fresh: options.Fresh = False,
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps of the schedule; continue later.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: torch's choice].")] = None,
    as_json: Annotated[bool, options.json_of("the last measurement")] = False,
) -> None:
    """Train a network from one file: weights, card, training table.

    Runs again into the same folder continue what is there. Ctrl-C loses nothing.
    """
    from icl_bench.cli.training_progress import training_progress
    from icl_bench.training.train import train as run_training

    recipe = recipe_file(recipe)
    with training_progress() as progress:
        try:
            folder = run_training(
                recipe, out, device=device, fresh=fresh, until=until, threads=threads, progress=progress
            )
        except KeyboardInterrupt:
            say("interrupted; the state is kept: run the same command again to continue")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    finished = (folder / "card.toml").exists()
    if as_json:
        print_json({"out": str(folder), "finished": finished, "measured": progress.rows})
    elif finished:
        print(f'{folder}: trained; use it in a suite with `use = "checkpoint"`, `path = "{folder}"`')
        _print_curve(progress.rows)
    else:
        print(f"{folder}: stopped on the way; run the same command without --until to continue")


def _print_curve(rows: list[dict[str, Any]]) -> None:
    """Print risk against context size on unshifted tuning prompts."""
    from icl_bench.training.measuring import OVER_BAYES, SQUARED

    base = [row for row in rows if row["scenario"] == "base"]
    table: dict[int, dict[str, dict[str, Any]]] = {}
    for row in base:
        table.setdefault(row["context_size"], {})[row["metric"]] = row
    if not table:
        return
    print(f"{'context size':>12}  {'squared error':>20}  {'over Bayes':>16}")
    for size, metrics in table.items():
        squared, over = metrics[SQUARED], metrics.get(OVER_BAYES)
        shown = "" if over is None or over["value"] is None else f"{over['value']:.3f} ±{1.96 * over['stderr']:.3f}"
        print(f"{size:>12}  {squared['value']:>12.4g} ±{1.96 * squared['stderr']:<7.2g}  {shown:>16}")
