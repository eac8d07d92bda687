// Reads a patient's record: who it is, studies with a small picture, reports.

const FHIR = "application/fhir+json";
const UID = "urn:dicom:uid";

export async function patient(session) {
  const answer = await session.get(`${session.iss}/Patient/${session.token.patient}`, FHIR);
  return answer.json();
}

export async function studies(session) {
  const found = await search(session, "ImagingStudy", "_include=ImagingStudy:endpoint&_sort=-started");
  const endpoints = new Map(
    found.filter(is("Endpoint")).map(({ fullUrl, resource }) => [fullUrl, resource]),
  );
  return found.filter(is("ImagingStudy")).map(({ resource }) => ({
    title: resource.description || modalities(resource) || "Pictures",
    date: (resource.started ?? "").slice(0, 10),
    detail: `${modalities(resource)}, ${count(resource)}`,
    address: pictures(resource, endpoints, session.iss),
  }));
}

export async function reports(session) {
  const found = await search(session, "DiagnosticReport", "_sort=-date");
  return found.filter(is("DiagnosticReport")).map(({ resource }) => ({
    title: resource.code?.text ?? resource.code?.coding?.[0]?.display ?? "Report",
    date: (resource.effectiveDateTime ?? resource.issued ?? "").slice(0, 10),
    detail: resource.status,
    text: words(resource),
    documents: documents(resource, session.iss),
  }));
}

// A document of a report, as a file for the user to keep.
export async function download(session, { url, type }) {
  const answer = await session.get(url, type);
  const kept = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(await answer.blob()),
    download: type === "application/pdf" ? "report.pdf" : "report",
  });
  kept.click();
  URL.revokeObjectURL(kept.href);
}

// The study's small picture as an address for an <img>, or "" where there is none to show.
export async function thumbnail(session, address) {
  const answer = await session.ask(`${address}/thumbnail`, "image/jpeg");
  return answer.ok ? URL.createObjectURL(await answer.blob()) : "";
}

export function name(patient) {
  const known = (patient.name ?? []).find(({ use }) => use === "official") ?? patient.name?.[0];
  if (!known) return "Name not known";
  return known.text ?? [...(known.given ?? []), known.family].filter(Boolean).join(" ");
}

// Every entry, page after page.
async function search(session, type, words) {
  const entries = [];
  let url = `${session.iss}/${type}?patient=${session.token.patient}&${words}`;
  while (url) {
    const bundle = await (await session.get(url, FHIR)).json();
    entries.push(...(bundle.entry ?? []));
    url = bundle.link?.find(({ relation }) => relation === "next")?.url;
  }
  return entries;
}

function is(type) {
  return ({ resource }) => resource.resourceType === type;
}

function modalities(study) {
  return (study.modality ?? []).map(({ code }) => code).join(", ");
}

function count(study) {
  return study.numberOfInstances === 1 ? "1 picture" : `${study.numberOfInstances} pictures`;
}

function words({ conclusion, presentedForm = [] }) {
  const plain = presentedForm.find(({ contentType, data }) => contentType === "text/plain" && data);
  if (!plain) return conclusion ?? "";
  return new TextDecoder().decode(Uint8Array.from(atob(plain.data), (char) => char.charCodeAt(0)));
}

// Only those that the server itself holds: the token goes nowhere else.
function documents({ presentedForm = [] }, iss) {
  return presentedForm
    .map(({ url, contentType }) => ({ url: url && new URL(url, `${iss}/`).href, type: contentType }))
    .filter(({ url }) => url?.startsWith(`${iss}/`));
}

function pictures(study, endpoints, iss) {
  const uid = study.identifier.find(({ system }) => system === UID).value.replace("urn:oid:", "");
  for (const { reference } of study.endpoint ?? []) {
    const endpoint = endpoints.get(reference) ?? endpoints.get(`${iss}/${reference}`);
    if (endpoint) return `${endpoint.address}/studies/${uid}`;
  }
  return "";
}
