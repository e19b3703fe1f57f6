"""What a shift of the noise's shape needs."""

from __future__ import annotations

from icl_bench.laws.law import PromptLaw


def noise_variance(law: PromptLaw) -> float:
    """Return the variance of a law's noise; ValueError where there is no noise to shape."""
    law.with_noise(law.noise)  # refuses rows of a table
    variance = law.noise.variance
    if variance is None:
        raise ValueError(f"expected noise of known variance, got {type(law.noise).__name__}")
    if variance == 0.0:
        raise ValueError("expected a suite with noise_std > 0, got 0: there is no noise to shape")
    return variance
