// The text again, each sentence marked by what it contributes, and the wording that weighs most.

import { element, table } from "./dom.js";
import { count, percent, signed, visible } from "./words.js";

const LONG = 20_000; // characters from which the text scrolls in its own box

/** Return the marked text with its legend. */
export function markedText(found, text) {
  if (!found.sentences.length) return null;
  const { target, rival } = found;
  const isLong = text.length > LONG;
  return element(
    "section",
    {},
    element("h2", {}, "The text, sentence by sentence"),
    element(
      "ul",
      { class: "legend", "aria-label": "Legend" },
      element("li", {}, element("span", { class: "for2" }, `strongly for ${target}`)),
      element("li", {}, element("span", { class: "for1" }, `for ${target}`)),
      element("li", {}, "says little"),
      element("li", {}, element("span", { class: "against1" }, `for ${rival}`)),
      element("li", {}, element("span", { class: "against2" }, `strongly for ${rival}`)),
    ),
    element(
      "p",
      { class: "quiet" },
      `Solid lines speak for ${target}, dotted lines for ${rival}. Small figures are log-odds: +0.7 doubles the odds of ${target}.`,
    ),
    element(
      "div",
      {
        class: isLong ? "text long" : "text",
        dir: "auto",
        tabindex: isLong && "0",
        role: isLong && "group",
        "aria-label": isLong && "The marked text",
      },
      ...marked(found, text),
    ),
  );
}

function marked({ sentences, levels }, text) {
  const part = slicer(text);
  const nodes = [];
  let at = 0;
  for (const [k, { start, end, contribution, share }] of sentences.entries()) {
    nodes.push(...visible(part(at, start)));
    const level = Math.abs(levels[k]);
    const kind = level && `${levels[k] > 0 ? "for" : "against"}${level}`;
    const title = `${signed(contribution, 2)}, ${percent(share)} of the evidence`;
    nodes.push(element(level ? "mark" : "span", { class: kind || "little", title }, ...visible(part(start, end))));
    if (level === 2) nodes.push(element("sup", {}, signed(contribution, 1)));
    at = end;
  }
  nodes.push(...visible(part(at)));
  return nodes;
}

// Places are counted in code points, strings in UTF-16 units: the two differ only where there are surrogates.
function slicer(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (start, end) => text.slice(start, end);
  const points = Array.from(text);
  return (start, end) => points.slice(start, end).join("");
}

/** Return the n-grams that weigh most, on either side. */
export function wording(found) {
  const sides = [
    [found.target, found.ngrams_for],
    [found.rival, found.ngrams_against],
  ].filter(([, ngrams]) => ngrams.length);
  if (!sides.length) return null;
  return element(
    "section",
    {},
    element("h2", {}, "Wording that weighs most"),
    element("div", { class: "columns" }, ...sides.map(([side, ngrams]) => ngramTable(side, ngrams))),
  );
}

function ngramTable(side, ngrams) {
  const title = `Speaks for ${side}`;
  const columns = [{ title }, { title: "times", number: true }, { title: "log-odds", number: true }];
  return table(
    title,
    columns,
    ngrams.map(({ text, count: times, contribution }) => [
      element("bdi", {}, ...visible(text)),
      count(times),
      signed(contribution, 2),
    ]),
  );
}
