// Tables as files, built from the data in the page.

function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  // a spreadsheet must not take a model's name for a formula
  const safe = /^[=+\-@\t\r]/.test(value) && !isNumber(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function isNumber(text) {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

function csv(heads, rows) {
  return [heads, ...rows].map((row) => row.map(csvCell).join(",")).join("\n") + "\n";
}

function headlineCsv() {
  const heads = ["run", "model", "score", "scope", "scenario", "severity_label", "value", "low", "high", "n_points", "n_possible", "message"];
  const rows = [];
  for (const run of tables.runs) {
    for (const score of run.runScores.scores) rows.push([run.folder, score.model, score.name, score.scope, score.scenario, score.severity_label, score.value, score.low, score.high, score.n_points, score.n_possible, score.message]);
    for (const found of run.breakdowns) {
      const where = found.unshifted ? "unshifted" : found.severities.join("; ") || (found.estimated ? `${found.estimated}?` : found.known ? "none" : "");
      rows.push([run.folder, found.model, "breakdown", "scenario", found.scenario, where, null, null, null, null, null, ""]);
    }
  }
  return csv(heads, rows);
}

function* severityRecords() {
  for (const run of tables.runs) {
    for (const [index, point] of run.points.entries()) {
      for (const [column, model] of run.models.entries()) {
        const record = { run: run.folder, suite: run.manifest.suite, suite_version: run.manifest.suite_version, ...point };
        for (const field of tables.ofEntry) record[field] = entry(run, field, index, column);
        yield { ...record, model };
      }
    }
  }
}

function scoresCsv() {
  return csv(tables.fields, [...severityRecords()].map((record) => tables.fields.map((field) => record[field])));
}

function* curveRecords() {
  for (const [number, run] of tables.runs.entries()) {
    for (const [index, point] of run.points.entries()) {
      const lines = run.models.map((model, column) => [model, "models", column]);
      for (const [model, kind, column] of [...lines, ["(Bayes risk)", "bayes", 0], ["(predicting zero)", "zero", 0]]) {
        for (const found of unpacked(curves.runs[number][kind], index, column)) {
          yield {
            run: run.folder, scenario: point.scenario, severity_label: point.severity_label, model, metric: run.riskMetric, context_size: found.x,
            statistic: found.median ? "median" : "mean", value: digits(found.value), low: digits(found.low), high: digits(found.high),
          };
        }
      }
    }
  }
}

function digits(value) {
  return value === null ? null : Number(value.toPrecision(3));
}

function curvesCsv() {
  const heads = ["run", "scenario", "severity_label", "model", "metric", "context_size", "statistic", "value", "low", "high"];
  return csv(heads, [...curveRecords()].map((record) => heads.map((field) => record[field])));
}

function everythingJson() {
  const scores = [...severityRecords()], lines = [...curveRecords()];
  const documents = tables.runs.map((run) => ({
    run: run.folder, manifest: run.manifest, coverage: run.coverage, metric: run.metric, run_scores: run.runScores,
    scores: scores.filter((record) => record.run === run.folder), curves: lines.filter((record) => record.run === run.folder),
    breakdowns: run.breakdowns, troubles: run.troubles,
  }));
  return `${JSON.stringify(documents.length === 1 ? documents[0] : documents, null, 1)}\n`;
}

function save(content, kind, ending) {
  const suites = [...new Set(tables.runs.map((run) => run.manifest.suite))].join("-");
  const name = `${suites}-${ending}`.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^[._-]+/, "").slice(0, 100);
  const address = URL.createObjectURL(new Blob([content], { type: kind }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

function startDownloads() {
  const on = (id, build, kind, ending) => document.getElementById(id).addEventListener("click", async () => {
    await loadCurves();
    save(build(), kind, ending);
  });
  on("download-headline", headlineCsv, "text/csv", "run-scores.csv");
  on("download-scores", scoresCsv, "text/csv", "scores.csv");
  on("download-curves", curvesCsv, "text/csv", "curves.csv");
  on("download-json", everythingJson, "application/json", "report.json");
}
