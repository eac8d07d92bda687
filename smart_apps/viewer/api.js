// Asks the server, with the cookie of a session or a view, or with a token that never leaves memory.

const ROOT = new URL("../../", location);
const RETRIES = 2;
let token = "";
let view = "";
let ended = () => {};

/** What went wrong, as a word that the languages know, and the server's own reason. */
export class Trouble extends Error {
  constructor(kind, reason = "") {
    super(reason || kind);
    this.kind = kind;
    this.reason = reason;
  }
}

/** Use a bearer token from now on. */
export function useToken(text) {
  token = text;
}

/** Ask from now on as the page of a view that an EHR launched: its own cookie counts, and no other. */
export function useView(id) {
  view = id;
}

/** Have a function called when the server no longer knows the caller. */
export function whenEnded(action) {
  ended = action;
}

/** An absolute address of this server. */
export function address(path) {
  return new URL(path, ROOT).href;
}

/** The answer to a GET, whatever its status; Trouble if there is none. */
export async function get(path, headers = {}, signal = undefined) {
  const sent = { ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (view) sent["Triptych-View"] = view;
  try {
    const answer = await fetch(address(path), { headers: sent, signal, credentials: "same-origin" });
    if (answer.status === 401) ended();
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("offline");
  }
}

/** The good answer to a GET; a server that asks for patience is asked again. */
export async function ask(path, accept, signal) {
  for (let tries = 0; ; tries++) {
    const answer = await get(path, { Accept: accept }, signal);
    if (answer.ok) return answer;
    const trouble = await troubleOf(answer);
    if (trouble.kind !== "busy" || tries === RETRIES) throw trouble;
    const seconds = Math.min(10, Number(answer.headers.get("Retry-After")) || 2);
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

/** DICOM JSON. */
export async function dicom(path) {
  const answer = await ask(path, "application/dicom+json");
  return { items: await answer.json(), more: answer.headers.has("Warning") };
}

/** A FHIR resource. */
export async function fhir(path) {
  return (await ask(path, "application/fhir+json")).json();
}

const KINDS = { 401: "ended", 403: "forbidden", 404: "missing", 406: "undecodable", 410: "missing" };
Object.assign(KINDS, { 413: "undecodable", 429: "busy", 503: "busy" });

async function troubleOf(answer) {
  const body = await answer.json().catch(() => null);
  return new Trouble(KINDS[answer.status] ?? "failed", body?.issue?.[0]?.diagnostics ?? "");
}
