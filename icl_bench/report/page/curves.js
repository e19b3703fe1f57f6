// Curves in a plot: lines with marks and intervals, cut off with arrows where one would stretch the axis.

const MOST_BANDS = 20;  // more intervals on top of each other show nothing
const MOST_DECADES = 7;
const BEYOND = { log: 100, linear: 3 };  // times the references' highest value, on either scale

// Returns whether values stand on a logarithmic axis: as asked for, never where they may be negative.
function onLog(box) {
  return box.checked && !tables.runs.some((run) => run.riskCanBeNegative);
}

// Returns what the value axis spans, low to high, and between which values, bottom to top, curves are drawn as they are.
// References are in whole; models only as far as they are not far above them, unless all is asked for.
function valueRange(lines, log, whole) {
  const usable = (values) => values.filter((value) => value !== null && Number.isFinite(value) && (!log || value > 0));
  const ofLines = lines.map((line) => ({ values: usable(line.points.map((point) => point.value)), reference: line.reference }));
  const values = ofLines.flatMap((line) => line.values);
  if (values.length === 0) return { low: log ? 0.1 : 0, high: 1, bottom: -Infinity, top: Infinity };
  const least = smallest(values), most = largest(values);
  const top = whole || least < 0 ? Infinity : ceiling(ofLines, log);
  const high = Math.min(most, top), bottom = log && !whole ? high / 10 ** MOST_DECADES : -Infinity;
  if (log) return { low: Math.max(least, bottom) / 1.5, high: high * 1.5, bottom, top };
  const room = (high - Math.min(0, least)) * 0.05 || 1;
  return { low: Math.min(0, least), high: high + room, bottom, top };
}

// Returns the value above which a curve is cut off: far above the references, else far above what most models reach.
function ceiling(lines, log) {
  const factor = log ? BEYOND.log : BEYOND.linear;
  const references = lines.filter((line) => line.reference).flatMap((line) => line.values);
  if (references.length) return factor * largest(references);
  const highest = lines.filter((line) => line.values.length).map((line) => largest(line.values)).sort((one, other) => one - other);
  return highest.length > 2 ? factor * highest[Math.floor((highest.length - 1) / 2)] : Infinity;
}

function smallest(values) {
  return values.reduce((one, other) => Math.min(one, other));
}

function largest(values) {
  return values.reduce((one, other) => Math.max(one, other));
}

function axisRange(range, log) {
  return log ? [Math.log10(range.low), Math.log10(range.high)] : [range.low, range.high];
}

function clipped(value, range) {
  return Math.min(Math.max(value, range.bottom), range.top);
}

// Returns how many values are cut off.
function countBeyond(lines, range) {
  return lines.flatMap((line) => line.points).filter((point) => clipped(point.value, range) !== point.value).length;
}

function beyondRemark(count) {
  return count ? ` Arrow at the edge: beyond the axis (${count} value${count > 1 ? "s" : ""}); hover says how far.` : "";
}

function bandRemark(hidden) {
  return hidden ? ` Intervals are drawn for at most ${MOST_BANDS} models at once; hover shows them.` : "";
}

// Decades alone are labelled where there are several.
function valueAxis(title, range, log) {
  const decades = log && range.high / range.low > 50 ? { dtick: 1 } : {};
  return axis(title, { type: log ? "log" : "linear", range: axisRange(range, log), exponentformat: "power", ...decades });
}

// Returns the traces of one curve: its interval as a filled outline, then its line with markers, hollow where a median.
// Each has an id of its own: else Plotly leaves the old line of a trace whose number an interval takes.
function curveTraces({ points, look }, bands, range) {
  const traces = [];
  if (bands && look.mode !== "lines") traces.push(...bandTrace(points, look, range));
  const beyond = points.map((point) => (point.value > range.top ? "up" : point.value < range.bottom ? "down" : ""));
  const mark = (point, index) => (beyond[index] ? `arrow-${beyond[index]}` : point.median ? `${look.symbol}-open` : look.symbol);
  traces.push({
    uid: `line-${look.id}`, type: "scatter", mode: look.mode ?? "lines+markers", x: points.map((point) => point.x),
    y: points.map((point) => clipped(point.value, range)), text: points.map((point) => point.text), customdata: [look.name],
    hovertemplate: "%{text}<extra></extra>", line: { color: look.color, width: look.width ?? 1.8, dash: look.dash },
    marker: { color: look.color, size: beyond.some(Boolean) ? beyond.map((way) => (way ? 13 : 7)) : 7, symbol: points.map(mark) },
  });
  return traces;
}

function bandTrace(points, look, range) {
  const x = [], y = [];
  let part = [];
  const close = () => {
    if (part.length > 1) {
      x.push(...part.map((point) => point.x), ...part.map((point) => point.x).reverse(), null);
      y.push(...part.map((point) => within(point.high, range)), ...part.map((point) => within(point.low, range)).reverse(), null);
    }
    part = [];
  };
  for (const point of points) {
    if (point.low === null || point.high === null) close(); else part.push(point);
  }
  close();
  if (x.length === 0) return [];
  return [{ uid: `band-${look.id}`, type: "scatter", mode: "none", x, y, fill: "toself", fillcolor: faint(look.color), hoverinfo: "skip" }];
}

// An interval's end may lie at or below 0, which no logarithmic axis has.
function within(value, range) {
  return clipped(Math.min(Math.max(value, range.low), range.high), range);
}

function faint(color) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return `rgba(${red},${green},${blue},0.16)`;
}

// The lines of reference of runs on the same prompts are one line.
function distinct(lines) {
  const seen = new Set();
  return lines.filter(({ points }) => {
    const key = JSON.stringify(points.map((point) => [point.x, point.value]));
    if (points.length === 0 || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

// Returns the lines of reference of a plot, drawn once: `points(run number, kind, name)` are those of one run. Where a
// run has none of its own, a chosen model stands for it.
function referenceLines(points) {
  const names = { bayes: "Bayes", zero: "predicting zero" };
  return Object.keys(REFERENCES).flatMap((kind) => {
    const found = distinct(tables.runs.flatMap((run, number) => (
      isReferenceChosen(number, kind) ? [{ number, points: points(number, kind, names[kind]) }] : []
    )));
    return found.map(({ number, points: own }) => ({
      reference: true, points: own,
      look: referenceLook(kind, number, found.length > 1 ? `${names[kind]}, ${tables.runs[number].name}` : names[kind]),
    }));
  });
}

// Returns the chosen models that no line of reference stands for.
function plainModels() {
  return chosenModels().filter((model) => !model.reference);
}
