// How models look: colour and mark follow from the name, as in the command's figures; the dash tells the run.

const SYMBOLS = [
  "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-left", "x", "triangle-right", "pentagon", "hexagon",
];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const REFERENCES = { bayes: "solid", zero: "dot" };  // thin and grey, by what the suite calls the model
const SHAPES = {
  circle: "M14 3.5a3.5 3.5 0 1 0 .01 0Z", square: "M11 4h6v6h-6Z", diamond: "M14 2.6 18.4 7 14 11.4 9.6 7Z",
  "triangle-up": "M14 3 18 10H10Z", "triangle-down": "M14 11 18 4H10Z", "triangle-left": "M10 7 17 3V11Z",
  "triangle-right": "M18 7 11 3V11Z", cross: "M12.8 3h2.4v2.8h2.8v2.4h-2.8V11h-2.4V8.2H10V5.8h2.8Z",
  x: "M11.7 3 14 5.3 16.3 3 18 4.7 15.7 7 18 9.3 16.3 11 14 8.7 11.7 11 10 9.3 12.3 7 10 4.7Z",
  pentagon: "M14 2.8 18 5.8 16.5 10.6H11.5L10 5.8Z", hexagon: "M12 3.4H16L18 7 16 10.6H12L10 7Z",
};
const STROKES = { solid: "", dash: "6 4", dot: "2 3", dashdot: "6 3 2 3", longdash: "9 4", longdashdot: "9 3 2 3" };

function nameLook(label) {
  const [color, mark] = tables.looks[label];
  return { color, symbol: SYMBOLS[mark] };
}

function swatchOf(model) {
  const space = "http://www.w3.org/2000/svg", drawing = document.createElementNS(space, "svg");
  const color = model.reference ? "var(--quiet)" : `var(--line-${model.color})`;
  drawing.setAttribute("viewBox", "0 0 28 14");
  drawing.setAttribute("aria-hidden", "true");
  const stroke = (path, dash, fill) => {
    const part = document.createElementNS(space, "path");
    part.setAttribute("d", path);
    part.setAttribute("stroke-dasharray", dash);
    part.style.stroke = color;
    part.style.fill = fill ? color : "none";
    part.style.strokeWidth = fill ? "0.8" : "1.6";
    drawing.append(part);
  };
  stroke("M0 7H28", STROKES[model.reference ? REFERENCES[model.reference] : model.dash], false);
  if (!model.reference) stroke(SHAPES[model.symbol], "", true);
  return drawing;
}

function modelLook(model) {
  return { id: model.index, name: model.name, color: themeColor(`--line-${model.color}`), symbol: model.symbol, dash: model.dash };
}

function referenceLook(kind, run, name) {
  const dash = kind === "zero" ? "dot" : DASHES[run % DASHES.length];
  return { id: `${kind}-${run}`, name, color: themeColor("--quiet"), symbol: "circle", dash, width: 1.3, mode: "lines" };
}
