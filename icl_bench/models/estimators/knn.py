"""Nearest neighbours: the mean label of the k examples nearest to the query."""

from __future__ import annotations

from dataclasses import dataclass

from icl_bench.prefix_solvers.nearest_neighbours import neighbour_mean
from icl_bench.prompts import Prediction, PromptBatch


@dataclass(frozen=True)
class Knn:
    """k nearest neighbours by Euclidean distance, equally weighted (3 in Garg et al. 2208.01066); 0 without examples.

    Of two examples equally far the earlier one counts; with fewer than k examples all of them do.
    """

    k: int = 3

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: expected at least 1 neighbour, got {self.k}")

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Return the mean label of the k examples nearest to x_q, (prompt, query)."""
        return Prediction(neighbour_mean(prompts, self.k))


MODEL = Knn
