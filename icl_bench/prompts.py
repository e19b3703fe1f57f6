"""What a model sees, what only metrics see, and what a model answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """All that a model may see of a batch of prompts: no query labels, by type.

    Raises ValueError when the shapes do not fit together.
    """

    context_x: Tensor  # (prompt, context, dim)
    context_y: Tensor  # (prompt, context)
    query_x: Tensor  # (prompt, query, dim)
    context_sizes: tuple[int, ...]  # (query,) query j is answered from the first context_sizes[j] examples only
    next_example: bool  # query j IS example context_sizes[j] of the sequence: one causal pass may answer all

    def __post_init__(self) -> None:
        prompts, examples, dims = self.context_x.shape
        if tuple(self.context_y.shape) != (prompts, examples):
            raise ValueError(f"context_y: expected shape {(prompts, examples)}, got {tuple(self.context_y.shape)}")
        if tuple(self.query_x.shape) != (prompts, len(self.context_sizes), dims):
            expected = (prompts, len(self.context_sizes), dims)
            raise ValueError(f"query_x: expected shape {expected}, got {tuple(self.query_x.shape)}")
        if any(not 0 <= size <= examples for size in self.context_sizes):
            raise ValueError(f"context_sizes: expected values in 0..{examples}, got {self.context_sizes}")

    @property
    def n_prompts(self) -> int:
        """Number of prompts."""
        return int(self.context_x.shape[0])

    @property
    def n_context(self) -> int:
        """Number of labelled examples, the largest context size that can be asked for."""
        return int(self.context_x.shape[1])

    @property
    def n_queries(self) -> int:
        """Number of queries of each prompt."""
        return len(self.context_sizes)

    @property
    def n_dims(self) -> int:
        """Dimension of a covariate."""
        return int(self.context_x.shape[2])

    def distinct_sizes(self) -> tuple[tuple[int, ...], Tensor]:
        """Return the distinct context sizes in increasing order, and each query's position among them."""
        sizes = tuple(sorted(set(self.context_sizes)))
        place = {size: row for row, size in enumerate(sizes)}
        rows = [place[size] for size in self.context_sizes]
        return sizes, torch.tensor(rows, dtype=torch.long, device=self.query_x.device)

    def select(self, rows: slice | Tensor) -> PromptBatch:
        """Return the prompts at `rows`, copied."""
        return replace(
            self,
            context_x=self.context_x[rows].clone(),
            context_y=self.context_y[rows].clone(),
            query_x=self.query_x[rows].clone(),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> PromptBatch:
        """Return a copy on `device`, its tensors as `dtype` (default: unchanged)."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=dtype or tensor.dtype, copy=True)

        return replace(
            self,
            context_x=moved(self.context_x),
            context_y=moved(self.context_y),
            query_x=moved(self.query_x),
        )

    def same_values(self, other: PromptBatch) -> bool:
        """Tell whether every tensor of `other` is bitwise equal to this batch's."""
        return (
            torch.equal(self.context_x, other.context_x)
            and torch.equal(self.context_y, other.context_y)
            and torch.equal(self.query_x, other.query_x)
        )


@dataclass(frozen=True, slots=True)
class TargetBatch:
    """What the queries of a batch should have been answered; only metrics see one."""

    query_f: Tensor | None  # (prompt, query) noiseless f(x); None where only labels exist (rows of a real table)
    query_y: Tensor  # (prompt, query) noisy label
    bayes_mean: Tensor | None = None  # (prompt, query) posterior mean under the law the prompt was drawn from
    bayes_var: Tensor | None = None  # (prompt, query) posterior variance of f(x)
    no_bayes: str = "no Bayes prediction was asked for"  # why there is none

    def noiseless(self) -> Tensor:
        """Return f(x), (prompt, query); NoClosedForm where only labels are known."""
        if self.query_f is None:
            raise NoClosedForm("only labels are known: these prompts have no noiseless f(x)")
        return self.query_f


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to every query of a batch: the mean of the label, and what else it knows of its distribution."""

    mean: Tensor  # (prompt, query)
    std: Tensor | None = None  # (prompt, query) standard deviation of the label
    quantiles: Tensor | None = None  # (prompt, query, level) quantiles of the label
    levels: tuple[float, ...] | None = None  # (level,) increasing, in (0, 1); given with `quantiles`, and only then

    def parts(self) -> dict[str, Tensor]:
        """Return the tensors that are given, by name: `mean`, and `std` and `quantiles` where the model has them."""
        named = {"mean": self.mean, "std": self.std, "quantiles": self.quantiles}
        return {name: tensor for name, tensor in named.items() if tensor is not None}
