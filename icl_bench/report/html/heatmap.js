// The headline number of every chosen model at every severity, as colours on a log scale.

const DECADE_LOW = -4, DECADE_HIGH = 1;  // excess over the risk of predicting zero; beyond, colours are those of the ends
const COLUMN_WIDTH = 12, ROW_HEIGHT = 22, NAMED_COLUMNS = 70;

function startMap() {
  follow(registerPlot("map-plot", drawMap));
  const metrics = new Set(tables.runs.map((run) => run.metric));
  document.getElementById("map-caption").textContent = `Colour: ${[...metrics].join(", ").replaceAll("_", " ")}, on a log scale; darker is nearer to Bayes, the brightest is at or above ten times`
    + " the risk of predicting zero. A cross marks a cell without a number. Hover for values.";
}

function mapColumns() {
  const columns = new Map();
  for (const run of tables.runs) for (const point of run.points) columns.set(`${point.scenario}\n${point.severity_label}`, point);
  const order = scenarioNames();
  return [...columns.values()].sort((one, other) => order.indexOf(one.scenario) - order.indexOf(other.scenario)
    || (one.severity ?? 0) - (other.severity ?? 0));
}

function drawMap(element) {
  const columns = mapColumns(), rows = chosenModels();
  const indices = tables.runs.map((run) => {
    const held = new Map(run.points.map((point, index) => [`${point.scenario}\n${point.severity_label}`, index]));
    return columns.map((column) => held.get(`${column.scenario}\n${column.severity_label}`) ?? -1);
  });
  const colors = [], texts = [], crosses = { x: [], y: [], text: [] };
  rows.forEach((model, row) => {
    const run = tables.runs[model.run], width = run.models.length, { value, low, high, status, message, metric } = run.entries;
    const line = [], said = [];
    columns.forEach((column, index) => {
      const point = indices[model.run][index], at = point * width + model.column;
      const where = `${plotlyText(model.name)}<br>${plotlyText(pointName(column))}`;
      if (point >= 0 && value[at] !== null) {
        line.push(Math.min(Math.max(Math.log10(Math.max(value[at], 1e-300)), DECADE_LOW), DECADE_HIGH));
        said.push(`${where}<br>${plotlyText(withInterval(value[at], low[at], high[at]))} ${plotlyText(metric[at].replaceAll("_", " "))}`);
      } else {
        line.push(null);
        said.push("");
        crosses.x.push(index);
        crosses.y.push(row);
        crosses.text.push(`${where}<br>${point < 0 ? "not in this run" : plotlyText(shortened(`${status[at]}: ${message[at]}`, 110))}`);
      }
    });
    colors.push(line);
    texts.push(said);
  });
  show(element, mapTraces(colors, texts, crosses), mapLayout(element, columns, rows));
}

function mapTraces(z, text, crosses) {
  const ticks = [];
  for (let power = DECADE_LOW; power <= DECADE_HIGH; power += 1) ticks.push(power);
  return [
    {
      type: "heatmap", z, text, hovertemplate: "%{text}<extra></extra>", hoverongaps: false, colorscale: "Cividis",
      zmin: DECADE_LOW, zmax: DECADE_HIGH, xgap: z.length * (z[0]?.length ?? 0) > 3000 ? 0 : 1, ygap: 1,
      colorbar: { tickvals: ticks, ticktext: ticks.map((power, index) => `${index === 0 ? "\u2264" : index === ticks.length - 1 ? "\u2265" : ""}${10 ** power}`), thickness: 12, outlinewidth: 0, len: 1 },
    },
    {
      type: "scatter", mode: "markers", ...crosses, hovertemplate: "%{text}<extra></extra>",
      marker: { symbol: "x-thin", size: 7, color: themeColor("--quiet"), line: { width: 1.5, color: themeColor("--quiet") } },
    },
  ];
}

function mapLayout(element, columns, rows) {
  const starts = columns.flatMap((column, index) => (index === 0 || columns[index - 1].scenario !== column.scenario ? [index] : []));
  const named = columns.length <= NAMED_COLUMNS;
  const longest = Math.max(6, ...rows.map((model) => Math.min(model.name.length, 28)));
  const left = 16 + longest * 7;
  const wanted = left + 90 + columns.length * COLUMN_WIDTH;
  element.style.height = `${170 + Math.max(rows.length, 1) * ROW_HEIGHT}px`;
  element.style.minWidth = `${Math.min(wanted, 4000)}px`;
  return {
    height: 170 + Math.max(rows.length, 1) * ROW_HEIGHT,
    margin: { l: left, r: 70, t: 110, b: named ? 60 : 20 },
    xaxis: {
      tickvals: named ? columns.map((_, index) => index) : [], ticktext: columns.map((column) => plotlyText(column.severity_label)),
      tickangle: -90, range: [-0.5, columns.length - 0.5], showgrid: false, zeroline: false, fixedrange: true, tickfont: { size: 11 },
    },
    yaxis: {
      tickvals: rows.map((_, index) => index), ticktext: rows.map((model) => plotlyText(shortened(model.name, 28))),
      range: [rows.length - 0.5, -0.5], showgrid: false, zeroline: false, fixedrange: true,
    },
    annotations: starts.map((start) => ({
      x: start - 0.4, y: 1, yref: "paper", yanchor: "bottom", xanchor: "left", text: plotlyText(shortened(columns[start].scenario, 24)),
      textangle: -40, showarrow: false, font: { size: 11 },
    })),
    shapes: starts.slice(1).map((start) => ({
      type: "line", x0: start - 0.5, x1: start - 0.5, y0: 0, y1: 1, yref: "paper", line: { color: themeColor("--paper"), width: 3 },
    })),
  };
}
