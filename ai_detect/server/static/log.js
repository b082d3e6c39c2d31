// The last lines of the log.

import { call, download } from "./api.js";
import { byId, element, showError, table } from "./dom.js";
import { plural, visible } from "./words.js";

let lines = [];

export function prepare() {
  byId("log-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  byId("log-level").addEventListener("change", start);
  byId("log-lines").addEventListener("change", start);
  byId("log-words").addEventListener("input", draw);
  byId("log-download").addEventListener("click", () =>
    download("/log/download", "log_file.log").then(
      () => showError(byId("log-error"), null),
      (error) => showError(byId("log-error"), error),
    ),
  );
}

export async function start() {
  const query = new URLSearchParams({ lines: byId("log-lines").value, level: byId("log-level").value });
  try {
    ({ lines } = await call(`/log?${query}`));
    showError(byId("log-error"), null);
    draw();
  } catch (error) {
    showError(byId("log-error"), error);
  }
}

function draw() {
  const words = byId("log-words").value.toLowerCase();
  const wanted = lines.filter((line) => `${line.logger} ${line.message}`.toLowerCase().includes(words));
  byId("log-status").textContent = wanted.length
    ? `${plural(wanted.length, "line")}, the newest first`
    : "No such lines.";
  const rows = wanted
    .reverse()
    .map((line) => [
      element("time", { datetime: line.time }, line.time.slice(0, 19).replace("T", " ")),
      element("span", { class: `level ${line.level.toLowerCase()}` }, line.level),
      element("bdi", { class: "message" }, ...visible(line.message)),
      line.logger,
    ]);
  const columns = ["Time", "Level", "Message", "From"].map((title) => ({ title }));
  byId("log-content").replaceChildren(...(rows.length ? [table("Log", columns, rows)] : []));
}
