"""One block: draw it once, let every model answer, turn answers into losses, and say what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from icl_bench.assembly.laws import CellLaw
from icl_bench.assembly.resolved import Resolved
from icl_bench.errors import NoClosedForm
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.plugins.protocols import Metric
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.run.asking import Asker, Conditions
from icl_bench.run.failures import Failure, caught
from icl_bench.run.left_open import unsaid
from icl_bench.run.losses import BlockLosses, losses_of, stored_columns, stored_metrics
from icl_bench.seeding import Streams
from icl_bench.statistics.looked_up import Unsaid
from icl_bench.suites.plan import Block
from icl_bench.tables.schema import LOOKED_UP_COLUMN, PROMPTS
from icl_bench.tables.units import ModelOutcome, Unit, UnitHeader


def with_bayes(law: PromptLaw, draw: Draw) -> Draw:
    """Return the draw with the Bayes prediction of its own law among the targets, or why there is none."""
    try:
        posterior = law.bayes(draw.prompts)
    except NoClosedForm as reason:
        return replace(draw, targets=replace(draw.targets, no_bayes=str(reason)))
    targets = replace(draw.targets, bayes_mean=posterior.mean, bayes_var=posterior.variance)
    return replace(draw, targets=targets)


def evaluate_block(
    resolved: Resolved,
    block: Block,
    run_digest: str,
    conditions: Conditions,
    given_up: Mapping[str, tuple[str, str]] | None = None,
    before: Callable[[str], object] = str,
) -> Unit:
    """Draw a block, let `block.models` answer, and return their losses with what became of each.

    `given_up` holds models not to be asked, with their status and message (they took a worker down); `before` is told
    the model about to be asked. `(prompts)` among the models stands for the losses of the prompts alone.
    """
    cell, metrics = resolved.laws.cell(block.prompt_set), resolved.metrics
    columns = stored_columns(metrics)
    try:
        with caught(conditions.time_limit, "drawing prompts: "):
            draw = with_bayes(cell.law, cell.law.draw(Streams(block.prompt_set.seed, block.block)))
            left_open = unsaid(draw)
    except Failure as failure:
        return _undrawn(resolved, block, run_digest, cell, columns, failure)
    if left_open is not None:
        columns = (*columns, LOOKED_UP_COLUMN)
    asker = Asker(resolved, cell.law, draw, conditions)
    outcomes: list[ModelOutcome] = []
    losses: dict[str, dict[str, NDArray[np.float32]]] = {}
    for label in block.models:
        seconds, found, status, message = None, BlockLosses({}, {}, {}), "ok", ""
        try:
            if label in (given_up or {}):
                raise Failure(*(given_up or {})[label])
            before(label)
            found, seconds = _ask(asker, label, metrics, block, left_open)
            losses[label] = found.columns
        except Failure as failure:
            status, message = failure.status, failure.message
        outcomes.append(
            ModelOutcome(label, _digest(resolved, label), status, message, seconds, found.absent, found.tails)
        )
    header = _header(block, run_digest, cell, draw.digest, draw.cluster_size, columns, outcomes)
    return Unit(header, losses)


def _header(
    block: Block,
    run_digest: str,
    cell: CellLaw,
    prompt_digest: str,
    cluster_size: int,
    columns: tuple[str, ...],
    outcomes: list[ModelOutcome],
) -> UnitHeader:
    return UnitHeader(
        run_digest=run_digest,
        prompt_digest=prompt_digest,
        place=replace(block.prompt_set.place, identity=cell.identity),
        seed=block.prompt_set.seed,
        block=block.block,
        n_prompts=block.prompt_set.rows(block.block),
        context_sizes=cell.law.sizes.context_sizes,
        headline_size=cell.headline_size,
        cluster_size=cluster_size,
        columns=columns,
        outcomes=tuple(outcomes),
        skipped=cell.law.sizes.skipped,
    )


def _undrawn(
    resolved: Resolved, block: Block, run_digest: str, cell: CellLaw, columns: tuple[str, ...], failure: Failure
) -> Unit:
    """Return a block that could not be drawn: what a part of the law raised is what became of every model."""
    outcomes = [
        ModelOutcome(label, _digest(resolved, label), failure.status, failure.message, None, {}, {})
        for label in block.models
    ]
    return Unit(_header(block, run_digest, cell, "", 1, columns, outcomes), {})


def _digest(resolved: Resolved, label: str) -> str:
    """Return the digest of a model, or none where no model is asked."""
    return "" if label == PROMPTS else resolved.digest(label)


def _ask(
    asker: Asker, label: str, metrics: Mapping[str, Metric], block: Block, left_open: Unsaid | None
) -> tuple[BlockLosses, float | None]:
    """Return one model's losses on the block and the seconds it took; Failure when it has none."""
    rows, limit = block.prompt_set.rows(block.block), asker.conditions.time_limit
    if label == PROMPTS:
        unanswered = Prediction(torch.full_like(asker.draw.targets.query_y, torch.nan))  # it is nobody's to read
        answer = asker.answer(_NoModel(), unanswered)
        return losses_of(answer, stored_metrics(metrics, needs_model=False), rows, limit), None
    probe = block.block == 0 and asker.resolved.models[label].foreign
    answer, seconds = asker.ask(label, probe)
    losses = losses_of(answer, stored_metrics(metrics, needs_model=True), rows, limit)
    if left_open is not None:
        losses.columns[LOOKED_UP_COLUMN] = left_open.column(answer.prediction.mean.numpy())[:rows]
    return losses, seconds


class _NoModel:
    """Stands where no model is asked."""

    def predict(self, prompts: PromptBatch) -> Prediction:
        """Never called."""
        raise NotImplementedError
