"""Trained weights: a checkpoint folder of ours, one of the public code of Garg et al., or a bare state dict."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch.nn import functional

from icl_bench.checkpoints.card import Card
from icl_bench.checkpoints.folder import CARD
from icl_bench.checkpoints.mapping import Mapped, Network
from icl_bench.checkpoints.source import content_of, read_any, read_with
from icl_bench.errors import CheckpointError
from icl_bench.laws.law import Parameters, PromptLaw
from icl_bench.layers.learner import Learner
from icl_bench.plugins.arguments import FileArgument
from icl_bench.plugins.protocols import LinearMaps, Model
from icl_bench.prompts import Prediction, PromptBatch


class TrainedNetwork:
    """A trained network, read and checked when it is built.

    path: relative to the suite file, or "zoo:NAME" for weights that ship: a folder with card.toml; a folder with
    config.yaml and state.pt or model_STEP.pt, as the public code of Garg et al. (2208.01066) writes (`step` chooses
    one); or, with `architecture`, `arguments` and `n_dims`, a state dict (.safetensors, .pt). A folder whose network is
    in a file of its author needs `architecture = "./file.py:Name"`. names: beginnings of its
    tensors' names -> beginnings of ours, `{n}` for a number; transpose, ignore: globs of its names.
    pad: whether prompts of fewer dimensions than the network's are asked, zeros behind their covariates.
    """

    def __init__(
        self,
        path: Annotated[str, FileArgument(content_of)],
        *,
        step: int | None = None,
        architecture: Annotated[str | None, FileArgument(plugin=True)] = None,
        arguments: dict[str, Any] | None = None,
        n_dims: int | None = None,
        names: dict[str, str] | None = None,
        transpose: list[str] | None = None,
        ignore: list[str] | None = None,
        pad: bool = False,
    ) -> None:
        self.path, self.pad = path, pad
        folder = Path(path)
        if architecture is not None and (folder / CARD).exists():
            if any(value is not None for value in (step, arguments, n_dims, names, transpose, ignore)):
                raise CheckpointError(f"{path}: beside `architecture` its card says all; expected no other argument")
            self._found = read_with(folder, architecture)
        else:
            network = _network(path, architecture, arguments, n_dims)
            self._found = read_any(folder, network, Mapped(names or {}, transpose or (), ignore or ()), step)
        self._learners = {torch.device("cpu"): self._found.learner}

    @property
    def card(self) -> Card | None:
        """What is known about the training; None for checkpoints that are not ours."""
        return self._found.card

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Answer with the trained weights; CheckpointError when prompts have another dimension than they."""
        return self.on(prompts.query_x.device).predict(self.fitted(prompts))

    def fitted(self, prompts: PromptBatch) -> PromptBatch:
        """Return the prompts in the network's dimension; CheckpointError when they do not fit it."""
        missing = self._found.n_dims - prompts.n_dims
        if missing == 0:
            return prompts
        if missing > 0 and self.pad:
            context_x, query_x = (functional.pad(x, (0, missing)) for x in (prompts.context_x, prompts.query_x))
            return replace(prompts, context_x=context_x, query_x=query_x)
        expected = self._found.n_dims
        padded = ", pad = true (zeros in place of the missing dimensions)" if missing > 0 else ""
        raise CheckpointError(
            f"{self.path}: trained for n_dims = {expected}, got prompts of n_dims = {prompts.n_dims}; expected"
            f" [prompts] n_dims = {expected}{padded}, or another checkpoint"
        )

    def on(self, device: torch.device) -> Learner:
        """Return the network on a device; each device has a copy of its own."""
        if device not in self._learners:
            self._learners[device] = copy.deepcopy(self._learners[torch.device("cpu")]).to(device)
        return self._learners[device]

    def bind(self, training: PromptLaw) -> Model:
        """Return the model to ask: one that also tells the linear maps and the tail that its network knows."""
        return _Bound(self)


def _network(
    path: str, architecture: str | None, arguments: dict[str, Any] | None, n_dims: int | None
) -> Network | None:
    """Return what a bare state dict is for; None for a folder, which says so itself."""
    if architecture is None:
        if arguments is not None or n_dims is not None:
            raise CheckpointError(
                f"{path}: arguments and n_dims are for a state dict: expected `architecture` with them"
            )
        return None
    if n_dims is None or n_dims < 1:
        raise CheckpointError(f"{path}: n_dims: expected a number >= 1 with `architecture`, got {n_dims}")
    return Network(architecture, arguments or {}, n_dims)


class _Bound:
    """The trained network as it is asked; what the network cannot tell, this has no member for."""

    def __init__(self, checkpoint: TrainedNetwork) -> None:
        self._checkpoint = checkpoint
        learner = checkpoint.on(torch.device("cpu"))
        if callable(getattr(learner, "linear_maps", None)):
            self.linear_maps = self._linear_maps
        if callable(getattr(learner, "tail_index", None)):
            self.tail_index = self._tail_index

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Answer with the trained weights."""
        return self._checkpoint.predict(prompts)

    def _linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        learner: Any = self._checkpoint.on(prompts.query_x.device)
        maps: LinearMaps = learner.linear_maps(self._checkpoint.fitted(prompts))
        kept = slice(prompts.n_dims)  # of padded prompts, the weights that meet no zero of the query
        return LinearMaps(maps.signal[..., kept, kept], maps.noise[..., kept, kept])

    def _tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        learner: Any = self._checkpoint.on(torch.device("cpu"))
        tail: float | None = learner.tail_index(parameters, context_size)
        return tail


MODEL = TrainedNetwork
