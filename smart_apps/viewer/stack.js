// The frames of one series as they are needed: pictures made by the server for browsing, stored
// values for contrast. Neighbours are fetched ahead; what was not seen for longest is dropped.

import { ask } from "./api.js";
import { extent, paint, samples, startingWindow, table } from "./pixels.js";
import { withTables } from "./studies.js";

const PAUSE = 300; // ms without a change of contrast before neighbours are made too
const AHEAD = [1, -1, 2, 3, -2, 4];
const AT_ONCE = 3;
const MOST_RAW = 1_300_000; // pixels; larger frames keep being windowed by the server
const SIZES = [512, 1024, 2048];
const KEPT_PIXELS = 24_000_000;

export class Stack {
  /** `frames` as studies.js lists them; `loaded` is called with the place of each that has come. */
  constructor(frames, loaded) {
    this.frames = frames;
    this.loaded = loaded;
    this.window = null; // the contrast asked for, null as the object says
    this.side = SIZES[0];
    this.kept = new Map();
    this.raws = new Map();
    this.troubles = new Map();
    this.running = new Map();
    this.place = 0;
    this.way = 1;
    this.closed = false;
  }

  /** Go to a place, and fetch it and its neighbours. */
  go(place) {
    this.way = place < this.place ? -1 : 1;
    this.place = place;
    this.fill();
  }

  /** Ask for pictures of this many pixels at least. */
  enlarge(pixels) {
    const side = SIZES.find((size) => size >= pixels) ?? Infinity;
    if (side <= this.side) return;
    this.side = side;
    this.fill();
  }

  /** The picture at a place: what the window asks for, else the nearest that is there, else null. */
  picture(place) {
    const frame = this.frames[place];
    const found = this.kept.get(this.key(place)) ?? this.older(place);
    return found && { ...found, frame, exact: found.key === this.key(place) };
  }

  /** Why a picture did not come, undefined if it may still. */
  trouble(place) {
    return this.troubles.get(place);
  }

  /** The server answers: ask again for what did not come while it could not be reached. */
  resume() {
    const lost = [...this.troubles].filter(([, trouble]) => trouble.kind === "offline");
    for (const [place] of lost) this.troubles.delete(place);
    if (lost.length) this.fill();
  }

  /** Change the contrast of all frames; null goes back to what the object says. */
  async contrast(window) {
    this.window = window;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.fill(), PAUSE);
    if (window && this.raws.has(this.place)) await this.develop(this.place);
    else this.fill([]);
  }

  /** The window that a change of contrast starts from: what is shown now. */
  async start() {
    if (this.window) return this.window;
    const frame = this.frames[this.place];
    if (frame.windows[0]) return frame.windows[0];
    if (!this.byClient(frame)) return { center: 128, width: 256, shape: "linear" };
    const raw = await this.raw(this.place);
    return startingWindow(raw.grey, raw.ends);
  }

  /** Whether the contrast of a picture can be changed at all: colour has none. */
  adjustable(place = this.place) {
    return this.frames[place]?.grey !== null;
  }

  /** Let go of everything. */
  close() {
    this.closed = true;
    clearTimeout(this.pause);
    for (const stop of this.running.values()) stop.abort();
    this.kept.forEach(({ image }) => image.close?.());
    this.kept.clear();
    this.raws.clear();
  }

  // ---------------------------------------------------------------- how

  key(place) {
    const { window } = this;
    const words = window ? `${window.center},${window.width},${window.shape}` : "";
    const frame = this.frames[place];
    return window && this.byClient(frame) ? `${place}|raw|${words}` : `${place}|${this.box(frame)}|${words}`;
  }

  byClient(frame) {
    return frame.grey !== null && frame.rows * frame.columns <= MOST_RAW;
  }

  /** The viewport to ask for: none where the frame is no larger. */
  box(frame) {
    const largest = Math.max(frame.columns, frame.rows * Math.max(1, frame.aspect));
    return this.side < largest ? this.side : 0;
  }

  older(place) {
    let found = null;
    for (const one of this.kept.values()) if (one.place === place) found = one;
    return found;
  }

  /** Start what is missing, the nearest first. */
  fill(steps = AHEAD) {
    if (this.closed) return;
    for (const step of [0, ...steps]) {
      if (this.running.size >= AT_ONCE) return;
      const place = this.place + step * this.way;
      if (place < 0 || place >= this.frames.length || this.troubles.has(place)) continue;
      const key = this.key(place);
      if (!this.kept.has(key) && !this.running.has(key)) this.fetch(place);
    }
  }

  async fetch(place) {
    const key = this.key(place);
    const stop = new AbortController();
    this.running.set(key, stop);
    try {
      if (this.window && this.byClient(this.frames[place])) await this.develop(place);
      else this.keep(key, place, await this.rendered(place, stop.signal), false);
    } catch (error) {
      if (error.name !== "AbortError") this.troubles.set(place, error);
    } finally {
      this.running.delete(key);
    }
    if (this.closed) return;
    this.loaded(place);
    this.fill();
  }

  /** A picture made by the server. */
  async rendered(place, signal) {
    const frame = this.frames[place];
    const query = new URLSearchParams();
    if (this.box(frame)) query.set("viewport", `${this.box(frame)},${this.box(frame)}`);
    if (this.window) query.set("window", `${this.window.center},${this.window.width},${this.window.shape}`);
    const words = query.size ? `?${query}` : "";
    const answer = await ask(`${frame.address}/rendered${words}`, "image/jpeg", signal);
    return createImageBitmap(await answer.blob());
  }

  /** A picture made here, from stored values. */
  async develop(place) {
    const raw = await this.raw(place);
    const key = this.key(place);
    const levels = table(raw.grey, this.window, raw.ends);
    const { columns, rows } = this.frames[place];
    const data = new ImageData(columns, rows);
    paint(raw.pixels, levels, data.data);
    this.keep(key, place, await createImageBitmap(data), true);
    this.loaded(place);
  }

  raw(place) {
    if (!this.raws.has(place)) {
      const coming = this.fetchRaw(place);
      coming.catch(() => this.raws.delete(place));
      this.raws.set(place, coming);
      if (this.raws.size > 64) this.raws.delete(this.raws.keys().next().value);
    }
    return this.raws.get(place);
  }

  async fetchRaw(place) {
    const frame = this.frames[place];
    const [answer, grey] = await Promise.all([
      ask(frame.address, "application/octet-stream"),
      withTables(frame.grey),
    ]);
    const pixels = samples(await answer.arrayBuffer(), grey, frame.rows * frame.columns);
    return { pixels, grey, ends: extent(pixels, grey) };
  }

  keep(key, place, image, exact) {
    if (this.closed) return image.close?.();
    this.kept.delete(key);
    this.kept.set(key, { key, place, image, lossless: exact });
    let pixels = 0;
    for (const one of this.kept.values()) pixels += one.image.width * one.image.height;
    for (const [old, one] of this.kept) {
      if (pixels <= KEPT_PIXELS || old === key) break;
      pixels -= one.image.width * one.image.height;
      one.image.close?.();
      this.kept.delete(old);
    }
    return undefined;
  }
}
