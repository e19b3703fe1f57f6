"""Every context size at once against refitting at every context size, side by side in one run.

`python benchmarks/least_squares.py` draws 1,280 prompts (d = 20, context sizes 0..40, float64) and answers them with

- the catalogue's ols, ridge, averaging and gradient_descent, in blocks of 256 prompts as a run does;
- one batched fit for each context size in float64 on the same blocks: lstsq, solve, a mean, ten matrix steps;
- for ols, the field's usual way: float32, batches of 64 prompts, one lstsq for each context size.

Beside each time stands its floor: the larger of operations over the measured rate of a large matrix product, and bytes
(prompts read once, answers written once) over the measured bandwidth of a copy. Times are medians, taken in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_bench.assembly.plugins import bound
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import Model
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import BLOCK_SIZE, Streams

N_DIMS, N_CONTEXT, N_BLOCKS, N_STEPS = 20, 40, 5, 10
NOISE_VARIANCE = 0.25
PUBLIC_BATCH = 64
LAW = PromptLaw(Linear(N_DIMS), GaussianNoise(NOISE_VARIANCE), Sizes(tuple(range(N_CONTEXT + 1))))
TRAINING = PromptLaw(Linear(N_DIMS), GaussianNoise(NOISE_VARIANCE), Sizes((N_CONTEXT,)))
LEARNING_RATE = float((1.0 + (N_DIMS / N_CONTEXT) ** 0.5) ** -2)

Fit = Callable[[Tensor, Tensor], Tensor]
"""Weights (prompt, dim) of the first k examples, x (prompt, k, dim) and y (prompt, k)."""


def fit_ols(x: Tensor, y: Tensor) -> Tensor:
    weights: Tensor = torch.linalg.lstsq(x, y[:, :, None]).solution
    return weights[:, :, 0]


def fit_ridge(x: Tensor, y: Tensor) -> Tensor:
    gram = x.mT @ x + NOISE_VARIANCE * torch.eye(N_DIMS, dtype=x.dtype)
    weights: Tensor = torch.linalg.solve(gram, x.mT @ y[:, :, None])
    return weights[:, :, 0]


def fit_averaging(x: Tensor, y: Tensor) -> Tensor:
    return (x * y[:, :, None]).mean(1)


def fit_gradient_descent(x: Tensor, y: Tensor) -> Tensor:
    weights, labels = torch.zeros(len(x), N_DIMS, 1, dtype=x.dtype), y[:, :, None]
    for _ in range(N_STEPS):
        weights = weights + LEARNING_RATE / x.shape[1] * (x.mT @ (labels - x @ weights))
    return weights[:, :, 0]


def operations(name: str) -> float:
    """Return the floating-point operations that one prompt needs, all context sizes together."""
    d, n = N_DIMS, N_CONTEXT
    rest = n - d
    answers = 2.0 * (n + 1) * d
    if name == "ols":  # QR of the first d examples with Q and G; Gram, Cholesky factor and solve of the rest
        return answers + (8 / 3 + 1) * d**3 + 4 * rest * d**2 + 2 * rest**2 * d + rest**3 / 3
    if name == "ridge":  # kernel of all examples, its Cholesky factor, one solve; v . z at each query
        return n**2 * d + n**3 / 3 + n**2 + n * (n + 1)
    if name == "averaging":
        return answers + 2 * n * d
    return answers + N_STEPS * (n + 1) * 2 * d**2 + n * d**2  # Gram matrices by rank-one sums, a step of each size


@dataclass(frozen=True, slots=True)
class Contest:
    """One learner: ours, and refitting at every context size."""

    name: str
    model: Model
    fit: Fit


def contests() -> Iterator[Contest]:
    fits: dict[str, Fit] = {
        "ols": fit_ols,
        "ridge": fit_ridge,
        "averaging": fit_averaging,
        "gradient_descent": fit_gradient_descent,
    }
    for name, fit in fits.items():
        arguments = {"n_steps": N_STEPS} if name == "gradient_descent" else {}
        model = loading.build("models", name, arguments)
        yield Contest(name, bound(model, TRAINING, LAW), fit)


def answer(model: Model, blocks: Sequence[PromptBatch]) -> Tensor:
    """Ours: (prompt, query)."""
    return torch.cat([model.predict(block).mean for block in blocks])


def refit(fit: Fit, blocks: Sequence[PromptBatch]) -> Tensor:
    """One batched fit for each block and context size: (prompt, query); 0 without examples."""
    answers = []
    for block in blocks:
        columns = [torch.zeros_like(block.query_x[:, 0, 0])]
        for size in range(1, N_CONTEXT + 1):
            weights = fit(block.context_x[:, :size], block.context_y[:, :size])
            columns.append((weights * block.query_x[:, size]).sum(-1))
        answers.append(torch.stack(columns, dim=1))
    return torch.cat(answers)


def public_batches(blocks: Sequence[PromptBatch]) -> list[PromptBatch]:
    """The same prompts in float32 batches of 64."""
    starts = range(0, BLOCK_SIZE, PUBLIC_BATCH)
    return [
        block.select(slice(start, start + PUBLIC_BATCH)).to("cpu", torch.float32)
        for block in blocks
        for start in starts
    ]


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median seconds of each call, taken in turns after one round to warm up."""
    rounds = [[seconds(call) for call in calls] for _ in range(repeats + 1)]
    return [statistics.median(times) for times in zip(*rounds[1:], strict=True)]


def machine_rates(repeats: int) -> tuple[float, float]:
    """Return operations a second of a large float64 matrix product, and bytes a second (read + written) of a copy."""
    size = 1024
    square = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    source = torch.zeros(32_000_000, dtype=torch.float64)
    target = torch.empty_like(source)
    product, copy = medians([lambda: square @ square, lambda: target.copy_(source)], repeats)
    return 2.0 * size**3 / product, 16.0 * source.numel() / copy


def floor_ms(name: str, n_prompts: int, rates: tuple[float, float]) -> tuple[float, float]:
    """Return the milliseconds that operations and bytes need at the measured rates."""
    bytes_each = 8 * (N_CONTEXT * (N_DIMS + 1) + (N_CONTEXT + 1) * (N_DIMS + 1))
    return 1e3 * n_prompts * operations(name) / rates[0], 1e3 * n_prompts * bytes_each / rates[1]


def measure(threads: int, repeats: int, blocks: Sequence[PromptBatch]) -> None:
    """Print the table at one number of threads."""
    torch.set_num_threads(threads)
    rates = machine_rates(repeats)
    entries = list(contests())
    public = public_batches(blocks)
    calls: list[Callable[[], object]] = [lambda: refit(fit_ols, public)]
    for entry in entries:
        calls.append(lambda entry=entry: answer(entry.model, blocks))  # type: ignore[misc]
        calls.append(lambda entry=entry: refit(entry.fit, blocks))  # type: ignore[misc]
    public_time, *times = (1e3 * value for value in medians(calls, repeats))
    ours, refits = times[::2], times[1::2]
    print(f"\n{threads} thread(s): matrix product {rates[0] / 1e9:.1f} GFlop/s, copy {rates[1] / 1e9:.1f} GB/s")
    heads = ("ours ms", "refit ms", "ratio", "floor ms", "ours/floor", "difference")
    print(f"{'':28s}" + "".join(f"{head:>12s}" for head in heads))
    total_floor = 0.0
    for entry, own, other in zip(entries, ours, refits, strict=True):
        floor = max(floor_ms(entry.name, N_BLOCKS * BLOCK_SIZE, rates))
        total_floor += floor
        print(f"{entry.name:28s}{row(own, other, floor)}{difference(entry, blocks):12.1e}")
    print(f"{'together (target 5x)':28s}{row(sum(ours), sum(refits), total_floor)}")
    print(f"{'ols, public way (target 5x)':28s}{row(ours[0], public_time, None)}")


def row(own: float, other: float, floor: float | None) -> str:
    beside = "" if floor is None else f"{floor:12.2f}{own / floor:11.1f}x"
    return f"{own:12.1f}{other:12.1f}{other / own:11.1f}x{beside}"


def difference(entry: Contest, blocks: Sequence[PromptBatch]) -> float:
    """Return the largest difference of the two ways, relative to the largest answer of that context size."""
    first, second = answer(entry.model, blocks), refit(entry.fit, blocks)
    scale = first.abs().amax(0).clamp_min(1.0)
    return float(((first - second).abs() / scale).max())


def main() -> None:
    both = sorted({1, min(2, os.cpu_count() or 1)})
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5, help="rounds that the medians are taken over")
    parser.add_argument("--threads", type=int, nargs="+", default=both, help="numbers of torch threads to measure at")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or min(arguments.threads) < 1:
        parser.error("expected --repeats and --threads of at least 1")
    blocks = [LAW.draw(Streams(0, block)).prompts for block in range(N_BLOCKS)]
    print(
        f"{N_BLOCKS * BLOCK_SIZE:,} prompts, d = {N_DIMS}, context sizes 0..{N_CONTEXT}, medians of {arguments.repeats}"
    )
    for threads in arguments.threads:
        measure(threads, arguments.repeats, blocks)


if __name__ == "__main__":
    main()
