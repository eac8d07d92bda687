// One study on the page: its series, its contrast, its key images, and an earlier study beside it.

import { ask } from "./api.js";
import { matching } from "./geometry.js";
import { handle } from "./gestures.js";
import { button, element, line, option, page } from "./page.js";
import { Pane, sentence } from "./pane.js";
import { watch } from "./session.js";
import { framesOf, keyImages, others, seriesOf } from "./studies.js";
import { date, number, t } from "./words.js";

const ARRIVING = 5000; // ms between looks at a study that still arrives
const CUSTOM = "custom";
const WIDE = matchMedia("(min-width: 50rem)"); // there is room for two pictures side by side
// Usual windows of CT in Hounsfield units; every other kind has only those of its own.
const USUAL = { brain: [40, 80], tissue: [40, 400], lung: [-600, 1500], bone: [480, 2500] };

const panes = [];
let mode = "browse";
let unwatch = () => {};
let ended = () => {};
let turns = 0;
let shown = null; // { study, series, chosen, others }

/** Make the tools work; `end` is called when the permission is over. */
export function dress(end) {
  ended = end;
  for (const one of page.tools.querySelectorAll("[data-mode]")) {
    one.addEventListener("click", () => setMode(one.dataset.mode));
  }
  for (const one of page.tools.querySelectorAll("[data-do]")) {
    one.addEventListener("click", () => DO[one.dataset.do]());
  }
  page.preset.addEventListener("change", preset);
  page.key.addEventListener("change", () => page.key.value && attempt(jump(JSON.parse(page.key.value))));
  page.prior.addEventListener("change", () => attempt(compare(page.prior.value)));
  addEventListener("beforeprint", describe);
}

const DO = {
  in: () => panes.forEach((pane) => pane.scale(1.25)),
  out: () => panes.forEach((pane) => pane.scale(0.8)),
  reset: () => panes.forEach((pane) => pane.reset()),
  play: () => play(!panes[0].timer),
  print: () => print(),
};

function setMode(one) {
  mode = one;
  for (const each of page.tools.querySelectorAll("[data-mode]")) {
    each.setAttribute("aria-pressed", String(each.dataset.mode === mode));
  }
}

function play(now) {
  panes.forEach((pane) => pane.stop());
  if (now) panes[0].play();
  const one = page.tools.querySelector("[data-do=play]");
  one.setAttribute("aria-pressed", String(now));
  one.textContent = t(now ? "stop" : "play");
}

/** Say in the first pane what went wrong. */
function attempt(work) {
  return work?.catch((error) => panes[0]?.stage.tell({ message: sentence(error) }));
}

/** Show a study, perhaps with the one before beside it; `early` is a picture that may come first, `series` are on their way. */
export async function show(study, early, beside = false, series = seriesOf(study.uid)) {
  shown = { study, series: [] };
  addPane();
  early?.then((image) => {
    if (image) panes[0]?.poster(image);
    unveil();
  });
  page.who.textContent = study.name || t("unnamed");
  page.what.textContent = line(date(study.date), study.description, study.modalities.join(", "));
  shown.series = await series;
  const keys = await keyImages(shown.series);
  strip();
  offerKeys(keys);
  page.tools.hidden = false;
  await first(keys);
  await Promise.all([record(study, false), offerPriors(study, beside), thumbnails()]);
}

/** The pane takes the place of the picture that the page came with. */
function unveil() {
  page.panes.querySelector(".poster")?.remove();
}

/** Let go of everything. */
export function close() {
  unwatch();
  shown = null;
  panes.splice(0).forEach((pane) => pane.close());
}

function addPane() {
  const pane = new Pane(moved);
  panes.push(pane);
  page.panes.append(pane.root);
  handle(pane, () => mode);
  return pane;
}

/** The first picture: a key image, else the middle of the study, as the poster shows. */
function first(keys) {
  const known = keys.find((key) => shown.series.some(({ uid }) => uid === key.series));
  if (known) return jump(known);
  const pictured = shown.series.filter(({ pictures }) => pictures);
  let rest = Math.floor(pictured.reduce((sum, { count }) => sum + count, 0) / 2);
  const middle = pictured.find(({ count }) => (rest -= count) < 0) ?? pictured[0];
  if (middle) return enter(middle);
  unveil();
  return panes[0].stage.tell({ message: t("no.pictures") });
}

/** Open a series in the first pane, at the frame that `at` finds, else at its middle. */
async function enter(series, at = () => -1) {
  play(false);
  const turn = ++turns;
  const frames = await framesOf(series);
  // Whoever chose another series meanwhile wants that one.
  if (!shown || turn !== turns) return;
  shown.chosen = series;
  unveil();
  mark(series, frames.length);
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
  const looked = `${frames[0].address.split("/frames/")[0]}/metadata`;
  unwatch = watch(looked, () => ended("ended"), () => panes.forEach((pane) => pane.stack?.resume()));
}

function jump(key) {
  const series = shown.series.find(({ uid }) => uid === key.series);
  const at = (frames) => frames.findIndex((one) => one.instance === key.instance && one.number === key.number);
  return series && enter(series, at);
}

// ---------------------------------------------------------------- series

function strip() {
  const pictured = shown.series.filter(({ pictures }) => pictures);
  // Key objects are the list of key pictures.
  const rest = shown.series.filter(({ pictures, modality }) => !pictures && modality !== "KO");
  const list = rest.map(({ modality, description }) => [modality, description].filter(Boolean).join(" ")).join(", ");
  const note = rest.length ? [element("p", t("others", { list }))] : [];
  page.series.replaceChildren(...pictured.map(choice), ...note);
  page.series.hidden = pictured.length < 2 && !rest.length;
}

function choice(series) {
  const one = button("", () => attempt(enter(series)));
  one.dataset.uid = series.uid;
  one.setAttribute("aria-pressed", String(series.uid === shown.chosen?.uid));
  const image = element("img");
  image.alt = "";
  one.append(image, element("span", line(series.modality, series.description)), element("small", counted(series.count)));
  return one;
}

function counted(pictures) {
  return t("pictures.count", { number: number(pictures) });
}

/** Show which series is open, and how many pictures it turned out to have. */
function mark(series, pictures) {
  for (const one of page.series.querySelectorAll("button")) {
    const chosen = one.dataset.uid === series.uid;
    one.setAttribute("aria-pressed", String(chosen));
    if (chosen) one.querySelector("small").textContent = counted(pictures);
  }
}

async function thumbnails() {
  for (const one of page.series.querySelectorAll("button")) {
    if (!shown || page.series.hidden) return;
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
  const custom = option(CUSTOM, t("preset.custom"));
  custom.hidden = true;
  page.preset.replaceChildren(option("", t("preset.own")), ...[...own, ...usual].map(windowOption), custom);
  page.preset.parentElement.hidden = !frame.grey;
  page.tools.querySelector("[data-mode=contrast]").hidden = !frame.grey;
  if (!frame.grey && mode === "contrast") setMode("browse");
}

function windowOption([name, { center, width, shape }]) {
  return option(JSON.stringify({ center, width, shape }), name);
}

function preset() {
  const { value } = page.preset;
  if (value !== CUSTOM) panes[0].contrast(value ? JSON.parse(value) : null);
}

// ---------------------------------------------------------------- key images and other studies

function offerKeys(keys) {
  page.keys.hidden = !keys.length;
  const named = keys.map((key, at) => option(JSON.stringify(key), line(number(at + 1), key.title)));
  page.key.replaceChildren(option("", t("choose")), ...named);
}

async function offerPriors(study, beside) {
  const found = await others(study).catch(() => []);
  if (!shown) return;
  const unlike = (one) => !one.modalities.includes(shown.chosen?.modality);
  found.sort((one, other) => unlike(one) - unlike(other)); // of the same kind first, else the newest
  shown.others = found;
  page.priors.hidden = !found.length;
  const named = found.map((one) => option(one.uid, line(date(one.date), one.description)));
  page.prior.replaceChildren(option("", t("compare.none")), ...named);
  const before = found.find((one) => one.date && one.date < study.date && !unlike(one));
  if (!beside || !before || !WIDE.matches) return;
  page.prior.value = before.uid;
  await attempt(compare(before.uid));
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
  const pane = addPane();
  const series = alike((await seriesOf(uid)).filter(({ pictures }) => pictures));
  const frames = series ? await framesOf(series) : [];
  if (!panes.includes(pane)) return;
  if (!frames.length) {
    pane.stage.tell({ message: t("no.pictures") });
    return;
  }
  const mark = t(study.date < shown.study.date ? "prior.older" : "prior.newer");
  pane.open(study, series, frames, matching(panes[0].frames, panes[0].place, frames), mark);
  moved(panes[0]);
}

/** The series most like the one that is open. */
function alike(series) {
  const { modality, description } = shown.chosen;
  const same = series.filter((one) => one.modality === modality);
  return same.find((one) => one.description === description) ?? same[0] ?? series[0];
}

/** What one pane does, the other does too. */
function moved(pane) {
  if (pane === panes[0] && pane.stack) {
    page.preset.value = pane.stack.window ? JSON.stringify(pane.stack.window) : "";
    if (page.preset.selectedIndex < 0) page.preset.value = CUSTOM;
  }
  const other = panes.find((one) => one !== pane);
  if (!other?.stack || !pane.stack) return;
  if (pane.frames.length > 1) other.go(matching(pane.frames, pane.place, other.frames), false);
  const same = other.series.modality === pane.series.modality;
  if (same && other.stack.window !== pane.stack.window) other.contrast(pane.stack.window, false);
}

// ---------------------------------------------------------------- report, arrival, paper

/** The report, and what has come since the last look while the study still arrives. */
async function record(study, again) {
  const { record: put } = await import("./report.js");
  const arriving = await put(study.uid);
  if (!shown) return;
  if (again) await attempt(arrived(study));
  if (arriving) setTimeout(() => shown && record(study, true), ARRIVING);
}

async function arrived(study) {
  const series = await seriesOf(study.uid);
  if (!shown || JSON.stringify(series) === JSON.stringify(shown.series)) return;
  shown.series = series;
  strip();
  const now = series.find(({ uid }) => uid === shown.chosen?.uid);
  if (now) panes[0].grow(await framesOf(now));
  else await first([]);
  await thumbnails();
}

/** What stands on paper below the pictures. */
function describe() {
  const told = panes.filter(({ stack }) => stack).map((pane) => {
    const { study, series } = pane;
    return line(pane.prior, study.name, date(study.birthDate), date(study.date), study.description, series.description, pane.words);
  });
  page.paper.textContent = told.join("\n");
}
