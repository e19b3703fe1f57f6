// From the static page to the working one: tables and toggles first, then Plotly, then the plots in view.

window.iclBench = { ready: null, controls: null, lastToggle: null };  // milliseconds, for whoever measures

function tell(message) {
  const remark = document.getElementById("remark");
  remark.textContent = message;
  remark.hidden = false;
}

async function runPlotly() {
  const script = document.createElement("script");
  script.textContent = await inflated("plotly");  // the page's policy lets this very text run, by its hash
  document.head.append(script);
  script.remove();
}

async function start() {
  startTheme(redrawAll);
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
  if (typeof DecompressionStream === "undefined") {
    tell(NO_INFLATE);
    return;
  }
  const library = inflated("plotly");
  await loadTables();
  document.documentElement.classList.add("js");
  listModels();
  startModels();
  startDownloads();
  startResemblance();
  window.iclBench.controls = performance.now();
  performance.mark("controls");
  await library;
  performance.mark("inflated");
  await runPlotly();
  performance.mark("plotly");
  startPrinting();
  startSeverity();
  startSizes();
  startMap();
  drawings[0].draw(drawings[0].element);
  drawings[0].stale = false;
  window.iclBench.ready = performance.now();
  // printing does not wait for the curves to be inflated
  (window.requestIdleCallback ?? setTimeout)(() => loadCurves());
}

start().catch((error) => {
  tell(`The plots could not be started: ${error.message}. The tables are complete.`);
  throw error;
});
