// The data of the page: gzip in base64 in blocks that are not run, inflated when first asked for.

const VALUE_STEPS = 2000, REACH_STEPS = 50, ZERO_CODE = -60000, ZERO_REACH = -500;  // as in packing.py
const NO_INFLATE = "This browser cannot unpack the page's plots and downloads (DecompressionStream is missing):"
  + " the tables below are complete. A current Firefox, Chrome, Edge or Safari shows all of it.";
const blocks = new Map();

function inflated(id) {
  if (!blocks.has(id)) blocks.set(id, inflate(document.getElementById(id)));
  return blocks.get(id);
}

async function inflate(block) {
  const raw = atob(block.textContent);
  block.textContent = "";  // its text is held inflated from here on
  const bytes = new Uint8Array(raw.length);
  for (let index = 0; index < raw.length; index += 1) bytes[index] = raw.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

let tables = null;  // {runs, fields, ofPoint, ofEntry}; see payload.py
let curves = null;  // {runs: [{models, bayes, zero}]}; see packing.py

async function loadTables() {
  tables = JSON.parse(await inflated("tables"));
}

async function loadCurves() {
  if (curves === null) curves = JSON.parse(await inflated("curves"));
}

// Returns one curve as [{x, value, low, high, median}], without the sizes that have no number.
function unpacked(packed, point, line) {
  const sizes = packed.sizes[point], steps = packed.value[point][line], down = packed.down[point][line];
  const step = packed.step, up = packed.up[point][line] ?? down, medians = new Set(packed.median[point][line]);
  const found = [];
  let code = 0, below = 0, above = 0;
  sizes.forEach((size, index) => {
    if (down[index] !== null) below += down[index];
    if (up[index] !== null) above += up[index];
    if (steps[index] === null) return;
    code += steps[index];
    const value = step ? code * step : code <= ZERO_CODE ? 0 : 10 ** (code / VALUE_STEPS);
    const low = down[index] === null ? null : value - (step ? below * step : reach(value, below));
    const high = up[index] === null ? null : value + (step ? above * step : reach(value, above));
    found.push({ x: size, value, low, high, median: medians.has(index) });
  });
  return found;
}

function reach(value, code) {
  return code <= ZERO_REACH ? 0 : value * 10 ** (code / REACH_STEPS);
}

// Returns the value of a field of the table of every severity, for one run, point and model.
function entry(run, field, point, model) {
  return run.entries[field][point * run.models.length + model];
}

function pointName(point) {
  const unshifted = point.identity ? " (unshifted)" : "";
  return `${point.scenario} ${point.severity_label}`.trim() + unshifted;
}
