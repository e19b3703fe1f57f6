// The models of the page and which of them are chosen: one list of checkboxes that every plot and table follows.
// At first trained models, Bayes and zero are drawn in the plots; rows of tables are all there until a box is changed.

const FILTER_FROM = 12, MOST_DRAWN = 60;
const models = [];  // {index, run, column, label, name, kind, reference, color, symbol, dash}
const chosen = new Set(), hiddenRows = new Set();
const followers = [];

function listModels() {
  const boxes = document.querySelectorAll("#model-list input");
  tables.runs.forEach((run, number) => run.models.forEach((label, column) => {
    const card = run.manifest.model_cards[label];
    models.push({
      index: models.length, run: number, column, label, ...nameLook(label), dash: DASHES[number % DASHES.length],
      name: tables.runs.length > 1 ? `${run.name}: ${label}` : label,
      kind: card?.kind ?? "learner", reference: Object.hasOwn(REFERENCES, card?.use ?? "") ? card.use : "",
    });
  }));
  tables.runs.forEach((run, number) => preselect(run, models.filter((model) => model.run === number)));
  models.forEach((model, index) => { boxes[index].checked = chosen.has(index); });
  for (const swatch of document.querySelectorAll("[data-m] .swatch, .swatch")) drawSwatch(swatch);
}

function drawSwatch(swatch) {
  const index = swatch.closest("tr[data-m]")?.dataset.m ?? swatch.closest("label").querySelector("input").dataset.m;
  swatch.replaceChildren(swatchOf(models[Number(index)]));
}

// Chooses a run's trained models, Bayes and zero; all of a run that has none, the best of a run that has very many.
function preselect(run, own) {
  const ranked = run.skill.order.map((column) => own[column]).filter((model) => !run.coverage.absent_models.includes(model.label));
  const learners = ranked.filter((model) => model.kind === "learner" && !model.reference);
  const wanted = learners.length ? learners : ranked.filter((model) => !model.reference);
  for (const model of [...wanted.slice(0, MOST_DRAWN), ...ranked.filter((each) => each.reference)]) chosen.add(model.index);
}

function chosenModels() {
  return models.filter((model) => chosen.has(model.index));
}

// Returns whether a line of reference is drawn for a run: unless the run has a model that gives it, and that is not chosen.
function isReferenceChosen(run, kind) {
  const own = models.filter((model) => model.run === run && model.reference === kind);
  return own.length === 0 || own.some((model) => chosen.has(model.index));
}

// Returns the models whose rows are shown, best first within each run.
function rankedModels() {
  const first = tables.runs.map((_, number) => models.findIndex((model) => model.run === number));
  return tables.runs.flatMap((run, number) => run.skill.order.map((column) => models[first[number] + column]))
    .filter((model) => !hiddenRows.has(model.index));
}

function follow(act) {
  followers.push(act);
}

function choose(indices, on) {
  const began = performance.now();
  for (const index of indices) {
    if (on) chosen.add(index); else chosen.delete(index);
    if (on) hiddenRows.delete(index); else hiddenRows.add(index);
    document.querySelector(`#model-list input[data-m="${index}"]`).checked = on;
  }
  showRows(document);
  tellCount();
  for (const act of followers) act();
  window.iclBench.lastToggle = performance.now() - began;
}

function showRows(root) {
  for (const row of root.querySelectorAll("tr[data-m]")) row.hidden = hiddenRows.has(Number(row.dataset.m));
}

function tellCount() {
  document.getElementById("model-count").textContent = `(${chosen.size} of ${models.length} drawn)`;
}

function startModels() {
  const list = document.getElementById("model-list"), filter = document.getElementById("model-filter");
  list.addEventListener("change", (event) => choose([Number(event.target.dataset.m)], event.target.checked));
  const items = [...list.children];
  const listed = () => models.filter((model) => !items[model.index].hidden).map((model) => model.index);
  document.getElementById("all-models").addEventListener("click", () => choose(listed(), true));
  document.getElementById("no-models").addEventListener("click", () => choose(listed(), false));
  filter.hidden = models.length <= FILTER_FROM;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const model of models) items[model.index].hidden = !model.name.toLowerCase().includes(wanted);
  });
  if (matchMedia("(max-width: 900px)").matches) document.getElementById("models").open = false;
  showRows(document);
  tellCount();
}
