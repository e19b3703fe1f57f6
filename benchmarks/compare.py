"""Seconds and peak memory of `icl-bench compare` on two runs of 100 cells x 4,096 prompts x 41 context sizes.

    python -m benchmarks.compare [--models 10] [--points 10] [--prompts 4096] [--sizes 41]

The runs are synthetic: squared normal losses, HEAD's models worse by 0, 0.5, 1, ... percent, and a third run that is
equal to BASE to the bit. No tail index is known, so that all are estimated, the slowest case. The whole command is
timed in a process of its own, start-up included, once per format; its peak memory is what the kernel says of it.
Targets: under 5 s and 1 GB in every format.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.commands import Measured, measured
from benchmarks.metric_cards import cards_of
from icl_bench.places import Place
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.tables.manifest import Manifest, write_manifest
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.units import ModelOutcome, Unit, UnitHeader, write_unit

SECONDS, BYTES = 5.0, 1e9
FORMATS = ("terminal", "markdown", "json", "junit", "github")
COLUMNS = ("squared_error", "excess_risk", "bayes_risk", "zero_error")
WORSENED = 0.005
"""How much worse each model of HEAD is than the one before."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large the runs are."""

    models: int
    points: int  # scenario x severity
    prompts: int
    sizes: int


def write_run(folder: Path, extent: Extent, worsened: float) -> None:
    """Write a run whose models' risks are model number x `worsened` higher than BASE's, with a little jitter."""
    (folder / "losses").mkdir(parents=True)
    models = [f"model-{number}" for number in range(extent.models)]
    labels = tuple(f"covariate/shift-{number // 5}" for number in range(extent.points))
    for point in range(extent.points):
        for block in range(-(-extent.prompts // BLOCK_SIZE)):
            rows = min(BLOCK_SIZE, extent.prompts - block * BLOCK_SIZE)
            header = _header(labels[point], float(point), block, rows, extent.sizes, models)
            rng = np.random.default_rng([point, block])
            shared = np.square(rng.standard_normal((rows, extent.sizes))).astype(np.float32)
            losses = {PROMPTS: {"bayes_risk": shared, "zero_error": shared + 1.0}}
            for number, model in enumerate(models):
                jitter = 1.0 + 0.05 * rng.standard_normal(shared.shape) * (worsened > 0.0)
                values = (shared * np.square(jitter) * (1.0 + worsened * number)).astype(np.float32)
                losses[model] = {"squared_error": values, "excess_risk": values}
            write_unit(folder / "losses" / f"p{point}_b{block:06d}_0.parquet", Unit(header, losses))
    digest = "0" * 32
    manifest = Manifest(
        suite="synthetic",
        suite_version=1,
        suite_digest=digest,
        run_digest=digest,
        code_digest=digest,
        suite_text="",
        training_context=extent.sizes - 1,
        n_dims=8,
        scenarios=tuple(dict.fromkeys(labels)),
        models=dict.fromkeys(models, digest),
        metrics=("squared_error",),
        metric_cards=cards_of(COLUMNS),
        status="complete",
    )
    write_manifest(folder, manifest)


def _header(label: str, severity: float, block: int, rows: int, sizes: int, models: list[str]) -> UnitHeader:
    unknown = (None,) * sizes
    outcomes = [ModelOutcome(PROMPTS, "", "ok", "", 0.0, {}, dict.fromkeys(COLUMNS[2:], unknown))]
    digest = "0" * 32
    outcomes += [
        ModelOutcome(model, digest, "ok", "", 0.1, {}, dict.fromkeys(COLUMNS[:2], unknown)) for model in models
    ]
    return UnitHeader(
        run_digest=digest,
        prompt_digest=f"{severity}/{block}",
        place=Place(label, (severity,)),
        seed=0,
        block=block,
        n_prompts=rows,
        context_sizes=tuple(range(sizes)),
        headline_size=sizes - 1,
        cluster_size=1,
        columns=COLUMNS,
        outcomes=tuple(outcomes),
    )


def measure(base: Path, head: Path, format_name: str) -> Measured:
    """Return what the whole command took."""
    found = measured("compare", base, head, "--format", format_name)
    if format_name == "json":
        json.loads(found.stdout)
    return found


def main() -> None:
    """Read the options, write the runs, and print the figures beside their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("models", 10), ("points", 10), ("prompts", 4096), ("sizes", 41)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    extent = Extent(given.models, given.points, given.prompts, given.sizes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, worsened in (("base", 0.0), ("head", WORSENED), ("equal", 0.0)):
            write_run(folder / name, extent, worsened)
        print(f"{extent.models * extent.points} cells x {extent.prompts:,} prompts x {extent.sizes} context sizes")
        for head, formats in (("head", FORMATS), ("equal", FORMATS[:1])):
            for format_name in formats:
                found = measure(folder / "base", folder / head, format_name)
                within = "within" if found.seconds < SECONDS and found.peak < BYTES else "ABOVE"
                print(
                    f"{head:6} {format_name:9} {found.seconds:5.2f} s {found.peak / 1e6:5.0f} MB ({within} the targets"
                    f" of {SECONDS:.0f} s and {BYTES / 1e6:.0f} MB)  {found.stdout.partition(chr(10))[0][:60]}"
                )


if __name__ == "__main__":
    main()
