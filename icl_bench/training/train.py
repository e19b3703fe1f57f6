"""The training run: a recipe becomes a checkpoint folder, whatever interrupts it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from icl_bench.checkpoints.folder import CARD, write_checkpoint
from icl_bench.errors import IclBenchError, RecipeError, RunFolderError, TrainingError, told
from icl_bench.files import locked, write_text
from icl_bench.layers.learner import Learner
from icl_bench.machine import check_device
from icl_bench.plugins import catalogue, loading
from icl_bench.tables.training_table import read_training, write_training
from icl_bench.training.batches import PromptSource
from icl_bench.training.card import card_of
from icl_bench.training.interrupts import BetweenSteps
from icl_bench.training.measuring import TuningSet, measured, tuning_sets
from icl_bench.training.recipe import Recipe
from icl_bench.training.recipe_file import load_recipe
from icl_bench.training.state import Progressed, read_progress, restore, write_state
from icl_bench.training.steps import Stepper

LOGGED = 200
"""Rows of the training loss in the table, about; each is a mean over the steps since the one before."""

SAVE_SECONDS = 60.0
"""Between two states on disk."""


class TrainingProgress(Protocol):
    """Is told how training goes."""

    def begin(self, steps: int, done: int) -> None:
        """Training has `steps` steps, `done` of which are finished already."""

    def advance(self, step: int, loss: float) -> None:
        """`step` steps are finished; `loss` is the mean over the last ones."""

    def measured(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Risks on tuning prompts after `step` steps."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Silent:
    """Tells nothing."""

    def begin(self, steps: int, done: int) -> None:
        """Nothing."""

    def advance(self, step: int, loss: float) -> None:
        """Nothing."""

    def measured(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def chosen_device(device: str) -> torch.device:
    """Return the device: "auto" is a GPU where there is one; UsageError when torch cannot use it."""
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    check_device(name, "float32")
    return torch.device(name)


def train(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    fresh: bool = False,
    until: int | None = None,
    threads: int | None = None,
    progress: TrainingProgress | None = None,
) -> Path:
    """Train a recipe's network into the folder `out` (default checkpoints/NAME), continuing what is there.

    The folder ends up as a checkpoint (weights.safetensors, card.toml) beside recipe.toml, training.parquet and the
    state that continues it. `until` stops after that many steps. On a CPU, an interrupted and continued run has the
    same weights to the bit as one that was not, given the same number of threads. Returns the folder.

    Raises RecipeError, RunFolderError (another recipe's folder), TrainingError (diverged, out of memory), OutputError.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    folder = Path(out) if out is not None else Path("checkpoints") / recipe.name
    if threads is not None:
        torch.set_num_threads(threads)
    with locked(folder), _memory_named(recipe):
        run = _TrainingRun(recipe, folder, chosen_device(device), fresh, progress or Silent())
        try:
            run.go(min(recipe.optimisation.n_steps, until or recipe.optimisation.n_steps))
        finally:
            run.source.close()
    return folder


@contextmanager
def _memory_named(recipe: Recipe) -> Iterator[None]:
    """Turn running out of memory into an error that says what to make smaller, and what a user's code raises too."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error) and "out of memory" not in str(error):
            _name_foreign_code(recipe, error)
            raise
        size = recipe.optimisation.batch_size
        raise TrainingError(
            f"out of memory at batch_size = {size}; expected a smaller [optimisation] batch_size, fewer"
            " context_sizes or a smaller network; the last state is kept"
        ) from error
    except IclBenchError:
        raise
    except Exception as error:
        _name_foreign_code(recipe, error)
        raise


def _name_foreign_code(recipe: Recipe, error: Exception) -> None:
    """Raise an error of ours that says what failed: a part of the law, or a network from outside the package."""
    if getattr(error, "__notes__", ()):  # the part of the law that raised it
        raise RecipeError([f"recipe {recipe.name}: prompts cannot be drawn: {told(error)}"]) from error
    if catalogue.is_foreign("models", recipe.network.use):
        said = f"{recipe.network.where}: network {recipe.network.use} fails in training: {told(error)}"
        raise TrainingError(said) from error


class _TrainingRun:
    """One run: its learner, where it is, and what it has told so far."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: torch.device, fresh: bool, progress: TrainingProgress
    ) -> None:
        self.recipe, self.folder, self.device, self.progress = recipe, folder, device, progress
        self.source = PromptSource(recipe)
        self.learner = _initial(recipe).to(device).train()
        if recipe.optimisation.precision == "float64":
            self.learner.double()
        self.stepper = Stepper(recipe, self.learner, self.source, device)
        self.sets: list[TuningSet] = tuning_sets(recipe.evaluation, self.source.laws[0])
        self.rows: list[dict[str, Any]] = []
        self.step, self.seconds = 0, 0.0
        self._state = folder / "state.safetensors"
        if fresh:
            for name in ("state.safetensors", "training.parquet", CARD):
                (folder / name).unlink(missing_ok=True)
        if self._state.exists():
            self._continue()
        write_text(folder / "recipe.toml", recipe.text)

    def _continue(self) -> None:
        """Take up the state on disk; RunFolderError when it is another recipe's."""
        found = read_progress(self._state)
        if found.recipe_digest != self.recipe.digest:
            raise RunFolderError(
                f"{self.folder} holds the training of another recipe (network, prompts or optimisation differ):"
                " give another --out, or --fresh to begin anew"
            )
        restore(self._state, self.learner, self.stepper.average, self.stepper.optimisers, str(self.device))
        self.step, self.seconds = found.step, found.seconds
        table = self.folder / "training.parquet"
        if table.exists():
            self.rows = [row for row in read_training(table) if row["step"] <= self.step]

    def go(self, until: int) -> None:
        """Train to `until` steps; states are written on the way and when interrupted."""
        settings, every = self.recipe.optimisation, self.recipe.evaluation.every
        if (self.folder / CARD).exists() and self.step == settings.n_steps:
            self.progress.note(f"{self.folder} is finished; --fresh trains anew")
            return
        self.progress.begin(settings.n_steps, self.step)
        logging = max(1, settings.n_steps // LOGGED)
        losses: list[Tensor] = []
        self._clock = self._saved = time.monotonic()
        try:
            with BetweenSteps() as interrupts:
                while self.step < until:
                    losses.append(self.stepper.step(self.step))
                    self.step += 1
                    if self.step % logging == 0 or self.step == until:
                        self._log(losses)
                        losses = []
                    if self.step % every == 0 and self.step < settings.n_steps:
                        self._measure()
                    if not losses and time.monotonic() - self._saved > SAVE_SECONDS:
                        self._save()
                    interrupts.check()
        except KeyboardInterrupt:
            if losses:
                self._log(losses)
            self._save()
            raise
        if self.step == settings.n_steps:
            self._finish()
        self._save()

    def _log(self, losses: list[Tensor]) -> None:
        """Add the mean loss to the table; TrainingError when it is not finite."""
        mean = float(torch.stack(losses).double().mean())
        if not math.isfinite(mean):
            raise self._diverged(f"the loss is {mean}")
        rate = self.recipe.optimisation.learning_rate_at(self.step - 1)
        self._add([_row("loss", mean)], learning_rate=rate)
        self.progress.advance(self.step, mean)

    def _measure(self) -> list[dict[str, Any]]:
        rows = measured(self._kept(), self.sets, str(self.device))
        self._add(rows)
        self.progress.measured(self.step, rows)
        return rows

    def _add(self, rows: list[dict[str, Any]], learning_rate: float | None = None) -> None:
        size = self.recipe.optimisation.batch_size
        told = {"step": self.step, "prompts_seen": self.step * size, "learning_rate": learning_rate}
        self.rows.extend({**told, "seconds": self._elapsed(), **row} for row in rows)

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._clock

    def _kept(self) -> Learner:
        """Return the learner whose weights count: the running average's, where one is kept."""
        if self.stepper.average is None:
            return self.learner
        averaged = _initial(self.recipe).to(self.device)
        if self.recipe.optimisation.precision == "float64":
            averaged.double()
        averaged.load_state_dict(self.stepper.average)
        return averaged

    def _save(self) -> None:
        """Write table, then state: a state never knows of rows that are not on disk, nor of weights past mending."""
        if not all(bool(value.isfinite().all()) for value in self.learner.state_dict().values()):
            raise self._diverged("weights are not finite")
        write_training(self.folder / "training.parquet", self.rows)
        progressed = Progressed(self.step, self.recipe.digest, self._elapsed())
        write_state(self._state, self.learner, self.stepper.average, self.stepper.optimisers, progressed)
        self._saved = time.monotonic()

    def _diverged(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what} at step {self.step}: training diverged; the state before is kept in {self._state}. Expected a"
            " smaller learning_rate, a longer warmup or clip > 0 in [optimisation]"
        )

    def _finish(self) -> None:
        """Measure once more, and write the checkpoint."""
        rows = self._measure()
        learner = self._kept().to("cpu")
        card = card_of(self.recipe, self.source, rows, self.step, self._elapsed(), str(self.device))
        write_checkpoint(self.folder, learner, card, replace=True)


def _initial(recipe: Recipe) -> Learner:
    """Return the recipe's network with its initial weights; RecipeError when its sizes make none."""
    spec = recipe.network
    architecture = loading.build("models", spec.use, spec.arguments, recipe.folder)
    try:
        learner: Learner = architecture.initial(recipe.prompts.n_dims)
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise RecipeError([f"{spec.where}: network: {spec.use} cannot be built: {error}"]) from error
    except RuntimeError as error:
        if "alloc" in str(error) or "out of memory" in str(error):
            raise
        raise RecipeError([f"{spec.where}: network: {spec.use} cannot be built: {error}"]) from error
    if not isinstance(learner, Learner):
        got = type(learner).__name__
        raise RecipeError([f"{spec.where}: network: {spec.use}: build: expected an icl_bench.Learner, got {got}"])
    return learner


def _row(metric: str, value: float) -> dict[str, Any]:
    return {
        "scenario": None,
        "severity": None,
        "context_size": None,
        "metric": metric,
        "value": value,
        "stderr": None,
    }
