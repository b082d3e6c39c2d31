// Drawings. Widths are shares of the place there is, so that one drawing fits a phone and a desk.

import { drawn, element } from "./dom.js";
import { count, percent, plural } from "./words.js";

// The scale is one of evidence: equal steps multiply the odds alike, and both ends have room.
const END = Math.log(999);
const TICKS = [0.01, 0.1, 0.5, 0.9, 0.99];

const logOdds = (probability) => Math.log(probability / (1 - probability));

function place(probability) {
  const inside = Math.min(Math.max(probability, 1e-9), 1 - 1e-9);
  return 50 + (50 * Math.min(Math.max(logOdds(inside), -END), END)) / END;
}

/**
 * Return where a text stands between a person and a language model.
 *
 * zones: [{name, kind, to}] in order, `to` the probability each ends at; [] where no zone applies.
 */
export function scale(probability, zones, label) {
  const parts = [];
  let from = 0;
  for (const { name, kind, to } of zones) {
    const width = place(to) - from;
    if (width > 0) {
      parts.push(drawn("rect", { class: `zone ${kind}`, x: `${from}%`, y: 26, width: `${width}%`, height: 30 }));
      if (width > 11) {
        const middle = `${from + width / 2}%`;
        parts.push(drawn("text", { class: `zone-name ${kind}`, x: middle, y: 46 }, name));
      }
      if (from > 0) parts.push(line(from, 22, 60, "border"));
    }
    from = Math.max(from, place(to));
  }
  if (!zones.length) parts.push(drawn("rect", { class: "zone none", x: 0, y: 26, width: "100%", height: 30 }));
  for (const tick of TICKS) {
    parts.push(line(place(tick), 56, 61, "tick"));
    parts.push(drawn("text", { class: "tick-name", x: `${place(tick)}%`, y: 75 }, `${100 * tick} %`));
  }
  const x = place(probability);
  const anchor = x < 12 ? "start" : x > 88 ? "end" : "middle";
  const nudge = { start: -6, middle: 0, end: 6 }[anchor];
  parts.push(drawn("svg", { x: `${x}%`, y: 17 }, drawn("path", { class: "needle", d: "M-9 0H9L0 14Z" })));
  parts.push(
    drawn("text", { class: "needle-name", x: `${x}%`, dx: nudge, y: 12, "text-anchor": anchor }, percent(probability)),
  );
  return drawn("svg", { class: "scale", height: 80, role: "img", "aria-label": label }, ...parts);
}

const line = (x, y1, y2, kind) => drawn("line", { class: kind, x1: `${x}%`, x2: `${x}%`, y1, y2 });

/** Return how many texts have which probability: counts over equal bins of 0 to 1. */
export function histogram(counts, caption) {
  const largest = Math.max(...counts, 1);
  const width = 100 / counts.length;
  const bars = counts.map((number, bin) => {
    const height = number ? Math.max((130 * number) / largest, 2) : 0;
    const from = bin / counts.length;
    return drawn(
      "rect",
      {
        class: from < 0.5 ? "against" : "for",
        x: `${bin * width + 0.15 * width}%`,
        y: 150 - height,
        width: `${0.7 * width}%`,
        height,
      },
      drawn("title", {}, `${percentRange(from, from + 1 / counts.length)}: ${count(number)}`),
    );
  });
  const ticks = [0, 25, 50, 75, 100].map((at) =>
    drawn(
      "text",
      { class: "tick-name", x: `${at}%`, y: 168, "text-anchor": at === 0 ? "start" : at === 100 ? "end" : "middle" },
      `${at} %`,
    ),
  );
  return element(
    "figure",
    {},
    drawn(
      "svg",
      { class: "histogram", height: 172, role: "img", "aria-label": `${caption}: ${counts.map(count).join(", ")}` },
      drawn("text", { class: "tick-name", x: 0, y: 12, "text-anchor": "start" }, plural(largest, "text")),
      ...bars,
      drawn("line", { class: "axis", x1: 0, x2: "100%", y1: 150.5, y2: 150.5 }),
      ...ticks,
    ),
    element("figcaption", { class: "quiet" }, caption),
  );
}

const percentRange = (from, to) => `${Math.round(100 * from)} to ${Math.round(100 * to)} %`;

/** Return shares of texts over the same bins: the reference as outlines, what was observed as bars in them. */
export function compared(reference, observed, edges, label) {
  const largest = Math.max(...reference, ...observed, 1e-9);
  const width = 100 / reference.length;
  const bars = reference.flatMap((share, bin) => {
    const title = `${binName(edges, bin)}: ${percent(share)} of the reference, ${percent(observed[bin])} seen here`;
    return [
      bar("now", bin * width + 0.25 * width, 0.5 * width, observed[bin] / largest, title),
      bar("before", bin * width + 0.08 * width, 0.84 * width, share / largest, title),
    ];
  });
  return drawn(
    "svg",
    { class: "compared", height: 82, role: "img", "aria-label": label },
    ...bars,
    drawn("line", { class: "axis", x1: 0, x2: "100%", y1: 80.5, y2: 80.5 }),
  );
}

function bar(kind, x, width, share, title) {
  const height = 74 * share;
  return drawn(
    "rect",
    { class: kind, x: `${x}%`, width: `${width}%`, y: 80 - height, height },
    drawn("title", {}, title),
  );
}

/** Return what a bin holds; edges are the inner ones, one fewer than bins. */
function binName(edges, bin) {
  const [low, high] = [edges[bin - 1], edges[bin]];
  const shown = (number) => Number(number.toPrecision(3));
  if (low === undefined) return `under ${shown(high)}`;
  return high === undefined ? `${shown(low)} and more` : `${shown(low)} to ${shown(high)}`;
}
