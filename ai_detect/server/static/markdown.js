// The little Markdown that a model card uses, as elements: what is not understood stays text.

import { element, table } from "./dom.js";

/** Return nodes: headings (one level down), paragraphs, lists, tables, code blocks. */
export function rendered(markdown) {
  const lines = markdown.replace(/\r\n?/g, "\n").split("\n");
  const nodes = [];
  while (lines.length) {
    const block = BLOCKS.find(({ begins }) => begins.test(lines[0]));
    nodes.push(...(block ? block.take(lines) : paragraph(lines)));
  }
  return nodes;
}

const BLOCKS = [
  { begins: /^\s*$/, take: (lines) => (lines.shift(), []) },
  { begins: /^```/, take: codeBlock },
  { begins: /^#{1,5} /, take: heading },
  { begins: /^\|/, take: tableBlock },
  { begins: /^\s*[-*+] /, take: (lines) => list("ul", lines) },
  { begins: /^\s*\d+[.)] /, take: (lines) => list("ol", lines) },
];

const isOther = (line) => BLOCKS.some(({ begins }) => begins.test(line));

function paragraph(lines) {
  const text = [lines.shift()];
  while (lines.length && !isOther(lines[0])) text.push(lines.shift());
  return [element("p", {}, ...inline(text.join(" ")))];
}

function heading(lines) {
  const [, marks, text] = /^(#+) (.*?)\s*#*$/.exec(lines.shift());
  return [element(`h${marks.length + 1}`, {}, ...inline(text))];
}

function codeBlock(lines) {
  lines.shift();
  const code = [];
  while (lines.length && !lines[0].startsWith("```")) code.push(lines.shift());
  lines.shift();
  return [element("pre", { tabindex: "0" }, element("code", {}, code.join("\n")))];
}

function list(tag, lines) {
  const items = [];
  while (lines.length && /\S/.test(lines[0])) {
    const [, text] = /^\s*(?:[-*+]|\d+[.)]) (.*)$/.exec(lines[0]) ?? [];
    if (text !== undefined) items.push([text]);
    else if (/^\s/.test(lines[0]) || !isOther(lines[0])) items.at(-1).push(lines[0].trim());
    else break;
    lines.shift();
  }
  return [element(tag, {}, ...items.map((item) => element("li", {}, ...inline(item.join(" ")))))];
}

function tableBlock(lines) {
  const rows = [];
  while (lines.length && lines[0].startsWith("|")) rows.push(cells(lines.shift()));
  const [head, ...body] = rows.filter((row) => !row.every((cell) => /^:?-+:?$/.test(cell)));
  const columns = head.map((title) => ({ title: inline(title) }));
  const width = head.length;
  return [
    table(
      head.join(", "),
      columns.map(({ title }) => ({ title: element("span", {}, ...title) })),
      body.map((row) => Array.from({ length: width }, (_, k) => element("span", {}, ...inline(row[k] ?? "")))),
    ),
  ];
}

const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]*)\]\((https?:[^)\s]+)\)/g;

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [all, code, strong, emphasis, title, url] = match;
    nodes.push(text.slice(at, match.index));
    if (code !== undefined) nodes.push(element("code", {}, code));
    else if (strong !== undefined) nodes.push(element("strong", {}, strong));
    else if (emphasis !== undefined) nodes.push(element("em", {}, emphasis));
    else nodes.push(element("a", { href: url, rel: "noreferrer" }, title));
    at = match.index + all.length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "");
}
