"""Three nearest neighbours at every context size at once, against one context size after the other, in one run.

`python -m benchmarks.nearest_neighbours` draws 1,280 prompts (d = 20, context sizes 0..40, float64) and answers them

- with the catalogue's knn, in blocks of 256 prompts as a run does;
- batched: in the same blocks, at each context size the distances (cdist) and a partial sort (topk);
- batched, distances shared: the same, but for one cdist of all queries and examples of a block;
- the field's usual way: float32, batches of 64 prompts; at each context size distances by differences, a whole sort,
  and each prompt's labels picked in a loop.

Once as drawn, and once with covariates rounded to whole numbers, where ties make knn add up squared differences for 40%
of its answers (and the other ways take whichever of the tied they meet). Ratios are medians of the rounds' own ratios,
all taken in turns, in CPU time of one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.plugins import loading
from icl_bench.plugins.protocols import Model
from icl_bench.prompts import PromptBatch
from icl_bench.seeding import Streams

N_DIMS, N_CONTEXT, N_BLOCKS, COUNT = 20, 40, 5, 3
PUBLIC_BATCH = 64
LAW = PromptLaw(Linear(N_DIMS), GaussianNoise(0.25), Sizes(tuple(range(N_CONTEXT + 1))))


def ours(model: Model, blocks: Sequence[PromptBatch]) -> Tensor:
    return torch.cat([model.predict(block).mean for block in blocks])


def batched(blocks: Sequence[PromptBatch], shared: bool) -> Tensor:
    answers = []
    for block in blocks:
        every = torch.cdist(block.query_x, block.context_x) if shared else None
        columns = [torch.zeros_like(block.query_x[:, 0, 0])]
        for size in range(1, N_CONTEXT + 1):
            if every is None:
                distance = torch.cdist(block.query_x[:, [size]], block.context_x[:, :size])[:, 0]
            else:
                distance = every[:, size, :size]
            nearest = distance.topk(min(COUNT, size), largest=False, sorted=False).indices
            columns.append(block.context_y.gather(1, nearest).mean(1))
        answers.append(torch.stack(columns, dim=1))
    return torch.cat(answers)


def one_by_one(batches: Sequence[PromptBatch]) -> Tensor:
    answers = []
    for batch in batches:
        columns = [torch.zeros_like(batch.query_x[:, 0, 0])]
        for size in range(1, N_CONTEXT + 1):
            apart = batch.context_x[:, :size] - batch.query_x[:, [size]]
            order = apart.square().sum(-1).sqrt().argsort(dim=1)[:, :COUNT]
            columns.append(torch.stack([batch.context_y[row, near].mean() for row, near in enumerate(order)]))
        answers.append(torch.stack(columns, dim=1))
    return torch.cat(answers)


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU time of a call on one thread: a machine that others use stretches it less than wall time."""
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(label: str, blocks: Sequence[PromptBatch], repeats: int) -> None:
    """Print the milliseconds and ratios of the three ways, and how many answers differ."""
    model: Model = loading.build("models", "knn", {"k": COUNT})
    starts = range(0, blocks[0].n_prompts, PUBLIC_BATCH)
    batches = [block.select(slice(start, start + PUBLIC_BATCH)) for block in blocks for start in starts]
    public = [batch.to("cpu", torch.float32) for batch in batches]
    ways: dict[str, Callable[[], Tensor]] = {
        "batched": lambda: batched(blocks, shared=False),
        "batched, distances shared": lambda: batched(blocks, shared=True),
        "one by one": lambda: one_by_one(public),
    }
    calls = [lambda: ours(model, blocks), *ways.values()]
    rounds = [[seconds(call) for call in calls] for _ in range(repeats + 1)][1:]
    own, *others = ([1e3 * time for time in times] for times in zip(*rounds, strict=True))
    print(f"\n{label}: knn {statistics.median(own):.1f} ms")
    for (name, way), times in zip(ways.items(), others, strict=True):
        ratio = statistics.median(other / mine for mine, other in zip(own, times, strict=True))
        share = float(((way().double() - calls[0]()).abs() > 1e-4).double().mean())
        print(f"  {name:27s}{ratio:6.1f}x  ({statistics.median(times):.1f} ms; {share:.2%} of answers differ)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5, help="rounds that the medians are taken over")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("expected --repeats of at least 1")
    torch.set_num_threads(1)
    blocks = [LAW.draw(Streams(0, block)).prompts for block in range(N_BLOCKS)]
    whole = [replace(block, context_x=block.context_x.round(), query_x=block.query_x.round()) for block in blocks]
    print(
        f"{N_BLOCKS * blocks[0].n_prompts:,} prompts, d = {N_DIMS}, context sizes 0..{N_CONTEXT}, {COUNT} neighbours,"
        f" CPU time of one thread, medians of {arguments.repeats}"
    )
    measure("as drawn", blocks, arguments.repeats)
    measure("rounded to whole numbers (ties)", whole, arguments.repeats)


if __name__ == "__main__":
    main()
