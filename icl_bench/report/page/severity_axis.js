// Where severities stand on an axis, and which of them are written under it; as figures have it.

const LONG_SPAN = 8, LETTER = 7.5;

// Returns the severity of a place as a number; null where it has none, as a joint shift.
function dialOf(severity, text) {
  if (severity !== null && severity !== undefined) return severity;
  const written = String(text ?? "").trim();
  if (/^-?inf$/.test(written)) return written === "inf" ? Infinity : -Infinity;
  return written === "" || !Number.isFinite(Number(written)) ? null : Number(written);
}

// Returns positions of ascending severities: on a log scale where all are positive, symmetric around 0 where they span
// much; an infinite one stands a step beyond the others.
function severityPositions(severities, log) {
  const finite = severities.filter(Number.isFinite), sizes = finite.map(Math.abs).filter((size) => size > 0);
  const least = Math.min(...sizes), most = Math.max(...sizes);
  const place = (severity) => {
    if (log && finite.every((value) => value > 0)) return Math.log(severity);
    if (log && most / least > LONG_SPAN) return Math.asinh(severity / Math.max(least, 1e-6 * most));
    return severity;
  };
  const placed = finite.map(place);
  const step = placed.length > 1 ? (placed.at(-1) - placed[0]) / (placed.length - 1) : 1;
  return severities.map((severity) => {
    if (Number.isFinite(severity)) return place(severity);
    return severity > 0 ? (placed.at(-1) ?? 0) + step : (placed[0] ?? 0) - step;
  });
}

// Returns which positions are written so that texts do not meet in `width` pixels: the unshifted one and the ends first.
function shownTicks(positions, texts, kept, width) {
  const low = Math.min(...positions), span = Math.max(...positions) - low || 1, chosenTicks = [];
  const rank = (index) => (index === kept ? 0 : index === 0 || index === positions.length - 1 ? 1 : 2);
  const order = positions.map((_, index) => index).sort((one, other) => rank(one) - rank(other) || one - other);
  const reach = (index) => Math.max(...texts[index].split("<br>").map((line) => line.length)) * LETTER / 2 + 3;
  for (const index of order) {
    const at = (positions[index] - low) / span * width;
    if (chosenTicks.every((other) => Math.abs(other.at - at) >= other.reach + reach(index))) chosenTicks.push({ index, at, reach: reach(index) });
  }
  return chosenTicks.map(({ index }) => index).sort((one, other) => one - other);
}
