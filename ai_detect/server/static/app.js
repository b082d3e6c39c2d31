// Which view is shown, and what they share. A view starts when it is shown and stops when it is left.

import { call, offerToForgetKey } from "./api.js";
import * as apiView from "./api_view.js";
import { byId, element } from "./dom.js";
import * as drift from "./drift.js";
import * as essay from "./essay.js";
import * as file from "./file.js";
import * as log from "./log.js";
import * as model from "./model.js";

const VIEWS = { essay, file, model, drift, log, api: apiView };
const GENERAL = "general"; // the profile that every detector has
let shown = null;

function show({ isFirst = false } = {}) {
  const asked = location.hash.replace(/^#\//, "");
  const name = Object.hasOwn(VIEWS, asked) ? asked : "essay";
  if (name === shown) return;
  VIEWS[shown]?.stop?.();
  shown = name;
  for (const other of Object.keys(VIEWS)) byId(other).hidden = other !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(name).dataset.title} - ai_detect`;
  if (!isFirst) {
    scrollTo(0, 0);
    byId(`${name}-title`).focus({ preventScroll: true });
  }
  VIEWS[name].start?.();
}

/** Offer the model's profiles, and of each only the rates that it can promise. */
async function fillProfiles() {
  const found = await call("/model");
  byId("footer-model").textContent = `${found.name}, ${found.version}`;
  essay.learn(found);
  const profiles = Object.entries(found.profiles);
  for (const select of document.querySelectorAll("[data-profiles]")) {
    const { fpr } = select.form.elements;
    select.disabled = fpr.disabled = !profiles.length; // a model of other classes promises nothing
    if (!profiles.length) continue;
    select.replaceChildren(
      ...profiles.map(([name, { population }]) =>
        element("option", { value: name, title: population, selected: name === GENERAL }, name),
      ),
    );
    const offer = () => {
      for (const option of fpr.options) option.disabled = option.value < found.profiles[select.value].floor;
      if (fpr.selectedOptions[0]?.disabled) fpr.selectedIndex = [...fpr.options].findLastIndex((one) => !one.disabled);
    };
    select.addEventListener("change", offer);
    offer();
  }
}

for (const view of Object.values(VIEWS)) view.prepare?.();
for (const select of document.querySelectorAll("[data-profiles]")) {
  select.append(element("option", {}, GENERAL));
}
offerToForgetKey();
addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // #main is no view
  byId("main").focus();
});
show({ isFirst: true });
fillProfiles().catch((error) => {
  byId("footer-model").textContent = error.message;
});
