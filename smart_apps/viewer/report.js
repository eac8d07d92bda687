// The written findings of a study: the conclusion first, then the text, then the documents.

import { Trouble, ask, fhir } from "./api.js";
import { element, line, page } from "./page.js";
import { sentence } from "./pane.js";
import { date, t } from "./words.js";

const ALLOWED = new Set(["DIV", "P", "BR", "H1", "H2", "H3", "H4", "H5", "H6", "B", "STRONG", "I", "EM", "U", "SUB",
  "SUP", "UL", "OL", "LI", "DL", "DT", "DD", "TABLE", "CAPTION", "THEAD", "TBODY", "TFOOT", "TR", "TH", "TD", "PRE",
  "SPAN", "BLOCKQUOTE", "CODE", "HR"]);
const DROPPED = new Set(["SCRIPT", "STYLE", "HEAD", "TITLE", "TEMPLATE"]);

/** Put what the record says of a study on the page; tells whether its pictures still arrive. */
export async function record(uid) {
  try {
    const { arriving, reports } = await recordOf(uid);
    page.arriving.textContent = arriving ? t("arriving") : "";
    page.report.hidden = false;
    page.reports.replaceChildren(...(reports.length ? reports.map(article) : [element("p", t("report.none"))]));
    return arriving;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    // Who may see pictures only is not told of a report.
    page.report.hidden = error.kind === "forbidden";
    page.reports.textContent = sentence(error);
    return false;
  }
}

async function recordOf(uid) {
  const found = await fhir(`fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:${uid}`);
  const study = found.entry?.map(({ resource }) => resource).find((one) => one?.resourceType === "ImagingStudy");
  if (!study) return { arriving: true, reports: [] };
  const tags = (study.meta?.tag ?? []).map(({ code }) => code);
  return { arriving: tags.includes("arriving"), reports: await reportsOf(study) };
}

async function reportsOf(study) {
  const patient = study.subject?.reference?.split("/").at(-1);
  if (!patient) return [];
  const found = await fhir(`fhir/DiagnosticReport?patient=${patient}&_count=100`);
  return (found.entry ?? [])
    .map(({ resource }) => resource)
    .filter((one) => one.imagingStudy?.some(({ reference }) => reference?.endsWith(`ImagingStudy/${study.id}`)))
    .sort((one, other) => (other.issued ?? "").localeCompare(one.issued ?? ""));
}

/** A report as an article of the page. */
export function article(report) {
  const root = element("article");
  if (report.language) root.lang = report.language;
  root.append(heading(report));
  if (report.status === "entered-in-error") {
    root.append(ours("p", t("report.withdrawn")));
    return root;
  }
  if (report.conclusion) root.append(ours("h4", t("report.conclusion")), theirs("p", report.conclusion, "conclusion"));
  const text = narrative(report.text?.div) ?? plain(report.presentedForm ?? []);
  if (text) root.append(ours("h4", t("report.text")), text);
  const documents = (report.presentedForm ?? []).filter(({ url }) => url);
  for (const one of documents) root.append(link(one));
  if (!report.conclusion && !text && !documents.length) root.append(ours("p", t("report.empty")));
  return root;
}

function heading(report) {
  const root = element("header");
  const title = theirs("h3", report.code?.text ?? report.code?.coding?.[0]?.display ?? "");
  const status = t(`status.${report.status}`);
  root.append(title.textContent ? title : ours("h3", t("report")));
  root.append(ours("p", line(status, date(report.issued ?? report.effectiveDateTime)), "status"));
  return root;
}

/** Words of the page, in the page's language whatever the report's. */
function ours(name, text, kind) {
  const one = element(name, text, kind);
  one.lang = document.documentElement.lang;
  one.dir = document.documentElement.dir;
  return one;
}

/** Words of the report, whose direction is its own. */
function theirs(name, text, kind) {
  const one = element(name, text, kind);
  one.dir = "auto";
  return one;
}

/** The narrative (R4 narrative), rebuilt from what is allowed in it: no attribute, no script, no picture. */
export function narrative(div) {
  if (!div) return null;
  const parsed = new DOMParser().parseFromString(div, "text/html").body;
  const root = element("div", "", "narrative");
  root.dir = "auto";
  copy(parsed, root);
  return root.textContent.trim() ? root : null;
}

function copy(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.append(node.data);
    if (node.nodeType !== Node.ELEMENT_NODE || DROPPED.has(node.tagName)) continue;
    if (!ALLOWED.has(node.tagName)) copy(node, to);
    else {
      const one = element(node.tagName.replace(/^H([1-6])$/, () => "h5"));
      if (node.tagName === "TD" || node.tagName === "TH") one.colSpan = node.colSpan;
      copy(node, one);
      to.append(one);
    }
  }
}

function plain(forms) {
  const form = forms.find(({ contentType, data }) => data && contentType?.startsWith("text/plain"));
  if (!form) return null;
  const bytes = Uint8Array.from(atob(form.data), (one) => one.charCodeAt(0));
  return theirs("pre", new TextDecoder().decode(bytes));
}

/** A document, fetched when it is wanted: the token is in memory, so that a plain link has none. */
function link(form) {
  const button = ours("button", t("report.document", { kind: form.contentType === "application/pdf" ? "PDF" : "" }));
  const told = ours("p", "");
  told.setAttribute("role", "status");
  button.type = "button";
  button.addEventListener("click", async () => {
    told.textContent = t("loading");
    try {
      await save(form);
      told.textContent = "";
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      told.textContent = t("trouble.document");
    }
  });
  const root = element("div");
  root.append(button, told);
  return root;
}

async function save(form) {
  const path = form.url.slice(form.url.lastIndexOf("/fhir/") + 1).replace(/^\/?(?!fhir\/)/, "fhir/");
  const answer = await ask(path, "*/*");
  const file = URL.createObjectURL(await answer.blob());
  const anchor = element("a");
  anchor.href = file;
  anchor.download = form.contentType === "application/pdf" ? "report.pdf" : "report";
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
}
