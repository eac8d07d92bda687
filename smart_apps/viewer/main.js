// The page: which study, which series, what stands beside it. Everything else is in its own module.

import { Trouble, address, ask, whenEnded } from "./api.js";
import { matching } from "./geometry.js";
import { handle } from "./gestures.js";
import { Pane, sentence } from "./pane.js";
import { watch } from "./session.js";
import { framesOf, keyImages, others, seriesOf, studies } from "./studies.js";
import { LANGUAGES, choose, current, date, number, speak, t } from "./words.js";

const POSTER = 512;
const ARRIVING = 5000; // ms between looks at a study that still arrives
const NOTICED = "triptych.noticed";
// Usual windows of CT in Hounsfield units; every other kind has only those of its own.
const USUAL = { brain: [40, 80], tissue: [40, 400], lung: [-600, 1500], bone: [480, 2500] };

const query = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`);
const page = Object.fromEntries(
  ["who", "what", "arriving", "series", "tools", "preset", "keys", "key", "priors", "prior", "panes", "report",
    "reports", "notice", "language", "paper", "main"].map((id) => [id, document.getElementById(id)]),
);
const panes = [];
let mode = "browse";
let unwatch = () => {};
let over = false;
let shown = null; // { study, series, chosen }

// ---------------------------------------------------------------- start and end

async function start() {
  whenEnded(() => end("ended"));
  const launching = query.has("iss") || query.has("code") ? import("./launch.js") : null;
  const early = launching ? null : poster(query.get("study"));
  await speak(query.get("lang") ?? "");
  try {
    if (launching && !(await (await launching).launch(query))) return;
    dress();
    await open(query.get("study"), early);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    end(error.kind, error.reason);
  }
}

/** A first picture before anything is known: what stands for the study. */
function poster(uid) {
  if (!uid) return null;
  const path = `dicomweb/studies/${uid}/thumbnail?viewport=${POSTER},${POSTER}`;
  return ask(path, "image/jpeg").then((answer) => answer.blob()).then(createImageBitmap).catch(() => null);
}

/** Nothing stays on the page but a sentence that says what to do. */
function end(kind, reason = "") {
  if (over) return;
  over = true;
  unwatch();
  for (const pane of panes) pane.close();
  for (const one of [page.who, page.what, page.arriving, page.paper]) one.textContent = "";
  document.querySelector(".skip").remove();
  if (page.notice.open) page.notice.close();
  const card = document.createElement("section");
  card.className = "card";
  card.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.textContent = sentence({ kind, reason });
  card.append(words);
  if (["offline", "busy", "failed"].includes(kind)) {
    card.append(button(t("again"), () => location.reload()));
  }
  page.main.replaceChildren(card);
  document.getElementById("live").textContent = "";
}

function button(text, action) {
  const one = document.createElement("button");
  one.type = "button";
  one.textContent = text;
  one.addEventListener("click", action);
  return one;
}

/** What works without a study: notice, language, tools. */
function dress() {
  page.language.replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => option(code, name)));
  page.language.value = current();
  page.language.addEventListener("change", async () => {
    choose(page.language.value);
    location.reload();
  });
  if (!sessionStorage.getItem(NOTICED)) {
    page.notice.addEventListener("close", () => sessionStorage.setItem(NOTICED, "yes"));
    page.notice.showModal();
  }
  for (const one of page.tools.querySelectorAll("[data-mode]")) {
    one.addEventListener("click", () => setMode(one.dataset.mode));
  }
  for (const one of page.tools.querySelectorAll("[data-do]")) {
    one.addEventListener("click", () => DO[one.dataset.do]());
  }
  page.preset.addEventListener("change", preset);
  page.key.addEventListener("change", () => page.key.value && jump(JSON.parse(page.key.value)));
  page.prior.addEventListener("change", () => compare(page.prior.value));
  addEventListener("online", () => panes.forEach((pane) => pane.stack?.retry()));
  addEventListener("beforeprint", describe);
}

function option(value, text) {
  const one = document.createElement("option");
  one.value = value;
  one.textContent = text;
  return one;
}

const DO = {
  in: () => panes.forEach((pane) => pane.scale(1.25)),
  out: () => panes.forEach((pane) => pane.scale(0.8)),
  reset: () => panes.forEach((pane) => pane.reset()),
  play: () => (panes[0].timer ? rest() : play()),
  print: () => print(),
};

function setMode(one) {
  mode = one;
  for (const each of page.tools.querySelectorAll("[data-mode]")) {
    each.setAttribute("aria-pressed", String(each.dataset.mode === mode));
  }
}

function play() {
  panes[0].play();
  playing(true);
}

function rest() {
  panes.forEach((pane) => pane.stop());
  playing(false);
}

function playing(now) {
  const one = page.tools.querySelector("[data-do=play]");
  one.setAttribute("aria-pressed", String(now));
  one.textContent = t(now ? "stop" : "play");
}

// ---------------------------------------------------------------- a study

async function open(uid, early) {
  const wanted = uid ? await studies(`&StudyInstanceUID=${uid}`) : await studies();
  if (!wanted.length) throw new Trouble("missing");
  if (!uid && wanted.length > 1) return list(wanted);
  const [study] = wanted;
  panes.push(new Pane(moved));
  page.panes.append(panes[0].root);
  handle(panes[0], () => mode);
  early?.then((image) => image && panes[0].poster(image));
  page.who.textContent = study.name || t("unnamed");
  page.what.textContent = [date(study.date), study.description, study.modalities.join(", ")].filter(Boolean).join(" · ");
  const series = await seriesOf(study.uid);
  const keys = series.some(({ modality }) => modality === "KO") ? await keyImages(series) : [];
  shown = { study, series };
  strip(series);
  offerKeys(keys);
  page.tools.hidden = false;
  await first(series, keys);
  await Promise.all([record(study, true), offerPriors(study), thumbnails()]);
  return undefined;
}

/** The first picture: a key image, else the middle of the study, as the poster shows. */
async function first(series, keys) {
  const known = keys.find(({ series: home }) => series.some(({ uid }) => uid === home));
  if (known) return jump(known);
  const pictured = series.filter(({ pictures }) => pictures);
  let rest = Math.floor(pictured.reduce((sum, { count }) => sum + count, 0) / 2);
  const middle = pictured.find(({ count }) => (rest -= count) < 0) ?? pictured[0];
  if (middle) return enter(middle);
  panes[0].stage.tell({ message: t("no.pictures") });
  return undefined;
}

/** Open a series in the first pane, at a frame if one is named. */
async function enter(series, at = () => -1) {
  rest();
  const frames = await framesOf(series);
  if (over) return;
  for (const one of page.series.querySelectorAll("button")) {
    one.setAttribute("aria-pressed", String(one.dataset.uid === series.uid));
  }
  shown.chosen = series;
  if (!frames.length) {
    panes[0].close();
    panes[0].stage.tell({ message: t("no.pictures") });
    return;
  }
  const place = at(frames);
  panes[0].open(shown.study, series, frames, place < 0 ? undefined : place);
  presets(frames[0], series);
  page.tools.querySelector("[data-do=play]").hidden = frames.length < 2;
  unwatch();
  const permission = `${frames[0].address.split("/frames/")[0]}/metadata`;
  unwatch = watch(permission, () => end("ended"));
}

function jump(key) {
  const series = shown.series.find(({ uid }) => uid === key.series);
  const at = (frames) => frames.findIndex((one) => one.instance === key.instance && one.number === key.number);
  return series && enter(series, at);
}

/** Several studies and none chosen: a list of them. */
function list(found) {
  const root = document.createElement("nav");
  root.className = "card";
  const title = document.createElement("h2");
  title.textContent = t("studies");
  const items = document.createElement("ul");
  for (const study of found) {
    const link = document.createElement("a");
    link.href = `?study=${encodeURIComponent(study.uid)}`;
    link.textContent = [date(study.date), study.description, study.modalities.join(", "), study.name].filter(Boolean).join(" · ");
    if (location.hash || query.has("code")) link.addEventListener("click", (event) => stay(event, study.uid, root));
    items.append(Object.assign(document.createElement("li"), {}));
    items.lastChild.append(link);
  }
  root.append(title, items);
  page.main.prepend(root);
}

/** A token in memory would not survive a new page: the study opens in this one. */
function stay(event, uid, root) {
  event.preventDefault();
  root.remove();
  open(uid, poster(uid)).catch((error) => end(error.kind, error.reason));
}

function strip(series) {
  const pictured = series.filter(({ pictures }) => pictures);
  const buttons = pictured.map((one) => {
    const each = button("", () => enter(one).catch((error) => panes[0].stage.tell({ message: sentence(error) })));
    each.dataset.uid = one.uid;
    each.setAttribute("aria-pressed", "false");
    const image = document.createElement("img");
    image.alt = "";
    const words = document.createElement("span");
    words.textContent = [one.modality, one.description].filter(Boolean).join(" · ");
    const count = document.createElement("small");
    count.textContent = t("pictures.count", { number: number(one.count) });
    each.append(image, words, count);
    return each;
  });
  const rest = series.filter(({ pictures }) => !pictures);
  const note = document.createElement("p");
  note.textContent = t("others", { list: rest.map(({ modality, description }) => [modality, description].filter(Boolean).join(" ")).join(", ") });
  page.series.replaceChildren(...buttons, ...(rest.length ? [note] : []));
  page.series.hidden = pictured.length < 2 && !rest.length;
}

async function thumbnails() {
  for (const one of page.series.querySelectorAll("button")) {
    if (over || page.series.hidden) return;
    const path = `dicomweb/studies/${shown.study.uid}/series/${one.dataset.uid}/thumbnail`;
    const answer = await ask(path, "image/jpeg").catch(() => null);
    if (answer) one.querySelector("img").src = URL.createObjectURL(await answer.blob());
  }
}

// ---------------------------------------------------------------- contrast

function presets(frame, series) {
  const own = frame.windows.map((one) => [one.name || `${number(one.center, 1)} / ${number(one.width, 1)}`, one]);
  const usual = series.modality === "CT" && frame.grey
    ? Object.entries(USUAL).map(([name, [center, width]]) => [t(`preset.${name}`), { center, width, shape: "linear" }])
    : [];
  page.preset.replaceChildren(
    option("", t("preset.own")),
    ...[...own, ...usual].map(([name, window]) => option(JSON.stringify(window), name)),
  );
  page.preset.parentElement.hidden = !frame.grey;
  page.tools.querySelector("[data-mode=contrast]").hidden = !frame.grey;
  if (!frame.grey && mode === "contrast") setMode("browse");
}

function preset() {
  const { value } = page.preset;
  panes[0].contrast(value ? JSON.parse(value) : null);
}

// ---------------------------------------------------------------- key images and earlier studies

function offerKeys(keys) {
  page.keys.hidden = !keys.length;
  const named = keys.map((key, at) => option(JSON.stringify(key), `${number(at + 1)} · ${key.title}`));
  page.key.replaceChildren(option("", t("choose")), ...named);
}

async function offerPriors(study) {
  const found = await others(study).catch(() => []);
  page.priors.hidden = !found.length;
  page.prior.replaceChildren(
    option("", t("compare.none")),
    ...found.map((one) => option(one.uid, [date(one.date), one.description].filter(Boolean).join(" · "))),
  );
  shown.others = found;
}

/** Another study of the same person beside this one, at the same place of the body. */
async function compare(uid) {
  panes.splice(1).forEach((pane) => {
    pane.close();
    pane.root.remove();
  });
  page.panes.classList.toggle("two", Boolean(uid));
  const study = shown.others.find((one) => one.uid === uid);
  if (!study) return;
  const pane = new Pane(moved);
  panes.push(pane);
  page.panes.append(pane.root);
  handle(pane, () => mode);
  const pictured = (await seriesOf(uid)).filter(({ pictures }) => pictures);
  const alike = pictured.find((one) => one.modality === shown.chosen.modality && one.description === shown.chosen.description);
  const series = alike ?? pictured.find(({ modality }) => modality === shown.chosen.modality) ?? pictured[0];
  const frames = series ? await framesOf(series) : [];
  if (!frames.length) {
    pane.stage.tell({ message: t("no.pictures") });
    return;
  }
  const mark = t(study.date < shown.study.date ? "prior.older" : "prior.newer");
  pane.open(study, series, frames, matching(panes[0].frames, panes[0].place, frames), mark);
}

/** What one pane does, the other does too. */
function moved(pane) {
  const other = panes.find((one) => one !== pane);
  if (!other?.stack || !pane.stack) return;
  other.go(matching(pane.frames, pane.place, other.frames), false);
  const same = other.series.modality === pane.series.modality;
  if (same && other.stack.window !== pane.stack.window) other.contrast(pane.stack.window, false);
}

// ---------------------------------------------------------------- report, arrival, paper

async function record(study, anew) {
  const [{ recordOf, article }, told] = [await import("./report.js"), page.arriving];
  try {
    const { arriving, reports } = await recordOf(study.uid);
    if (over) return;
    told.textContent = arriving ? t("arriving") : "";
    page.report.hidden = false;
    const none = Object.assign(document.createElement("p"), { textContent: t("report.none") });
    page.reports.replaceChildren(...(reports.length ? reports.map(article) : [none]));
    if (!anew) await arrived(study);
    if (arriving) setTimeout(() => record(study, false), ARRIVING);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    page.report.hidden = error.kind === "forbidden";
    page.reports.textContent = sentence(error);
  }
}

/** Show what has come since the last look. */
async function arrived(study) {
  const series = await seriesOf(study.uid);
  const now = series.find(({ uid }) => uid === shown.chosen?.uid);
  const grown = JSON.stringify(series) !== JSON.stringify(shown.series);
  if (!grown) return;
  shown.series = series;
  strip(series);
  if (now) panes[0].grow(await framesOf(now));
  await thumbnails();
}

/** What stands on paper below the pictures. */
function describe() {
  if (!shown) return;
  page.paper.textContent = panes.filter(({ stack }) => stack)
    .map((pane) => [pane.prior, pane.study.name, date(pane.study.date), pane.study.description, pane.series.description, pane.words].filter(Boolean).join(" · "))
    .join("\n");
}

start();
