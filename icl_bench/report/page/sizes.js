// Risk against context size: one scenario and severity at a time.

function startSizes() {
  const [scenario, severity, log, bands, whole] = ["scenario", "severity", "log", "bands", "whole"].map((name) => document.getElementById(`size-${name}`));
  const draw = (element) => {  // at once where it can: printing does not wait
    if (curves === null) loadCurves().then(() => draw(element));
    else drawSizes(element, scenario.value, severity.value, onLog(log), bands.checked, whole.checked);
  };
  const update = registerPlot("size-plot", draw);
  fillPlaces(scenario, severity, update);
  for (const control of [log, bands, whole]) control.addEventListener("change", update);
  follow(update);
}

function placeIndex(run, scenario, label) {
  return run.points.findIndex((point) => point.scenario === scenario && point.severity_label === label);
}

function sizeCurve(run, kind, scenario, label, column, who) {
  const point = placeIndex(tables.runs[run], scenario, label);
  if (point < 0) return [];
  return unpacked(curves.runs[run][kind], point, column).map((found) => ({
    ...found,
    text: `${plotlyText(who)}<br>${found.x} examples: ${plotlyText(withInterval(found.value, found.low, found.high))}${found.median ? " median" : ""}`,
  }));
}

function drawSizes(element, scenario, label, log, bands, whole) {
  const ofModel = (model) => sizeCurve(model.run, "models", scenario, label, model.column, model.name);
  const shown = plainModels().map((model) => ({ look: modelLook(model), points: ofModel(model) }));
  const references = referenceLines((number, kind, name) => {
    const own = sizeCurve(number, kind, scenario, label, 0, tables.runs.length > 1 ? `${name}, ${tables.runs[number].name}` : name);
    const model = models.find((each) => each.run === number && each.reference === kind);
    return own.length || !model ? own : ofModel(model);
  });
  const lines = [...references, ...shown];
  const range = valueRange(lines, log, whole), withBands = bands && shown.length <= MOST_BANDS;
  show(element, lines.flatMap((line) => curveTraces(line, withBands, range)), {
    uirevision: `${scenario} ${label} ${log} ${whole}`,
    xaxis: axis(`labelled examples before the query (${plotlyText(`${scenario} ${label}`.trim())})`, { rangemode: "tozero" }),
    yaxis: valueAxis(plotlyText(tables.runs[0].riskTitle || "risk"), range, log),
  });
  const text = "Thin grey: Bayes risk, and dotted predicting zero. Shaded: 95% intervals. Hollow: median, where no mean exists."
    + beyondRemark(countBeyond(lines, range)) + bandRemark(bands && !withBands);
  document.getElementById("size-caption").textContent = shown.some((line) => line.points.length) ? text : "No model that is chosen has a number here.";
  const sizes = [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))].sort((one, other) => one - other);
  valuesTable(document.getElementById("size-values"), ["", ...sizes], () => lines.map((line) => [
    line.look.name,
    ...sizes.map((size) => {
      const point = line.points.find((candidate) => candidate.x === size);
      return point ? withInterval(point.value, point.low, point.high) : "-";
    }),
  ]));
}
