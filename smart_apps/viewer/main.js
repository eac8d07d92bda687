// The page's beginning and end: who asks, for which study, and what is said when access is over.

import { Trouble, ask, useView, whenEnded } from "./api.js";
import { button, element, line, option, page } from "./page.js";
import { sentence } from "./pane.js";
import { watch } from "./session.js";
import { close, dress, show } from "./study.js";
import { changing, seriesOf, studies } from "./studies.js";
import { LANGUAGES, choose, current, date, kept, speak, t } from "./words.js";

const POSTER = 512;
const NOTICED = "triptych.noticed";
const LOOK = 250; // ms between looks for a study that is awaited
const query = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`);
const waits = query.has("wait");
const launched = query.has("view"); // by an EHR, and the token is with the server
let over = false;

async function start() {
  const words = speak(query.get("lang") ?? "");
  whenEnded(() => words.then(() => end("ended")));
  if (launched) useView(query.get("view"));
  const launching = ["iss", "code", "error"].some((word) => query.has(word)) ? import("./launch.js") : null;
  const early = launching ? null : framed() ?? (waits ? null : poster(query.get("study")));
  const ahead = !launching && !waits && query.get("study") ? asked(query.get("study")) : null;
  await words;
  try {
    const session = launching ? await (await launching).launch(query) : { study: query.get("study") };
    if (!session) return;
    greet();
    dress(end);
    if (launched) watch("apps/viewer/alive");
    await open(session.study, early, ahead);
  } catch (error) {
    fail(error);
  }
}

/** The picture that the page itself came with. */
function framed() {
  const image = document.querySelector(".poster img");
  return image && image.decode().then(() => createImageBitmap(image)).catch(() => null);
}

/** A first picture before anything is known: what stands for the study. */
function poster(uid) {
  if (!uid) return null;
  const path = `dicomweb/studies/${encodeURIComponent(uid)}/thumbnail?viewport=${POSTER},${POSTER}`;
  return ask(path, "image/jpeg").then((answer) => answer.blob()).then(createImageBitmap).catch(() => null);
}

/** The searches for a study, on their way together; whoever waits for one hears of its failure. */
function asked(uid) {
  const ahead = { found: studies(only(uid)), series: seriesOf(uid) };
  Object.values(ahead).forEach((one) => one.catch(() => {}));
  return ahead;
}

function only(uid) {
  return uid ? `&StudyInstanceUID=${encodeURIComponent(uid)}` : "";
}

/** The study asked for, or the only one there is, or a list of them. */
async function open(uid, early, ahead) {
  const found = await (waits && uid ? awaited(only(uid)) : ahead?.found ?? studies(only(uid)));
  if (!found.length) throw new Trouble("missing");
  if (!uid && found.length > 1) list(found);
  else await show(found[0], early ?? poster(found[0].uid), launched, ahead?.series);
}

/** A study that may not have begun: the page looks again and again, by what shows nothing and is no event. */
async function awaited(search) {
  const look = changing(search);
  page.who.textContent = t("pictures");
  page.arriving.textContent = t("waiting");
  while (!over) {
    const found = document.visibilityState === "visible" ? await look() : null;
    if (found?.length) return found;
    await new Promise((done) => setTimeout(done, LOOK));
  }
  return [];
}

/** What works without a study: the notice, once a session, and the language. */
function greet() {
  page.back.hidden = query.get("from") !== "link";
  page.language.replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => option(code, name)));
  page.language.value = current();
  page.language.addEventListener("change", () => {
    choose(page.language.value);
    query.set("lang", page.language.value);
    location.replace(`${location.pathname}?${query}`);
  });
  if (kept(NOTICED)) return;
  page.notice.addEventListener("close", () => kept(NOTICED, "yes"));
  page.notice.showModal();
}

/** Several studies and none chosen. They open in this page: a token in memory would not survive another. */
function list(found) {
  const root = element("nav", "", "card");
  root.setAttribute("aria-labelledby", "who");
  const items = found.map((study) => {
    const item = element("li");
    item.append(button(line(date(study.date), study.description, study.modalities.join(", "), study.name), () => {
      root.remove();
      open(study.uid, poster(study.uid)).catch(fail);
    }));
    return item;
  });
  const choices = element("ul");
  choices.append(...items);
  page.who.textContent = t("studies");
  root.append(choices);
  page.main.prepend(root);
}

function fail(error) {
  if (!(error instanceof Trouble)) throw error;
  end(error.kind, error.reason);
}

/** Nothing stays on the page but a sentence that says what to do. */
function end(kind, reason = "") {
  if (over) return;
  over = true;
  close();
  page.who.textContent = t("pictures");
  for (const one of [page.what, page.arriving, page.paper, page.live]) one.textContent = "";
  document.querySelector(".skip").hidden = true;
  if (page.notice.open) page.notice.close();
  const card = element("section", "", "card");
  card.setAttribute("role", "alert");
  card.append(element("p", sentence({ kind, reason })));
  if (["offline", "busy", "failed"].includes(kind)) card.append(button(t("again"), () => location.reload()));
  page.main.replaceChildren(card);
}

start();
