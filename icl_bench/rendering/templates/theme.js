// Light and dark: what the system prefers until the button says otherwise; remembered where storage is allowed.

const THEME_KEY = "icl-bench-theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try { return localStorage.getItem(THEME_KEY); } catch { return null; }  // storage may be refused, as on file://
}

function isDark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : prefersDark.matches;
}

function startTheme(changed) {
  const button = document.getElementById("theme"), kept = stored();
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  label();
  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    try { localStorage.setItem(THEME_KEY, wanted); } catch { /* not remembered, then */ }
    label();
    changed();
  });
  prefersDark.addEventListener("change", () => { label(); changed(); });
}

function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
