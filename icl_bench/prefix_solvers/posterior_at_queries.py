"""What every way to the Gaussian posterior returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class GaussianPosterior:
    """Posterior of w . x at each query, for w ~ N(0, s2/penalty I) and noise variance s2."""

    mean: Tensor  # (prompt, query)
    leverage: Tensor  # (prompt, query) posterior variance of w . x in units of s2
    fit: Tensor  # (prompt, query) y^T K^-1 y of the query's context
    log_det: Tensor  # (prompt, query) log det K of the query's context

    @classmethod
    def empty(cls, query_x: Tensor) -> GaussianPosterior:
        """Return zeros to be filled in, for query_x (prompt, query, dim)."""
        return cls(*(query_x.new_zeros(query_x.shape[:2]) for _ in range(4)))

    def put(self, rows: Tensor, part: GaussianPosterior) -> None:
        """Fill in the prompts at `rows` from their own posterior."""
        self.mean[rows], self.leverage[rows] = part.mean, part.leverage
        self.fit[rows], self.log_det[rows] = part.fit, part.log_det

    def log_evidence(self, noise_variance: float, sizes: tuple[int, ...]) -> Tensor:
        """Return log p(y | X) of each query's context, shape (prompt, query)."""
        count = torch.tensor(sizes, dtype=torch.float64, device=self.fit.device)
        constant = count * math.log(2.0 * math.pi * noise_variance)
        return -0.5 * (self.fit / noise_variance + self.log_det + constant)
