// The models of the page and which of them are chosen: one list of checkboxes that every plot and table follows.

const COLORS = 8, SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const FILTER_FROM = 12;
const models = [];  // {index, run, column, label, name, color, symbol, dash}
const chosen = new Set();
const followers = [];

function listModels() {
  const looks = new Map();  // a label looks the same in every run
  const boxes = document.querySelectorAll("#model-list input");
  tables.runs.forEach((run, number) => run.models.forEach((label, column) => {
    if (!looks.has(label)) looks.set(label, looks.size);
    const look = looks.get(label), index = models.length;
    models.push({
      index, run: number, column, label,
      name: tables.runs.length > 1 ? `${run.name}: ${label}` : label,
      color: look % COLORS,
      symbol: SYMBOLS[Math.floor(look / COLORS) % SYMBOLS.length],
      dash: DASHES[number % DASHES.length],
    });
    // a model of the suite that this run left out has nothing to show
    if (!run.coverage.absent_models.includes(label)) chosen.add(index);
    boxes[index].checked = chosen.has(index);
    const swatch = boxes[index].parentElement.querySelector(".swatch");
    swatch.append(swatchOf(models[index]));
  }));
}

const SHAPES = {
  circle: "M14 3.5a3.5 3.5 0 1 0 .01 0Z", square: "M11 4h6v6h-6Z", diamond: "M14 2.6 18.4 7 14 11.4 9.6 7Z",
  "triangle-up": "M14 3 18 10H10Z", "triangle-down": "M14 11 18 4H10Z", x: "M11 4 17 10M17 4 11 10",
  cross: "M14 3V11M10 7H18", star: "M14 2.5 15.3 5.8 18.5 6 16 8.2 16.9 11.5 14 9.6 11.1 11.5 12 8.2 9.5 6 12.7 5.8Z",
};
const STROKES = { solid: "", dash: "6 4", dot: "2 3", dashdot: "6 3 2 3", longdash: "9 4", longdashdot: "9 3 2 3" };

function swatchOf(model) {
  const space = "http://www.w3.org/2000/svg", drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 28 14");
  drawing.setAttribute("aria-hidden", "true");
  const stroke = (path, dash, fill) => {
    const part = document.createElementNS(space, "path");
    part.setAttribute("d", path);
    part.setAttribute("stroke-dasharray", dash);
    part.style.stroke = `var(--line-${model.color})`;
    part.style.fill = fill ? `var(--line-${model.color})` : "none";
    part.style.strokeWidth = "1.6";
    drawing.append(part);
  };
  stroke("M0 7H28", STROKES[model.dash], false);
  stroke(SHAPES[model.symbol], "", !["x", "cross"].includes(model.symbol));
  return drawing;
}

function chosenModels() {
  return models.filter((model) => chosen.has(model.index));
}

function follow(act) {
  followers.push(act);
}

function choose(indices, on) {
  const began = performance.now();
  for (const index of indices) {
    if (on) chosen.add(index); else chosen.delete(index);
    document.querySelector(`#model-list input[data-m="${index}"]`).checked = on;
  }
  showRows(document);
  tellCount();
  for (const act of followers) act();
  window.iclBench.lastToggle = performance.now() - began;
}

function showRows(root) {
  for (const row of root.querySelectorAll("tr[data-m]")) row.hidden = !chosen.has(Number(row.dataset.m));
}

function tellCount() {
  document.getElementById("model-count").textContent = `(${chosen.size} of ${models.length})`;
}

function startModels() {
  const list = document.getElementById("model-list"), filter = document.getElementById("model-filter");
  list.addEventListener("change", (event) => choose([Number(event.target.dataset.m)], event.target.checked));
  const listed = () => models.filter((model) => !itemOf(model).hidden).map((model) => model.index);
  document.getElementById("all-models").addEventListener("click", () => choose(listed(), true));
  document.getElementById("no-models").addEventListener("click", () => choose(listed(), false));
  filter.hidden = models.length <= FILTER_FROM;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const model of models) itemOf(model).hidden = !model.name.toLowerCase().includes(wanted);
  });
  if (matchMedia("(max-width: 900px)").matches) document.getElementById("models").open = false;
  showRows(document);
  tellCount();
}

function itemOf(model) {
  return document.querySelector(`#model-list input[data-m="${model.index}"]`).closest("li");
}
