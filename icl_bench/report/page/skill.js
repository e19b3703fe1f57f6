// Skill: read from the page's tables, written as in the command's reports, coloured with one meaning everywhere.

const SKILL_STEPS = 10000;  // as in skills.py

function hasSkill(run) {
  return run.skill.basis !== "";
}

// Returns a run's skill at a point, -1 for its unshifted one: {value, low, high, atCap, uncapped, message}.
function skillAt(run, point, column) {
  const held = point < 0 ? run.skill.unshifted : run.skill.cells, at = point < 0 ? column : point * run.models.length + column;
  const share = (name) => (held[name]?.[at] == null ? null : held[name][at] / SKILL_STEPS);
  const code = held.message?.[at] ?? 0;
  return {
    value: share("skill"), low: share("ci_low"), high: share("ci_high"), atCap: share("at_cap"), uncapped: held.uncapped?.[at] ?? null,
    message: code ? run.skill.messages[code - 1] : "", median: 0,
  };
}

function signed(value) {
  if (value === null) return "-";
  if ([1, -1, 0].includes(value)) return String(value);
  const text = value.toFixed(2);
  if (text === "1.00" || text === "-1.00") return value > 0 ? ">.99" : "<-.99";
  return text.replace("0.", ".");
}

// Returns what there is to say of a skill, in lines.
function skillLines({ value, low, high, atCap, uncapped, message }) {
  if (value === null) return [message || "no skill"];
  const interval = low === null ? " (no interval)" : low === high ? "" : ` [${signed(low)} to ${signed(high)}]`;
  const broken = high !== null && high <= 0 ? ", no better than predicting zero" : "";
  const lines = [`skill ${signed(value)}${interval}${broken}`];
  if (atCap !== null) lines.push(`${(100 * atCap).toFixed(atCap > 0 && atCap < 0.1 ? 1 : 0)}% of answers at the cap; uncapped ${uncapped === null ? "none" : short(uncapped)}`);
  if (message) lines.push(message);
  return lines;
}

function skillColors() {
  return [[0, themeColor("--skill-low")], [0.5, themeColor("--skill-mid")], [1, themeColor("--skill-high")]];
}

function skillTitle() {
  const bases = new Set(tables.runs.filter(hasSkill).map((run) => run.skill.basis));
  return `skill (1: ${[...bases].map((basis) => (basis === "f" ? "f(x) itself" : "Bayes")).join(" or ")}, 0: predicting zero)`;
}
