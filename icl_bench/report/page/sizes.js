// Risk against context size: one scenario and severity at a time.

function startSizes() {
  const scenario = document.getElementById("size-scenario"), severity = document.getElementById("size-severity");
  const log = document.getElementById("size-log"), bands = document.getElementById("size-bands");
  const draw = (element) => {  // at once where it can: printing does not wait
    if (curves === null) loadCurves().then(() => draw(element));
    else drawSizes(element, scenario.value, severity.value, onLog(log), bands.checked);
  };
  const update = registerPlot("size-plot", draw);
  fillPlaces(scenario, severity, update);
  for (const control of [log, bands]) control.addEventListener("change", update);
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

function drawSizes(element, scenario, label, log, bands) {
  const shown = chosenModels().map((model) => ({
    look: modelLook(model), points: sizeCurve(model.run, "models", scenario, label, model.column, model.name),
  }));
  const reference = (kind, name) => distinct(tables.runs.map((run, number) => ({ number, points: sizeCurve(number, kind, scenario, label, 0, `${name}, ${run.name}`) })));
  const bayes = reference("bayes", "Bayes risk"), zero = reference("zero", "predicting zero");
  const lines = [
    ...shown,
    ...zero.map(({ number, points }) => ({ look: { ...bayesLook(number, 1), id: `zero-${number}`, name: "predicting zero", color: themeColor("--quiet"), dash: "dot", width: 1.2 }, points })),
    ...bayes.map(({ number, points }) => ({ look: bayesLook(number, bayes.length), points })),
  ];
  const range = valueRange(lines.map((line) => line.points), log);
  const withBands = bands && shown.length <= MOST_BANDS;
  show(element, lines.flatMap((line) => curveTraces(line.points, line.look, withBands, range)), {
    uirevision: `${scenario} ${label} ${log}`,
    xaxis: axis(`labelled examples before the query (${plotlyText(`${scenario} ${label}`.trim())})`, { rangemode: "tozero" }),
    yaxis: valueAxis(range, log),
  });
  const text = "Thick line: Bayes risk. Thin dotted line: predicting zero. Shaded: 95% intervals. Hollow: median, where no mean exists." + bandRemark(bands && !withBands);
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
