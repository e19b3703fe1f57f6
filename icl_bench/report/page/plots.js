// Plots that are drawn when they come into view, and again when something that they show has changed.

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
