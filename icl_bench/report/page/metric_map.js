// The colours of the map where no run has skill: the headline number of the suite, on a scale of its own.

const DECADE_LOW = -4, DECADE_HIGH = 1;  // shares of the risk of predicting zero; beyond, colours are those of the ends

// Returns how values become colours: shares of the risk of predicting zero on fixed decades, else from least to most.
function metricScale() {
  const isNormalised = tables.runs.every((run) => run.isNormalised || run.metric === "");
  const log = !tables.runs.some((run) => run.canBeNegative), reversed = tables.runs.some((run) => run.betterHigh);
  const made = (low, high) => ({ isSkill: false, colors: "Cividis", log, reversed, low, high, isNormalised, ticks: metricTicks(low, high, log, isNormalised) });
  if (isNormalised) return { ...made(DECADE_LOW, DECADE_HIGH), log: true };
  const place = (value) => (log ? Math.log10(value) : value);
  const values = tables.runs.flatMap((run) => run.entries.value).filter((value) => value !== null && (!log || value > 0)).map(place);
  const low = values.reduce((one, other) => Math.min(one, other), values[0] ?? 0);
  const high = values.reduce((one, other) => Math.max(one, other), values[0] ?? 1);
  return made(low, high > low ? high : low + 1);
}

function metricTicks(low, high, log, isNormalised) {
  if (!log && !isNormalised) return {};
  const ticks = [];
  for (let power = Math.ceil(low); power <= high; power += 1) ticks.push(power);
  const beyond = (index) => (index === 0 ? "\u2264" : index === ticks.length - 1 ? "\u2265" : "");
  if (isNormalised) return { tickvals: ticks, ticktext: ticks.map((power, index) => `${beyond(index)}${10 ** power}`) };
  const shown = ticks.length > 1 ? ticks : [low, (low + high) / 2, high];
  return { tickvals: shown, ticktext: shown.map((power) => short(10 ** power)) };
}

function metricMeaning() {
  const metrics = new Set(tables.runs.map((run) => run.metric));
  const { isNormalised, log } = metricScale();
  const shades = isNormalised
    ? "on a log scale; darker is nearer to Bayes, the brightest is at or above ten times the risk of predicting zero"
    : `${log ? "on a log scale; " : ""}darker is better`;
  return `Without skill, colour is ${[...metrics].join(", ").replaceAll("_", " ")}, ${shades}.`;
}
