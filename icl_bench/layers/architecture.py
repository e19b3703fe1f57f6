"""What every trainable architecture shares: weights drawn from a named stream, answers before any training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch

from icl_bench.digests import whole_number
from icl_bench.layers.learner import Learner
from icl_bench.prompts import Prediction, PromptBatch


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    """A recipe for a network. Used as a model, it answers with its initial weights: what training must beat.

    Subclasses are frozen dataclasses of plain values, so that a checkpoint's card can hold them.
    """

    seed: int = 0  # of the initial weights
    _built: dict[tuple[int, str], Learner] = field(default_factory=dict, init=False, repr=False, compare=False)

    @abstractmethod
    def build(self, n_dims: int) -> Learner:
        """Return the network for covariates of `n_dims` dimensions, its weights drawn from torch's generator."""

    def initial(self, n_dims: int) -> Learner:
        """Return the network with the initial weights of `seed`; torch's own generator is left as it was."""
        seed = whole_number(f"icl-bench/initial-weights/{self.seed}", 7)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # manual_seed reseeds GPUs too
            return self.build(n_dims)

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Answer with the initial weights."""
        device = prompts.query_x.device
        key = (prompts.n_dims, str(device))
        if key not in self._built:
            self._built[key] = self.initial(prompts.n_dims).to(device).eval()
        return self._built[key].predict(prompts)
