"""One block: draw it once, let every model answer, turn answers into losses, and say what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from icl_bench.assemble import build_metrics, cell_law, is_foreign, model_digest
from icl_bench.errors import NoClosedForm
from icl_bench.evaluate.asking import Asker, Conditions, models_of
from icl_bench.evaluate.failures import Failure
from icl_bench.evaluate.looked_up import unsaid
from icl_bench.evaluate.losses import Losses, losses_of, stored_columns, stored_metrics
from icl_bench.laws.law import Draw, PromptLaw
from icl_bench.plan import Block
from icl_bench.prompts import Prediction, PromptBatch
from icl_bench.protocols import Metric
from icl_bench.seeding import Streams
from icl_bench.statistics.looked_up import Unsaid
from icl_bench.suite import Suite
from icl_bench.tables.io import ModelOutcome, Unit, UnitHeader
from icl_bench.tables.schema import LOOKED_UP_COLUMN, PROMPTS


def with_bayes(law: PromptLaw, draw: Draw) -> Draw:
    """Return the draw with the Bayes prediction of its own law among the targets, where one is known."""
    try:
        posterior = law.bayes(draw.prompts)
    except NoClosedForm:
        return draw
    targets = replace(draw.targets, bayes_mean=posterior.mean, bayes_var=posterior.variance)
    return replace(draw, targets=targets)


def evaluate_block(
    suite: Suite,
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
    cell = cell_law(suite, block.prompt_set)
    draw = with_bayes(cell.law, cell.law.draw(Streams(block.prompt_set.seed, block.block)))
    metrics = build_metrics(suite)
    left_open = unsaid(draw)
    asker = Asker(models_of(suite, run_digest), cell, draw, conditions)
    outcomes: list[ModelOutcome] = []
    losses: dict[str, dict[str, NDArray[np.float32]]] = {}
    for label in block.models:
        seconds, found, status, message = None, Losses({}, {}, {}), "ok", ""
        try:
            if label in (given_up or {}):
                raise Failure(*(given_up or {})[label])
            before(label)
            found, seconds = _ask(asker, label, metrics, block, left_open)
            losses[label] = found.columns
        except Failure as failure:
            status, message = failure.status, failure.message
        digest = "" if label == PROMPTS else model_digest(suite, asker.models.specs[label])
        outcomes.append(ModelOutcome(label, digest, status, message, seconds, found.absent, found.tails))
    header = UnitHeader(
        run_digest=run_digest,
        prompt_digest=draw.digest,
        scenario=block.prompt_set.label,
        severity=block.prompt_set.severity,
        severity_label=block.prompt_set.severity_label,
        point=block.prompt_set.point,
        identity=cell.identity,
        seed=block.prompt_set.seed,
        block=block.block,
        n_prompts=block.prompt_set.rows(block.block),
        context_sizes=cell.law.sizes.context_sizes,
        headline_size=cell.headline_size,
        cluster_size=draw.cluster_size,
        columns=(*stored_columns(metrics), *(() if left_open is None else (LOOKED_UP_COLUMN,))),
        outcomes=tuple(outcomes),
        skipped=cell.law.sizes.skipped,
    )
    return Unit(header, losses)


def _ask(
    asker: Asker, label: str, metrics: Mapping[str, Metric], block: Block, left_open: Unsaid | None
) -> tuple[Losses, float | None]:
    """Return one model's losses on the block and the seconds it took; Failure when it has none."""
    rows, limit = block.prompt_set.rows(block.block), asker.conditions.time_limit
    if label == PROMPTS:
        unanswered = Prediction(torch.full_like(asker.draw.targets.query_y, torch.nan))  # it is nobody's to read
        answer = asker.answer(_NoModel(), unanswered)
        return losses_of(answer, stored_metrics(metrics, needs_model=False), rows, limit), None
    probe = block.block == 0 and is_foreign(asker.models.specs[label])
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
