// The page in the reader's language, one table for each, and dates as people there write them.

export const LANGUAGES = { en: "English", es: "Español", ca: "Català", fr: "Français", de: "Deutsch", pt: "Português", ar: "العربية" };
const KEPT = "triptych.language";
let words = {};
let language = "en";
let locale = "en";

/** Load the table of the language chosen before, asked for in the address, or of the browser. */
export async function speak(asked = "") {
  const wishes = [asked, kept(KEPT), document.documentElement.lang, ...navigator.languages].filter(Boolean);
  language = wishes.map((wish) => wish.slice(0, 2).toLowerCase()).find((wish) => wish in LANGUAGES) ?? "en";
  locale = navigator.languages.find((one) => one.startsWith(language)) ?? language;
  const answer = await fetch(new URL(`words/${language}.json`, import.meta.url));
  words = await answer.json();
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
  fill(document);
}

/** Keep a language for this session. */
export function choose(one) {
  kept(KEPT, one);
}

/** What this session keeps under a name, after keeping a value if there is one; a frame may keep nothing. */
export function kept(name, value = "") {
  try {
    if (value) sessionStorage.setItem(name, value);
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

/** The language that is spoken now. */
export function current() {
  return language;
}

/** A sentence with its blanks filled in. */
export function t(key, blanks = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => blanks[name] ?? "");
}

/** Put the words into everything that asks for some: data-word, data-label, data-tip. */
export function fill(root) {
  for (const one of root.querySelectorAll("[data-word]")) one.textContent = t(one.dataset.word);
  for (const one of root.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
}

/** A DICOM or FHIR date as people here write it. */
export function date(text) {
  const [, year, month, day] = /^(\d{4})-?(\d\d)?-?(\d\d)?/.exec(text ?? "") ?? [];
  if (!year) return "";
  if (!month || !day) return year;
  const moment = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(moment);
}

/** A number as people here write it. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits, useGrouping: false }).format(value);
}
