// Which reference each model's answers are nearest to, for any scenario and severity.

function startResemblance() {
  const place = document.getElementById("resemblance-tables");
  const scenario = document.getElementById("resemblance-scenario"), severity = document.getElementById("resemblance-severity");
  if (place === null) {
    scenario.closest(".controls").hidden = true;
    return;
  }
  const update = () => fillResemblance(place, scenario.value, severity.value);
  fillPlaces(scenario, severity, update);
  update();
}

function fillResemblance(place, scenario, label) {
  const references = [...new Set(tables.runs.flatMap((run) => Object.keys(run.references)))];
  const rows = models.map((model) => {
    const run = tables.runs[model.run], point = placeIndex(run, scenario, label);
    const at = point * run.models.length + model.column;
    const distances = references.map((name) => (point < 0 ? null : run.references[name]?.[at] ?? null));
    const known = distances.filter((distance) => distance !== null);
    return { model, distances, least: known.length ? Math.min(...known) : null };
  });
  const nearest = ({ distances, least }) => references.filter((_, index) => least !== null && distances[index] === least).join(", ");
  const box = tableOf(["model", ...references, "nearest"], rows.map((row) => [row.model.name, ...row.distances.map(short), nearest(row) || "-"]));
  box.querySelectorAll("tbody tr").forEach((line, number) => {
    line.dataset.m = rows[number].model.index;
    rows[number].distances.forEach((distance, index) => {
      line.cells[index + 1].dataset.v = distance ?? "";
      if (distance !== null && distance === rows[number].least) line.cells[index + 1].className = "nearest";
    });
  });
  box.querySelector("table").className = "sortable";
  makeSortable(box.querySelector("table"));
  place.replaceChildren(box);
  showRows(place);
}
