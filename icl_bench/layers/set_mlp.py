"""A learner that sees the examples as a set: embedded one by one, averaged, joined with the query."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from icl_bench.layers.heads import Head
from icl_bench.layers.learner import Learner
from icl_bench.layers.prefix_sums import counts, prefix_sums
from icl_bench.prompts import PromptBatch


def perceptron(n_inputs: int, width: int, n_outputs: int, n_hidden: int) -> nn.Sequential:
    """Return `n_hidden` ReLU layers of `width` units and a linear output: (..., n_inputs) -> (..., n_outputs)."""
    layers: list[nn.Module] = []
    for _ in range(n_hidden):
        layers += [nn.Linear(n_inputs, width), nn.ReLU()]
        n_inputs = width
    return nn.Sequential(*layers, nn.Linear(n_inputs, n_outputs))


class SetMLP(Learner):
    """rho((1/k) sum_i psi(x_i, y_i), x_q) with two perceptrons; the mean over no examples is 0.

    Averages of prefixes are cumulative sums, so one pass answers every context size, and the order of the examples
    does not matter.
    """

    def __init__(self, n_dims: int, width: int, n_hidden: int, head: Head) -> None:
        super().__init__()
        self.head = head
        self.embed = perceptron(n_dims + 1, width, width, n_hidden)
        self.answer = perceptron(width + n_dims, width, head.n_outputs, n_hidden)

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, n_outputs)."""
        sizes, position = prompts.distinct_sizes()
        embedded = self.embed(torch.cat([prompts.context_x, prompts.context_y[..., None]], dim=-1))
        means = prefix_sums(embedded, sizes) / counts(sizes, embedded)[:, None]  # (prompt, size, width)
        outputs: Tensor = self.answer(torch.cat([means[:, position], prompts.query_x], dim=-1))
        return outputs
