// One file being scored: how far it is, and what came out.

import { download, send } from "./api.js";
import { histogram } from "./charts.js";
import { firstRows } from "./csv.js";
import { element, facts, table } from "./dom.js";
import { bytes, count, percent, plural, visible } from "./words.js";

const PREVIEW = 20;

export const STATUS = {
  uploading: "sending",
  queued: "waiting",
  running: "scoring",
  done: "done",
  failed: "failed",
  cancelled: "stopped",
};

const CALLED = { llm: "Called llm", human: "Called human", unsure: "No verdict" };
const TITLES = {
  id: "Id",
  generated: "Probability of llm",
  label: "Class",
  probability: "Probability",
  verdict: "Verdict",
  words: "Words",
  p_value: "p-value",
  obfuscation: "Obfuscation",
  reason: "Reason",
};
const NUMBERS = new Set(["generated", "probability", "words", "p_value", "obfuscation"]);
const SHOWN_FIRST = ["id", "generated", "verdict", "words", "p_value", "reason"];

export const isOver = ({ status }) => ["done", "failed", "cancelled"].includes(status);

/** A card for a job. What stays the same stays in place, so that the focus does. */
export class JobCard {
  constructor(job, { cancel, rerun, fail }) {
    this.fail = fail;
    this.said = element("p", { class: "said" });
    this.bar = element("progress", { max: "1", "aria-label": "Progress" });
    this.cancel = element("button", { type: "button", onclick: () => cancel(this) }, "Cancel");
    this.rerun = element("button", { type: "button", onclick: () => rerun(this) }, "Run again");
    this.result = element("div", { class: "stack" });
    this.node = element(
      "section",
      { class: "job stack", "aria-label": `File ${job.name}` },
      element("h2", {}, element("bdi", { class: "message" }, job.name)),
      this.said,
      this.bar,
      element("p", { class: "actions" }, this.cancel, this.rerun),
      this.result,
    );
    this.update(job);
  }

  /** Show what a job has become; returns whether its state is another one. */
  update(job) {
    const before = this.job?.status;
    this.job = job;
    this.bar.hidden = this.cancel.hidden = isOver(job);
    this.rerun.hidden = !["failed", "cancelled"].includes(job.status);
    this.progress(job.bytes_read ?? 0, job.bytes_total ?? 0);
    if (job.status !== before && job.status === "done") this.finish().catch(this.fail);
    return job.status !== before;
  }

  progress(done, total) {
    if (this.job.status !== "queued" && total > 0) this.bar.value = Math.min(done / total, 1);
    else this.bar.removeAttribute("value");
    const amount = total > 0 && !isOver(this.job) ? ` (${bytes(done)} of ${bytes(total)})` : "";
    this.said.textContent = this.sentence() + amount;
  }

  sentence() {
    const { status, rows, error } = this.job;
    if (status === "failed") return `Failed: ${error || "no reason is given."}`;
    if (status === "cancelled") return "Stopped before the end.";
    if (status === "done") return `${plural(rows, "row")} scored.`;
    if (status === "running") return `Scoring: ${plural(rows ?? 0, "row")} so far`;
    return status === "queued" ? "Waiting for other files" : "Sending";
  }

  async finish() {
    const { job } = this;
    const path = `/jobs/${encodeURIComponent(job.id)}/result`;
    const save = element("button", { type: "button", class: "primary" }, "Download results.csv");
    save.addEventListener("click", () => download(path, "results.csv").catch(this.fail));
    const parts = [counts(job), element("p", { class: "actions" }, save)];
    if (job.histogram?.some((number) => number > 0)) {
      parts.push(histogram(job.histogram, isDetection(job) ? "Texts by probability of llm" : "Texts by probability"));
    }
    this.result.replaceChildren(...parts);
    const [header, ...rows] = await firstRows(await send(path), PREVIEW + 1);
    this.result.append(...preview(header ?? [], rows, job.rows));
  }
}

const isDetection = ({ verdicts }) => Object.keys(verdicts).every((name) => Object.hasOwn(CALLED, name));

function counts({ rows, verdicts, problems }) {
  const share = (number) => `${count(number)} (${percent(rows ? number / rows : 0)})`;
  const bad = Object.entries(problems);
  const names = Object.keys(isDetection({ verdicts }) ? CALLED : verdicts);
  return element(
    "div",
    {},
    facts(names.map((name) => [CALLED[name] ?? name, share(verdicts[name] ?? 0)])),
    bad.length
      ? element(
          "p",
          { class: "quiet" },
          "Rows that could not be scored: ",
          element("bdi", {}, bad.map(([reason, number]) => `${count(number)} ${reason}`).join(", ")),
          ".",
        )
      : null,
  );
}

function preview(header, rows, total) {
  if (!rows.length) return [];
  const wanted = [
    ...SHOWN_FIRST.filter((name) => header.includes(name)),
    ...header.filter((name) => !(name in TITLES)),
  ];
  const names = header.includes("label") ? header : wanted;
  const columns = names.map((name) => ({ title: TITLES[name] ?? name, number: NUMBERS.has(name) }));
  const cells = rows.map((row) => names.map((name) => cell(name, row[header.indexOf(name)] ?? "")));
  const caption = total > rows.length ? `The first ${rows.length} of ${plural(total, "row")}` : "All rows";
  return [element("h3", {}, caption), table(caption, columns, cells)];
}

function cell(name, value) {
  if (value === "") return "\u2013";
  if (name === "generated" || name === "probability") return percent(Number(value));
  if (name === "p_value") return String(Number(Number(value).toPrecision(2)));
  if (name === "words") return count(Number(value));
  if (name === "verdict") return element("span", { class: `chip ${value}` }, value);
  return element("bdi", {}, ...visible(value));
}
