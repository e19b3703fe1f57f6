"""Matching a query with the stored inputs and copying their labels: the second half of an induction circuit."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from icl_bench.layers.heads import MeanHead
from icl_bench.layers.learner import Learner
from icl_bench.prompts import PromptBatch


class Matching(Learner):
    """sum_h o_h sum_i softmax_i(q_h(x_q) . k_h(x_i) / sqrt(width)) y_i, q_h and k_h linear; 0 after 0 examples.

    What an induction head computes once each label is stored with its input: kernel regression with a learned
    kernel in each head, o_h the heads' learned weights.
    """

    def __init__(self, n_dims: int, width: int, n_heads: int) -> None:
        super().__init__()
        self.head, self.n_heads, self.width = MeanHead(), n_heads, width
        self.query = nn.Linear(n_dims, n_heads * width, bias=False)
        self.key = nn.Linear(n_dims, n_heads * width, bias=False)
        self.copy = nn.Parameter(torch.full((n_heads,), 1.0 / n_heads))  # o

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, 1)."""
        queries = self.query(prompts.query_x).unflatten(-1, (self.n_heads, self.width))
        keys = self.key(prompts.context_x).unflatten(-1, (self.n_heads, self.width))
        scores = torch.einsum("pqhw,pkhw->phqk", queries, keys) / math.sqrt(self.width)
        sizes = torch.tensor(prompts.context_sizes, device=scores.device)
        visible = torch.arange(prompts.n_context, device=scores.device) < sizes[:, None]  # (query, context)
        # The lowest finite number, not minus infinity: a query after 0 examples has weights, all struck out below.
        shares = scores.masked_fill(~visible, torch.finfo(scores.dtype).min).softmax(-1) * visible
        return torch.einsum("phqk,pk,h->pq", shares, prompts.context_y, self.copy)[..., None]
