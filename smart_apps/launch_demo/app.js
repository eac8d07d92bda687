// The page: log in, then show what the token opens.

import * as record from "./record.js";
import { authorize, finish, settings } from "./smart.js";

const part = (id) => document.getElementById(id);

function tell(text) {
  part("state").textContent = text;
}

function element(tag, text, more = {}) {
  const made = Object.assign(document.createElement(tag), more);
  made.textContent = text;
  return made;
}

function card({ title, date, detail, text }) {
  const made = element("li", "");
  made.append(element("h3", title), element("p", [date, detail].filter(Boolean).join(" · ")));
  if (text) made.append(element("p", text, { className: "words" }));
  return made;
}

function offer(session, report, item) {
  for (const one of report.documents) {
    const words = one.type === "application/pdf" ? "Save the PDF" : "Save the document";
    const button = element("button", words, { type: "button" });
    button.addEventListener("click", () => attempt(() => record.download(session, one)));
    item.append(button);
  }
}

function list(id, items, nothing) {
  const made = items.length ? items.map(card) : [element("li", nothing)];
  part(id).replaceChildren(...made);
  return made;
}

async function illustrate(session, study, item) {
  if (!study.address) return;
  const source = await record.thumbnail(session, study.address);
  if (!source) return;
  const picture = element("img", "", { src: source, alt: `Small picture of ${study.title}` });
  item.prepend(picture);
}

function showGrant(session) {
  const words = session.token.scope.split(" ").map((scope) => element("li", scope));
  part("scopes").replaceChildren(...words);
  part("renew").hidden = !session.renewable;
}

function showBanner(session, name, patient) {
  const facts = [name, patient.birthDate && `born ${patient.birthDate}`, patient.gender];
  part("banner").textContent = facts.filter(Boolean).join(" · ");
  part("banner").hidden = !session.token.need_patient_banner;
}

async function show(session) {
  const patient = await record.patient(session);
  const name = record.name(patient);
  showBanner(session, name, patient);
  tell(`Logged in. This is the record of ${name}.`);
  const studies = await record.studies(session);
  const items = list("studies", studies, "There are no pictures.");
  const reports = await record.reports(session);
  const written = list("reports", reports, "There are no reports.");
  reports.forEach((report, number) => offer(session, report, written[number]));
  showGrant(session);
  part("record").hidden = false;
  await Promise.all(studies.map((study, number) => illustrate(session, study, items[number])));
}

async function renew(session) {
  await session.renew();
  showGrant(session);
  tell("This app has a fresh token.");
}

async function end(session) {
  await session.end();
  part("record").hidden = true;
  part("banner").hidden = true;
  part("start").hidden = false;
  tell("Access has ended: this app can read nothing more.");
}

function attempt(work) {
  return work().catch((error) => tell(error.message));
}

function act(button, work) {
  part(button).addEventListener("click", () => attempt(work));
}

async function main() {
  const { client, server } = await settings();
  part("server").textContent = server;
  act("login", () => authorize(server, client));
  const session = await finish();
  if (!session) {
    part("start").hidden = false;
    tell("Not logged in.");
    return;
  }
  act("renew", () => renew(session));
  act("logout", () => end(session));
  await show(session);
}

main().catch((error) => {
  part("start").hidden = false;
  tell(error.message);
});
