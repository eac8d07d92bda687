// SMART App Launch 2.2 for a public app: discovery, PKCE, code for token, refresh, revocation.
// The token lives in memory only; what must survive the way to the login and back is in sessionStorage.

const SCOPES =
  "openid fhirUser online_access patient/Patient.rs patient/ImagingStudy.rs patient/DiagnosticReport.rs " +
  "patient/Binary.r";

export async function settings() {
  return (await fetch("settings")).json();
}

// Sends the browser to the login. `launch` is the EHR's value, or nothing in a standalone launch.
export async function authorize(iss, client, launch) {
  const found = await discover(iss);
  const state = random();
  const verifier = random();
  const redirect = new URL("./", location.href).href.split(/[?#]/)[0];
  const pending = { iss, client, verifier, redirect, found };
  sessionStorage.setItem(`pending-${state}`, JSON.stringify(pending));
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: client,
    redirect_uri: redirect,
    scope: `${launch ? "launch" : "launch/patient"} ${SCOPES}`,
    state,
    aud: iss,
    code_challenge: await challenge(verifier),
    code_challenge_method: "S256",
  });
  if (launch) asked.set("launch", launch);
  const joint = found.authorization_endpoint.includes("?") ? "&" : "?";
  location.assign(found.authorization_endpoint + joint + asked);
}

// Takes what the login sent back: a session, or null when there was no login under way.
export async function finish() {
  const back = new URLSearchParams(location.search);
  if (!back.has("state")) return null;
  const kept = sessionStorage.getItem(`pending-${back.get("state")}`);
  sessionStorage.removeItem(`pending-${back.get("state")}`);
  history.replaceState(null, "", location.pathname);
  if (!kept) throw new Error("This answer belongs to no login of this window.");
  if (back.has("error")) throw new Error(refusal(back));
  const pending = JSON.parse(kept);
  const session = new Session(pending);
  await session.redeem({
    grant_type: "authorization_code",
    code: back.get("code"),
    redirect_uri: pending.redirect,
    code_verifier: pending.verifier,
  });
  return session;
}

class Session {
  constructor({ iss, client, found }) {
    Object.assign(this, { iss, client, found });
  }

  async redeem(form) {
    this.token = await this.post(this.found.token_endpoint, form);
  }

  get renewable() {
    return Boolean(this.token.refresh_token);
  }

  async renew() {
    const before = this.token;
    await this.redeem({ grant_type: "refresh_token", refresh_token: before.refresh_token });
    this.token = { ...before, ...this.token };
  }

  async end() {
    const token = this.token.refresh_token ?? this.token.access_token;
    await this.post(this.found.revocation_endpoint, { token });
  }

  async post(url, form) {
    const body = new URLSearchParams({ ...form, client_id: this.client });
    const answer = await fetch(url, { method: "POST", body });
    const text = await answer.text();
    const told = text ? JSON.parse(text) : {};
    if (!answer.ok) throw new Error(told.error_description ?? told.error);
    return told;
  }

  // A request with the token; one that was refused is repeated once with a fresh token.
  async get(url, accept) {
    let answer = await this.ask(url, accept);
    if (answer.status === 401 && this.renewable) {
      await this.renew();
      answer = await this.ask(url, accept);
    }
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return answer;
  }

  ask(url, accept) {
    const headers = { Accept: accept, Authorization: `Bearer ${this.token.access_token}` };
    return fetch(url, { headers });
  }
}

async function discover(iss) {
  const answer = await fetch(`${iss}/.well-known/smart-configuration`);
  if (!answer.ok) throw new Error(`${iss} is not a SMART server.`);
  return answer.json();
}

function refusal(back) {
  if (back.get("error") === "access_denied") return "Access was refused. Nothing is shown.";
  return back.get("error_description") ?? back.get("error");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challenge(verifier) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return base64url(new Uint8Array(digest));
}

function base64url(bytes) {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
