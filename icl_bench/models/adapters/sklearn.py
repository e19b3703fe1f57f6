"""Any scikit-learn regressor, fitted afresh to each prompt and context size."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch

from icl_bench.errors import PluginError
from icl_bench.prompts import Prediction, PromptBatch


class SklearnRegressor:
    """Any scikit-learn regressor by import path, one fit per prompt and context size; 0 without any example.

    estimator: such as "sklearn.linear_model.HuberRegressor". Every other argument is passed to it. A fit that fails
    (too few examples for the estimator, say) fails the block; convergence warnings are not errors.
    """

    def __init__(self, estimator: str, **parameters: Any) -> None:
        module, _, name = estimator.rpartition(".")
        if not module.split(".")[0]:
            raise PluginError(f"estimator: expected an import path such as 'sklearn.svm.SVR', got {estimator!r}")
        try:
            self._class = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"estimator {estimator!r} cannot be imported: {error}") from error
        self._parameters = parameters
        built = self._class(**parameters)
        if not hasattr(built, "fit") or not hasattr(built, "predict"):
            raise PluginError(f"estimator {estimator!r} has no fit and predict: expected a regressor")

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return each fit's prediction at its queries, (prompt, query)."""
        sizes, position = prompts.distinct_sizes()
        context_x, context_y = prompts.context_x.cpu().numpy(), prompts.context_y.cpu().numpy()
        query_x = prompts.query_x.cpu().numpy()
        columns = [(position == row).nonzero()[:, 0].cpu().numpy() for row in range(len(sizes))]
        mean = torch.zeros(prompts.n_prompts, prompts.n_queries, dtype=torch.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for prompt in range(prompts.n_prompts):
                for size, asked in zip(sizes, columns, strict=True):
                    if size == 0:
                        continue
                    fitted = self._class(**self._parameters).fit(context_x[prompt, :size], context_y[prompt, :size])
                    mean[prompt, asked] = torch.from_numpy(fitted.predict(query_x[prompt, asked])).double()
        return Prediction(mean.to(prompts.query_x.device))


MODEL = SklearnRegressor
