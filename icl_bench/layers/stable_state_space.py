"""A linear time-invariant state space whose eigenvalues are a function of free parameters that keeps them stable."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, softplus

from icl_bench.layers.diagonal_scan import diagonal_scan
from icl_bench.layers.mixing import Mixer

Reparameterisation = Literal["best", "exp", "softplus", "direct"]
_A, _B = 1.0, 0.5  # of "best"
_FASTEST = -80.0
"""A rate below it forgets a token at once to the last bit, and its logarithm could not be multiplied by a lag of 0."""
_LONGEST_MEMORY = 1000.0
"""First time constants lie between 1 token and this many, uniform in the logarithm."""


def rates_of(weights: Tensor, reparameterisation: Reparameterisation) -> Tensor:
    """Return the continuous-time eigenvalues lambda = f(w), (state,), from free parameters w.

    Wang & Li (2311.14495, section 3): exp is -e^w, softplus -log(1 + e^w), best -1 / (a w^2 + b), whose gradient is
    proportional to lambda^2 and w, so that no mode's relative gradient explodes near the stability boundary; each gives
    lambda <= 0 for every real w. direct is w itself, which training may push past 0: what the paper compares with.
    """
    if reparameterisation == "direct":
        rates = weights
    elif reparameterisation == "exp":
        rates = -weights.clamp_max(math.log(-_FASTEST)).exp()  # before it overflows
    elif reparameterisation == "softplus":
        rates = -softplus(weights)
    else:
        rates = -1 / (_A * weights**2 + _B)
    return rates.clamp_min(_FASTEST)


def weights_of(rates: Tensor, reparameterisation: Reparameterisation) -> Tensor:
    """Return w with f(w) = `rates`, each in [-1 / b, 0): the inverse of `rates_of`."""
    if reparameterisation == "direct":
        return rates.clone()
    if reparameterisation == "exp":
        return (-rates).log()
    if reparameterisation == "softplus":
        return (-rates).expm1().log()
    return ((-1 / rates - _B) / _A).sqrt()


class StableStateSpace(Mixer):
    """y_t = C gelu(h_t) of h_t = exp(lambda) h_{t-1} + U x_t (Wang & Li 2311.14495, section 2).

    A token is a unit of time. Every reparameterisation begins at the same eigenvalues, so that they differ in how they
    train alone.
    """

    def __init__(self, width: int, n_state: int, reparameterisation: Reparameterisation) -> None:
        super().__init__()
        self.reparameterisation: Reparameterisation = reparameterisation
        self.project_in = nn.Linear(width, n_state)  # U
        self.free = nn.Parameter(torch.empty(n_state))  # w
        self.project_out = nn.Linear(n_state, width)  # C
        self.initialise(1)

    @torch.no_grad()
    def initialise(self, n_layers: int) -> None:
        """Draw weights: time constants as above, projections as torch does, the last divided by sqrt(n_layers)."""
        self.project_in.reset_parameters()
        self.project_out.reset_parameters()
        self.project_out.weight.div_(math.sqrt(n_layers))
        constants = torch.empty_like(self.free).uniform_(0.0, math.log(_LONGEST_MEMORY)).exp()
        self.free.copy_(weights_of(-1 / constants, self.reparameterisation))

    def forward(self, tokens: Tensor, queries: Tensor | None, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of Mixer."""
        rates = rates_of(self.free, self.reparameterisation)  # (state,)
        states = diagonal_scan(self.project_in(tokens), rates)
        mixed = self.project_out(gelu(states))
        if queries is None or seen is None:
            return mixed, None
        before = pad(states, (0, 0, 1, 0)).index_select(1, seen)  # (prompt, query, state)
        return mixed, self.project_out(gelu(torch.addcmul(self.project_in(queries), rates.exp(), before)))
