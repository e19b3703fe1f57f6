"""One-layer linear self-attention: the weights that training reaches, and the exact risk of any weights.

Every such learner answers x_q . A S with S = (1/M) sum y_i x_i over M examples (Zhang, Frei, Bartlett 2306.09927,
equation 3.5 and Theorem 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from icl_bench.laws.covariates import Moments


def gamma(covariance: Tensor, n_context: int) -> Tensor:
    """Return Gamma = (1 + 1/N) Lambda + (tr Lambda / N) I (2306.09927, Theorem 4.1); (..., dim, dim)."""
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
    trace: Tensor = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    result: Tensor = (1.0 + 1.0 / n_context) * covariance + trace / n_context * eye
    return result


def global_minimum(covariance: Tensor, n_context: int) -> Tensor:
    """Return A = Gamma^-1, which gradient flow reaches from the paper's initialisation (2306.09927, Theorem 4.1)."""
    result: Tensor = torch.linalg.inv(gamma(covariance, n_context))
    return result


def random_covariance_minimum(first: float, second: float, third: float, n_dims: int, n_context: int) -> Tensor:
    """Return A = U = (E[Gamma Lambda^2])^-1 E[Lambda^2] for Lambda diagonal with iid entries (2306.09927, Theorem 4.5).

    `first`, `second`, `third` are the entries' moments E l, E l^2, E l^3. For Exp(1) entries A = I/(3 + (d + 5)/N).
    """
    n, d = n_context, n_dims
    denominator = (1.0 + 1.0 / n) * third + (third + (d - 1) * first * second) / n
    factor: float = second / denominator
    return factor * torch.eye(d, dtype=torch.float64)


def optimal(covariance: Tensor, task_second_moment: Tensor, n_context: int, noise_variance: float) -> Tensor:
    """Return the A that minimises the risk in training (THEORY, section 2; contains Ahn et al. 2306.00297, Theorem 1):

    A = Omega Lambda [ (1 + 1/N) Lambda Omega Lambda + ((tr(Lambda Omega) + s2)/N) Lambda ]^-1
    """
    cross = task_second_moment @ covariance
    power = float(torch.trace(cross)) + noise_variance
    inner = (1.0 + 1.0 / n_context) * covariance @ cross + power / n_context * covariance
    result: Tensor = torch.linalg.solve(inner, cross, left=False)
    return result


def one_layer_risk(
    matrix: Tensor,
    context: Moments,
    query: Moments,
    task_second_moment: Tensor,
    noise_variance: float,
    context_size: int,
) -> Tensor:
    """Return the exact risk E(x_q . A S - x_q . w)^2, Gaussian covariates, (prompt or 1,) (THEORY, section 2):

        R = tr[Lq (A H - I) Omega (A H - I)^T] + (1/M) tr[Lq A V A^T]
        V = H Omega H + (tr(H Omega) + s2) H - 2 (mu . Omega mu) mu mu^T,   H = Lc + mu mu^T

    Lq is the second moment of the query; the noise may have any law with variance s2. After 0 examples the
    prediction is 0.
    """
    omega, lq, h, mean = task_second_moment, query.second, context.second, context.mean
    if context_size == 0:
        return (lq * omega).sum((-1, -2))
    off = matrix @ h - torch.eye(h.shape[-1], dtype=h.dtype)
    bias = (lq @ off @ omega * off).sum((-1, -2))
    power = (h * omega).sum((-1, -2))[:, None, None] + noise_variance
    square = torch.einsum("pi,ij,pj->p", mean, omega, mean)[:, None, None]
    spread = h @ omega @ h + power * h - 2.0 * square * mean[:, :, None] * mean[:, None, :]
    variance = (lq @ matrix @ spread * matrix).sum((-1, -2))
    return bias + variance / context_size
