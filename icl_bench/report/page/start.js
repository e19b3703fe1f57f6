// From the static page to the working one: tables and toggles first, then Plotly, then the plots in view.

window.iclBench = { ready: null, controls: null, prepared: null, lastToggle: null };  // milliseconds, for whoever measures

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
  startMap();
  startSeverity();
  startSizes();
  drawings[0].draw(drawings[0].element);
  drawings[0].stale = false;
  window.iclBench.ready = performance.now();
  prepareForPrint();
}

// Printing does not wait for curves to be inflated and plots to be drawn first: that is done when nothing else is to do.
async function prepareForPrint() {
  const idle = () => new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve));
  await idle();
  await loadCurves();
  for (const drawing of drawings) {
    await idle();
    if (drawing.stale) redraw(drawing);
  }
  window.iclBench.prepared = performance.now();
}

start().catch((error) => {
  tell(`The plots could not be started: ${error.message}. The tables are complete.`);
  throw error;
});
