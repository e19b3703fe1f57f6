"""What a trainable architecture must keep, beside what every model must: it builds a network, from its seed alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from icl_bench.checkpoints.card import plain_arguments
from icl_bench.contracts.models import global_states
from icl_bench.laws.canonical import canonical
from icl_bench.layers.architecture import Architecture
from icl_bench.layers.learner import Learner


def is_architecture(model: object) -> bool:
    """Tell whether a model builds networks to be trained, well or not."""
    return callable(getattr(model, "build", None))


def architecture_violations(architecture: object, n_dims: int) -> Iterator[str]:
    """Yield every contract that an architecture breaks; nothing when it keeps them all. What it raises propagates."""
    if not isinstance(architecture, Architecture):
        yield "has build, but is no architecture: expected a class that inherits icl_bench.Architecture"
        return
    try:
        canonical(list(plain_arguments(architecture).values()))
    except TypeError as error:
        yield f"expected arguments of plain values, so that a checkpoint's card can hold them: {error}"
    before = global_states()
    first = architecture.initial(n_dims)
    if global_states() != before:
        yield "build: a global random generator was used; draw weights from torch's own alone, which is put back"
    if not isinstance(first, Learner):
        yield f"build: expected an icl_bench.Learner, got {type(first).__name__}"
        return
    if not any(parameter.requires_grad for parameter in first.parameters()):
        yield "build: the network has no weights to train"
    if not _same_weights(first, architecture.initial(n_dims)):
        yield "build: two networks of the same seed differ: expected weights drawn from torch's own generator"
    if _generator_after(architecture, n_dims, 0) == _generator_after(architecture, n_dims, 1):
        yield "build: torch's generator is seeded anew: expected weights drawn from it as it is, as `seed` decides"


def _generator_after(architecture: Architecture, n_dims: int, seed: int) -> bytes:
    """Return the state that building leaves torch's generator in, from a state given; the generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        architecture.build(n_dims)
        return bytes(torch.random.get_rng_state().numpy().tobytes())


def _same_weights(first: Learner, second: Learner) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
