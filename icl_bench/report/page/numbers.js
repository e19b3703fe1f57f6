// Numbers as short text, as in the command's own reports, and text that Plotly takes for nothing but text.

function short(value) {
  if (value === null || value === undefined) return "-";
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude < 1e-12) return "<1e-12";
  if (magnitude < 1e-2 || magnitude >= 1e4) return value.toExponential(2).replace("e+", "e");
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(magnitude))));
}

function withInterval(value, low, high) {
  if (value === null || value === undefined) return "no value";
  if (low === null || low === undefined || high === null || high === undefined) return `${short(value)} (no interval)`;
  return `${short(value)} [${short(low)}, ${short(high)}]`;
}

// Plotly reads tags and entities in labels: what came from tables must not be either.
function plotlyText(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function shortened(text, width) {
  return text.length <= width ? text : `${text.slice(0, width - 1)}\u2026`;
}
