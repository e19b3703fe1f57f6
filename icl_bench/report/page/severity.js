// Risk against severity: one scenario at a time, with the unshifted point where its dial has one.

function startSeverity() {
  const select = document.getElementById("severity-scenario");
  const log = document.getElementById("severity-log"), bands = document.getElementById("severity-bands");
  const update = registerPlot("severity-plot", (element) => drawSeverity(element, select.value, onLog(log), bands.checked));
  const shifted = scenarioNames().filter((name) => severityNames(name).some((label) => label !== ""));
  fill(select, (shifted.length ? shifted : scenarioNames()).map((name) => [name, name]));
  for (const control of [select, log, bands]) control.addEventListener("change", update);
  follow(update);
}

// Returns the places of a scenario along its dial, the same for every run: [{label, severity, unshifted}].
function severityPlaces(scenario) {
  const places = new Map();
  for (const run of tables.runs) {
    const own = run.points.filter((point) => point.scenario === scenario);
    for (const point of own) places.set(point.severity_label, { label: point.severity_label, severity: point.severity, unshifted: point.identity === true });
    const identity = run.manifest.identities[scenario];
    if (run.base !== null && !own.some((point) => point.identity)) {
      const severity = identity === undefined ? null : Number(identity);
      places.set("", { label: "", severity, unshifted: true });
    }
  }
  const ordered = [...places.values()];
  const numeric = ordered.every((place) => Number.isFinite(place.severity));
  const dial = (place) => place.severity ?? (place.unshifted ? -Infinity : 0);
  return { numeric, places: ordered.every((place) => place.severity !== null) ? ordered.sort((one, other) => dial(one) - dial(other)) : unshiftedFirst(ordered) };
}

function unshiftedFirst(places) {
  return [...places.filter((place) => place.unshifted), ...places.filter((place) => !place.unshifted)];
}

function pointAt(run, scenario, place) {
  const index = run.points.findIndex((point) => point.scenario === scenario && point.severity_label === place.label);
  return index < 0 && place.unshifted && run.base !== null ? run.base : index;
}

function drawSeverity(element, scenario, log, bands) {
  const { numeric, places } = severityPlaces(scenario);
  const logX = log && numeric && places.every((place) => place.severity > 0);
  const x = places.map((place, index) => (numeric ? place.severity : index));
  const name = (place) => place.unshifted ? `${place.severity ?? ""} unshifted`.trim() : place.label;
  const curve = (run, held, width, column, who) => places.flatMap((place, index) => {
    const point = pointAt(run, scenario, place);
    const at = point * width + column, value = point < 0 ? null : held.value[at];
    if (value === null) return [];
    const text = plotlyText(`${who}\n${scenario} ${name(place)}: ${withInterval(value, held.low[at], held.high[at])}${held.median[at] ? " median" : ""}`).replace("\n", "<br>");
    return [{ x: x[index], value, low: held.low[at], high: held.high[at], median: held.median[at] === 1, text, place: index }];
  });
  const shown = chosenModels().map((model) => ({
    look: modelLook(model),
    points: curve(tables.runs[model.run], tables.runs[model.run].risk, tables.runs[model.run].models.length, model.column, model.name),
  }));
  const bayes = distinct(tables.runs.map((run, number) => ({ number, points: curve(run, run.bayes, 1, 0, `Bayes risk, ${run.name}`) })));
  const lines = [...shown, ...bayes.map(({ number, points }) => ({ look: bayesLook(number, bayes.length), points }))];
  const range = valueRange(lines.map((line) => line.points), log);
  const withBands = bands && shown.length <= MOST_BANDS;
  show(element, lines.flatMap((line) => curveTraces(line.points, line.look, withBands, range)), {
    uirevision: `${scenario} ${log}`,
    xaxis: axis(plotlyText(`severity of ${scenario}`), {
      type: logX ? "log" : "linear", tickvals: x, ticktext: places.map((place) => plotlyText(name(place)).replace(" unshifted", "<br>unshifted")),
    }),
    yaxis: valueAxis(range, log),
  });
  tellSeverity(scenario, numeric, bands && !withBands, shown);
  valuesTable(document.getElementById("severity-values"), ["", ...places.map(name)], () => lines.map((line) => [
    line.look.name,
    ...places.map((_, index) => {
      const point = line.points.find((candidate) => candidate.place === index);
      return point ? withInterval(point.value, point.low, point.high) : "-";
    }),
  ]));
}

function distinct(lines) {
  const seen = new Set();
  return lines.filter(({ points }) => {
    const key = JSON.stringify(points.map((point) => [point.x, point.value]));
    if (points.length === 0 || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function riskTitle() {
  return plotlyText(tables.runs[0].riskTitle || "risk");
}

function bandRemark(hidden) {
  return hidden ? ` Intervals are drawn for at most ${MOST_BANDS} models at once; hover shows them.` : "";
}

function tellSeverity(scenario, numeric, hidden, lines) {
  const sizes = new Set(tables.runs.flatMap((run) => run.points.filter((point) => point.scenario === scenario).map((point) => point.context_size)));
  const text = `After ${[...sizes].join(", ")} examples. Thick line: Bayes risk. Shaded: 95% intervals. Hollow: median, where no mean exists.`
    + (numeric ? "" : " Severities are set at equal distances.") + bandRemark(hidden);
  document.getElementById("severity-caption").textContent = lines.some((line) => line.points.length) ? text : "No model that is chosen has a number here.";
}
