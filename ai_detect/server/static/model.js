// What the model in use says of itself: figures, promises, plots, card.

import { call, showPicture } from "./api.js";
import { byId, element, facts, showError, table } from "./dom.js";
import { rendered } from "./markdown.js";
import { count, figure, moment, percent } from "./words.js";

const NAMES = {
  roc_auc: "ROC AUC",
  accuracy: "Accuracy",
  f1: "F1",
  macro_f1: "Macro F1",
  brier: "Brier score",
  ece: "Calibration error",
  n: "Texts",
  n_negative: "Human texts",
  n_positive: "LLM texts",
};
const PLOTS = {
  roc: "ROC curve",
  calibration: "Calibration: stated against observed shares",
  scores: "Histogram of scores",
  confusion: "Confusion matrix",
};

export async function start() {
  try {
    const model = await call("/model");
    showError(byId("model-error"), null);
    byId("model-content").replaceChildren(...sections(model).filter(Boolean));
  } catch (error) {
    showError(byId("model-error"), error);
  }
}

function sections(model) {
  const metrics = model.metrics?.out_of_fold ?? model.metrics ?? {};
  return [
    facts([
      ["Name", model.name],
      ["Version", model.version],
      ["Made", moment(model.created)],
      ["Classes", (model.classes ?? []).join(", ")],
    ]),
    figures(metrics),
    rates(metrics.rates),
    profiles(model.profiles),
    plots(model.plots),
    model.card
      ? element("section", { class: "card prose", "aria-label": "Model card" }, ...rendered(model.card))
      : null,
  ];
}

function figures(metrics) {
  const pairs = Object.entries(NAMES)
    .filter(([name]) => metrics[name] != null)
    .map(([name, title]) => [title, withInterval(metrics[name])]);
  if (!pairs.length) return null;
  return element(
    "section",
    {},
    element("h2", {}, "Measured on texts it had not been trained on"),
    facts(pairs),
  );
}

function withInterval(value) {
  if (typeof value === "number") return figure(value);
  if ("low" in value) return `${figure(value.value)} (${figure(value.low)} to ${figure(value.high)})`;
  return Object.entries(value)
    .map(([name, one]) => `${name} ${figure(one)}`)
    .join(", ");
}

function rates(rows) {
  if (!rows?.length) return null;
  const columns = [
    { title: "False accusations promised" },
    { title: "achieved", number: true },
    { title: "LLM texts caught", number: true },
  ];
  const cells = rows.map(({ promised_fpr: promised, achieved_fpr: achieved, tpr }) => [
    `at most ${Number((100 * promised).toPrecision(3))} %`,
    `${(100 * (achieved.value ?? achieved)).toFixed(2)} %`,
    percent(tpr),
  ]);
  return element("section", {}, element("h2", {}, "What the promise costs"), table("Promised rates", columns, cells));
}

function profiles(found) {
  const names = Object.entries(found ?? {});
  if (!names.length) return null;
  const columns = [
    { title: "Writers" },
    { title: "The promise is for" },
    { title: `At ${figure(100 * names[0][1].thresholds[0].fpr)} %, llm begins at` },
    { title: "Lowest rate", number: true },
  ];
  const cells = names.map(([name, { population, floor, thresholds }]) => [
    element("bdi", {}, name),
    element("bdi", {}, population),
    element("ul", { class: "bare" }, ...thresholds.map((band) => element("li", {}, beginning(band)))),
    `${(100 * floor).toFixed(2)} %`,
  ]);
  return element("section", {}, element("h2", {}, "Whom the promise is for"), table("Profiles", columns, cells));
}

function beginning({ min_words: words, score }) {
  const begins = score == null ? "no probability" : percent(1 / (1 + Math.exp(-score)));
  return `${begins} from ${count(words)} words on`;
}

function plots(urls) {
  if (!urls?.length) return null;
  const pictures = urls.map((url) => {
    const [, name] = /([^/]+?)(?:\.\w+)?(?:\?.*)?$/.exec(url) ?? [];
    const title = PLOTS[name] ?? name;
    const picture = element("img", { alt: title, width: "600", height: "480" });
    showPicture(picture, url.replace(/^.*?\/api\/v1/, "")).catch((error) => showError(byId("model-error"), error));
    return element("figure", {}, picture, element("figcaption", { class: "quiet" }, title));
  });
  return element("section", {}, element("h2", {}, "Plots"), element("div", { class: "columns" }, ...pictures));
}
