"""Min-norm least squares in Gaussian designs: mean risk where it exists, and the whole law of the squared error."""

from __future__ import annotations

import numpy as np

from icl_bench.arrays import Array
from icl_bench.errors import NoClosedForm


def ols_risk(n_dims: int, context_size: int, noise_variance: float, task_norm: float) -> float:
    """Return E(x_q . w_hat - x_q . w)^2 for x ~ N(0, I), |w|^2 = `task_norm`, n = `context_size`, d = `n_dims`:

        n <= d - 2:  |w|^2 (1 - n/d) + s2 n/(d - n - 1)
        n >= d + 2:  s2 d/(n - d - 1)
        |n - d| <= 1: infinite when s2 > 0; without noise |w|^2 max(0, 1 - n/d)

    (Breiman and Freedman 1983; Hastie et al. 1903.08560; Belkin et al. 1903.07571.)
    """
    n, d = context_size, n_dims
    bias = task_norm * max(0.0, 1.0 - n / d)
    if noise_variance == 0.0 or n == 0:
        return bias
    if abs(n - d) <= 1:
        return float("inf")
    return bias + (noise_variance * n / (d - n - 1) if n < d else noise_variance * d / (n - d - 1))


def ols_shifted_risk(n_dims: int, context_size: int, noise_variance: float, trace_ratio: float) -> float:
    """Return the risk of least squares for n >= d + 2 under covariate and query shift: s2 tr(Lq Lc^-1)/(n - d - 1).

    `trace_ratio` is tr(Lq Lc^-1); any iid noise of variance s2. Raises NoClosedForm below d + 2 examples.
    """
    if context_size < n_dims + 2:
        raise NoClosedForm(f"expected at least d + 2 = {n_dims + 2} examples, got {context_size}")
    return noise_variance * trace_ratio / (context_size - n_dims - 1)


def sample_ols_squared_error(
    n_dims: int,
    context_size: int,
    noise_variance: float,
    task_variance: float,
    count: int,
    generator: np.random.Generator,
) -> Array:
    """Draw from the exact law of e^2 (THEORY, section 3), x and x_q ~ N(0, I), w ~ N(0, tau^2 I), Gaussian noise:

        n >= d:  s2 [d/(n-d+1)] F(d, n-d+1) chi2_1
        n <  d:  (tau^2 chi2_{d-n} + s2 [n/(d-n+1)] F(n, d-n+1)) chi2_1     (independent factors)

    It holds at n = d too, where the mean is infinite.
    """
    n, d = context_size, n_dims
    spread = generator.chisquare(1, count)
    if n >= d:
        scale = noise_variance * d / (n - d + 1) * generator.f(d, n - d + 1, count)
    else:
        scale = task_variance * generator.chisquare(d - n, count)
        if n:
            scale = scale + noise_variance * n / (d - n + 1) * generator.f(n, d - n + 1, count)
    return scale * spread


def ols_error_quantiles(
    n_dims: int,
    context_size: int,
    noise_variance: float,
    task_variance: float,
    levels: tuple[float, ...],
) -> Array:
    """Return quantiles of e^2 at `levels` by integrating the exact law numerically, to about 1e-4 relative.

    P(e^2 <= t) = E[P(chi2_1 <= t/scale)], the scale's factors taken at 400 mid-point quantiles each.
    """
    from scipy.optimize import brentq
    from scipy.special import fdtri, gammainc, gammaincinv

    grid: Array = (np.arange(400) + 0.5) / 400
    n, d = context_size, n_dims
    if n >= d:
        scale = np.asarray(noise_variance * d / (n - d + 1) * fdtri(d, n - d + 1, grid), dtype=np.float64)
    else:
        scale = np.asarray(task_variance * 2.0 * gammaincinv((d - n) / 2.0, grid), dtype=np.float64)
        if n:
            leverage = noise_variance * n / (d - n + 1) * fdtri(n, d - n + 1, grid)
            scale = np.asarray(np.add.outer(scale, leverage), dtype=np.float64).ravel()

    def excess(log_t: float, level: float) -> float:
        return float(gammainc(0.5, np.exp(log_t) / (2.0 * scale)).mean()) - level

    return np.array([np.exp(brentq(excess, -60.0, 60.0, args=(level,))) for level in levels])
