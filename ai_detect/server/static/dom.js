// Elements without HTML strings: whatever comes from outside can only become text.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element; attributes that are false or null are left out, functions listen (onclick). */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== ""));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Show an error as one clear sentence, or take it away. */
export function showError(place, error) {
  place.replaceChildren(
    ...(error ? [element("p", { class: "notice" }, element("bdi", {}, error.message))] : []),
  );
}

/** Return a table in a box that scrolls by itself; columns: {title, number}; cells: text or nodes. */
export function table(caption, columns, rows) {
  const head = columns.map(({ title, number }) =>
    element("th", { scope: "col", class: number && "number" }, title),
  );
  const body = rows.map((cells) =>
    element("tr", {}, ...cells.map((cell, k) => element("td", { class: columns[k].number && "number" }, cell))),
  );
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...body),
    ),
  );
}

/** Return names beside values. */
export function facts(pairs) {
  return element(
    "dl",
    { class: "facts" },
    ...pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

/** Ask before something is lost; resolves to whether the answer is yes. */
export function ask(question, yes) {
  const dialog = byId("ask-dialog");
  byId("ask-question").replaceChildren(element("bdi", {}, question));
  byId("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}
