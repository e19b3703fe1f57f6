"""Mamba's mixer: a state space whose step size, write and read are chosen by each token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from icl_bench.layers.convolution import ShortConvolution
from icl_bench.layers.mixing import Mixer
from icl_bench.layers.selective_scan import Selected, selective_scan

_SHORTEST, _LONGEST = 1e-3, 1e-1
"""First step sizes lie between these, uniform in the logarithm."""


class SelectiveStateSpace(Mixer):
    """The block of Gu & Dao (2312.00752, figure 3 and Algorithm 2), without its norm and residual sum.

    `expand * width` channels pass a causal convolution over `kernel` tokens and SiLU, then `n_state` states each, and
    are multiplied by SiLU of a second projection. Delta comes through a bottleneck of width / 16 (section 3.6).
    """

    def __init__(self, width: int, n_state: int, expand: int, kernel: int) -> None:
        super().__init__()
        channels, self.n_state, self.rank = expand * width, n_state, math.ceil(width / 16)
        self.project_in = nn.Linear(width, 2 * channels, bias=False)
        self.convolution = ShortConvolution(channels, kernel)
        self.select = nn.Linear(channels, self.rank + 2 * n_state, bias=False)
        self.project_step = nn.Linear(self.rank, channels)
        self.log_rates = nn.Parameter(torch.empty(n_state, channels))  # A = -exp(log_rates)
        self.skip = nn.Parameter(torch.empty(channels))  # D
        self.project_out = nn.Linear(channels, width, bias=False)
        self.initialise(1)

    @torch.no_grad()
    def initialise(self, n_layers: int) -> None:
        """Draw weights as Mamba does: A = -(1, ..., n_state) (S4D-Real), D = 1, softplus(bias of Delta) as above.

        Projections keep torch's own initialisation, but for the last, which is divided by sqrt(n_layers).
        """
        for linear in (self.project_in, self.select, self.project_out):
            linear.reset_parameters()
        self.project_out.weight.div_(math.sqrt(n_layers))
        self.log_rates.copy_(torch.arange(1, self.n_state + 1).log()[:, None].expand_as(self.log_rates))
        self.skip.fill_(1.0)
        nn.init.uniform_(self.project_step.weight, -(self.rank**-0.5), self.rank**-0.5)
        logs = torch.empty_like(self.project_step.bias).uniform_(math.log(_SHORTEST), math.log(_LONGEST))
        self.project_step.bias.copy_(logs.exp().expm1().log())  # the inverse of softplus

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        values, gate = self.project_in(tokens).chunk(2, dim=-1)  # (prompt, token, channel)
        own, own_gate = (None, None) if queries is None else self.project_in(queries).chunk(2, dim=-1)
        values, own = self.convolution(values, own, seen)
        told = self._selected(values)
        asked = None if own is None else self._selected(own)
        mixed, answers = selective_scan(told, -self.log_rates.exp(), asked, seen)
        merged = self._merged(mixed, told, gate)
        if answers is None or asked is None or own_gate is None:
            return merged, None
        return merged, self._merged(answers, asked, own_gate)

    def _selected(self, values: Tensor) -> Selected:
        """Return Delta = softplus(bias + low rank), x, B and C of each token."""
        values = silu(values)
        low_rank, write, read = self.select(values).split([self.rank, self.n_state, self.n_state], dim=-1)
        return Selected(softplus(self.project_step(low_rank)), values, write, read)

    def _merged(self, mixed: Tensor, told: Selected, gate: Tensor) -> Tensor:
        """(prompt, token, channel) -> (prompt, token, width): skip, gate, projection."""
        merged: Tensor = self.project_out(torch.addcmul(mixed, self.skip, told.values) * silu(gate))
        return merged
