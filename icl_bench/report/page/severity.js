// A score against severity: one scenario at a time, with the unshifted point where its dial has one.

function startSeverity() {
  const [select, metric, log, bands, whole] = ["scenario", "metric", "log", "bands", "whole"].map((name) => document.getElementById(`severity-${name}`));
  const update = registerPlot("severity-plot", (element) => {
    drawSeverity(element, select.value, scoreKinds()[metric.value], onLog(log), log.checked, bands.checked, whole.checked);
    for (const box of [log, whole]) box.disabled = box === whole && metric.value === "skill";
  });
  const shifted = scenarioNames().filter((name) => severityNames(name).some((label) => label !== ""));
  fill(select, (shifted.length ? shifted : scenarioNames()).map((name) => [name, name]));
  fill(metric, Object.entries(scoreKinds()).map(([name, kind]) => [name, kind.name]));
  for (const control of [select, metric, log, bands, whole]) control.addEventListener("change", update);
  follow(update);
}

// Returns what can be drawn against severity: {name, title, isSkill, at(run, point, column), reference(run, kind, point)}.
function scoreKinds() {
  const kinds = {}, run = tables.runs[0];
  const ofEntry = (held) => (each, point, column) => {
    const from = held(each), at = point * each.models.length + column;
    return point < 0 ? null : { value: from.value[at], low: from.low[at], high: from.high[at], median: from.median?.[at] ?? 0 };
  };
  if (tables.runs.some(hasSkill)) kinds.skill = { name: "skill", title: skillTitle(), isSkill: true, at: skillAt, reference: () => null };
  if (run.riskMetric) {
    const ends = (value) => ({ value, low: null, high: null, median: 0 });
    const bayes = (each, point) => ({ value: each.bayes.value[point], low: each.bayes.low[point], high: each.bayes.high[point], median: each.bayes.median[point] });
    kinds.risk = {
      name: run.riskMetric.replaceAll("_", " "), title: plotlyText(run.riskTitle || "risk"), at: ofEntry((each) => each.risk),
      reference: (each, kind, point) => (point < 0 ? null : kind === "bayes" ? bayes(each, point) : ends(each.points[point].zero_risk ?? null)),
    };
  }
  if (run.metric && run.metric !== run.riskMetric) {
    kinds.metric = { name: run.metric.replaceAll("_", " "), title: plotlyText(run.metricTitle || run.metric), at: ofEntry((each) => each.entries), reference: () => null };
  }
  return Object.keys(kinds).length ? kinds : { none: { name: "no score", title: "", at: () => null, reference: () => null } };
}

// Returns the places of a scenario along its dial, the same for every run: [{label, severity, unshifted}].
function severityPlaces(scenario) {
  const places = new Map();
  for (const run of tables.runs) {
    const own = run.points.filter((point) => point.scenario === scenario);
    for (const point of own) places.set(point.severity_label, { label: point.severity_label, severity: dialOf(point.severity, point.severity_label), unshifted: point.identity === true });
    const identity = run.manifest.identities[scenario];
    if (run.base !== null && !own.some((point) => point.identity)) places.set("", { label: "", severity: dialOf(null, identity), unshifted: true });
  }
  const ordered = [...places.values()], numeric = ordered.every((place) => place.severity !== null);
  if (numeric) return { numeric, places: ordered.sort((one, other) => one.severity - other.severity || 0) };
  return { numeric, places: [...ordered.filter((place) => place.unshifted), ...ordered.filter((place) => !place.unshifted)] };
}

function pointAt(run, scenario, place) {
  const index = run.points.findIndex((point) => point.scenario === scenario && point.severity_label === place.label);
  return index < 0 && place.unshifted && run.base !== null ? run.base : index;
}

function placeName(place) {
  if (!place.unshifted) return place.label;
  return `${place.label || (Number.isFinite(place.severity) ? short(place.severity) : "")} unshifted`.trim();
}

function drawSeverity(element, scenario, kind, log, logX, bands, whole) {
  const { numeric, places } = severityPlaces(scenario);
  const x = numeric ? severityPositions(places.map((place) => place.severity), logX) : places.map((_, index) => index);
  const curve = (number, who, read) => {
    const run = tables.runs[number];
    return places.flatMap((place, index) => {
      const point = pointAt(run, scenario, place), found = read(run, kind.isSkill && place.unshifted ? -1 : point);
      if (!found || found.value === null || (point < 0 && !kind.isSkill)) return [];
      const said = kind.isSkill ? skillLines(found) : [withInterval(found.value, found.low, found.high) + (found.median ? " median" : "")];
      return [{ ...found, median: found.median === 1, x: x[index], place: index, text: [who, `${scenario} ${placeName(place)}`, ...said].map(plotlyText).join("<br>") }];
    });
  };
  const ofModel = (model) => curve(model.run, model.name, (run, point) => (kind.isSkill && !hasSkill(run) ? null : kind.at(run, point, model.column)));
  const references = referenceLines((number, reference, name) => {
    const who = tables.runs.length > 1 ? `${name}, ${tables.runs[number].name}` : name;
    const own = curve(number, who, (run, point) => kind.reference(run, reference, point));
    const model = models.find((each) => each.run === number && each.reference === reference);
    return own.length || !model ? own : ofModel(model);
  });
  const shown = plainModels().map((model) => ({ look: modelLook(model), points: ofModel(model) }));
  const lines = [...references, ...shown];
  const range = kind.isSkill ? { low: -1.06, high: 1.06, bottom: -Infinity, top: Infinity } : valueRange(lines, log, whole);
  const withBands = bands && shown.length <= MOST_BANDS;
  const value = kind.isSkill ? axis(kind.title, { range: axisRange(range, false), dtick: 0.5 }) : valueAxis(kind.title, range, log);
  show(element, lines.flatMap((line) => curveTraces(line, withBands, range)), {
    uirevision: `${scenario} ${kind.name} ${log} ${whole}`, xaxis: severityTicks(element, scenario, places, x), yaxis: value,
    ...(kind.isSkill ? { shapes: skillShapes() } : {}),
  });
  tellSeverity(scenario, { numeric, hidden: bands && !withBands, lines: shown, beyond: countBeyond(lines, range), kind });
  valuesTable(document.getElementById("severity-values"), ["", ...places.map(placeName)], () => lines.map((line) => [
    line.look.name,
    ...places.map((_, index) => {
      const point = line.points.find((candidate) => candidate.place === index);
      if (!point) return "-";
      return kind.isSkill ? skillLines(point)[0].replace("skill ", "") : withInterval(point.value, point.low, point.high);
    }),
  ]));
}

// 1 and 0 of skill are there whether or not the runs have models that stand on them.
function skillShapes() {
  const line = { type: "line", xref: "paper", x0: 0, x1: 1, layer: "below", line: { color: themeColor("--line"), width: 1 } };
  return [0, 1].map((value) => ({ ...line, y0: value, y1: value }));
}

function severityTicks(element, scenario, places, x) {
  const texts = places.map((place) => plotlyText(shortened(placeName(place), 24)).replace(" unshifted", "<br>unshifted"));
  const width = Math.max((inPrint.on ? 660 : element.clientWidth) - 100, 120);
  const ticks = shownTicks(x, texts, places.findIndex((place) => place.unshifted), width);
  const span = Math.max(...x) - Math.min(...x) || 1, dial = tables.runs.map((run) => run.dials[scenario]).find(Boolean);
  return axis(plotlyText(dial ? `${scenario}: ${dial}` : `severity of ${scenario}`), {
    type: "linear", tickvals: ticks.map((index) => x[index]), ticktext: ticks.map((index) => texts[index]), tickangle: 0,
    range: [Math.min(...x) - 0.04 * span, Math.max(...x) + 0.04 * span],
  });
}

function tellSeverity(scenario, { numeric, hidden, lines, beyond, kind }) {
  const points = tables.runs.flatMap((run) => run.points.filter((point) => point.scenario === scenario));
  const sizes = new Set(points.map((point) => point.context_size).filter((size) => size !== null));
  const thin = kind.isSkill ? "Grey: Bayes at 1, predicting zero at 0." : "Thin grey: Bayes, and dotted predicting zero.";
  const lacking = tables.runs.filter((run) => kind.isSkill && !hasSkill(run)).map((run) => ` ${run.name}: ${run.skill.note}.`).join("");
  const text = `After ${[...sizes].join(", ")} examples. ${thin} Shaded: 95% intervals.`
    + (kind.isSkill ? "" : " Hollow: median, where no mean exists.") + (numeric ? "" : " Severities are set at equal distances.")
    + beyondRemark(beyond) + bandRemark(hidden) + lacking + (kind.isSkill ? leftOutRemark(scenario) : "");
  document.getElementById("severity-caption").textContent = lines.some((line) => line.points.length) ? text : `No model that is chosen has a number here.${lacking}`;
}

function leftOutRemark(scenario) {
  const said = new Set();
  for (const run of tables.runs.filter(hasSkill)) {
    run.points.forEach((point, index) => {
      if (point.scenario !== scenario || point.identity) return;
      const found = run.models.map((_, column) => skillAt(run, index, column));
      if (found.every(({ value }) => value === null) && found[0]?.message) said.add(` ${point.severity_label} has none: ${found[0].message}.`);
    });
  }
  return [...said].join("");
}
