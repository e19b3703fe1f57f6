"""Rows of a real table: no f, no Bayes prediction, only labels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from icl_bench.laws.table_rows import DataTable, TableRows


@functools.cache
def diabetes() -> DataTable:
    """Return scikit-learn's bundled diabetes table: 442 patients, 10 columns, standardised (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    x, y = np.asarray(found.data, dtype=np.float64), np.asarray(found.target, dtype=np.float64)
    return DataTable((x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std(), tuple(found.feature_names))


DATASETS: dict[str, Callable[[], DataTable]] = {"diabetes": diabetes}


def table_rows(n_dims: int, dataset: Literal["diabetes"] = "diabetes") -> TableRows:
    """Prompts cut from a real table that scikit-learn bundles: context and query from two disjoint sides of it.

    dataset: "diabetes". Columns and label have mean 0 and variance 1; labels are given, so the suite has no noise
    of its own, and n_dims is the number of columns. `table/tilt` moves the sides apart.
    """
    table = DATASETS[dataset]()
    if table.x.shape[1] != n_dims:
        raise ValueError(f"n_dims: expected {table.x.shape[1]}, the columns of {dataset!r}, got {n_dims}")
    return TableRows(n_dims, DATASETS[dataset], table.digest)


FUNCTION_CLASS = table_rows
