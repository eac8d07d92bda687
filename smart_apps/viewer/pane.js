// One stack of pictures on the page: where it is, how it is shown, and what it says of itself.

import { Stack } from "./stack.js";
import { Stage } from "./stage.js";
import { fill, number, t } from "./words.js";

const QUIET = 600; // ms without a move before a screen reader is told

export class Pane {
  /** `changed` is called with the pane whenever it moves or changes its contrast. */
  constructor(changed) {
    const copy = document.getElementById("pane").content.cloneNode(true);
    this.root = copy.querySelector(".pane");
    fill(this.root);
    this.canvas = this.root.querySelector("canvas");
    this.canvas.setAttribute("aria-label", t("loading"));
    this.slider = this.root.querySelector("input");
    this.stage = new Stage(this.root.querySelector(".stage"));
    this.changed = changed;
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value) - 1));
    for (const button of this.root.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
  }

  /** Show a picture before anything is known of it. */
  poster(image) {
    if (!this.stack) this.stage.show({ image, frame: { columns: image.width, rows: image.height, aspect: 1 } });
  }

  /** Open a series of a study at a place, its middle if none is given; one to compare with moves no other. */
  open(study, series, frames, place = Math.floor(frames.length / 2), prior = "") {
    this.close();
    Object.assign(this, { study, series, frames, place, prior });
    this.stack = new Stack(frames, (loaded) => loaded === this.place && this.show());
    this.stage.reset();
    this.stage.name(study, series, prior);
    this.slider.max = String(frames.length);
    this.root.querySelector(".slider").hidden = frames.length < 2;
    this.root.setAttribute("aria-label", [prior, study.description, series.description].filter(Boolean).join(", "));
    this.stack.enlarge(this.stage.wanted);
    this.go(place, !prior);
  }

  /** Add pictures that have arrived, staying at the one that is shown. */
  grow(frames) {
    const { address } = this.frames[this.place];
    const place = frames.findIndex((one) => one.address === address);
    const window = this.stack.window;
    const view = { zoom: this.stage.zoom, left: this.stage.left, top: this.stage.top };
    this.open(this.study, this.series, frames, Math.max(0, place), this.prior);
    Object.assign(this.stage, view);
    if (window) this.contrast(window);
  }

  close() {
    this.stop();
    this.stack?.close();
    this.stack = null;
    this.stage.show(null);
  }

  go(place, told = true) {
    if (!this.stack) return;
    this.place = Math.min(this.frames.length - 1, Math.max(0, place));
    this.stack.go(this.place);
    this.slider.value = String(this.place + 1);
    this.slider.setAttribute("aria-valuetext", this.words);
    this.canvas.setAttribute("aria-label", `${this.root.getAttribute("aria-label")}. ${this.words}`);
    this.show();
    if (told) this.changed(this);
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tell(), QUIET);
  }

  step(steps) {
    this.go(this.place + steps);
  }

  get words() {
    return t("picture.of", { number: number(this.place + 1), total: number(this.frames.length) });
  }

  tell() {
    if (this.timer) return;
    document.getElementById("live").textContent = this.words;
  }

  /** Zoom; a picture too coarse for its size is asked for again, larger. */
  scale(factor, x, y) {
    this.stage.scale(factor, x, y);
    this.stack?.enlarge(this.stage.wanted);
  }

  reset() {
    this.stage.reset();
    return this.contrast(null);
  }

  /** Change the contrast, of this pane and of what is linked to it. */
  async contrast(window, told = true) {
    if (!this.stack) return;
    try {
      await this.stack.contrast(window);
    } catch (error) {
      this.stage.tell({ message: sentence(error) });
      return;
    }
    this.show();
    if (told) this.changed(this);
  }

  /** Change contrast and brightness by steps, as a drag or a key does. */
  async adjust(wider, brighter) {
    if (!this.stack?.adjustable()) return;
    const from = await this.stack.start().catch((error) => this.stage.tell({ message: sentence(error) }));
    if (!from) return;
    const width = Math.max(1, from.width * Math.exp(wider / 150));
    const center = from.center - (brighter * width) / 250;
    await this.contrast({ center: round(center, width), width: round(width, width), shape: from.shape });
  }

  show() {
    if (!this.stack) return;
    const frame = this.frames[this.place];
    const found = this.stack.picture(this.place);
    const trouble = this.stack.trouble(this.place);
    if (found || trouble) this.stage.show(found ?? null);
    if (!found) this.stage.letter(frame);
    this.stage.tell({
      place: this.words,
      thickness: frame.thickness ? t("thickness", { mm: number(frame.thickness, 2) }) : "",
      window: windowWords(this.stack.window ?? frame.windows[0]),
      lossy: lossyWords(frame, found),
      message: trouble ? sentence(ofPicture(trouble)) : found ? "" : t("loading"),
    });
    this.root.classList.toggle("waiting", !found?.exact && !trouble);
    this.root.dataset.shown = found?.exact ? `${this.place + 1} ${found.lossless ? "lossless" : "rendered"}` : "";
  }

  /** Play the stack at its own speed; a frame that is not there yet is waited for. */
  play() {
    const tick = () => {
      const next = (this.place + 1) % this.frames.length;
      const ready = this.stack.picture(this.place)?.exact || this.stack.trouble(this.place);
      if (ready) this.go(next);
      this.timer = setTimeout(tick, Math.min(1000, Math.max(20, this.frames[this.place].interval)));
    };
    this.timer = setTimeout(tick, 0);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
  }
}

/** What went wrong and what to do, in the reader's words, with the server's own reason. */
export function sentence(trouble) {
  const known = ["ended", "forbidden", "missing", "offline", "busy", "undecodable"];
  const words = t(`trouble.${known.includes(trouble.kind) ? trouble.kind : "failed"}`);
  return trouble.kind === "undecodable" && trouble.reason ? `${words} (${trouble.reason})` : words;
}

/** A picture that is missing in an object that is there cannot be shown: that is no wrong address. */
function ofPicture(trouble) {
  return trouble.kind === "missing" ? { kind: "undecodable", reason: trouble.reason } : trouble;
}

function round(value, width) {
  const step = width > 100 ? 1 : 0.1;
  return Math.round(value / step) * step || 0;
}

function windowWords(window) {
  if (!window) return "";
  return t("window", { center: number(window.center, 1), width: number(window.width, 1) });
}

/** What compression has touched: the stored picture, or only the copy on the screen. */
function lossyWords(frame, found) {
  if (frame.lossy) return t("lossy.stored", { ratio: frame.ratio ? `${number(Number(frame.ratio))}:1` : "" });
  return found && !found.lossless ? t("lossy.shown") : "";
}
