// Stored values to grey levels: the client's half of the pipeline in dicom/render.py, same formulas
// (PS3.3 C.11). Pure: no page, no network. A table holds the level of every stored value.

/**
 * @typedef {{center: number, width: number, shape: string}} Window
 * @typedef {{first: number, bits: number, entries: Uint8Array | Uint16Array}} Lut
 * @typedef {{bitsAllocated: number, bitsStored: number, signed: boolean, inverse: boolean,
 *   slope: number, intercept: number, modality: ?Lut, voi: ?Lut, window: ?Window,
 *   padding: ?[number, number]}} Grey
 */

/** The stored bits of native or decoded little-endian bytes, one number for each pixel. */
export function samples(buffer, grey, count) {
  const kind = grey.bitsAllocated === 8 ? Uint8Array : Uint16Array;
  const raw = new kind(buffer, 0, Math.min(count, Math.floor(buffer.byteLength / kind.BYTES_PER_ELEMENT)));
  const mask = 2 ** grey.bitsStored - 1;
  return grey.bitsStored === grey.bitsAllocated ? raw : raw.map((value) => value & mask);
}

/** The number that stored bits stand for. */
export function valueOf(bits, grey) {
  return grey.signed && bits >= 2 ** (grey.bitsStored - 1) ? bits - 2 ** grey.bitsStored : bits;
}

/** Modality LUT or rescale (PS3.3 C.11.1). */
export function modality(value, grey) {
  return grey.modality ? entry(grey.modality, value) : value * grey.slope + grey.intercept;
}

/** Lowest and highest value after the modality step, padding left out. */
export function extent(pixels, grey) {
  let low = Infinity;
  let high = -Infinity;
  for (const bits of pixels) {
    const value = valueOf(bits, grey);
    if (grey.padding && value >= grey.padding[0] && value <= grey.padding[1]) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 0];
  const ends = [modality(low, grey), modality(high, grey)];
  return [Math.min(...ends), Math.max(...ends)];
}

/** The grey level of every stored value: for a window asked for, else as the object says. */
export function table(grey, asked, ends) {
  const levels = new Uint8ClampedArray(2 ** grey.bitsStored);
  const shade = shading(grey, asked, ends);
  for (let bits = 0; bits < levels.length; bits++) {
    const level = Math.round(Math.min(1, Math.max(0, shade(modality(valueOf(bits, grey), grey)))) * 255);
    levels[bits] = grey.inverse ? 255 - level : level;
  }
  return levels;
}

/** Pixels through a table into the bytes of an ImageData. */
export function paint(pixels, levels, rgba) {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  const colours = Uint32Array.from(levels, (level) => 0xff000000 | (level * 0x010101));
  for (let at = 0; at < pixels.length; at++) words[at] = colours[pixels[at]];
}

/** A window that shows what is shown now, as the start of a change of contrast. */
export function startingWindow(grey, ends) {
  if (grey.window) return grey.window;
  const [low, high] = ends;
  return { center: (low + high) / 2, width: Math.max(1, high - low), shape: "linear" };
}

function entry(lut, value) {
  return lut.entries[Math.min(lut.entries.length - 1, Math.max(0, Math.round(value) - lut.first))];
}

function shading(grey, asked, ends) {
  const window = asked ?? grey.window;
  if (window) return windowed(window);
  if (grey.voi) return lookedUp(grey.voi);
  return spread(ends);
}

/** VOI LUT (PS3.3 C.11.2): its entries as parts of the whole range. */
function lookedUp(lut) {
  const bits = lut.bits >= 8 && lut.bits <= 16 ? lut.bits : lut.entries.BYTES_PER_ELEMENT * 8;
  return (value) => entry(lut, value) / (2 ** bits - 1);
}

/** Window center and width (PS3.3 C.11.2.1.2, C.11.2.1.3). */
function windowed({ center, width, shape }) {
  if (shape === "sigmoid") return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (shape === "linear-exact") return (value) => (value - center) / width + 0.5;
  if (width <= 1) return (value) => Number(value > center - 0.5);
  return (value) => (value - (center - 0.5)) / (width - 1) + 0.5;
}

/** The range of the frame as black to white. */
function spread([low, high]) {
  if (high === low) return (value) => Number(high > 0 && value >= high);
  return (value) => (value - low) / (high - low);
}
