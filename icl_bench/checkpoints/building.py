"""Networks from the words of a card: by catalogue name only, checked on paper before any memory is taken."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from icl_bench.checkpoints.weights import Form, forms_of
from icl_bench.errors import CheckpointError, PluginError
from icl_bench.layers.architecture import Architecture
from icl_bench.layers.learner import Learner
from icl_bench.plugins import catalogue, loading


def architecture_of(name: str, arguments: Mapping[str, Any], where: str, asked: bool = False) -> Architecture:
    """Return the architecture called `name`; CheckpointError when the catalogue has none, or refuses the arguments.

    A network in a file (`./file.py:Name`) is refused unless it was `asked` for by whoever reads: a checkpoint by itself
    runs no code but what is installed.
    """
    if catalogue.is_file_reference(name) and not asked:
        raise CheckpointError(
            f"{where}: its network is defined in a file of its author ({name}), which reading weights never runs;"
            " expected an architecture of the catalogue. If you trust that file, name it beside `path`:"
            f" architecture = {name!r}"
        )
    try:
        cls = loading.plugin_class("models", name)
        if not (inspect.isclass(cls) and issubclass(cls, Architecture)):
            raise CheckpointError(f"{where}: the model {name!r} has no weights; expected a trainable architecture")
        architecture: Architecture = loading.build("models", name, arguments)
    except PluginError as error:
        raise CheckpointError(f"{where}: {error}") from error
    return architecture


def expected_forms(architecture: Architecture, n_dims: int, dtype: torch.dtype, where: str) -> dict[str, Form]:
    """Return the form of every tensor the network needs, taking no memory for their values where it can be helped."""
    try:
        with torch.device("meta"):
            return forms_of(_initial(architecture, n_dims, where).to(dtype))
    except CheckpointError:  # an architecture that computes with its initial values cannot be built on paper
        return forms_of(_initial(architecture, n_dims, where).to(dtype))


def filled(architecture: Architecture, n_dims: int, tensors: Mapping[str, Tensor], where: str) -> Learner:
    """Return the network holding `tensors`, which fit it; torch's own generator is left as it was."""
    learner = _initial(architecture, n_dims, where)
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(kinds) == 1:
        learner.to(kinds.pop())
    learner.load_state_dict(dict(tensors), strict=True)
    return learner.eval()


def _initial(architecture: Architecture, n_dims: int, where: str) -> Learner:
    try:
        return architecture.initial(n_dims)
    except Exception as error:
        raise CheckpointError(
            f"{where}: the network cannot be built: {type(error).__name__}: {error}; expected arguments that"
            f" {type(architecture).__name__} takes"
        ) from error
