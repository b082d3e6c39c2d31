// The one way to the service: keys, problem documents, uploads and downloads.

import { byId, element } from "./dom.js";

const BASE = "/api/v1";
const KEY = "ai_detect.key";

/** What went wrong, as one clear sentence. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Return the answer to a request as JSON, or null if it is empty. */
export async function call(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await send(path, {
    method,
    headers,
    signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** Return a good response; asks for a key where the service wants one. */
export async function send(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...authorisation(key) };
    let response;
    try {
      response = await fetch(BASE + path, { ...options, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (response.ok) return response;
    const error = problem(response.status, await response.text(), response.headers.get("Retry-After"));
    if (!(await hasAnotherKey(key, error))) throw error;
  }
}

/** Send a form with a file, telling how many bytes have gone; returns the answer as JSON. */
export async function upload(path, form, { signal, onprogress }) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const request = await uploaded(path, form, key, { signal, onprogress });
    if (request.status >= 200 && request.status < 300) return JSON.parse(request.responseText);
    const error = problem(request.status, request.responseText, request.getResponseHeader("Retry-After"));
    if (!(await hasAnotherKey(key, error))) throw error;
  }
}

// fetch cannot tell how much of a body it has sent.
function uploaded(path, form, key, { signal, onprogress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", BASE + path);
    for (const [name, value] of Object.entries(authorisation(key))) request.setRequestHeader(name, value);
    request.upload.onprogress = onprogress;
    request.onload = () => resolve(request);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Save an answer as a file of that name. A key cannot travel with a link, so the answer is fetched first. */
export async function download(path, name) {
  const url = URL.createObjectURL(await (await send(path)).blob());
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Show a picture of the service in an img element; a key cannot travel with its address either. */
export async function showPicture(img, path) {
  img.src = URL.createObjectURL(await (await send(path)).blob());
  img.addEventListener("load", () => URL.revokeObjectURL(img.src), { once: true });
}

/** Forget the key, and offer to do so while there is one. */
export function offerToForgetKey() {
  const button = byId("forget-key");
  button.hidden = !sessionStorage.getItem(KEY);
  button.onclick = () => {
    sessionStorage.removeItem(KEY);
    button.hidden = true;
  };
}

const authorisation = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

const unreachable = () =>
  new ApiError("The service cannot be reached: see whether it runs, then try again.", 0);

function problem(status, text, retryAfter) {
  let sentence = `The service answered with the error ${status}.`;
  try {
    const { title, detail } = JSON.parse(text);
    sentence = String(detail || title || sentence);
  } catch {
    // no problem document: a proxy's page, say, which is no sentence for a reader
  }
  return new ApiError(sentence + (retryAfter ? ` Try again in ${retryAfter} s.` : ""), status);
}

let asking = null;

/** Whether a refusal can be met by another key than `tried`: asks for one, once, however many requests wait. */
async function hasAnotherKey(tried, { status, message }) {
  if (status !== 401 && !(status === 403 && tried)) return false;
  if (sessionStorage.getItem(KEY) !== tried) return true;
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    byId("key-detail").textContent = message;
    byId("key-input").value = "";
    dialog.returnValue = "cancel";
    dialog.showModal();
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use"), { once: true });
  }).then((use) => {
    const key = byId("key-input").value.trim();
    byId("key-input").value = "";
    asking = null;
    if (!use || !key) return false;
    sessionStorage.setItem(KEY, key);
    offerToForgetKey();
    return true;
  });
  return asking;
}
