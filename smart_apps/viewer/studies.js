// From DICOM JSON to what the page works with: studies, series and frames.

import { Trouble, ask, dicom, get } from "./api.js";

// Objects about pictures rather than pictures.
const WITHOUT_PICTURES = new Set(["SR", "KO", "PR", "DOC", "ANN", "RWV", "REG", "FID", "PLAN", "ASMT",
  "RTSTRUCT", "RTPLAN", "RTRECORD", "ECG", "HD", "AU", "EPS"]);
const FIELDS = ["NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "HighBit",
  "PixelRepresentation", "PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient",
  "PatientOrientation", "Laterality", "ImageLaterality", "WindowCenter", "WindowWidth", "VOILUTFunction",
  "WindowCenterWidthExplanation", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence",
  "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelAspectRatio", "ImagerPixelSpacing",
  "NominalScannedPixelSpacing", "LossyImageCompression", "LossyImageCompressionRatio", "FrameTime",
  "RecommendedDisplayFrameRate", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"];
const PAGE = 5000;
// Titles of key objects that list whole studies for an exchange (DCM): nobody chose these pictures.
const MANIFESTS = new Set(["113030", "113031", "MADOTEMP001"]);

/** The values of an attribute, an empty list where it has none. */
export function values(item, tag) {
  return item?.[tag]?.Value ?? [];
}

function text(item, tag) {
  const [first] = values(item, tag);
  return first === undefined || first === null ? "" : String(first);
}

/** A person's name as it is spoken: given names, then family name. */
export function spoken(name) {
  const written = name?.Alphabetic || name?.Ideographic || name?.Phonetic || "";
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = written.split("^");
  return [prefix, given, middle, family, suffix].filter(Boolean).join(" ").trim();
}

/** The studies that a search finds, newest first. */
export async function studies(query = "") {
  const { items, more } = await dicom(`dicomweb/studies?limit=100${query}`);
  return Object.assign(items.map(studyOf), { more });
}

/** A search to be asked again and again: what it finds, null while nothing has changed or nobody answers. */
export function changing(query) {
  let etag = "";
  return async () => {
    const headers = { Accept: "application/dicom+json", ...(etag && { "If-None-Match": etag }) };
    const answer = await get(`dicomweb/studies?limit=100${query}`, headers).catch(() => null);
    if (answer?.status === 403) throw new Trouble("forbidden");
    if (!answer?.ok) return null;
    etag = answer.headers.get("ETag") ?? "";
    return (await answer.json()).map(studyOf);
  };
}

/** The same patient's other studies. */
export async function others(study) {
  if (!study.patientId) return [];
  const found = await studies(`&PatientID=${encodeURIComponent(study.patientId)}`);
  return found.filter((one) => one.uid !== study.uid && one.issuer === study.issuer);
}

function studyOf(item) {
  return {
    uid: text(item, "0020000D"),
    date: text(item, "00080020"),
    time: text(item, "00080030"),
    description: text(item, "00081030"),
    modalities: values(item, "00080061").filter((one) => !WITHOUT_PICTURES.has(one)),
    instances: Number(text(item, "00201208")),
    name: spoken(values(item, "00100010")[0]),
    patientId: text(item, "00100020"),
    issuer: text(item, "00100021"),
    birthDate: text(item, "00100030"),
  };
}

/** The series of a study, in its order; `pictures` is false for documents and the like. */
export async function seriesOf(study) {
  const { items } = await dicom(`dicomweb/studies/${study}/series`);
  return items.map((item) => ({
    study,
    uid: text(item, "0020000E"),
    number: text(item, "00200011"),
    modality: text(item, "00080060"),
    description: text(item, "0008103E"),
    count: Number(text(item, "00201209")),
    pictures: !WITHOUT_PICTURES.has(text(item, "00080060")),
  }));
}

/** Every frame of a series, in the order of the instance numbers. */
export async function framesOf(series) {
  const place = `dicomweb/studies/${series.study}/series/${series.uid}/instances`;
  const frames = [];
  for (let offset = 0; ; offset += PAGE) {
    const query = `?limit=${PAGE}&offset=${offset}&includefield=${FIELDS.join(",")}`;
    const { items, more } = await dicom(place + query);
    for (const item of items) frames.push(...framesIn(item, place));
    if (!more) return frames;
  }
}

function framesIn(item, place) {
  const rows = Number(text(item, "00280010"));
  if (!rows) return [];
  const count = Math.max(1, Number(text(item, "00280008")) || 1);
  const address = `${place}/${text(item, "00080018")}`;
  return Array.from({ length: count }, (_, at) => frameOf(item, at, address));
}

/** One frame: its address, size, place in the body, and what its grey levels take. */
function frameOf(item, at, address) {
  const groups = groupsOf(item, at);
  return {
    address: `${address}/frames/${at + 1}`,
    instance: text(item, "00080018"),
    number: at + 1,
    label: text(item, "00200013"),
    rows: Number(text(item, "00280010")),
    columns: Number(text(item, "00280011")),
    aspect: aspectOf(groups),
    thickness: numbers(groups, "00180050")[0],
    orientation: vector(numbers(groups, "00200037"), 6),
    position: vector(numbers(groups, "00200032"), 3),
    patientOrientation: values(item, "00200020"),
    side: first(groups, "00209072") || text(item, "00200062") || text(item, "00200060"),
    lossy: text(item, "00282110") === "01",
    ratio: values(item, "00282112").at(-1),
    interval: Number(text(item, "00181063")) || 1000 / (Number(text(item, "00082144")) || 15),
    windows: windowsOf(groups),
    grey: greyOf(item, groups, address),
  };
}

/** Where display attributes may stand: those of the frame, shared ones, the top. */
function groupsOf(item, at) {
  const found = [values(item, "52009230")[at], values(item, "52009229")[0]]
    .flatMap((group) => Object.values(group ?? {}))
    .flatMap((attribute) => (attribute.Value ?? []).slice(0, 1))
    .filter((one) => one !== null && typeof one === "object");
  return [...found, item];
}

function first(groups, tag) {
  return groups.map((group) => text(group, tag)).find(Boolean) ?? "";
}

function numbers(groups, tag) {
  const found = groups.map((group) => values(group, tag)).find((list) => list.length) ?? [];
  return found.map(Number).every(Number.isFinite) ? found.map(Number) : [];
}

function vector(list, length) {
  return list.length === length ? list : null;
}

/** Height of a pixel against its width. */
function aspectOf(groups) {
  for (const group of groups) {
    for (const tag of ["00280034", "00280030", "00181164", "00182010"]) {
      const [high, wide] = values(group, tag).map(Number);
      if (high > 0 && wide > 0) return high / wide >= 0.1 && high / wide <= 10 ? high / wide : 1;
    }
  }
  return 1;
}

const SHAPES = { SIGMOID: "sigmoid", LINEAR_EXACT: "linear-exact" };

/** The windows that the object itself proposes, with their names. */
function windowsOf(groups) {
  for (const group of groups) {
    const [centers, widths] = [values(group, "00281050"), values(group, "00281051")].map((list) => list.map(Number));
    const shape = SHAPES[text(group, "00281056")] ?? "linear";
    const named = values(group, "00281055");
    const found = centers.map((center, at) => ({ center, width: widths[at], shape, name: named[at] ?? "" }));
    if (found[0]?.width > 0) return found.filter((one) => one.width >= 1 || (one.width > 0 && shape !== "linear"));
  }
  return [];
}

/** What the table of grey levels takes; null where only the server can show the frame. */
function greyOf(item, groups, address) {
  const bitsAllocated = Number(text(item, "00280100"));
  const bitsStored = Math.min(Number(text(item, "00280101")) || bitsAllocated, bitsAllocated);
  const highBit = Number(text(item, "00280102")) || bitsStored - 1;
  const photometric = text(item, "00280004");
  const plain = Number(text(item, "00280002") || 1) === 1 && photometric !== "PALETTE COLOR";
  if (!plain || ![8, 16].includes(bitsAllocated) || highBit !== bitsStored - 1) return null;
  const scale = groups.find((group) => values(group, "00281053").length || values(group, "00281052").length);
  return {
    bitsAllocated,
    bitsStored,
    signed: Number(text(item, "00280103")) === 1,
    inverse: photometric === "MONOCHROME1",
    slope: Number(text(scale, "00281053")) || 1,
    intercept: Number(text(scale, "00281052")) || 0,
    window: windowsOf(groups)[0] ?? null,
    padding: paddingOf(item),
    modality: values(item, "00283000")[0] ?? null,
    voi: values(item, "00283010")[0] ?? null,
    tables: address,
  };
}

function paddingOf(item) {
  const [value] = values(item, "00280120");
  if (!Number.isInteger(value)) return null;
  const limit = Number(values(item, "00280121")[0] ?? value);
  return [Math.min(value, limit), Math.max(value, limit)];
}

/** The same, with the tables of the object (PS3.3 C.11.1, C.11.2) as numbers. */
export async function withTables(grey) {
  const [modality, voi] = await Promise.all([
    lut(grey.modality, "00283000", grey.tables),
    lut(grey.voi, "00283010", grey.tables),
  ]);
  return { ...grey, modality, voi };
}

async function lut(item, sequence, address) {
  if (!item || item.entries) return item;
  const [count, start, bits] = values(item, "00283002").map(Number);
  const data = item["00283006"] ?? {};
  const bytes = await lutBytes(data, `${address}/bulkdata/${sequence}/1/00283006`);
  if (bits === undefined || bytes.byteLength === 0) return null;
  const length = (count & 0xffff) || 65536;
  const wide = bytes.byteLength >= 2 * length;
  const entries = wide ? new Uint16Array(bytes, 0, length) : new Uint8Array(bytes).slice(0, length);
  return { first: start, bits, entries };
}

async function lutBytes(data, address) {
  if (data.BulkDataURI) return (await ask(address, "application/octet-stream")).arrayBuffer();
  if (data.InlineBinary) return Uint8Array.from(atob(data.InlineBinary), (one) => one.charCodeAt(0)).buffer;
  return Uint16Array.from(data.Value ?? []).buffer;
}

/** What a key object names (PS3.3 C.17.6, PS3.16 TID 2010): its title and the pictures it points to. */
export async function keyImages(series) {
  const objects = [];
  for (const one of series.filter(({ modality }) => modality === "KO")) {
    const { items } = await dicom(`dicomweb/studies/${one.study}/series/${one.uid}/metadata`);
    objects.push(...items);
  }
  return objects.filter((item) => !MANIFESTS.has(text(values(item, "0040A043")[0], "00080100"))).flatMap((item) => {
    const title = text(values(item, "0040A043")[0], "00080104");
    const homes = evidence(item);
    return referred(item).map((key) => ({ ...key, title, series: homes.get(key.instance) }));
  });
}

/** The series of each instance that a key object lists as its evidence (PS3.3 C.17.2). */
function evidence(item) {
  const homes = new Map();
  for (const study of values(item, "0040A375")) {
    for (const series of values(study, "00081115")) {
      for (const one of values(series, "00081199")) homes.set(text(one, "00081155"), text(series, "0020000E"));
    }
  }
  return homes;
}

function referred(item) {
  return values(item, "0040A730").flatMap((content) => [
    ...values(content, "00081199").map((one) => ({
      instance: text(one, "00081155"),
      number: Number(values(one, "00081160")[0] ?? 1),
    })),
    ...referred(content),
  ]);
}
