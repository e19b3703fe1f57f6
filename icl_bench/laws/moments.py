"""Exact first two moments of covariates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Moments:
    """Exact first two moments of a covariate given what was drawn for its prompt."""

    mean: Tensor  # (prompt or 1, dim)
    covariance: Tensor  # (prompt or 1, dim, dim)

    @property
    def second(self) -> Tensor:
        """E[x x^T], shape (prompt or 1, dim, dim)."""
        return self.covariance + self.mean[:, :, None] * self.mean[:, None, :]

    @property
    def fixed(self) -> bool:
        """Whether they are the same for every prompt."""
        return len(self.mean) == 1 and len(self.covariance) == 1


def standard_moments(n_dims: int) -> Moments:
    """Return mean 0, covariance I: of the base draws."""
    return Moments(torch.zeros(1, n_dims, dtype=torch.float64), torch.eye(n_dims, dtype=torch.float64)[None])
