"""The schema of every table, a doc per column.

A new column of scores is a row here with the version that it comes with, and what fills it; older tables are read, and
`why_absent` says why it is null in them. `CAME_WITH` tells what every version added. A table's metadata carries
`icl_bench.schema`; a reader refuses a newer version and says how to upgrade.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

SCHEMA_VERSION = 5
CAME_WITH = {
    1: "the first",
    2: "the manifest's noise variance, its single shifts that a joint shift is made of, its kind (run or baseline)",
    3: "the manifest's cards of metrics, the scores' statistic of each metric, the status `looked_up`",
    4: "the scores' severities as numbers, the cards' role `risk` and meaning",
    5: "the losses' bayes_signal, the manifest's cards of models and what skill leaves out",
}
"""Schema version -> what it added."""
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
    (
        "severities",
        pa.list_(pa.float64()),
        "The dials of the scenario's factors, a number each; null in it for a factor without a dial.",
        4,
    ),
)

_LOSS_COLUMNS: tuple[_Column, ...] = (
    ("scenario", pa.string(), "Label of the scenario."),
    ("severity", pa.float64(), "Dial of the scenario; null when it has none or more than one."),
    ("severity_label", pa.string(), "The dial as text."),
    ("seed", pa.int64(), "Replicate index."),
    ("model", pa.string(), "Label of the model; `(prompts)` for properties of the prompts alone."),
    ("prompt", pa.int64(), "Index of the prompt within the seed; prompt i is the same for every model."),
    ("context_size", pa.int32(), "Labelled examples before the query."),
)


_TRAINING_COLUMNS: tuple[_Column, ...] = (
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


def since(field: pa.Field) -> int:
    """Return the schema version that a column came with."""
    return int(field.metadata.get(SINCE_KEY, b"1"))


def columns_after(schema: pa.Schema, version: int) -> tuple[str, ...]:
    """Return the columns of a schema that came after `version`: tables of that version rightly lack them."""
    return tuple(field.name for field in schema if since(field) > version)


def why_absent(schema: pa.Schema, column: str, version: int) -> str:
    """Return why a column of `schema` is null throughout a table of an older `version`, and what to do."""
    return (
        f"the column {column} came with schema version {since(schema.field(column))}; this table has version {version}:"
        " run the suite again"
    )


def _schema(fields: Iterable[pa.Field], version: int = SCHEMA_VERSION) -> pa.Schema:
    kept = [field for field in fields if since(field) <= version]
    return pa.schema(kept, metadata={SCHEMA_KEY: str(version).encode()})


def scores_schema(version: int = SCHEMA_VERSION) -> pa.Schema:
    """Return the schema of scores.parquet as of a version: one row per cell, context size and metric."""
    return _schema((_field(*column) for column in _SCORE_COLUMNS), version)


def training_schema() -> pa.Schema:
    """Return the schema of training.parquet: losses and risks on tuning prompts along a training run."""
    return _schema(_field(*column) for column in _TRAINING_COLUMNS)


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
    return _schema([*keys, *(_field(name, pa.float32(), doc) for name, doc in docs.items())])


_BASELINE_COLUMNS: tuple[_Column, ...] = (
    ("set", pa.int32(), "Prompt set: index into the list in the table's metadata (`icl_bench.baseline_sets`)."),
    ("prompt", pa.int64(), "Index of the prompt within the seed."),
    ("context_size", pa.int32(), "Labelled examples before the query."),
)


def baseline_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of a baseline's losses: its keys, then one float32 column per model and loss."""
    keys = [_field(*column) for column in _BASELINE_COLUMNS]
    return _schema(
        [*keys, *(_field(name, pa.float32(), f"Losses `{name}`; null where there are none.") for name in columns)]
    )
