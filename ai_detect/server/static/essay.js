// Paste a text, see what the program says of it and why.

import { call } from "./api.js";
import { scale } from "./charts.js";
import { byId, element, facts, showError } from "./dom.js";
import { markedText, wording } from "./sentences.js";
import { percent, plural, rarity, signed } from "./words.js";

const MIN_WORDS = 50;
const HEADLINES = {
  llm: "Reads like the work of a language model",
  human: "Reads like the work of a person",
  unsure: "No verdict",
};

let humanBelow = null; // the log-odds under which a text is called human
let running = null;

/** Take from the model what an explanation does not say. */
export function learn(model) {
  humanBelow = Number.isFinite(model.human_below) ? model.human_below : null;
}

export function prepare() {
  const [form, text] = [byId("essay-form"), byId("essay-text")];
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  byId("essay-clear").addEventListener("click", () => {
    text.value = "";
    countWords();
    text.focus();
  });
  text.addEventListener("input", countWords);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  countWords(); // a browser may have kept the text of before
}

function countWords() {
  const words = byId("essay-text").value.match(/\S+/g)?.length ?? 0;
  const short = words > 0 && words < MIN_WORDS ? `, and ${MIN_WORDS} are needed for a verdict` : "";
  byId("essay-count").textContent = plural(words, "word") + short;
}

async function check() {
  running?.abort();
  const mine = (running = new AbortController());
  const text = byId("essay-text").value.toWellFormed();
  const [status, problem, result] = [byId("essay-status"), byId("essay-error"), byId("essay-result")];
  showError(problem, null);
  if (!text.trim()) {
    showError(problem, new Error("There is no text yet: paste one first."));
    byId("essay-text").focus();
    return;
  }
  status.textContent = "Reading the text";
  result.setAttribute("aria-busy", "true");
  try {
    const found = await call("/explain", {
      method: "POST",
      body: { text, profile: byId("essay-profile").value, fpr: Number(byId("essay-fpr").value) || undefined },
      signal: mine.signal,
    });
    result.replaceChildren(...report(found, text));
    status.textContent = `${headline(found)}. Probability of ${found.target} ${percent(found.probability)}.`;
    showFrom(result);
  } catch (error) {
    if (error.name === "AbortError") return;
    status.textContent = "";
    showError(problem, error);
    showFrom(problem);
  }
  if (mine === running) result.removeAttribute("aria-busy");
}

function showFrom(node) {
  const { top } = node.getBoundingClientRect();
  if (top < 0 || top > 0.6 * innerHeight) node.scrollIntoView({ block: "start" });
}

const headline = (found) => HEADLINES[found.verdict] ?? `Most probable class: ${found.prediction}`;

function report(found, text) {
  return [
    verdict(found),
    found.verdict ? caution() : null,
    markedText(found, text),
    wording(found),
    normalised(found),
    arithmetic(found),
  ].filter(Boolean);
}

function verdict(found) {
  const zones = zonesOf(found);
  const shown = percent(found.probability);
  return element(
    "section",
    { class: `verdict ${found.verdict}` },
    element("h2", {}, headline(found)),
    found.verdict === "unsure" ? element("p", {}, why(found)) : null,
    scale(found.probability, zones, `Probability of ${found.target}: ${shown}`),
    found.verdict ? element("p", { class: "quiet under-scale" }, borders(found, zones)) : null,
    found.p_value == null ? null : element("p", { class: "rarity" }, rarity(found.p_value)),
    found.verdict
      ? element("p", {}, element("bdi", {}, found.promise))
      : element("p", {}, `Probability of ${found.target}: ${shown}.`),
    element("p", { class: "quiet" }, `${plural(found.words, "word")}, as the program counts them.`),
  );
}

function why({ reason, words }) {
  if (reason.startsWith("under ")) return `The text has ${plural(words, "word")}; ${reason} no verdict is given.`;
  return (
    {
      "between thresholds": "The evidence is too weak to say either.",
      "not English": "The text does not read as English, and the program knows no other language.",
      obfuscated: "So many characters are hidden or disguised that the text is not called human, whatever its wording.",
    }[reason] ?? reason
  );
}

function zonesOf({ verdict, reason, threshold }) {
  if (!verdict || humanBelow == null || reason.startsWith("under ") || reason === "not English") return [];
  const llm = threshold ?? 1;
  const human = Math.min(1 / (1 + Math.exp(-humanBelow)), llm);
  const zones = [
    { name: "human", kind: "against", to: human },
    { name: "no verdict", kind: "none", to: llm },
  ];
  return threshold == null ? zones.map((zone, k) => (k ? { ...zone, to: 1 } : zone)) : [...zones, { name: "llm", kind: "for", to: 1 }];
}

function borders({ target, threshold }, zones) {
  const meaning = `How probable ${target} is, if both were equally likely before reading.`;
  if (!zones.length) return meaning;
  const above = threshold == null ? "" : `, from ${percent(threshold)} it is llm`;
  return `${meaning} Below ${percent(zones[0].to)} the verdict is human${above}.`;
}

function caution() {
  return element(
    "section",
    { class: "caution", "aria-label": "Caution" },
    element("p", {}, element("strong", {}, "Never the only ground for an accusation.")),
    element(
      "p",
      {},
      "A program cannot know who wrote a text. People who write carefully and formally, or in a second language, " +
        "can look like a model, and a model can be made to look like a person. Talk with the writer first: ask for " +
        "notes and drafts, and listen.",
    ),
  );
}

function normalised(found) {
  if (!found.normalised.length) return null;
  return element(
    "section",
    {},
    element("h2", {}, "What was normalised"),
    element(
      "p",
      {},
      "These were undone before reading, so that they neither help nor harm a text. Editors and keyboards make most of them.",
    ),
    element("ul", {}, ...found.normalised.map((kind) => element("li", {}, kind))),
  );
}

function arithmetic(found) {
  const { target, score, intercept } = found;
  return element(
    "details",
    {},
    element("summary", {}, "The arithmetic"),
    element(
      "p",
      {},
      `Evidence is counted in log-odds: +0.7 doubles the odds of ${target}, ${signed(-0.7, 1)} halves them. All of it adds up.`,
    ),
    facts([
      ["Before the first word", signed(intercept, 2)],
      ["From the words", signed(score - intercept, 2)],
      ["Together", signed(score, 2)],
      ["Probability", percent(found.probability)],
    ]),
  );
}
