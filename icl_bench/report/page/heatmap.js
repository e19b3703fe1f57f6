// Every model at every severity as a colour: skill, from -1 over 0 to 1; where no run has one, the headline number.

const COLUMN_WIDTH = 13, ROW_HEIGHT = 15, NAMED_COLUMNS = 70, MOST_ROWS = 250;
const MAP_TEXT = 10.5;

function startMap() {
  follow(registerPlot("map-plot", drawMap));
}

function tellMap(rows, left) {
  const skilled = tables.runs.some(hasSkill);
  const meaning = skilled ? "Colour: skill, the same scale everywhere on this page; blue is better than predicting zero, red is worse." : metricMeaning();
  const lacking = tables.runs.filter((run) => skilled && !hasSkill(run)).map((run) => ` ${run.name}: ${run.skill.note}.`).join("");
  const cut = left ? ` The first ${rows} rows; ${left} more: filter the list of models, then None and All.` : "";
  document.getElementById("map-caption").textContent = `${meaning} A cross: no number. Hover for values.${lacking}${cut}`;
}

// Returns the columns of the map, a severity each; without those that cannot have a colour.
function mapColumns(skilled) {
  const columns = new Map();
  for (const run of tables.runs) {
    run.points.forEach((point, index) => {
      const key = `${point.scenario}\n${point.severity_label}`;
      if (skilled && point.identity && !hasAnySkill(run, index)) return;
      if (!columns.has(key)) columns.set(key, point);
    });
  }
  const order = new Map(scenarioNames().map((name, index) => [name, index]));
  const dial = (point) => dialOf(point.severity, point.severity_label) ?? 0;
  return [...columns.values()].sort((one, other) => order.get(one.scenario) - order.get(other.scenario) || dial(one) - dial(other) || 0);
}

function hasAnySkill(run, point) {
  return run.models.some((_, column) => skillAt(run, point, column).value !== null);
}

function drawMap(element) {
  const skilled = tables.runs.some(hasSkill), every = rankedModels(), rows = every.slice(0, MOST_ROWS);
  const columns = mapColumns(skilled), scale = skilled ? skillScale() : metricScale();
  const indices = tables.runs.map((run) => {
    const held = new Map(run.points.map((point, index) => [`${point.scenario}\n${point.severity_label}`, index]));
    return columns.map((column) => held.get(`${column.scenario}\n${column.severity_label}`) ?? -1);
  });
  const names = columns.map((column) => plotlyText(pointName(column)));
  const colors = [], texts = [], crosses = { x: [], y: [], text: [] };
  rows.forEach((model, row) => {
    const run = tables.runs[model.run], line = [], said = [], name = plotlyText(model.name);
    columns.forEach((_, index) => {
      const found = mapCell(run, indices[model.run][index], model.column, scale);
      line.push(found.shade);
      said.push(found.shade === null ? "" : `${name}<br>${names[index]}<br>${found.text}`);
      if (found.shade !== null) return;
      crosses.x.push(index);
      crosses.y.push(row);
      crosses.text.push(`${name}<br>${names[index]}<br>${found.text}`);
    });
    colors.push(line);
    texts.push(said);
  });
  show(element, mapTraces(colors, texts, crosses, scale), mapLayout(element, columns, rows));
  tellMap(rows.length, every.length - rows.length);
}

// Returns the shade and text of one cell; without a number the shade is null and the text says why.
function mapCell(run, point, column, scale) {
  if (point < 0) return { shade: null, text: "not in this run" };
  const at = point * run.models.length + column, { value, low, high, metric, status, message } = run.entries;
  const number = value[at] === null ? "" : plotlyText(`${withInterval(value[at], low[at], high[at])} ${metric[at].replaceAll("_", " ")}`);
  if (scale.isSkill) {
    const skill = hasSkill(run) ? skillAt(run, point, column) : null;
    if (skill === null) return { shade: null, text: plotlyText(shortened(run.skill.note, 110)) };
    const text = skillLines(skill).map((line) => plotlyText(shortened(line, 110))).join("<br>");
    return { shade: skill.value, text: number ? `${text}<br>${number}` : text };
  }
  if (value[at] === null) return { shade: null, text: plotlyText(shortened(`${status[at]}: ${message[at]}`, 110)) };
  const shade = scale.log ? Math.log10(Math.max(value[at], 1e-300)) : value[at];
  return { shade: Math.min(Math.max(shade, scale.low), scale.high), text: number };
}

function skillScale() {
  return {
    isSkill: true, low: -1, high: 1, colors: skillColors(), reversed: false,
    ticks: { tickvals: [-1, -0.5, 0, 0.5, 1], ticktext: ["-1", "-.5", "0", ".5", "1"] },
  };
}

function mapTraces(z, text, crosses, scale) {
  const gap = z.length * (z[0]?.length ?? 0) > 3000 ? 0 : 1;
  return [
    {
      type: "heatmap", z, text, hovertemplate: "%{text}<extra></extra>", hoverongaps: false, colorscale: scale.colors,
      reversescale: scale.reversed, zmin: scale.low, zmax: scale.high, xgap: gap, ygap: gap,
      colorbar: { ...scale.ticks, thickness: 9, outlinewidth: 0, len: 1, tickfont: { size: MAP_TEXT }, xpad: 6, ypad: 0 },
    },
    {
      type: "scatter", mode: "markers", ...crosses, hovertemplate: "%{text}<extra></extra>",
      marker: { symbol: "x-thin", size: 6, color: themeColor("--quiet"), line: { width: 1.2, color: themeColor("--quiet") } },
    },
  ];
}

function mapLayout(element, columns, rows) {
  const starts = columns.flatMap((column, index) => (index === 0 || columns[index - 1].scenario !== column.scenario ? [index] : []));
  const named = columns.length <= NAMED_COLUMNS, axisOf = (column) => column.scenario.split("/")[0];
  const room = innerWidth < 600 ? 17 : 28;
  const left = 10 + Math.max(6, ...rows.map((model) => Math.min(model.name.length, room))) * 6.1;
  const heads = starts.map((start) => shortened(columns[start].scenario.split("/").slice(1).join("/") || columns[start].scenario, 20));
  const top = 30 + Math.max(0, ...heads.map((head) => head.length)) * 3.9;
  const deepest = Math.max(...columns.map((column) => Math.min(column.severity_label.length, 12)), 0);
  const bottom = named ? 10 + deepest * 6 : 8, height = top + bottom + Math.max(rows.length, 1) * ROW_HEIGHT;
  element.style.height = `${height}px`;
  element.style.minWidth = `${Math.min(left + 60 + columns.length * COLUMN_WIDTH, 4000)}px`;
  const ofAxes = starts.filter((start, number) => number === 0 || axisOf(columns[starts[number - 1]]) !== axisOf(columns[start]));
  const text = (x, y, said, options) => ({
    x, y, yref: "paper", yanchor: "bottom", xanchor: "left", text: plotlyText(said), showarrow: false, font: { size: MAP_TEXT }, ...options,
  });
  return {
    height, margin: { l: left, r: 46, t: top, b: bottom },
    xaxis: {
      tickvals: named ? columns.map((_, index) => index) : [], ticktext: columns.map((column) => plotlyText(shortened(column.severity_label, 12))),
      tickangle: -90, range: [-0.5, columns.length - 0.5], showgrid: false, zeroline: false, fixedrange: true, tickfont: { size: MAP_TEXT },
    },
    yaxis: {
      tickvals: rows.map((_, index) => index), ticktext: rows.map((model) => plotlyText(shortened(model.name, room))),
      range: [rows.length - 0.5, -0.5], showgrid: false, zeroline: false, fixedrange: true, tickfont: { size: MAP_TEXT },
    },
    annotations: [
      ...starts.map((start, number) => text(start - 0.3, 1, heads[number], { textangle: -38 })),
      ...ofAxes.filter((start) => columns[start].scenario.includes("/")).map((start) => text(start - 0.4, 1, axisOf(columns[start]), { yshift: top - 19, font: { size: MAP_TEXT + 0.5, color: themeColor("--quiet") } })),
    ],
    shapes: starts.slice(1).map((start) => ({
      type: "line", x0: start - 0.5, x1: start - 0.5, y0: 0, y1: 1, yref: "paper",
      line: { color: themeColor("--paper"), width: ofAxes.includes(start) ? 5 : 2 },
    })),
  };
}
