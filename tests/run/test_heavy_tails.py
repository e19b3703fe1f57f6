"""Where the mean of a squared error does not exist none is printed, and the quantiles are those of the exact law."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from icl_bench import run_suite
from icl_bench.results import Run
from icl_bench.theory.least_squares import ols_error_quantiles

DIMS, NOISE_VARIANCE, PROMPTS = 6, 0.25, 8192
RANK = 3  # of the covariates in covariate/subspace at r/d = 1/2
LEVELS = (0.1, 0.5, 0.9)
STRICT = 1e-6
"""How rarely the order-statistic interval may miss the exact quantile."""

INTERVAL = ["stderr", "ci_low", "ci_high"]

SUITE = f"""
[suite]
name = "heavy"
version = 1

[prompts]
n_dims = {DIMS}
context_sizes = "0:12"
noise_std = {NOISE_VARIANCE**0.5}
n_prompts = {PROMPTS}

[[models]]
use = "ols"

[[models]]
use = "ridge"

[[scenarios]]
use = "base"

[[scenarios]]
use = "covariate/subspace"
severities = [0.5]

[[scenarios]]
use = "noise/variance"
severities = [0.0]

[metrics]
use = ["squared_error", "label_error", "normalised_error", "excess_risk", "agreement:ridge"]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("heavy")
    (folder / "heavy.toml").write_text(SUITE)
    return run_suite(folder / "heavy.toml", folder / "run")


def rows(run: Run, model: str, scenario: str = "base") -> pd.DataFrame:
    """Return the score rows of one model and scenario, whatever the metric."""
    scores = run.scores
    return scores[(scores["model"] == model) & (scores["scenario"] == scenario)]


@pytest.mark.parametrize("scenario", ["base", "covariate/subspace"])
def test_no_mean_is_printed_where_none_exists(run: Run, scenario: str) -> None:
    threshold = DIMS if scenario == "base" else RANK
    found = rows(run, "ols", scenario)
    near = found[(found["context_size"] - threshold).abs() <= 1]
    assert set(near["context_size"]) == {threshold - 1, threshold, threshold + 1}
    assert set(near["metric"]) == {"squared_error", "label_error", "normalised_error", "excess_risk", "agreement:ridge"}
    assert not near["mean_exists"].any()
    assert near[["mean", *INTERVAL]].isna().all(axis=None)
    assert near["message"].str.contains("the mean does not exist").all()
    assert near[["q10", "median", "q90", "median_low", "median_high"]].notna().all(axis=None)


def test_a_mean_without_a_variance_has_no_interval(run: Run) -> None:
    found = rows(run, "ols")
    distance = (found["context_size"] - DIMS).abs()
    between = found[distance.isin((2, 3))]
    assert between["mean_exists"].all()
    assert between["mean"].notna().all()
    assert between[INTERVAL].isna().all(axis=None)
    assert between["message"].str.contains("variance does not exist").all()
    beyond = found[(distance >= 4) | (found["context_size"] == 0)]
    assert beyond[["mean", *INTERVAL]].notna().all(axis=None)
    assert (beyond["message"] == "").all()


def test_light_tails_are_left_alone(run: Run) -> None:
    noiseless = rows(run, "ols", "noise/variance")
    assert noiseless[noiseless["metric"] == "squared_error"]["mean"].notna().all()
    ridge = rows(run, "ridge")
    errors = ridge[ridge["metric"].isin(["squared_error", "label_error", "normalised_error", "excess_risk"])]
    assert errors["mean_exists"].all()
    assert errors[["mean", *INTERVAL]].notna().all(axis=None)


@pytest.mark.parametrize("scenario", ["base", "covariate/subspace"])
def test_quantiles_agree_with_the_exact_law(run: Run, scenario: str) -> None:
    # In a subspace of rank r it is the r-dimensional problem, covariates scaled by sqrt(d/r): task variance d/r.
    dims, task_variance = (DIMS, 1.0) if scenario == "base" else (RANK, DIMS / RANK)
    losses = run.losses
    cell = losses[(losses["model"] == "ols") & (losses["scenario"] == scenario)]
    scores = rows(run, "ols", scenario)
    scores = scores[scores["metric"] == "squared_error"].set_index("context_size")
    assert {dims - 1, dims, dims + 1} <= set(scores.index)
    for size, group in cell.groupby("context_size"):
        errors = group["squared_error"].to_numpy(dtype=np.float64)
        assert len(errors) == PROMPTS
        exact = ols_error_quantiles(dims, size, NOISE_VARIANCE, task_variance, LEVELS)
        for level, name, quantile in zip(LEVELS, ("q10", "median", "q90"), exact, strict=True):
            below = int((errors <= quantile).sum())  # Binomial(n, level): in the interval of order statistics or not
            low, high = binom.interval(1.0 - STRICT, PROMPTS, level)
            assert low <= below <= high, f"k = {size}: {below} of {PROMPTS} below the exact {level:.0%} quantile"
            assert scores.loc[size, name] == pytest.approx(np.quantile(errors, level), rel=1e-12)
        assert scores.loc[size, "median_low"] <= scores.loc[size, "median"] <= scores.loc[size, "median_high"]


def test_a_wrong_law_is_told_apart() -> None:
    """The quantile test has the power to see one degree of freedom."""
    right = ols_error_quantiles(DIMS, DIMS, NOISE_VARIANCE, 1.0, (0.5,))[0]
    wrong = ols_error_quantiles(DIMS, DIMS + 1, NOISE_VARIANCE, 1.0, (0.5,))[0]
    assert abs(right / wrong - 1.0) > 0.2


def test_hill_decides_where_no_theory_does(tmp_path: Path) -> None:
    suite = tmp_path / "hill.toml"
    suite.write_text(
        """
[suite]
name = "hill"
version = 1

[prompts]
n_dims = 2
context_sizes = [2, 14]
noise_std = 0.5
n_prompts = 768

[[models]]
use = "sklearn"
name = "least-squares"
estimator = "sklearn.linear_model.LinearRegression"
fit_intercept = false

[[models]]
use = "sklearn"
name = "ridge"
estimator = "sklearn.linear_model.Ridge"
fit_intercept = false

[[scenarios]]
use = "base"

[metrics]
use = ["squared_error"]
"""
    )
    scores = run_suite(suite, tmp_path / "run").scores
    scores = scores[scores["metric"] == "squared_error"].set_index(["model", "context_size"])
    assert not scores.loc[("least-squares", 2), "mean_exists"]
    assert np.isnan(scores.loc[("least-squares", 2), "mean"])
    assert scores.loc[("least-squares", 2), "tail_index"] == pytest.approx(0.5, abs=0.25)  # exact: (|2 - 2| + 1)/2
    for light in [("least-squares", 14), ("ridge", 2), ("ridge", 14)]:
        assert scores.loc[light, "mean_exists"], light
        assert np.isfinite(scores.loc[light, "mean"])
