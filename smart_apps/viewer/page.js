// The parts of the page by name, and what is made for it.

const NAMES = ["who", "what", "arriving", "series", "tools", "preset", "keys", "key", "priors", "prior", "panes",
  "report", "reports", "notice", "language", "paper", "main", "live", "back"];

/** The parts of index.html that change. */
export const page = Object.fromEntries(NAMES.map((id) => [id, document.getElementById(id)]));

/** An element with a text. */
export function element(name, text = "", kind = "") {
  const one = document.createElement(name);
  one.textContent = text;
  if (kind) one.className = kind;
  return one;
}

/** A button that does something. */
export function button(text, action) {
  const one = element("button", text);
  one.type = "button";
  one.addEventListener("click", action);
  return one;
}

/** A choice of a select. */
export function option(value, text) {
  const one = element("option", text);
  one.value = value;
  return one;
}

/** What there is of some words, as one line. */
export function line(...words) {
  return words.flat().filter(Boolean).join(" · ");
}
