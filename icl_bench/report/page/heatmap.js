// The headline number of every chosen model at every severity, as colours on a log scale.

const DECADE_LOW = -4, DECADE_HIGH = 1;  // shares of the risk of predicting zero; beyond, colours are those of the ends
const COLUMN_WIDTH = 12, ROW_HEIGHT = 22, NAMED_COLUMNS = 70;

function startMap() {
  follow(registerPlot("map-plot", drawMap));
  const metrics = new Set(tables.runs.map((run) => run.metric));
  const scale = mapScale();
  const shades = scale.isNormalised
    ? "on a log scale; darker is nearer to Bayes, the brightest is at or above ten times the risk of predicting zero"
    : `${scale.log ? "on a log scale; " : ""}darker is better`;
  document.getElementById("map-caption").textContent = `Colour: ${[...metrics].join(", ").replaceAll("_", " ")}, ${shades}.`
    + " A cross marks a cell without a number. Hover for values.";
}

// Returns how values become colours: shares of the risk of predicting zero on fixed decades, else from least to most.
function mapScale() {
  const isNormalised = tables.runs.every((run) => run.isNormalised || run.metric === "");
  const log = !tables.runs.some((run) => run.canBeNegative), reversed = tables.runs.some((run) => run.betterHigh);
  if (isNormalised) return { isNormalised, log: true, reversed, low: DECADE_LOW, high: DECADE_HIGH };
  const place = (value) => (log ? Math.log10(value) : value);
  const values = tables.runs.flatMap((run) => run.entries.value).filter((value) => value !== null && (!log || value > 0)).map(place);
  const low = values.reduce((one, other) => Math.min(one, other), values[0] ?? 0);
  const high = values.reduce((one, other) => Math.max(one, other), values[0] ?? 1);
  return { isNormalised, log, reversed, low, high: high > low ? high : low + 1 };
}

function mapColumns() {
  const columns = new Map();
  for (const run of tables.runs) for (const point of run.points) columns.set(`${point.scenario}\n${point.severity_label}`, point);
  const order = scenarioNames();
  return [...columns.values()].sort((one, other) => order.indexOf(one.scenario) - order.indexOf(other.scenario)
    || (one.severity ?? 0) - (other.severity ?? 0));
}

function drawMap(element) {
  const columns = mapColumns(), rows = chosenModels(), scale = mapScale();
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
        const shade = scale.log ? Math.log10(Math.max(value[at], 1e-300)) : value[at];
        line.push(Math.min(Math.max(shade, scale.low), scale.high));
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
  show(element, mapTraces(colors, texts, crosses, scale), mapLayout(element, columns, rows));
}

function mapTicks({ isNormalised, log, low, high }) {
  if (!log) return {};
  const ticks = [];
  for (let power = Math.ceil(low); power <= high; power += 1) ticks.push(power);
  const beyond = (index) => (index === 0 ? "\u2264" : index === ticks.length - 1 ? "\u2265" : "");
  if (isNormalised) return { tickvals: ticks, ticktext: ticks.map((power, index) => `${beyond(index)}${10 ** power}`) };
  const shown = ticks.length > 1 ? ticks : [low, (low + high) / 2, high];
  return { tickvals: shown, ticktext: shown.map((power) => short(10 ** power)) };
}

function mapTraces(z, text, crosses, scale) {
  return [
    {
      type: "heatmap", z, text, hovertemplate: "%{text}<extra></extra>", hoverongaps: false, colorscale: "Cividis",
      reversescale: scale.reversed, zmin: scale.low, zmax: scale.high, xgap: z.length * (z[0]?.length ?? 0) > 3000 ? 0 : 1, ygap: 1,
      colorbar: { ...mapTicks(scale), thickness: 12, outlinewidth: 0, len: 1 },
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
