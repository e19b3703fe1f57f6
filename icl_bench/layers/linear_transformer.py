"""Linear transformers: layers of attention without softmax, in which every token moves by one linear map."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from icl_bench.laws.law import Parameters
from icl_bench.layers.heads import MeanHead
from icl_bench.layers.learner import Learner
from icl_bench.layers.prefix_sums import counts
from icl_bench.prefix_solvers.prefix_moments import prefix_gram
from icl_bench.prompts import PromptBatch
from icl_bench.theory.tails import noise_limited_tail

Attention = Literal["prefix", "causal"]


class Step(nn.Module, ABC):
    """One layer: what is added to a token z = (x, y) that sees tokens of second moment C is step(C) z."""

    @abstractmethod
    def forward(self, moment: Tensor) -> Tensor:
        """Map C = (1/k) sum z_i z_i^T, (..., dim + 1, dim + 1), to the matrix of the step, in the same shape."""

    def __call__(self, moment: Tensor) -> Tensor:
        """Run `forward`, typed."""
        change: Tensor = super().__call__(moment)
        return change


class FullStep(Step):
    """sum_h P_h C Q_h with free matrices in each head (Ahn et al. 2306.00297, section 2)."""

    def __init__(self, n_dims: int, n_heads: int) -> None:
        super().__init__()
        size = n_dims + 1
        std = 0.2 / math.sqrt(size * n_heads)  # at C = I the step has a norm of about 0.1: tokens barely move at first
        self.value = nn.Parameter(std * torch.randn(n_heads, size, size))  # P
        self.key_query = nn.Parameter(std * torch.randn(n_heads, size, size))  # Q

    def forward(self, moment: Tensor) -> Tensor:
        """As of Step."""
        n_heads, size, _ = self.value.shape
        # C is symmetric, so P C = (C P^T)^T: each product is one of a tall matrix with the weights of all heads
        left = (moment @ self.value.flatten(0, 1).mT).view(*moment.shape[:-1], n_heads, size)
        step: Tensor = left.transpose(-1, -3).flatten(-2) @ self.key_query.flatten(0, 1)
        return step


class BlockStep(Step):
    """C with its four blocks scaled by w_xx, w_xy, w_yx, w_yy.

    Matrices P and Q that are diagonal, constant over x, in any number of heads, come to these four numbers a layer
    (Vladymyrov et al. 2402.14180, section on diagonal attention). With w_xy = w_yy = 0 ("gd++") it is gradient
    descent y <- y - eta (1/k) sum y_i (x_i . x) with the data transformed by x <- (I - gamma (1/k) sum x_i x_i^T) x:
    w_yx = -eta, w_xx = -gamma (von Oswald et al. 2212.07677, GD++).
    """

    coordinates: Tensor

    def __init__(self, n_dims: int, from_labels: bool) -> None:
        super().__init__()
        self.from_x = nn.Parameter(0.02 * torch.randn(2))  # w_xx, w_yx
        self.from_y = nn.Parameter(0.02 * torch.randn(2)) if from_labels else None  # w_xy, w_yy
        label = torch.arange(n_dims + 1) == n_dims
        self.register_buffer("coordinates", torch.stack([~label, label]).float(), persistent=False)  # (2, dim + 1)

    def forward(self, moment: Tensor) -> Tensor:
        """As of Step."""
        from_y = torch.zeros_like(self.from_x) if self.from_y is None else self.from_y
        small = torch.stack([self.from_x, from_y], dim=-1)  # (2, 2), row: what moves, column: by what
        return moment * (self.coordinates.mT @ small @ self.coordinates)


class LinearTransformer(Learner):
    """z <- z + step(C) z in each layer, C = (1/k) sum z_i z_i^T over the examples' tokens (x_i, y_i) in that layer.

    A query begins at (x_q, 0), is seen by no token, and is answered by minus its last coordinate after the last layer
    (Ahn et al. 2306.00297, section 2; von Oswald et al. 2212.07677): layers subtract from each label what is
    explained, so a query ends at minus its prediction. After 0 examples the answer is 0.

    attention: "prefix", as in the papers: all k examples see each other, so the tokens differ for each k. Yet all
    tokens of a prefix move by the same map T = I + step(C), hence C moves to T C T^T, and no token need be moved: one
    pass over the second moments of all prefixes answers every context size, in O(k dim^2 + layers dim^3) each.
    "causal": each example sees itself and earlier ones alone, as in a language model; another function, whose tokens
    are the same for every k.
    """

    def __init__(self, steps: Sequence[Step], attention: Attention = "prefix") -> None:
        super().__init__()
        self.head, self.attention = MeanHead(), attention
        self.steps = nn.ModuleList(steps)

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, 1)."""
        longest = max(prompts.context_sizes)
        x, y = prompts.context_x[:, :longest], prompts.context_y[:, :longest]
        tokens = torch.cat([x, y[..., None]], dim=-1)  # (prompt, context, dim + 1)
        changes = self._prefix(tokens, prompts) if self.attention == "prefix" else self._causal(tokens, prompts)
        label = torch.arange(tokens.shape[-1], device=x.device) == prompts.n_dims
        row = label.to(tokens).expand(len(tokens), changes[0].shape[1], 1, -1)  # (prompt, size, 1, dim + 1)
        for change in reversed(changes):  # row = e_y (I + change_L) ... (I + change_1): its part on x answers
            row = row + row @ change
        weights = -row[:, prompts.distinct_sizes()[1], 0, :-1]  # (prompt, query, dim)
        return (weights * prompts.query_x).sum(-1, keepdim=True)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As the noise allows where the answer is linear in it (GD++); else known under Gaussian noise alone.

        The error is a polynomial in Gaussians and the noise, of no stated degree in the noise with other weights.
        """
        linear = all(isinstance(step, BlockStep) and step.from_y is None for step in self.steps)
        if linear or parameters.noise_tail == math.inf:
            return noise_limited_tail(parameters)
        return None

    def _prefix(self, tokens: Tensor, prompts: PromptBatch) -> list[Tensor]:
        """Return each layer's step at each distinct size, (prompt, size, dim + 1, dim + 1)."""
        sizes = prompts.distinct_sizes()[0]
        moment = prefix_gram(tokens, sizes) / counts(sizes, tokens)[:, None, None]
        changes: list[Tensor] = []
        for step in self.steps:
            if changes:
                moment = moment + changes[-1] @ moment
                moment = moment + moment @ changes[-1].mT
            changes.append(step(moment))
        return changes

    def _causal(self, tokens: Tensor, prompts: PromptBatch) -> list[Tensor]:
        """Return the same where example i moves by the step of the first i examples."""
        lengths = range(tokens.shape[1] + 1)
        chosen = torch.tensor(prompts.distinct_sizes()[0], device=tokens.device)
        changes: list[Tensor] = []
        for step in self.steps:
            outer = tokens[..., :, None] * tokens[..., None, :]  # (prompt, context, dim + 1, dim + 1)
            moment = pad(outer.cumsum(dim=1), (0, 0, 0, 0, 1, 0)) / counts(lengths, tokens)[:, None, None]
            change = step(moment)
            tokens = tokens + (change[:, 1:] @ tokens[..., None])[..., 0]
            changes.append(change[:, chosen])
        return changes
