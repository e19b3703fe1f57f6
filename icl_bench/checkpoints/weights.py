"""Named tensors: their digest, what differs from what a network needs, and putting them into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from icl_bench.digests import bytes_digest
from icl_bench.errors import CheckpointError
from icl_bench.names import nearest

SHOWN = 5
"""Problems of a kind that a message names before it counts the rest."""


class Form(NamedTuple):
    """Shape and number type of a tensor, known without its values."""

    shape: tuple[int, ...]
    dtype: str  # as torch names it: float32, int64, ...

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def form_of(tensor: Tensor) -> Form:
    """Return the form of a tensor."""
    return Form(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def forms_of(module: nn.Module) -> dict[str, Form]:
    """Return the form of every tensor in a module's state."""
    return {name: form_of(tensor) for name, tensor in module.state_dict().items()}


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of every tensor in a module's state, on the CPU, none sharing memory with another."""
    state = module.state_dict()
    return {name: tensor.detach().to("cpu", copy=True).contiguous().clone() for name, tensor in state.items()}


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the hex digest of names, shapes, number types and bytes, in the order of names; of no file."""
    return bytes_digest(_contents(tensors))


def _contents(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        yield json.dumps([name, *form_of(tensor)]).encode()
        yield tensor.flatten().view(torch.uint8).numpy().data


def n_parameters(module: nn.Module) -> int:
    """Return how many numbers training can move."""
    return sum(parameter.numel() for parameter in module.parameters())


def listed(items: Sequence[str]) -> str:
    """Return the first of `items`, and how many more there are."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f", and {more} more" if more > 0 else "")


def check_forms(found: Mapping[str, Form], expected: Mapping[str, Form], where: str) -> None:
    """Raise CheckpointError naming every kind of difference: missing, unexpected, wrong shape, wrong number type."""
    missing = [f"{name} ({form})" for name, form in expected.items() if name not in found]
    unexpected = [name for name in found if name not in expected]
    unexpected[:SHOWN] = [f"{name}{nearest(name, list(expected))}" for name in unexpected[:SHOWN]]
    both = [(name, found[name], form) for name, form in expected.items() if name in found]
    shapes = [f"{name}: expected {list(e.shape)}, got {list(g.shape)}" for name, g, e in both if g.shape != e.shape]
    kinds = [f"{name}: expected {e.dtype}, got {g.dtype}" for name, g, e in both if g.dtype != e.dtype]
    told = [
        f"{kind}: {listed(items)}"
        for kind, items in (
            ("missing tensors", missing),
            ("unexpected tensors", unexpected),
            ("wrong shapes", shapes),
            ("wrong number types", kinds),
        )
        if items
    ]
    if told:
        raise CheckpointError(
            f"{where} does not fit its network: {'; '.join(told)}. Expected the network's own tensors: mend the"
            " architecture's arguments (or `names`, for a state dict), or copy the file anew"
        )


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError naming the tensors that hold nan or inf."""
    wrong = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if wrong:
        raise CheckpointError(
            f"{where}: weights that are not finite numbers in {listed(wrong)}; expected a checkpoint from before the"
            " training diverged"
        )


def common_dtype(forms: Iterable[Form]) -> torch.dtype:
    """Return float64 when every floating tensor is one, else float32."""
    kinds = {form.dtype for form in forms if "float" in form.dtype}
    return torch.float64 if kinds == {"float64"} else torch.float32
