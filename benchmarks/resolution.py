"""How often a run turns names into objects and takes digests: each plugin built, each digest, in one serial run.

    python benchmarks/resolution.py [--suite suites/quick.toml] [--prompts 512]

A serial run is the command and its only worker in one process. Target: no more than what the suite names (a function
class for each different setting, a scenario, metric and model each once, and references of metrics), and a digest of
each model for the manifest and once more where it is built; none of it grows with the blocks. The CPU seconds are those
spent inside, importing and reading weights included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from icl_bench.plugins import loading
from icl_bench.run.suite_run import run_suite
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite import with_n_prompts
from icl_bench.suites.suite_file import load_suite

SUITE = Path(__file__).resolve().parent.parent / "suites" / "quick.toml"
KINDS = ("function_classes", "scenarios", "metrics", "models")
DIGESTS = ("question_digest", "model_digest")


@dataclass(slots=True)
class Counted:
    """How often each thing was done, and the CPU seconds that it took."""

    times: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _inside: bool = False

    def counting(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return `function` counted under the name that `name` gives a call; what it calls itself is its own time."""

        def call(*arguments: Any, **options: Any) -> Any:
            what = name(*arguments)
            self.times[what] += 1
            if self._inside:
                return function(*arguments, **options)
            self._inside, since = True, time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[what] += time.process_time() - since
                self._inside = False

        return call


def _homes(name: str) -> Iterator[tuple[Any, Any]]:
    """Yield every loaded module of icl-bench that knows a function called `name`, with the function."""
    for module in [module for key, module in sys.modules.items() if key.startswith("icl_bench.")]:
        if callable(getattr(module, name, None)):
            yield module, getattr(module, name)


@contextmanager
def counted() -> Iterator[Counted]:
    """Count what is built and digested inside."""
    count = Counted()
    with ExitStack() as stack:
        build = count.counting(loading.build, lambda kind, *_: f"built: {kind}")
        stack.enter_context(mock.patch.object(loading, "build", build))
        for name in DIGESTS:
            for module, function in list(_homes(name)):
                taken = count.counting(function, lambda *_, name=name: f"taken: {name}")
                stack.enter_context(mock.patch.object(module, name, taken))
        yield count


def measure(path: Path, prompts: int) -> None:
    """Run the suite into a temporary folder, and print what was built and taken on the way."""
    suite = with_n_prompts(load_suite(path), prompts)
    plan = make_plan(suite)
    with tempfile.TemporaryDirectory() as out, counted() as count:
        since = time.process_time()
        run_suite(suite, out)
        total = time.process_time() - since
    print(
        f"{suite.name}: {sum(prompt_set.n_blocks for prompt_set in plan.prompt_sets)} blocks of"
        f" {len(plan.prompt_sets)} cells, {len(suite.scenarios)} scenarios, {len(suite.models)} models,"
        f" {len(suite.metrics)} metrics; {total:.1f} s of CPU time"
    )
    for what in [*(f"built: {kind}" for kind in KINDS), *(f"taken: {name}" for name in DIGESTS)]:
        print(f"  {what:26} {count.times[what]:6,} times {count.seconds[what]:7.3f} s")


def main() -> None:
    """Read the options and measure."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=SUITE)
    parser.add_argument("--prompts", type=int, default=512, help="prompts a cell")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measure(arguments.suite, arguments.prompts)


if __name__ == "__main__":
    main()
