// Whether the texts that come in still look like those the model was measured on.

import { call } from "./api.js";
import { compared } from "./charts.js";
import { byId, element, facts, showError } from "./dom.js";
import { plural } from "./words.js";

const LEVELS = ["major", "moderate", "none"];
const NAMES = { none: "No drift", moderate: "Moderate drift", major: "Major drift" };
const ADVICE = {
  none: "",
  moderate: "Look at what has moved before you rely on the promise about false accusations.",
  major: "The promise about false accusations was not measured on such texts: do not rely on it, and calibrate anew.",
};

export function prepare() {
  byId("drift-refresh").addEventListener("click", start);
}

export async function start() {
  try {
    const report = await call("/drift");
    showError(byId("drift-error"), null);
    byId("drift-status").textContent = report.summary;
    byId("drift-content").replaceChildren(...sections(report));
  } catch (error) {
    byId("drift-content").replaceChildren();
    showError(byId("drift-error"), error);
  }
}

function sections({ level, n, n_reference: nReference, summary, features }) {
  const verdict = element(
    "section",
    { class: "verdict" },
    element("h2", {}, n ? NAMES[level] : "Nothing to compare yet"),
    element("p", {}, element("bdi", {}, summary)),
    ADVICE[level] ? element("p", {}, ADVICE[level]) : null,
    element(
      "p",
      { class: "quiet" },
      `${plural(n, "text")} seen, ${plural(nReference, "text")} in the reference. Only counts are kept, never texts.`,
    ),
  );
  if (!n) return [verdict];
  const sorted = [...features].sort(
    (a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || b.psi - a.psi,
  );
  return [verdict, legend(), element("div", { class: "columns features" }, ...sorted.map(feature))];
}

function legend() {
  return element(
    "ul",
    { class: "legend", "aria-label": "Legend" },
    element("li", {}, element("span", { class: "swatch before" }), "reference"),
    element("li", {}, element("span", { class: "swatch now" }), "seen here"),
  );
}

function feature({ title, psi, p_value: p, level, direction, evidence, reference, observed, edges }) {
  return element(
    "section",
    { class: "feature" },
    element("h3", {}, title),
    element("p", { class: `level ${level}` }, direction ? `${NAMES[level]}: ${direction}` : NAMES[level]),
    compared(reference, observed, edges, `${title}: reference and seen here, in ${reference.length} bins. ${evidence}`),
    direction ? element("p", { class: "quiet" }, `${evidence}.`) : null,
    facts([
      ["PSI", psi.toFixed(3)],
      ["p-value", p < 0.001 ? "under 0.001" : p.toFixed(3)],
    ]),
  );
}
