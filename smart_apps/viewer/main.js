// The page's beginning and end: who asks, for which study, and what is said when access is over.

import { Trouble, ask, useView, whenEnded } from "./api.js";
import { button, element, line, option, page } from "./page.js";
import { sentence } from "./pane.js";
import { watch } from "./session.js";
import { close, dress, show } from "./study.js";
import { studies } from "./studies.js";
import { LANGUAGES, choose, current, date, kept, speak, t } from "./words.js";

const POSTER = 512;
const NOTICED = "triptych.noticed";
const query = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`);
const launched = query.has("view"); // by an EHR, and the token is with the server
let over = false;

async function start() {
  const words = speak(query.get("lang") ?? "");
  whenEnded(() => words.then(() => end("ended")));
  if (launched) useView(query.get("view"));
  const launching = ["iss", "code", "error"].some((word) => query.has(word)) ? import("./launch.js") : null;
  const early = launching ? null : poster(query.get("study"));
  await words;
  try {
    const session = launching ? await (await launching).launch(query) : { study: query.get("study") };
    if (!session) return;
    greet();
    dress(end);
    if (launched) watch("apps/viewer/alive");
    await open(session.study, early);
  } catch (error) {
    fail(error);
  }
}

/** A first picture before anything is known: what stands for the study. */
function poster(uid) {
  if (!uid) return null;
  const path = `dicomweb/studies/${encodeURIComponent(uid)}/thumbnail?viewport=${POSTER},${POSTER}`;
  return ask(path, "image/jpeg").then((answer) => answer.blob()).then(createImageBitmap).catch(() => null);
}

/** The study asked for, or the only one there is, or a list of them. */
async function open(uid, early) {
  const found = await studies(uid ? `&StudyInstanceUID=${encodeURIComponent(uid)}` : "");
  if (!found.length) throw new Trouble("missing");
  if (!uid && found.length > 1) list(found);
  else await show(found[0], early, launched);
}

/** What works without a study: the notice, once a session, and the language. */
function greet() {
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
