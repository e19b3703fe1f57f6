"""One-layer linear self-attention: the weights that training reaches, and the exact risk and training loss of any.

Every such learner answers x_q . A S with S = (1/M) sum y_i x_i over M examples (Zhang, Frei, Bartlett 2306.09927,
equation 3.5 and Theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.laws.covariates.random_diagonal import RandomDiagonal
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.moments import Moments

EXPONENTIAL_MOMENTS = (1.0, 2.0, 6.0)
"""E l, E l^2, E l^3 of an Exp(1) variable."""

SINGULAR = 1e-12
"""Share of the largest eigenvalue of a covariance below which one is rounding."""


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

    with the pseudo-inverse where Lambda is singular.
    """
    cross = task_second_moment @ covariance
    power = float(torch.trace(cross)) + noise_variance
    inner = (1.0 + 1.0 / n_context) * covariance @ cross + power / n_context * covariance
    if singular(covariance):  # the inverse on the span of the covariates, outside which there is nothing to answer
        result: Tensor = cross @ torch.linalg.pinv(inner, hermitian=True, rtol=SINGULAR)
    else:
        result = torch.linalg.solve(inner, cross, left=False)
    return result


def optimal_after_training(training: PromptLaw, covariance: Tensor, n_context: int) -> Tensor:
    """Return the A that is `optimal` for the task and the noise of a law that has `training_moments`."""
    omega, variance = training.prior.second_moment(), training.noise.variance
    assert omega is not None  # `training_moments` has refused what lacks it
    assert variance is not None
    return optimal(covariance, omega, n_context, variance)


def singular(covariance: Tensor) -> bool:
    """Tell whether a covariance (dim, dim) has eigenvalues that are nothing but rounding."""
    values = torch.linalg.eigvalsh(covariance)
    return bool(values[0] <= SINGULAR * values[-1])


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
    off = matrix @ h - torch.eye(h.shape[-1], dtype=h.dtype, device=h.device)
    bias = (lq @ off @ omega * off).sum((-1, -2))
    power = (h * omega).sum((-1, -2))[:, None, None] + noise_variance
    square = torch.einsum("pi,ij,pj->p", mean, omega, mean)[:, None, None]
    spread = h @ omega @ h + power * h - 2.0 * square * mean[:, :, None] * mean[:, None, :]
    variance = (lq @ matrix @ spread * matrix).sum((-1, -2))
    return bias + variance / context_size


def random_diagonal_loss(
    matrix: Tensor, moments: tuple[float, float, float], n_context: int, noise_variance: float = 0.0
) -> Tensor:
    """Return E(x_q . A S - x_q . w)^2, (), for w ~ N(0, I) and x ~ N(0, L), L = diag(l) drawn afresh for each prompt.

    The entries of l are iid with moments (m1, m2, m3) (the setting of 2306.09927, Theorem 4.5). Averaging THEORY,
    section 2, over L:

        R = sum_ij a_ij^2 E[l_i l_j^2] - 2 sum_i a_ii E[l_i^2] + d m1
            + (1/N) sum_ij a_ij^2 (E[l_i l_j^2] + E[l_i l_j tr L] + s2 E[l_i l_j])

    with, on the diagonal, E[l_i^3] = m3, E[l_i^2 tr L] = m3 + (d - 1) m1 m2, E[l_i^2] = m2 and, off it,
    E[l_i l_j^2] = m1 m2, E[l_i l_j tr L] = 2 m1 m2 + (d - 2) m1^3, E[l_i l_j] = m1^2.
    """
    m1, m2, m3 = moments
    d = matrix.shape[-1]
    on = torch.eye(d, dtype=matrix.dtype, device=matrix.device)

    def entries(diagonal: float, elsewhere: float) -> Tensor:
        return diagonal * on + elsewhere * (1.0 - on)  # (dim, dim)

    cubic = entries(m3, m1 * m2)
    with_trace = entries(m3 + (d - 1) * m1 * m2, 2 * m1 * m2 + (d - 2) * m1**3)
    curvature = cubic + (cubic + with_trace + noise_variance * entries(m2, m1**2)) / n_context
    return (matrix.square() * curvature).sum() - 2.0 * m2 * matrix.diagonal().sum() + d * m1


def population_loss(law: PromptLaw, n_context: int) -> Callable[[Tensor], Tensor]:
    """Return R(A), the expected squared error to the noiseless f after `n_context` examples drawn from `law`.

    R maps A (dim, dim), of any number type and on any device, to a float64 scalar, differentiably: to minimise it by
    any optimiser must lead to Theorems 4.1 and 4.5 of 2306.09927 (whose loss, section 3.3, is half of it). Known are:
    one fixed Gaussian covariance (`one_layer_risk`), and a diagonal covariance drawn for each prompt (`RandomDiagonal`
    and `Scaled` alone; `random_diagonal_loss`). Raises NoClosedForm for other laws, with the reason, ValueError when
    `n_context` is below 1.
    """
    if n_context < 1:
        raise ValueError(f"n_context: expected at least 1, got {n_context}")
    scale = _random_diagonal_scale(law)
    if scale is not None:
        return _random_diagonal(law, n_context, scale)
    context, query = law.training_moments()
    omega, variance = law.prior.second_moment(), law.noise.variance
    assert omega is not None  # `training_moments` has refused what lacks it
    assert variance is not None

    def loss(matrix: Tensor) -> Tensor:
        of_context, of_query = (
            Moments(part.mean.to(matrix.device), part.covariance.to(matrix.device)) for part in (context, query)
        )
        tasks = omega.to(matrix.device)
        return one_layer_risk(matrix.double(), of_context, of_query, tasks, variance, n_context)[0]

    return loss


def _random_diagonal(law: PromptLaw, n_context: int, scale: float) -> Callable[[Tensor], Tensor]:
    """Return the loss under a diagonal covariance drawn for each prompt, w ~ N(0, tau^2 I)."""
    if law.query:
        raise NoClosedForm("no training loss in closed form: the covariance is random and queries do not share it")
    omega, variance = law.prior.second_moment(), law.noise.variance
    if omega is None or variance is None or law.labels:
        raise NoClosedForm("no training loss in closed form: f is not one w . x, or labels have no one variance")
    power = float(omega[0, 0])  # tau^2
    if power <= 0.0 or not torch.equal(omega, power * torch.eye(len(omega), dtype=omega.dtype)):
        raise NoClosedForm("no training loss in closed form: the covariance is random and the tasks not isotropic")
    first, second, third = (scale**order * moment for order, moment in enumerate(EXPONENTIAL_MOMENTS, start=1))

    def loss(matrix: Tensor) -> Tensor:
        return power * random_diagonal_loss(matrix.double(), (first, second, third), n_context, variance / power)

    return loss


def _random_diagonal_scale(law: PromptLaw) -> float | None:
    """Return c when the covariance is c * diag(Exp(1)), drawn for each prompt or few; None for any other law."""
    if law.rows is not None or law.observe:
        return None
    parts = [placed.part for placed in law.covariates]
    diagonals = [part for part in parts if isinstance(part, RandomDiagonal)]
    if len(diagonals) != 1 or not all(isinstance(part, Scaled | RandomDiagonal) for part in parts):
        return None
    scale = diagonals[0].scale
    for part in parts:
        scale *= part.factor**2 if isinstance(part, Scaled) else 1.0
    return scale
