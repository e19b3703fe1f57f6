// Plots that are drawn when they come into view, and again when something that they show has changed.

const MOST_BANDS = 20;  // more intervals on top of each other show nothing
const drawings = [];  // {element, draw, seen, stale}
const inPrint = { on: false };

function registerPlot(id, draw) {
  const drawing = { element: document.getElementById(id), draw, seen: false, stale: true };
  drawings.push(drawing);
  new IntersectionObserver((entries) => {
    drawing.seen = entries.at(-1).isIntersecting;
    if (drawing.seen && drawing.stale) redraw(drawing);
  }, { rootMargin: "150px" }).observe(drawing.element);
  return () => { drawing.stale = true; if (drawing.seen) redraw(drawing); };
}

function redraw(drawing) {
  drawing.stale = false;
  drawing.draw(drawing.element);
}

function redrawAll() {
  for (const drawing of drawings) {
    drawing.stale = true;
    if (drawing.seen || inPrint.on) redraw(drawing);
  }
}

// Paper is narrower than a screen and shows every plot, seen or not, and the list of models, which is the plots' key.
function startPrinting() {
  const models = document.getElementById("models");
  let wasOpen = models.open;
  addEventListener("beforeprint", () => {
    inPrint.on = true;
    wasOpen = models.open;
    models.open = true;
    redrawAll();
  });
  addEventListener("afterprint", () => {
    inPrint.on = false;
    models.open = wasOpen;
    redrawAll();
  });
}

function show(element, traces, layout) {
  const width = inPrint.on ? 660 : layout.width;
  Plotly.react(element, traces, { ...baseLayout(), ...layout, width, autosize: width === undefined }, {
    displaylogo: false, responsive: true,
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: element.id },
  });
}

function baseLayout() {
  const ink = themeColor("--ink");
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: { family: 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif', size: 13, color: ink },
    margin: { l: 64, r: 12, t: 28, b: 52 },
    hoverlabel: {
      bgcolor: themeColor("--panel"), bordercolor: themeColor("--quiet"), align: "left",
      font: { color: ink, size: 13 }, namelength: -1,
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: themeColor("--quiet"), activecolor: themeColor("--link") },
  };
}

function axis(title, options) {
  return {
    title: { text: title, standoff: 8 }, gridcolor: themeColor("--grid"), linecolor: themeColor("--line"),
    zeroline: false, ticks: "outside", tickcolor: themeColor("--line"), automargin: true, ...options,
  };
}

// Returns whether values stand on a logarithmic axis: as asked for, never where they may be negative.
function onLog(box) {
  return box.checked && !tables.runs.some((run) => run.riskCanBeNegative);
}

// Decades alone are labelled where there are several.
function valueAxis(range, log) {
  const decades = log && range.high / range.low > 50 ? { dtick: 1 } : {};
  return axis(riskTitle(), { type: log ? "log" : "linear", range: axisRange(range, log), exponentformat: "power", ...decades });
}

// Returns the traces of one curve: its interval as a filled outline, then its line with markers, hollow where a median.
// Each has an id of its own: else Plotly leaves the old line of a trace whose number an interval takes.
function curveTraces(points, look, bands, range) {
  const traces = [];
  if (bands) traces.push(...bandTrace(points, look, range));
  traces.push({
    uid: `line-${look.id}`, type: "scatter", mode: look.mode ?? "lines+markers", x: points.map((point) => point.x),
    y: points.map((point) => point.value), text: points.map((point) => point.text), customdata: [look.name],
    hovertemplate: "%{text}<extra></extra>", line: { color: look.color, width: look.width ?? 1.8, dash: look.dash },
    marker: {
      color: look.color, size: 7,
      symbol: points.map((point) => (point.median ? `${look.symbol}-open` : look.symbol)),
    },
  });
  return traces;
}

function bandTrace(points, look, range) {
  const x = [], y = [];
  let part = [];
  const close = () => {
    if (part.length > 1) {
      x.push(...part.map((point) => point.x), ...part.map((point) => point.x).reverse(), null);
      y.push(...part.map((point) => clipped(point.high, range)), ...part.map((point) => clipped(point.low, range)).reverse(), null);
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

function clipped(value, range) {
  return Math.min(Math.max(value, range.low), range.high);
}

function faint(color) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return `rgba(${red},${green},${blue},0.16)`;
}

// Returns what the value axis spans: all values with a little room; on a log scale positive ones alone.
function valueRange(curvesShown, log) {
  const values = curvesShown.flat().map((point) => point.value).filter((value) => value !== null && (!log || value > 0));
  if (values.length === 0) return { low: log ? 0.1 : 0, high: 1 };
  const least = Math.min(...values), most = Math.max(...values);
  if (log) return { low: least / 1.5, high: most * 1.5 };
  const room = (most - Math.min(0, least)) * 0.05 || 1;
  return { low: Math.min(0, least), high: most + room };
}

function axisRange(range, log) {
  return log ? [Math.log10(range.low), Math.log10(range.high)] : [range.low, range.high];
}

function modelLook(model) {
  return { id: model.index, name: model.name, color: themeColor(`--line-${model.color}`), symbol: model.symbol, dash: model.dash };
}

// The Bayes lines of runs on the same prompts are one line.
function bayesLook(number, count) {
  const name = count > 1 ? `Bayes risk, ${tables.runs[number].name}` : "Bayes risk";
  return { id: `bayes-${number}`, name, color: themeColor("--bayes"), symbol: "circle", dash: DASHES[number % DASHES.length], width: 2.6, mode: "lines" };
}

function fill(select, options, selected) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (selected !== undefined) select.value = selected;
}

function scenarioNames() {
  return [...new Set(tables.runs.flatMap((run) => run.points.map((point) => point.scenario)))];
}

function severityNames(scenario) {
  return [...new Set(tables.runs.flatMap((run) => run.points.filter((point) => point.scenario === scenario).map((point) => point.severity_label)))];
}

function fillPlaces(scenarioSelect, severitySelect, changed) {
  const severities = () => {
    const names = severityNames(scenarioSelect.value);
    fill(severitySelect, names.map((name) => [name, name || "unshifted"]));
    severitySelect.disabled = names.length < 2;
  };
  fill(scenarioSelect, scenarioNames().map((name) => [name, name]));
  severities();
  scenarioSelect.addEventListener("change", () => { severities(); changed(); });
  severitySelect.addEventListener("change", changed);
}

// Fills the table below a plot when it is unfolded: the same values for readers who see no plot.
function valuesTable(details, heads, rows) {
  const fillIn = () => { if (details.open) details.querySelector("div").replaceChildren(tableOf(heads, rows())); };
  details.ontoggle = fillIn;
  fillIn();
}

function tableOf(heads, rows) {
  const box = document.createElement("div"), table = document.createElement("table");
  box.className = "box";
  box.tabIndex = 0;
  const cell = (row, tag, text, scope) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (scope) made.scope = scope;
    row.append(made);
    return made;
  };
  const head = table.createTHead().insertRow();
  for (const text of heads) cell(head, "th", text, "col");
  const body = table.createTBody();
  for (const [label, ...texts] of rows) {
    const row = body.insertRow();
    cell(row, "th", label, "row");
    for (const text of texts) cell(row, "td", text);
  }
  box.append(table);
  return box;
}
