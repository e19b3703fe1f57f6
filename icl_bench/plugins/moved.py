"""What plugins imported by other names before 0.3: told where it is now when the import fails."""

from __future__ import annotations

import re
from collections.abc import Mapping

PAGE = "docs/plugins-0.3.md"

MODULES: Mapping[str, str] = {
    "icl_bench.architecture_contracts": "icl_bench.contracts.architectures",
    "icl_bench.compare.nightly_evidence": "icl_bench.compare.nightly.evidence",
    "icl_bench.compare.nightly_state": "icl_bench.compare.nightly.state",
    "icl_bench.compare.nightly_view": "icl_bench.compare.nightly.view",
    "icl_bench.devices": "icl_bench.machine",
    "icl_bench.evaluate.looked_up": "icl_bench.run.left_open",
    "icl_bench.evaluate": "icl_bench.run",
    "icl_bench.execution": "icl_bench.run.jobs",
    "icl_bench.executor_contracts": "icl_bench.contracts.executors",
    "icl_bench.function_class_contracts": "icl_bench.contracts.function_classes",
    "icl_bench.laws.contracts": "icl_bench.contracts.laws",
    "icl_bench.looked_up": "icl_bench.scores.looked_up",
    "icl_bench.networks": "icl_bench.layers",
    "icl_bench.patterns": "icl_bench.names",
    "icl_bench.plan": "icl_bench.suites.plan",
    "icl_bench.provenance": "icl_bench.machine",
    "icl_bench.report.breakdown": "icl_bench.scores.breakdown",
    "icl_bench.report.coverage": "icl_bench.scores.coverage",
    "icl_bench.report.curves": "icl_bench.scores.curves",
    "icl_bench.report.figures": "icl_bench.figures",
    "icl_bench.report.grids": "icl_bench.rendering.table",
    "icl_bench.report.html.markup": "icl_bench.rendering.html",
    "icl_bench.report.html": "icl_bench.report.page",
    "icl_bench.report.points": "icl_bench.scores.points",
    "icl_bench.report.resemblance": "icl_bench.scores.resemblance",
    "icl_bench.report.score_grids": "icl_bench.report.sections",
    "icl_bench.report.score_rows": "icl_bench.scores.rows",
    "icl_bench.report.summary": "icl_bench.scores.summary",
    "icl_bench.run_scores.points": "icl_bench.scores.prompt_rows",
    "icl_bench.run_scores.scores": "icl_bench.scores.axis_scores",
    "icl_bench.run_scores": "icl_bench.scores",
    "icl_bench.scoring": "icl_bench.scores.cells",
    "icl_bench.section_reader": "icl_bench.suites.section_reader",
    "icl_bench.solvers": "icl_bench.prefix_solvers",
    "icl_bench.suite_file": "icl_bench.suites.suite_file",
    "icl_bench.suite_sections": "icl_bench.suites.sections",
    "icl_bench.tables.losses": "icl_bench.tables.stored_losses",
    "icl_bench.text": "icl_bench.formatting",
    "icl_bench.toml_lines": "icl_bench.toml",
    "icl_bench.validation": "icl_bench.run.validation",
}
"""Module or folder -> where all of it is that plugins used; what is below a folder moved with it, the longest first."""

SPLIT: Mapping[str, Mapping[str, str]] = {
    "icl_bench.assemble": {
        "icl_bench": "load_model, load_scenario",
        "icl_bench.assembly.identity": "code_digest, model_digest, question_digest",
        "icl_bench.assembly.plugins": "bound, build_metrics, build_model, metric_cards",
    },
    "icl_bench.catalogue": {
        "icl_bench.plugins.arguments": "FileArgument, FilePath, argument_problems, file_arguments, signature_of",
        "icl_bench.plugins.catalogue": "KINDS, entries, find, is_file_reference, is_foreign",
        "icl_bench.plugins.loading": "build, plugin_class",
    },
    "icl_bench.metric_contracts": {
        "icl_bench.contracts.metric_declarations": "metric_problems, problems_in_suite",
        "icl_bench.contracts.metrics": "metric_violations",
    },
    "icl_bench.protocols": {
        "icl_bench": "Outcome, PlainMetric, RatioMetric",
        "icl_bench.plugins.protocols": "Answer, Executor, LinearLearner, LinearMaps, Metric, Model, Scenario, declared",
    },
    "icl_bench.run_folder": {
        "icl_bench.files": "locked",
        "icl_bench.run.folder": "RunFolder, open_run_folder",
    },
    "icl_bench.suite": {
        "icl_bench.places": "Severity, severity_text",
        "icl_bench.suites.suite": "Factor, MetricSpec, ModelSpec, PromptSettings, ScenarioSpec, Suite",
    },
    "icl_bench.tables.io": {
        "icl_bench.files": "replacing, write_text",
        "icl_bench.tables.parquet": "as_array, open_table",
        "icl_bench.tables.score_table": "read_looked_up, read_score_rows, read_scores, write_scores",
        "icl_bench.tables.training_table": "read_training, write_training",
        "icl_bench.tables.units": "Unit, UnitHeader, read_header, read_losses, read_unit, write_unit",
    },
}
"""Module that is gone -> the modules that its content went to, with the names in each."""

NAMES: Mapping[str, str] = {
    "icl_bench.assembly.laws.cell_law": "icl_bench.assembly.laws.SuiteLaws",
    "icl_bench.assembly.laws.training_law": "icl_bench.assembly.laws.SuiteLaws",
    "icl_bench.checkpoints.card.Recipe": "icl_bench.checkpoints.card.TrainedBy",
    "icl_bench.contracts.global_states": "icl_bench.contracts.models.global_states",
    "icl_bench.contracts.model_violations": "icl_bench.contracts.models.model_violations",
    "icl_bench.contracts.prediction_problem": "icl_bench.contracts.models.prediction_problem",
    "icl_bench.contracts.scenario_violations": "icl_bench.contracts.models.scenario_violations",
    "icl_bench.errors.nearest": "icl_bench.names.nearest",
    "icl_bench.laws.canonical.combined_digest": "icl_bench.digests.combined_digest",
    "icl_bench.laws.parts.asked": "icl_bench.laws.asked.asked",
    "icl_bench.laws.table_rows.Table": "icl_bench.laws.table_rows.DataTable",
    "icl_bench.layers.decoder.Block": "icl_bench.layers.decoder.DecoderBlock",
    "icl_bench.run.Run": "icl_bench.Run",
    "icl_bench.run.check_suite": "icl_bench.run.suite_run.check_suite",
    "icl_bench.run.read_run": "icl_bench.read_run",
    "icl_bench.run.run_suite": "icl_bench.run_suite",
    "icl_bench.tables.loss_sets.Losses": "icl_bench.tables.loss_sets.StoredLosses",
}
"""Name in a module that is still there -> where it is, or what does its work."""

_NO_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def moved_to(error: ImportError) -> str:
    """Return where what an import wanted is now, as a sentence without a full stop; empty when nothing is known."""
    wanted = _wanted(error)
    if wanted in NAMES:
        return f"{wanted} is {NAMES[wanted]} now"
    if wanted in SPLIT:
        parts = "; ".join(f"{place} has {names}" for place, names in SPLIT[wanted].items())
        return f"{wanted} has been split: {parts}"
    beginning = wanted
    while beginning:
        if beginning in MODULES:
            return f"{wanted} is {MODULES[beginning]}{wanted[len(beginning) :]} now"
        beginning = beginning.rpartition(".")[0]
    return ""


def _wanted(error: ImportError) -> str:
    """Return the dotted name of what was not there."""
    lacking = _NO_NAME.search(str(error))
    return f"{lacking[2]}.{lacking[1]}" if lacking else error.name or ""
