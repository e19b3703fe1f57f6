"""Bases of estimators x_q . w_k: from how the weights come about follow the answers, and how heavy their errors are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from icl_bench.laws.law import Parameters
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.descent import descent_matrix, descent_weights
from icl_bench.prefix_solvers.prefix_moments import prefix_gram
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.theory.linear_learners import polynomial_maps
from icl_bench.theory.tails import noise_limited_tail


class LinearEstimator(ABC):
    """Answers x_q . w_k with w_k = B(X) y, k the context size of the query; subclasses give the weights and B."""

    @abstractmethod
    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return w_k at each of `prompts.distinct_sizes()`, (prompt, size, dim)."""

    @abstractmethod
    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """Return B X and B B^T at each of `prompts.distinct_sizes()`; NoClosedForm when B depends on the labels."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return x_q . w_k, (prompt, query)."""
        position = prompts.distinct_sizes()[1]
        return Prediction((self.weights(prompts)[:, position] * prompts.query_x).sum(-1))

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows: the weights are a polynomial in the examples, or bounded by one."""
        return noise_limited_tail(parameters)


class Descent(LinearEstimator):
    """K = `n_steps` steps w <- w + eta P X^T (y - X w)/k from w = 0: gradient descent on |y - X w|^2/(2k)."""

    n_steps: int

    @abstractmethod
    def step(self) -> tuple[float, Tensor | None]:
        """Return eta, and P, (dim, dim), None for the identity; PluginError while they wait for the training law."""

    def weights(self, prompts: PromptBatch) -> Tensor:
        """Return w_K at each distinct size, (prompt, size, dim)."""
        return descent_weights(prompts, self.n_steps, *self.step())

    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = eta sum_{j<K} (I - eta P A)^j P X^T / k, A = X^T X / k."""
        sizes = prompts.distinct_sizes()[0]
        gram = prefix_gram(prompts.context_x.double(), sizes)
        count = torch.tensor(sizes, dtype=gram.dtype).clamp_min(1.0)
        learning_rate, preconditioner = self.step()
        if preconditioner is None:
            preconditioner = torch.eye(prompts.n_dims, dtype=gram.dtype)
        return polynomial_maps(descent_matrix(gram, count, self.n_steps, learning_rate, preconditioner), gram)
