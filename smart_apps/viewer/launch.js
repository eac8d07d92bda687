// SMART App Launch 2.2 from this server's own records: a public client with PKCE, its token in memory only.

import { Trouble, address, useToken } from "./api.js";

const SCOPES = "online_access patient/Patient.rs patient/ImagingStudy.rs patient/DiagnosticReport.rs patient/Binary.r";
const PENDING = "triptych.launch.";
const EARLY = 30; // seconds before its end at which a token is renewed

/** Go to the login, or come back from it: the study asked for, or null while the browser is on its way. */
export async function launch(query) {
  // The answer of the login names its issuer too (RFC 9207), but only it has a state.
  if (!query.has("state")) return begin(query);
  const kept = sessionStorage.getItem(PENDING + query.get("state"));
  sessionStorage.removeItem(PENDING + query.get("state"));
  history.replaceState(null, "", location.pathname);
  if (!kept || query.has("error")) throw new Trouble("forbidden");
  const pending = JSON.parse(kept);
  await redeem(pending, {
    grant_type: "authorization_code",
    code: query.get("code"),
    redirect_uri: pending.redirect,
    code_verifier: pending.verifier,
  });
  return { study: pending.study };
}

async function begin(query) {
  const iss = query.get("iss").replace(/\/$/, "");
  // Pictures come from this server alone, so no other may hand out the permission.
  if (iss !== address("fhir") || !query.get("client_id")) throw new Trouble("forbidden");
  const found = await answerOf(fetch(`${iss}/.well-known/smart-configuration`));
  const [state, verifier] = [random(), random()];
  const redirect = address("apps/viewer/");
  const pending = { verifier, redirect, client: query.get("client_id"), endpoint: found.token_endpoint, study: query.get("study") };
  sessionStorage.setItem(PENDING + state, JSON.stringify(pending));
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: pending.client,
    redirect_uri: redirect,
    scope: `${query.has("launch") ? "launch" : "launch/patient"} ${SCOPES}`,
    state,
    aud: iss,
    code_challenge: await challenge(verifier),
    code_challenge_method: "S256",
  });
  if (query.has("launch")) asked.set("launch", query.get("launch"));
  location.assign(`${found.authorization_endpoint}?${asked}`);
  return null;
}

async function redeem(pending, form) {
  const body = new URLSearchParams({ ...form, client_id: pending.client });
  const token = await answerOf(fetch(pending.endpoint, { method: "POST", body }));
  useToken(token.access_token);
  if (!token.refresh_token) return;
  const wait = Math.max(5, (token.expires_in ?? 300) - EARLY) * 1000;
  const again = { grant_type: "refresh_token", refresh_token: token.refresh_token };
  // A token that cannot be renewed ends at its time, and the page with it.
  setTimeout(() => redeem(pending, again).catch(() => {}), wait);
}

async function answerOf(asked) {
  const answer = await asked.catch(() => null);
  if (!answer) throw new Trouble("offline");
  if (!answer.ok) throw new Trouble(answer.status < 500 ? "forbidden" : "failed");
  return answer.json();
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challenge(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
