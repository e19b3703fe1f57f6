"""Networks: what evaluation and training cost beside the plainest thing that does the same, in one run.

    python -m benchmarks.networks [--device cuda] [--only evaluation,shifted,memory,training,length] [--plot FILE]

- evaluation: 1,280 prompts x 41 context sizes (d = 20) through GPT-2 standard as a run asks it, against the bare
  forward pass of the same module on the same batches (target: at most 1.1 times its time);
- shifted: the same with shifted queries in one pass, against one pass for each context size (at least 15 times faster);
- memory: peak of a process that does that evaluation (under 1.2 GB);
- training: steps per second at batch 64, 41 points, against the field's eager loop (`benchmarks/eager_gpt2.py`), in
  float32 and bfloat16 (target: tiny 1.5 times, standard 1.1 times);
- length: seconds of a forward pass against prompt length, up to 4,096 examples, for every causal architecture.

Times are medians, taken in turns.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.eager_gpt2 import EagerLoop
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.covariates.scaled import Scaled
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.query.row_wise import RowWise
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.learner import MICRO_BATCH, Learner
from icl_bench.plugins import loading
from icl_bench.prompts import PromptBatch
from icl_bench.run.asking import Conditions, predict
from icl_bench.seeding import Streams
from icl_bench.suites.suite import ModelSpec, PromptSettings
from icl_bench.training.batches import PromptSource
from icl_bench.training.recipe import Component, Curriculum, Evaluation, Optimisation, Recipe
from icl_bench.training.steps import Stepper

N_DIMS, N_BLOCKS, BATCH = 20, 5, 64
LAW = PromptLaw(Linear(N_DIMS), GaussianNoise(0.0), Sizes(tuple(range(41))))
LENGTHS = (64, 256, 1024, 4096)
CAUSAL = ("gpt2", "deltanet", "gated_linear_attention", "hedgehog", "transnormer", "mixture_of_memories", "mamba")
RECURRENT = ("stable_ssm", "lstm", "gru")


def seconds(work: Callable[[], object], device: str) -> float:
    """Return the wall time of `work`."""
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turns(works: Sequence[Callable[[], object]], repeats: int, device: str) -> list[float]:
    """Return each work's median time, all measured in turns after one unmeasured round."""
    for work in works:
        work()
    times = [[seconds(work, device) for work in works] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def network(name: str, n_dims: int = N_DIMS, **arguments: Any) -> Learner:
    learner: Learner = loading.build("models", name, arguments).initial(n_dims).eval()
    return learner


def blocks(law: PromptLaw, count: int = N_BLOCKS) -> list[PromptBatch]:
    return [law.draw(Streams(0, block)).prompts for block in range(count)]


def evaluation(device: str, repeats: int) -> None:
    learner = network("gpt2", size="standard").to(device)
    drawn = blocks(LAW)
    conditions = Conditions(device=device, time_limit=None)
    batches = [
        block.select(slice(row, row + MICRO_BATCH)).to(device, torch.float32)
        for block in drawn
        for row in range(0, block.n_prompts, MICRO_BATCH)
    ]

    def ours() -> None:
        for block in drawn:
            predict(learner, block, conditions)

    @torch.no_grad()
    def bare() -> None:
        for batch in batches:
            learner(batch)

    of_run, of_forward = in_turns([ours, bare], repeats, device)
    print(
        f"evaluation, GPT-2 standard, 1,280 prompts x 41: {of_run:.2f} s; bare forward {of_forward:.2f} s;"
        f" ratio {of_run / of_forward:.3f} (target 1.1)"
    )


def shifted(device: str, repeats: int) -> None:
    """One pass over packed queries against one pass for each context size, on 64 prompts.

    The field's usual way passes the whole prompt each time, the query in its place; a sparing one the prefix alone.
    """
    learner = network("gpt2", size="standard").to(device)
    law = LAW.add("query", RowWise(Scaled(2.0)))
    prompts = law.draw(Streams(0, 0)).prompts.select(slice(0, MICRO_BATCH)).to(device, torch.float32)

    @torch.no_grad()
    def packed() -> torch.Tensor:
        answers: torch.Tensor = learner(prompts)[..., 0]
        return answers

    @torch.no_grad()
    def one_by_one() -> torch.Tensor:
        answers = []
        for row, size in enumerate(prompts.context_sizes):
            context_x = torch.cat([prompts.context_x[:, :size], prompts.query_x[:, row : row + 1]], dim=1)
            one = replace(
                prompts,
                context_x=context_x[:, :size],
                context_y=prompts.context_y[:, :size],
                query_x=context_x[:, size:],
                context_sizes=(size,),
                next_example=True,
            )
            answers.append(learner(one)[:, 0, 0])
        return torch.stack(answers, dim=1)

    @torch.no_grad()
    def whole_each_time() -> torch.Tensor:
        answers = []
        for row, size in enumerate(prompts.context_sizes):
            x = torch.cat([prompts.context_x, prompts.query_x[:, -1:]], dim=1)
            x[:, size] = prompts.query_x[:, row]
            sizes = tuple(range(x.shape[1]))
            one = replace(prompts, context_x=x[:, :-1], query_x=x, context_sizes=sizes, next_example=True)
            answers.append(learner(one)[:, size, 0])
        return torch.stack(answers, dim=1)

    difference = float((packed() - one_by_one()).abs().max())
    together, apart, whole = in_turns([packed, one_by_one, whole_each_time], repeats, device)
    print(
        f"shifted queries, GPT-2 standard, 64 prompts x 41: {together:.3f} s; one pass a size {whole:.2f} s,"
        f" {whole / together:.1f} times faster (target 15); over the prefix alone {apart:.2f} s,"
        f" {apart / together:.1f} times; largest difference {difference:.1e}"
    )


def memory() -> None:
    """Measure in a fresh process, on the CPU."""
    code = (
        "import resource, torch; from benchmarks.networks import LAW, blocks, network;"
        "from icl_bench.laws.covariates.scaled import Scaled; from icl_bench.laws.query.row_wise import RowWise;"
        "from icl_bench.run.asking import Conditions, predict;"
        "learner = network('gpt2', size='standard');"
        "[predict(learner, block, Conditions(time_limit=None)) for law in"
        " (LAW, LAW.add('query', RowWise(Scaled(2.0)))) for block in blocks(law)];"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    print(f"memory of that evaluation, both kinds of queries: {int(done.stdout) / 1e6:.2f} GB (target 1.2)")


def recipe(size: str, precision: Any, compile_: Any = "auto") -> Recipe:
    settings = PromptSettings(n_dims=N_DIMS, context_sizes=tuple(range(41)))
    return Recipe(
        name="benchmark",
        version=1,
        description="",
        folder=Path(),
        network=ModelSpec("gpt2", "gpt2", {"size": size}),
        prompts=settings,
        mixture=(Component(1.0, (), (), settings),),
        curriculum=Curriculum(),
        optimisation=Optimisation(
            n_steps=10**6, batch_size=BATCH, optimiser="adam", precision=precision, compile=compile_
        ),
        evaluation=Evaluation(),
    )


def operations(learner: Learner) -> float:
    """Return the floating-point operations of one training step: products with weights, scores and values."""
    tokens = 81
    weights = sum(value.numel() for name, value in learner.named_parameters() if "positions" not in name)
    blocks = [value for name, value in learner.named_parameters() if name.endswith("mixer.project_out.weight")]
    attention = sum(4.0 * tokens * value.shape[0] for value in blocks)  # a token, forward
    return 3.0 * (2.0 * weights + attention) * BATCH * tokens


def product_rate(device: str, dtype: torch.dtype) -> float:
    """Return the operations a second of a large matrix product."""
    size = 8192 if device.startswith("cuda") else 1024
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    (taken,) = in_turns([lambda: left @ right], 5, device)
    return 2.0 * size**3 / taken


class OurLoop:
    """Steps of a recipe as `icl-bench train` does them: prompts drawn, losses kept on the device."""

    def __init__(self, asked: Recipe, device: str) -> None:
        learner: Learner = network("gpt2", **asked.network.arguments).to(device).train()
        self.stepper = Stepper(asked, learner, PromptSource(asked), torch.device(device))
        self.number = 0

    def step(self) -> None:
        self.stepper.step(self.number)
        self.number += 1


def training(device: str, repeats: int, sizes: Sequence[str]) -> None:
    for size, target, steps in (("tiny", 1.5, 10), ("small", None, 4), ("standard", 1.1, 1)):
        if size not in sizes:
            continue
        count = steps if device == "cpu" else 50
        eager = EagerLoop(size, N_DIMS, 41, BATCH, torch.device(device))
        loops: dict[str, Any] = {
            "eager loop": eager,
            "float32": OurLoop(recipe(size, "float32"), device),
            "bfloat16": OurLoop(recipe(size, "bfloat16"), device),
        }

        def several(loop: Any, count: int = count) -> Callable[[], None]:
            def run() -> None:
                for _ in range(count):
                    loop.step()

            return run

        times = in_turns([several(loop) for loop in loops.values()], repeats, device)
        rates = dict(zip(loops, (count / taken for taken in times), strict=True))
        wanted = "" if target is None or device != "cpu" else f" (target {target})"
        print(
            f"training, GPT-2 {size}, batch {BATCH}, 41 points: eager loop {rates['eager loop']:.2f} steps/s;"
            f" float32 {rates['float32']:.2f}, {rates['float32'] / rates['eager loop']:.2f} times{wanted};"
            f" bfloat16 {rates['bfloat16']:.2f}, {rates['bfloat16'] / rates['eager loop']:.2f} times"
        )
        for precision in ("float32", "bfloat16"):
            achieved = operations(loops[precision].stepper.learner) * rates[precision]
            peak = product_rate(device, getattr(torch, precision))
            print(
                f"  {precision}: {achieved / 1e9:,.0f} of {peak / 1e9:,.0f} GFLOP/s that a large matrix product reaches"
                f" ({achieved / peak:.0%})"
            )
        del loops, eager
        gc.collect()


@torch.no_grad()
def length(device: str, repeats: int, plot: Path | None) -> None:
    measured: dict[str, list[float]] = {}
    for name in (*CAUSAL, *RECURRENT):
        learner = network(name, 8, **({"n_positions": max(LENGTHS) + 1} if name == "gpt2" else {})).to(device)
        measured[name] = []
        for examples in LENGTHS:
            law = PromptLaw(Linear(8), GaussianNoise(0.25), Sizes((examples // 2, examples)))
            prompts = law.draw(Streams(0, 0)).prompts.select(slice(0, 2)).to(device, torch.float32)
            measured[name] += in_turns([lambda learner=learner, prompts=prompts: learner(prompts)], repeats, device)  # type: ignore[misc]
        growth = measured[name][-1] / measured[name][-2]
        times = ", ".join(f"{taken:.3f}" for taken in measured[name])
        print(f"length {', '.join(map(str, LENGTHS))}: {name} {times} s; x{growth:.1f} from 1,024 to 4,096 (linear: 4)")
    if plot is not None:
        draw(measured, plot)


def draw(measured: dict[str, list[float]], path: Path) -> None:
    """Plot seconds against examples; needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.style.use("tableau-colorblind10")
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    markers = "osD^vP*Xph"
    for marker, (name, times) in zip(markers, measured.items(), strict=False):
        axes.plot(LENGTHS, times, marker=marker, label=name)
    axes.plot(LENGTHS, [times_of(measured) * size / LENGTHS[0] for size in LENGTHS], "k:", label="linear growth")
    axes.set(xscale="log", yscale="log", xlabel="examples in the prompt", ylabel="seconds, 2 prompts")
    axes.set_xticks(LENGTHS, [str(size) for size in LENGTHS])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, ncols=2)
    figure.savefig(path)
    print(f"plotted to {path}")


def times_of(measured: dict[str, list[float]]) -> float:
    """Return where the line of linear growth begins."""
    return min(times[0] for times in measured.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="evaluation,shifted,memory,training,length")
    parser.add_argument("--sizes", default="tiny,small,standard", help="of the training loops")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    print(f"torch {torch.__version__}, {arguments.device}, {torch.get_num_threads()} threads")
    if "evaluation" in wanted:
        evaluation(arguments.device, arguments.repeats)
    if "shifted" in wanted:
        shifted(arguments.device, arguments.repeats)
    if "memory" in wanted:
        memory()
    if "training" in wanted:
        training(arguments.device, arguments.repeats, arguments.sizes.split(","))
    if "length" in wanted:
        length(arguments.device, arguments.repeats, arguments.plot)


if __name__ == "__main__":
    main()
