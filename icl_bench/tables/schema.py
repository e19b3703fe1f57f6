"""The schema of every table, a doc per column.

Version 2 added the noise variance, the factors of joint shifts and baselines to the manifest; version 3 the cards of
metrics to the manifest, each metric's own statistic to the scores, and the status `looked_up` with the losses that it
is judged by. Versions 1 and 2 are still read.
A table's metadata carries `icl_bench.schema`; a reader refuses a newer version and says how to upgrade.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

SCHEMA_VERSION = 3
SCHEMA_KEY = b"icl_bench.schema"
LOOKED_UP = "looked_up"
"""Status of a cell whose answers know what its prompts do not tell: its rows keep numbers, which count for nothing."""
WORST_FIRST = (LOOKED_UP, "error", "timeout", "nan", "skipped", "ok")
"""Statuses of a cell: what becomes of a whole is the first of these that a part of it has."""
LOOKED_UP_COLUMN = "looked_up_u"
"""Column of the losses from which looked-up answers are told: u of `icl_bench.statistics.looked_up`; no metric."""
PROMPTS = "(prompts)"
"""Stands in the column `model` on rows that depend on the prompts alone (zero_error, bayes_risk)."""

_Column = tuple[str, pa.DataType, str] | tuple[str, pa.DataType, str, int]
"""Name, type, doc, and the schema version that it came with where that is not the first."""

_SCORE_COLUMNS: tuple[_Column, ...] = (
    ("suite", pa.string(), "Name of the suite."),
    ("suite_version", pa.int32(), "Version of the suite; a released suite never changes."),
    (
        "model",
        pa.string(),
        "Label of the model in the suite; `(prompts)` for properties of the prompts alone.",
    ),
    ("scenario", pa.string(), "Label of the scenario, axis first: `covariate/scale`."),
    ("severity", pa.float64(), "Dial of the scenario; null when it has none or more than one."),
    ("severity_label", pa.string(), "The dial as text; the dials of a joint shift joined by ` x `."),
    (
        "identity",
        pa.bool_(),
        "Whether the severity leaves the training prompts' law unshifted; null for joint shifts.",
    ),
    ("seed", pa.int64(), "Replicate index."),
    (
        "context_size",
        pa.int32(),
        "Labelled examples before the query; null on a row for a whole failed cell.",
    ),
    (
        "headline",
        pa.bool_(),
        "Whether a prompt of the training length has this context size: what summaries show.",
    ),
    ("metric", pa.string(), "Name of the metric; null on a row for a whole failed cell."),
    (
        "mean",
        pa.float64(),
        "Mean over prompts (ratio of means for a normalised metric); null where none exists.",
    ),
    (
        "stderr",
        pa.float64(),
        "Standard error of the mean over clusters; null where the variance does not exist.",
    ),
    ("ci_low", pa.float64(), "Lower end of the 95% studentised interval of the mean."),
    ("ci_high", pa.float64(), "Upper end of the 95% studentised interval of the mean."),
    ("median", pa.float64(), "Median over prompts (over the denominator's mean for a normalised metric)."),
    ("median_low", pa.float64(), "Lower end of the median's 95% order-statistic interval."),
    ("median_high", pa.float64(), "Upper end of the median's 95% order-statistic interval."),
    ("q10", pa.float64(), "10% quantile over prompts."),
    ("q90", pa.float64(), "90% quantile over prompts."),
    ("mean_exists", pa.bool_(), "Whether the loss has a mean: tail index above 1."),
    (
        "tail_index",
        pa.float64(),
        "Tail index of the loss: exact where theory gives it, else a Hill estimate.",
    ),
    ("n_prompts", pa.int64(), "Prompts that the row summarises."),
    ("status", pa.string(), "ok | error | timeout | nan | skipped | looked_up."),
    ("message", pa.string(), "Why the status is not ok, or why a value is null."),
    ("seconds", pa.float64(), "Seconds the model took to answer this cell's prompts, all context sizes."),
    (
        "statistic",
        pa.string(),
        "What the metric is summarised by: mean | ratio of means | quantile | worst group.",
        3,
    ),
    (
        "value",
        pa.float64(),
        "That statistic of the losses: the mean, the ratio, the quantile, or the worst of the groups' means.",
        3,
    ),
    ("value_low", pa.float64(), "Lower end of the 95% interval of `value`; null where there is none.", 3),
    ("value_high", pa.float64(), "Upper end of the 95% interval of `value`; null where there is none.", 3),
)

_LOSS_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("scenario", pa.string(), "Label of the scenario."),
    ("severity", pa.float64(), "Dial of the scenario; null when it has none or more than one."),
    ("severity_label", pa.string(), "The dial as text."),
    ("seed", pa.int64(), "Replicate index."),
    ("model", pa.string(), "Label of the model; `(prompts)` for properties of the prompts alone."),
    ("prompt", pa.int64(), "Index of the prompt within the seed; prompt i is the same for every model."),
    ("context_size", pa.int32(), "Labelled examples before the query."),
)


_TRAINING_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("step", pa.int64(), "Finished optimisation steps."),
    ("prompts_seen", pa.int64(), "Training prompts drawn so far."),
    ("scenario", pa.string(), "Tuning prompts that were answered: base, or a scenario; null for the training loss."),
    ("severity", pa.string(), "Dial of the scenario as text; null for the training loss."),
    ("context_size", pa.int32(), "Labelled examples before the query; null for the training loss."),
    ("metric", pa.string(), "loss (of training, since the row before), squared_error, excess_risk, risk_over_bayes."),
    ("value", pa.float64(), "Mean over prompts; null where the Bayes risk it is divided by is 0."),
    ("stderr", pa.float64(), "Standard error of `value` over prompts; null for the training loss."),
    ("learning_rate", pa.float64(), "Learning rate of the last step; null for tuning prompts."),
    ("seconds", pa.float64(), "Wall-clock seconds of training so far, over all commands."),
)


SINCE_KEY = b"since"


def _field(name: str, kind: pa.DataType, doc: str, since: int = 1) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc} | ({SINCE_KEY: str(since)} if since > 1 else {}))


def columns_after(schema: pa.Schema, version: int) -> tuple[str, ...]:
    """Return the columns of a schema that came after `version`: tables of that version rightly lack them."""
    return tuple(field.name for field in schema if int(field.metadata.get(SINCE_KEY, b"1")) > version)


def scores_schema() -> pa.Schema:
    """Return the schema of scores.parquet: one row per cell, context size and metric."""
    fields = [_field(*column) for column in _SCORE_COLUMNS]
    return pa.schema(fields, metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})


def training_schema() -> pa.Schema:
    """Return the schema of training.parquet: losses and risks on tuning prompts along a training run."""
    fields = [_field(*column) for column in _TRAINING_COLUMNS]
    return pa.schema(fields, metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})


def losses_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of a unit of losses: its keys, then one float32 column per stored loss.

    Losses are computed in float64 and stored rounded to float32; scores are computed from what is stored.
    """
    keys = [_field(*column) for column in _LOSS_COLUMNS]
    docs = {name: f"Loss `{name}` averaged over the prompt's queries." for name in columns}
    if LOOKED_UP_COLUMN in docs:
        docs[LOOKED_UP_COLUMN] = (
            "How far the answer leans from the Bayes prediction to the truth; NaN: nothing to judge."
        )
    values = [_field(name, pa.float32(), doc) for name, doc in docs.items()]
    return pa.schema([*keys, *values], metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})


_BASELINE_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("set", pa.int32(), "Prompt set: index into the list in the table's metadata (`icl_bench.baseline_sets`)."),
    ("prompt", pa.int64(), "Index of the prompt within the seed."),
    ("context_size", pa.int32(), "Labelled examples before the query."),
)


def baseline_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of a baseline's losses: its keys, then one float32 column per model and loss."""
    keys = [_field(*column) for column in _BASELINE_COLUMNS]
    values = [_field(name, pa.float32(), f"Losses `{name}`; null where there are none.") for name in columns]
    return pa.schema([*keys, *values], metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})


def column_docs() -> dict[str, str]:
    """Return the doc of every column of scores.parquet."""
    return {name: doc for name, _, doc, *_ in _SCORE_COLUMNS}


def training_column_docs() -> dict[str, str]:
    """Return the doc of every column of training.parquet."""
    return {name: doc for name, _, doc in _TRAINING_COLUMNS}
