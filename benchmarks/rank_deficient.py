"""Least squares, ridge and the posterior on prompts without full rank, against the pseudo-inverse at the known rank.

`python benchmarks/rank_deficient.py` draws 100,000 prompts whose covariates span r of d dimensions, r = 1 .. d - 1 for
d = 8 and 20: X = Z B^T with an orthonormal B (d, r), so that the rank is known: the truth is made of the first
min(k, r) singular values of X and decides nothing. Two thirds of them are near-singular: one coordinate of Z is a
thousandth of the others, or two examples are alike but for a thousandth. With and without label noise, float64 and
rounded to float32, the whole prompt at scales 1e-4, 1 and 1e4; queries are in general position, outside the span too.
Asked are the sizes r - 1, r, r + 1 and 2d, of

- ols, and the posterior without noise (its mean and variance);
- ridge and the posterior with noise, at penalties 1/4, 1e-6 and 1e-13 times the squared scale;
- what exact risks are made of: B X and B B^T of ols and of ridge.

An error of a mean is relative to |w| |x_q|, of a variance v to sqrt(v v_0), v_0 the variance without examples, of a
matrix to its largest entry (B X: to 1). Allowed is 1e-6; of float32 input 10 times its rounding, 1.2e-7, times the
condition s_1/s_r. Prints the largest error over what is allowed, and exits with 1 when it exceeds 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from icl_bench.arrays import Array
from icl_bench.function_classes.linear import Linear
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prefix_solvers.gaussian_posterior import gaussian_posterior, ridge_weights
from icl_bench.prefix_solvers.min_norm import min_norm_fit
from icl_bench.prompts import PromptBatch
from icl_bench.theory.bayes import ridge_maps

ALLOWED = 1e-6
FLOAT32_ALLOWED = 10 * 1.2e-7
PENALTIES = (0.25, 1e-6, 1e-13)
SMALL = 1e-3
"""What near-singular prompts have left of a coordinate, or of the difference of two examples."""


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of prompt."""

    n_dims: int
    rank: int
    kind: str  # plain | thin (a small coordinate) | alike (two examples alike)
    noise_std: float
    dtype: torch.dtype
    scale: float

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.rank - 1, self.rank, self.rank + 1, 2 * self.n_dims)


def designs(dims: Sequence[int]) -> Iterator[Design]:
    """Every combination but those that do not exist: at rank 1 nothing is small beside anything."""
    kinds, noises, dtypes = ("plain", "thin", "alike"), (0.0, 0.5), (torch.float64, torch.float32)
    for n_dims in dims:
        for rank, kind, noise_std, dtype in product(range(1, n_dims), kinds, noises, dtypes):
            if rank > 1 or kind == "plain":
                scale = (1e-4, 1.0, 1e4)[(rank + kinds.index(kind)) % 3]
                yield Design(n_dims, rank, kind, noise_std, dtype, scale)


def draw(design: Design, n_prompts: int, seed: int) -> PromptBatch:
    """Draw prompts of a design."""
    generator = np.random.default_rng([seed, design.n_dims, design.rank])
    n_context = 2 * design.n_dims
    z = generator.standard_normal((n_prompts, n_context, design.rank))
    if design.kind == "thin":
        z[:, :, -1] *= SMALL
    elif design.kind == "alike":
        z[:, 1] = z[:, 0] + SMALL * z[:, 1]
    z *= design.scale
    basis = np.linalg.qr(generator.standard_normal((n_prompts, design.n_dims, design.rank)))[0]
    task = generator.standard_normal((n_prompts, design.n_dims))
    x = z @ basis.swapaxes(1, 2)
    y = np.einsum("pkd,pd->pk", x, task)
    y += design.scale * design.noise_std * generator.standard_normal(y.shape)
    query_x = generator.standard_normal((n_prompts, len(design.sizes), design.n_dims))
    context_x, context_y, queries = (torch.from_numpy(array).to(design.dtype) for array in (x, y, query_x))
    return PromptBatch(context_x, context_y, queries, design.sizes, next_example=False)


@dataclass(frozen=True, slots=True)
class Answers:
    """What is held to its truth at one size; `weights` scales the errors of the mean."""

    mean: Array  # (prompt,)
    variance: Array  # (prompt,) in units of the prior's for w (penalty 0), else the leverage
    prior: Array  # (prompt,) the same without examples
    signal: Array  # (prompt, dim, dim)
    noise: Array  # (prompt, dim, dim)


@dataclass(frozen=True, slots=True)
class Context:
    """The first k examples as given, in float64, by the singular values of their known rank."""

    left: Array  # (prompt, k, column) U
    s: Array  # (prompt, column)
    directions: Array  # (prompt, dim, column) V
    y: Array  # (prompt, k)
    query: Array  # (prompt, dim)


def context(prompts: PromptBatch, row: int, rank: int) -> Context:
    """Return what query `row` is answered from."""
    size = prompts.context_sizes[row]
    x, y = prompts.context_x[:, :size].double().numpy(), prompts.context_y[:, :size].double().numpy()
    left, s, right = np.linalg.svd(x, full_matrices=False)
    known = min(size, rank)
    query = prompts.query_x[:, row].double().numpy()
    return Context(left[:, :, :known], s[:, :known], right.swapaxes(1, 2)[:, :, :known], y, query)


def expected(known: Context, penalty: float) -> tuple[Answers, Array, Array]:
    """Return the answers, |w| |x_q| and the condition; the last two (prompt,)."""
    left, s, directions, query = known.left, known.s, known.directions, known.query
    gain = 1.0 / (s + penalty / s)
    labels = np.einsum("pkc,pk->pc", left, known.y)
    w = np.einsum("pdc,pc->pd", directions, gain * labels)
    along = np.einsum("pdc,pd->pc", directions, query)
    outside = np.square(query - np.einsum("pdc,pc->pd", directions, along)).sum(-1)
    inside = (np.square(along) / (np.square(s) + penalty)).sum(-1) if penalty else 0.0
    half = directions * gain[:, None]
    answers = Answers(
        np.einsum("pd,pd->p", w, query),
        outside / penalty + inside if penalty else outside,
        np.square(query).sum(-1) / (penalty or 1.0),
        (half * s[:, None]) @ directions.swapaxes(1, 2),
        half @ half.swapaxes(1, 2),
    )
    norms = np.linalg.norm(w, axis=1) * np.linalg.norm(query, axis=1)
    condition = s[:, 0] / s[:, -1] if s.size else np.ones(len(query))
    return answers, norms, condition


@dataclass(frozen=True, slots=True)
class Found:
    """The answers of the solvers at every size."""

    means: dict[str, Tensor]  # (prompt, query)
    variance: Tensor  # (prompt, query)
    maps: LinearMaps


def found(prompts: PromptBatch, penalty: float) -> Found:
    query_x = prompts.query_x.double()
    if penalty == 0.0:
        posterior = Linear(prompts.n_dims).posterior(prompts, 0.0)
        ols = min_norm_fit(prompts).predict(query_x)
        return Found({"ols": ols, "posterior": posterior.mean}, posterior.variance, ridge_maps(prompts, 0.0))
    solved = gaussian_posterior(prompts, penalty)
    ridge = (ridge_weights(prompts, penalty) * query_x).sum(-1)
    return Found({"ridge": ridge, "posterior": solved.mean}, solved.leverage, ridge_maps(prompts, penalty))


def errors(
    design: Design, n_prompts: int, seed: int, penalties: Sequence[float] = PENALTIES
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the largest error of each (penalty, quantity) over what is allowed, and the largest error itself."""
    prompts = draw(design, n_prompts, seed)
    largest: dict[tuple[str, str], tuple[float, float]] = {}
    contexts = [context(prompts, row, design.rank) for row in range(len(design.sizes))]
    for relative in (0.0, *penalties):
        penalty = relative * design.scale**2
        ours = found(prompts, penalty)
        for row, known in enumerate(contexts):
            answers, norms, condition = expected(known, penalty)
            allowed = np.maximum(ALLOWED, FLOAT32_ALLOWED * condition * (design.dtype == torch.float32))
            for name, error in differences(ours, row, answers, norms).items():
                before = largest.get((f"{relative:g}", name), (0.0, 0.0))
                over = np.nan_to_num(error / allowed, nan=np.inf)
                largest[f"{relative:g}", name] = (max(before[0], float(over.max())), max(before[1], float(error.max())))
    return largest


def differences(ours: Found, row: int, answers: Answers, norms: Array) -> dict[str, Array]:
    """Return the error of each quantity, (prompt,)."""
    tiny = np.finfo(float).tiny
    parts = {
        f"mean of {name}": np.abs(mean[:, row].numpy() - answers.mean) / np.maximum(norms, tiny)
        for name, mean in ours.means.items()
    }
    variance = np.abs(ours.variance[:, row].numpy() - answers.variance)
    parts["variance"] = variance / np.maximum(np.sqrt(answers.variance * answers.prior), tiny)
    parts["B X"] = np.abs(ours.maps.signal[:, row].numpy() - answers.signal).max((1, 2))
    noise = np.abs(ours.maps.noise[:, row].numpy() - answers.noise).max((1, 2))
    parts["B B^T"] = noise / np.maximum(np.abs(answers.noise).max((1, 2)), tiny)
    return parts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--prompts", type=int, default=100_000, help="prompts to draw, at least")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kinds = list(designs((8, 20)))
    each = -(-arguments.prompts // len(kinds))
    table: dict[tuple[str, str, str], tuple[float, float]] = {}
    for design in kinds:
        for (penalty, name), pair in errors(design, each, arguments.seed).items():
            key = (str(design.dtype).removeprefix("torch."), penalty, name)
            before = table.get(key, (0.0, 0.0))
            table[key] = (max(before[0], pair[0]), max(before[1], pair[1]))
    print(f"{each * len(kinds):,} prompts of {len(kinds)} designs")
    print(f"{'input':9s}{'penalty':9s}{'quantity':20s}{'largest error':>14s}{'over allowed':>14s}")
    for (dtype, penalty, name), (over, error) in table.items():
        print(f"{dtype:9s}{penalty:9s}{name:20s}{error:14.1e}{over:14.1e}")
    return int(max(over for over, _ in table.values()) > 1.0)


if __name__ == "__main__":
    sys.exit(main())
