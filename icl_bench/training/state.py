"""The state of a training run on disk: one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from icl_bench.errors import RunFolderError
from icl_bench.files import replacing

_KEY = "icl_bench.training"


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a run is."""

    step: int  # finished optimisation steps
    recipe_digest: str
    seconds: float  # spent in training, over all commands


def write_state(
    path: Path,
    learner: nn.Module,
    average: dict[str, Tensor] | None,
    optimisers: Sequence[Optimizer],
    progressed: Progressed,
) -> None:
    """Write everything that continues a run to the bit: weights, their average, the optimiser's moments."""
    tensors = {f"weights/{name}": value for name, value in learner.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in (average or {}).items()}
    for which, optimiser in enumerate(optimisers):
        for number, moments in optimiser.state_dict()["state"].items():
            place = f"optimiser/{which}/{number}"
            tensors |= {f"{place}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    plain = {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}
    text = json.dumps({"step": progressed.step, "recipe": progressed.recipe_digest, "seconds": progressed.seconds})
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={_KEY: text})


def read_progress(path: Path) -> Progressed:
    """Return how far the run in a state file is; RunFolderError when the file is damaged or foreign."""
    try:
        with safe_open(path, framework="pt") as file:
            fields = json.loads((file.metadata() or {})[_KEY])
        return Progressed(int(fields["step"]), str(fields["recipe"]), float(fields["seconds"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunFolderError(
            f"{path} is not a sound training state ({error}); train again with --fresh, or give another --out"
        ) from error


def restore(
    path: Path, learner: nn.Module, average: dict[str, Tensor] | None, optimisers: Sequence[Optimizer], device: str
) -> None:
    """Put weights, average and moments back; RunFolderError when the file does not fit the network."""
    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt", device=device) as file:
            for name in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                group, _, rest = name.partition("/")
                groups[group][rest] = file.get_tensor(name)
        learner.load_state_dict(groups["weights"])
        if average is not None:
            for name, value in average.items():
                value.copy_(groups["average"][name])
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimisers]
        for name, value in groups["optimiser"].items():
            which, number, moment = name.split("/", 2)
            states[int(which)].setdefault(int(number), {})[moment] = value
        for optimiser, state in zip(optimisers, states, strict=True):
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    except (SafetensorError, OSError, KeyError, IndexError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(f"{path} does not fit this recipe's network ({reason}); train with --fresh") from error
