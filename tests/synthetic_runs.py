"""Runs whose losses are known, written as a run would have written them: pairs for `compare` to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from icl_bench.places import Place
from icl_bench.seeding import BLOCK_SIZE
from icl_bench.tables.manifest import Manifest, write_manifest
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.schema import PROMPTS
from icl_bench.tables.score_table import write_scores
from icl_bench.tables.units import ModelOutcome, Unit, UnitHeader, write_unit
from tests.command import Done, command


@dataclass(frozen=True)
class Synthetic:
    """A run whose losses are known: squared normals times a factor per model, `jitter` of them of its own."""

    factors: Mapping[str, float] = field(default_factory=lambda: {"one": 1.0, "two": 1.0})
    places: tuple[tuple[str, float | None], ...] = (("base", None), ("covariate/scale", 2.0), ("covariate/scale", 3.0))
    seeds: tuple[int, ...] = (0,)
    n_prompts: int = 512
    sizes: tuple[int, ...] = (2, 4, 8)
    headline: int = 4
    suite: str = "made"
    version: int = 1
    salt: str = ""  # of the prompts' digests
    status: Mapping[tuple[str, str], str] = field(default_factory=dict)  # model, scenario -> not ok
    absent: frozenset[str] = frozenset()  # models that were not run
    tail: float | None = float("inf")
    cluster_size: int | None = 1
    scale: float = 1.0
    jitter: float = 0.05
    constant: bool = False
    state: str = "complete"
    column: str = "squared_error"
    with_signal: bool = True
    worse_at: Mapping[int, float] = field(default_factory=dict)  # context size -> further factor

    def write(self, folder: Path) -> Path:
        (folder / "losses").mkdir(parents=True)
        for number, place in enumerate(self.places):
            for seed in self.seeds:
                for block in range(-(-self.n_prompts // BLOCK_SIZE)):
                    unit = self._unit(number, place, seed, block)
                    write_unit(folder / "losses" / f"{number}_s{seed}_b{block:06d}_0.parquet", unit)
        write_manifest(folder, self.manifest())
        write_scores(folder / "scores.parquet", [])
        return folder

    def manifest(self) -> Manifest:
        return Manifest(
            suite=self.suite,
            suite_version=self.version,
            suite_digest="s",
            run_digest="r",
            code_digest="c",
            suite_text="",
            training_context=self.headline,
            n_dims=4,
            scenarios=tuple(dict.fromkeys(name for name, _ in self.places)),
            models=dict.fromkeys(self.factors, "m"),
            metrics=(self.column,),
            metric_cards=self.cards(),
            versions={"icl-bench": "0.1.0"},
            status=self.state,
        )

    def cards(self) -> dict[str, MetricCard]:
        own = MetricCard(self.column, "squared label", "lower", False, "risk", "mean", True, self.column)
        signal = replace(own, use="zero_error", role="signal", needs_model=False, of="zero_error")
        return {self.column: own, **({"zero_error": signal} if self.with_signal else {})}

    def _unit(self, number: int, place: tuple[str, float | None], seed: int, block: int) -> Unit:
        rows = min(BLOCK_SIZE, self.n_prompts - block * BLOCK_SIZE)
        tails = (self.tail,) * len(self.sizes)
        outcomes = [ModelOutcome(PROMPTS, "", "ok", "", 0.0, {}, {"zero_error": tails} if self.with_signal else {})]
        losses = {PROMPTS: {"zero_error": np.full((rows, len(self.sizes)), self.scale, np.float32)}}
        for model in self.factors:
            if model in self.absent:
                continue
            status = self.status.get((model, place[0]), "ok")
            known = {self.column: tails} if status == "ok" else {}
            outcomes.append(ModelOutcome(model, "m", status, "" if status == "ok" else "went wrong", 0.1, {}, known))
            if status == "ok":
                losses[model] = {self.column: self._losses(model, number, seed, block, rows)}
        if not self.with_signal:
            losses[PROMPTS] = {}
        header = UnitHeader(
            run_digest="r",
            prompt_digest=f"{place}/{seed}/{block}/{self.salt}",
            place=Place(place[0], (place[1],)),
            seed=seed,
            block=block,
            n_prompts=rows,
            context_sizes=self.sizes,
            headline_size=self.headline,
            cluster_size=self.cluster_size,
            columns=(self.column, "zero_error"),
            outcomes=tuple(outcomes),
        )
        return Unit(header, losses)

    def _losses(self, model: str, number: int, seed: int, block: int, rows: int) -> np.ndarray:
        shape = (rows, len(self.sizes))
        shared = np.random.default_rng([number, seed, block]).standard_normal(shape)
        own = np.random.default_rng([number, seed, block, 7]).standard_normal(shape)
        factor = self.factors[model]
        further = np.array([self.worse_at.get(size, 1.0) for size in self.sizes])
        answer = shared if factor == 1.0 and not self.worse_at else shared * (1.0 + self.jitter * own)
        values = np.ones(shape) if self.constant else np.square(answer)
        return (self.scale * factor * further * values).astype(np.float32)


BASE = Synthetic()
WORSE = Synthetic({"one": 1.0, "two": 1.05})


def invoke(*arguments: object, **variables: str) -> Done:
    """Compare in this process, not on GitHub unless the variables say so."""
    return command("compare", *arguments, **{"GITHUB_STEP_SUMMARY": "", **variables})


LACKING = {
    "model": replace(BASE, absent=frozenset({"two"})),
    "scenario": replace(BASE, places=BASE.places[:1]),
    "severity": replace(BASE, places=BASE.places[:2]),
    "error": replace(BASE, status={("two", "base"): "error"}),
    "timeout": replace(BASE, status={("two", "base"): "timeout"}),
    "nan": replace(BASE, status={("two", "base"): "nan"}),
    "skipped": replace(BASE, status={("two", "base"): "skipped"}),
    "interrupted": replace(BASE, n_prompts=256, state="running"),
}
"""What HEAD may lack that BASE has."""
