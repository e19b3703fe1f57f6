"""Checkpoint folders of tiny networks, and a suite that asks one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from icl_bench.checkpoints.card import Card, DataLaw, TrainedBy, plain_arguments
from icl_bench.checkpoints.folder import write_checkpoint
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.models.networks.gpt2 import GPT2

LAW = PromptLaw(Linear(3), GaussianNoise(0.25), Sizes((0, 1, 2, 4)))
TINY: dict[str, Any] = {"n_layers": 1, "width": 8, "n_heads": 2, "n_positions": 6}
SUITE = """
[suite]
name = "trained"
version = 1
[prompts]
n_dims = {n_dims}
context_sizes = [0, 2, 4]
n_prompts = 8
noise_std = 0.5
[[models]]
use = "checkpoint"
path = "{path}"
[[scenarios]]
use = "base"
[[scenarios]]
use = "query/scale"
severities = [2.0]
[metrics]
use = ["squared_error"]
"""


def card_for(architecture: str, arguments: dict[str, Any], n_dims: int = 3) -> Card:
    return Card(
        architecture=architecture,
        arguments=arguments,
        n_dims=n_dims,
        law=DataLaw(
            "linear", n_dims, 0.5, 4, law_digest(LAW), {"tau": 1.0}, ({"use": "covariate/scale", "weight": 0.5},)
        ),
        recipe=TrainedBy("tiny", 1, "ab" * 16),
        n_context=4,
        steps=10,
        prompts_seen=640,
        seed=0,
        author="a test",
        licence="MIT",
        hardware="CPU",
        icl_bench_version="0.1.0",
        torch_version="2.13.0",
        date="2025-01-31",
        losses={"squared_error_at_4": 0.125},
        notes='quotes " and\nlines',
    )


def written(folder: Path, **changes: Any) -> Path:
    """A checkpoint folder of a tiny GPT-2."""
    architecture = GPT2(**{**TINY, **changes})
    card = card_for("gpt2", plain_arguments(architecture))
    write_checkpoint(folder, architecture.initial(3), card)
    return folder


def suite_file(folder: Path, path: str = "nets/own", n_dims: int = 3) -> Path:
    file = folder / "suite.toml"
    file.write_text(SUITE.format(path=path, n_dims=n_dims))
    return file
