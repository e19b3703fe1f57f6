"""Heads: what a network's outputs say about the label, and the loss that trains them."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from icl_bench.prompts import Prediction

HeadName = Literal["mean", "gaussian", "bar"]
N_BARS = 100
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Levels of the quantiles that the bar head gives."""


class MeanHead:
    """One output: the predicted mean; trained by the squared error."""

    n_outputs = 1

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the squared error, (prompt, query)."""
        return (outputs[..., 0] - labels) ** 2

    def prediction(self, outputs: Tensor) -> Prediction:
        """Return the mean."""
        return Prediction(outputs[..., 0])


class GaussianHead:
    """Two outputs: mean and spread; trained by the Gaussian log-likelihood (Kendall & Gal 1703.04977, equation 5)."""

    n_outputs = 2

    def _std(self, outputs: Tensor) -> Tensor:
        return softplus(outputs[..., 1]) + 1e-3

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the negative log density of the label, (prompt, query)."""
        std = self._std(outputs)
        return 0.5 * ((outputs[..., 0] - labels) / std) ** 2 + std.log() + 0.5 * math.log(2 * math.pi)

    def prediction(self, outputs: Tensor) -> Prediction:
        """Return mean and standard deviation of the label."""
        return Prediction(outputs[..., 0], std=self._std(outputs))


class BarHead:
    """A histogram over fixed bars, the outer two half-normal (Mueller et al. 2112.10510, section 4: Riemann).

    Bars have equal mass under N(0, spread^2), so they are narrow where labels lie.
    """

    n_outputs = N_BARS

    def __init__(self, spread: float) -> None:
        inner = torch.arange(1, N_BARS, dtype=torch.float64) / N_BARS
        self.borders = spread * torch.special.ndtri(inner)  # (N_BARS - 1,)
        self.tail = float(self.borders[-1] - self.borders[-2]) * math.sqrt(math.pi / 2)

    def _centres(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return each bar's mean and variance, (N_BARS,); a half-normal's mean is scale * sqrt(2/pi)."""
        borders = self.borders
        beyond = self.tail * math.sqrt(2 / math.pi)
        middle = (borders[1:] + borders[:-1]) / 2
        means = torch.cat([borders[:1] - beyond, middle, borders[-1:] + beyond])
        outer = torch.full((1,), self.tail**2 * (1 - 2 / math.pi), dtype=means.dtype)
        variances = torch.cat([outer, (borders[1:] - borders[:-1]) ** 2 / 12, outer])
        return means.to(like), variances.to(like)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the negative log density of the label, (prompt, query)."""
        borders = self.borders.to(labels)
        bar = torch.bucketize(labels.contiguous(), borders)  # 0..N_BARS - 1
        mass = outputs.log_softmax(-1).gather(-1, bar[..., None])[..., 0]
        widths = (borders[1:] - borders[:-1]).log()
        inside = -widths[(bar - 1).clamp(0, N_BARS - 3)]
        nearest = borders[(bar - 1).clamp(0, N_BARS - 2)]
        beyond = 0.5 * math.log(2 / math.pi) - math.log(self.tail) - 0.5 * ((labels - nearest) / self.tail) ** 2
        outer = (bar == 0) | (bar == N_BARS - 1)
        return -(mass + torch.where(outer, beyond, inside))

    def prediction(self, outputs: Tensor) -> Prediction:
        """Return mean, standard deviation and the quantiles at `QUANTILES` of the label."""
        mass = outputs.softmax(-1)
        means, variances = self._centres(mass)
        mean = mass @ means
        second = mass @ (variances + means**2)
        std = (second - mean**2).clamp_min(1e-12).sqrt()
        return Prediction(mean, std, self._quantiles(mass), QUANTILES)

    def _quantiles(self, mass: Tensor) -> Tensor:
        """Return (prompt, query, level): linear inside a bar, half-normal in the outer two."""
        levels = torch.tensor(QUANTILES, dtype=mass.dtype, device=mass.device).expand(*mass.shape[:-1], -1)
        below = mass.cumsum(-1)
        bar = torch.searchsorted(below, levels.contiguous()).clamp_max(N_BARS - 1)
        own = mass.gather(-1, bar).clamp_min(torch.finfo(mass.dtype).tiny)
        share = ((levels - (below.gather(-1, bar) - own)) / own).clamp(0, 1)
        borders = self.borders.to(mass)
        low = borders[(bar - 1).clamp(0, N_BARS - 2)]
        high = borders[bar.clamp(0, N_BARS - 2)]
        far = 1 - 1e-6

        def half_normal(part: Tensor) -> Tensor:
            return self.tail * math.sqrt(2.0) * torch.erfinv(part.clamp(0, far))

        inside = low + share * (high - low)
        left, right = high - half_normal(1 - share), low + half_normal(share)
        return torch.where(bar == 0, left, torch.where(bar == N_BARS - 1, right, inside))


Head = MeanHead | GaussianHead | BarHead


def make_head(name: HeadName, n_dims: int) -> Head:
    """Return a head; the bars of "bar" span labels of standard deviation sqrt(n_dims), as of Garg's linear class."""
    if name == "gaussian":
        return GaussianHead()
    return BarHead(math.sqrt(n_dims)) if name == "bar" else MeanHead()
