"""Closed forms of the reference paper that the general formula must agree with."""

from __future__ import annotations

import torch
from torch import Tensor

from icl_bench.theory.linear_self_attention import gamma


def theorem_4_2_risk(
    covariance: Tensor, a: Tensor, label_covariance: Tensor, best_error: float, n_training: int, n_test: int
) -> float:
    """Return E(prediction - y_q)^2 of the trained layer for any law of (x, y), x ~ N(0, Lambda) (2306.09927, Thm 4.2).

    a = Lambda^-1 E[x y], Sigma = Cov(x y) = `label_covariance`, `best_error` = min_w E(w.x - y)^2, |a|_B^2 = a.B a:

        best + tr[Sigma Gamma^-2 Lambda]/M + [ |a|^2_{Gamma^-2 L^3} + 2 tr(L) |a|^2_{Gamma^-2 L^2}
                                               + tr(L)^2 |a|^2_{Gamma^-2 L} ]/N^2
    """
    inverse = torch.linalg.inv(gamma(covariance, n_training))
    weight = inverse @ inverse
    trace = torch.trace(covariance)
    spread = torch.trace(label_covariance @ weight @ covariance) / n_test
    squares = covariance @ covariance
    form = weight @ (squares @ covariance + 2.0 * trace * squares + trace**2 * covariance)
    return best_error + float(spread + a @ form @ a / n_training**2)


def isotropic_risk(
    n_dims: int, n_training: int, n_test: int, noise_variance: float, task_variance: float = 1.0
) -> float:
    """Return the risk of the optimal layer at Lambda = I, tested unshifted on M examples (THEORY, section 2):

    R = d tau^2 [(1 - 1/g)^2 + (d+1)/(M g^2)] + d s2/(M g^2),   g = 1 + (d+1)/N + s2/(N tau^2)
    """
    d, s2, tau2 = n_dims, noise_variance, task_variance
    g = 1.0 + (d + 1) / n_training + s2 / (n_training * tau2)
    return d * tau2 * ((1.0 - 1.0 / g) ** 2 + (d + 1) / (n_test * g**2)) + d * s2 / (n_test * g**2)


def random_diagonal_risk(n_dims: int, factor: float, scale: float, n_test: int, noise_variance: float) -> float:
    """Return R of A = a I on x ~ N(0, c diag(Exp(1))), w ~ N(0, I), a = `factor`, c = `scale` (THEORY, section 1):

    R/d = c - 4 a c^2 + 6 a^2 c^3 + (a^2/M) [(2 d + 10) c^3 + 2 c^2 s2]
    """
    a, c = factor, scale
    spread = (2 * n_dims + 10) * c**3 + 2 * c**2 * noise_variance
    return n_dims * (c - 4 * a * c**2 + 6 * a**2 * c**3 + a**2 / n_test * spread)
