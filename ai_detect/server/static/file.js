// Drop a file, watch it being scored, take the results; and the list of earlier files.

import { call, upload } from "./api.js";
import { ask, byId, element, showError, table } from "./dom.js";
import { isOver, JobCard, STATUS } from "./job.js";
import { bytes, count, moment } from "./words.js";

const PAUSE = 500; // milliseconds between two looks at a job

const removed = new Set(); // ids of jobs whose processes may still be stopping

let card = null;
let isShown = false;
let timer = null;

export function prepare() {
  const [form, drop, input] = [byId("file-form"), byId("file-drop"), byId("file-input")];
  input.addEventListener("change", nameFile);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    nameFile();
  });
}

export function start() {
  isShown = true;
  listJobs();
  if (card && !isOver(card.job)) watch(card);
}

export function stop() {
  isShown = false;
  clearTimeout(timer);
}

function nameFile() {
  const [file] = byId("file-input").files;
  byId("file-name").textContent = file ? file.name : "Choose a file, or drop it here";
  byId("file-hint").textContent = file
    ? bytes(file.size)
    : "CSV, TSV, JSON Lines or Parquet, also as .gz: one essay a row";
}

function fail(error) {
  byId("file-status").textContent = "";
  if (error.name !== "AbortError") showError(byId("file-error"), error);
}

async function submit() {
  const input = byId("file-input");
  showError(byId("file-error"), null);
  const [file] = input.files;
  if (!file) {
    fail(new Error("There is no file yet: choose one first."));
    input.focus();
    return;
  }
  const form = new FormData();
  for (const name of ["profile", "fpr", "text_column", "id_column"]) {
    const value = byId("file-form").elements[name].value.trim();
    if (value) form.append(name, value);
  }
  form.append("file", file, file.name);
  const sending = new AbortController();
  const mine = open({ id: null, name: file.name, status: "uploading" }, () => sending.abort());
  byId("file-status").textContent = `Sending ${file.name}`;
  try {
    mine.update(
      await upload("/predict/file", form, {
        signal: sending.signal,
        onprogress: ({ loaded, total }) => mine.progress(loaded, total),
      }),
    );
    watch(mine);
    listJobs();
  } catch (error) {
    if (card === mine) close();
    fail(error);
  }
}

/** Show a job in place of the one before. */
function open(job, cancelUpload = null) {
  clearTimeout(timer);
  card = new JobCard(job, {
    cancel: (mine) => (mine.job.id ? remove(mine.job) : cancelUpload()),
    rerun: (mine) => rerun(mine.job),
    fail,
  });
  byId("file-job").replaceChildren(card.node);
  return card;
}

function close() {
  clearTimeout(timer);
  card = null;
  byId("file-job").replaceChildren();
}

async function watch(mine) {
  clearTimeout(timer);
  try {
    const job = await call(`/jobs/${encodeURIComponent(mine.job.id)}`);
    if (card !== mine) return;
    const said = byId("file-status");
    if (mine.update(job) || !said.textContent) said.textContent = mine.sentence();
    if (isOver(job)) await listJobs();
    else if (isShown) timer = setTimeout(() => watch(mine), PAUSE);
  } catch (error) {
    fail(error);
  }
}

async function rerun(job) {
  try {
    watch(open(await call(`/jobs/${encodeURIComponent(job.id)}/rerun`, { method: "POST" })));
    showError(byId("file-error"), null);
    await listJobs();
  } catch (error) {
    fail(error);
  }
}

async function remove(job) {
  const question = isOver(job)
    ? `Remove ${job.name} and its results from the service?`
    : `Stop scoring ${job.name} and remove it?`;
  if (!(await ask(question, isOver(job) ? "Remove" : "Stop and remove"))) return;
  try {
    await call(`/jobs/${encodeURIComponent(job.id)}`, { method: "DELETE" });
    removed.add(job.id);
    if (card?.job.id === job.id) close();
    byId("file-status").textContent = `${job.name} is removed.`;
    await listJobs();
  } catch (error) {
    fail(error);
  }
}

async function listJobs() {
  try {
    const jobs = (await call("/jobs")).jobs.filter(({ id }) => !removed.has(id));
    byId("file-jobs").replaceChildren(...(jobs.length ? [element("h2", {}, "Files so far"), jobTable(jobs)] : []));
  } catch (error) {
    fail(error);
  }
}

function jobTable(jobs) {
  const columns = [{ title: "File" }, { title: "State" }, { title: "Rows", number: true }, { title: "Sent" }, { title: "Actions" }];
  const rows = jobs.map((job) => [
    element("bdi", { class: "message" }, job.name),
    STATUS[job.status] ?? job.status,
    count(job.rows ?? 0),
    moment(job.created),
    element(
      "span",
      { class: "buttons" },
      action("Show", job, () => watch(open(job))),
      isOver(job) ? action("Run again", job, () => rerun(job)) : null,
      action(isOver(job) ? "Remove" : "Stop", job, () => remove(job)),
    ),
  ]);
  return table("Files so far", columns, rows);
}

const action = (title, job, onclick) =>
  element("button", { type: "button", class: "small", "aria-label": `${title}: ${job.name}`, onclick }, title);
