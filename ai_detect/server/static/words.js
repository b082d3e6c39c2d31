// Numbers and texts as a reader sees them.

import { element } from "./dom.js";

const whole = new Intl.NumberFormat("en-GB");

export const count = (number) => whole.format(number);

export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A share as a percentage that never claims certainty. */
export function percent(share) {
  if (share < 0.001) return "under 0.1 %";
  return share > 0.999 ? "over 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

/** A number with its sign, minus being a true minus. */
export const signed = (number, digits) =>
  (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(digits);

/** A figure of unknown kind with the digits it deserves. */
export function figure(number) {
  if (Number.isInteger(number)) return count(number);
  return Math.abs(number) < 0.001 ? number.toExponential(1) : number.toFixed(Math.abs(number) < 10 ? 4 : 1);
}

export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; number >= 1000 && unit < units.length - 1; unit += 1) number /= 1000;
  return `${number.toFixed(unit && number < 100 ? 1 : 0)} ${units[unit]}`;
}

/** A moment: seconds since 1970 or ISO 8601, in the reader's own time zone. */
export function moment(value) {
  if (value == null || value === "") return "";
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  if (Number.isNaN(date.getTime())) return String(value);
  return date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** What a p-value means. */
export function rarity(p) {
  const often =
    p >= 0.9995
      ? "practically all"
      : p >= 0.001
        ? `about ${count(Math.round(1000 * p))}`
        : "fewer than 1";
  return `Of 1,000 human texts of this length, ${often} would score at least as high (p-value ${Number(p.toPrecision(2))}).`;
}

// Control and format characters, direction marks, line separators and unusual spaces, as in ai_detect/visible.py.
const HIDDEN =
  /(?![\n\t])[\p{C}\p{Zl}\p{Zp}\u1680\u2000-\u2008\u200a\u205f\u2800\u3164\uffa0\u{1d159}]/gu;

/** Return text as nodes in which nothing acts and nothing hides: hidden characters are spelt out. */
export function visible(text) {
  const nodes = [];
  let at = 0;
  for (const { 0: char, index } of text.matchAll(HIDDEN)) {
    if (index > at) nodes.push(text.slice(at, index));
    const code = char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    if (char !== "\r") nodes.push(element("span", { class: "odd" }, `U+${code}`));
    at = index + char.length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}
