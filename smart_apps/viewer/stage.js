// Draws one picture on a canvas, never distorted, with its place, its owner and its sides around it.

import { edges } from "./geometry.js";
import { date, t } from "./words.js";

const LARGEST = 16;

export class Stage {
  /** `root` is a .stage element of the page. */
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.notes = Object.fromEntries(
      [...root.querySelectorAll("[data-note]")].map((one) => [one.dataset.note, one]),
    );
    this.reset();
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(root);
  }

  reset() {
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    this.draw();
  }

  /** Show a picture of stack.js, or nothing. */
  show(picture) {
    this.picture = picture;
    this.draw();
    this.letter(picture?.frame);
  }

  /** Zoom by a factor around a point of the stage, its middle if none is given. */
  scale(factor, x = this.root.clientWidth / 2, y = this.root.clientHeight / 2) {
    const zoom = Math.min(LARGEST, Math.max(0.5, this.zoom * factor));
    const [fromX, fromY] = [x - this.root.clientWidth / 2, y - this.root.clientHeight / 2];
    this.left = fromX - ((fromX - this.left) * zoom) / this.zoom;
    this.top = fromY - ((fromY - this.top) * zoom) / this.zoom;
    this.zoom = zoom;
    this.draw();
  }

  move(x, y) {
    this.left += x;
    this.top += y;
    this.draw();
  }

  /** How many device pixels the longer side of the picture takes now. */
  get wanted() {
    return Math.max(this.root.clientWidth, this.root.clientHeight) * this.zoom * (window.devicePixelRatio || 1);
  }

  fit() {
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(this.root.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.root.clientHeight * ratio));
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture) return;
    const { image, frame } = this.picture;
    const [width, height] = shape(frame);
    const ratio = this.canvas.width / Math.max(1, this.root.clientWidth);
    const scale = Math.min(this.canvas.width / width, this.canvas.height / height) * this.zoom;
    const x = this.canvas.width / 2 + this.left * ratio - (width * scale) / 2;
    const y = this.canvas.height / 2 + this.top * ratio - (height * scale) / 2;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, x, y, width * scale, height * scale);
  }

  /** Letters at the edges, those of the standard in every language, and the side of the body. */
  letter(frame) {
    const found = (frame && edges(frame)) ?? {};
    for (const edge of ["left", "right", "top", "bottom"]) {
      this.notes[edge].textContent = found[edge] ?? "";
    }
    this.notes.side.textContent = ["L", "R", "B"].includes(frame?.side) ? t(`side.${frame.side}`) : "";
  }

  /** Whose picture it is and when it was made. */
  name(study, series, prior) {
    this.notes.name.textContent = study.name;
    this.notes.birth.textContent = study.birthDate && t("born", { date: date(study.birthDate) });
    this.notes.date.textContent = date(study.date);
    this.notes.study.textContent = [study.description, series.description].filter(Boolean).join(" · ");
    this.notes.prior.textContent = prior;
  }

  /** Lines that change with the picture. */
  tell(lines) {
    for (const [note, text] of Object.entries(lines)) this.notes[note].textContent = text;
  }
}

/** Width and height as they are to be seen: pixels that are not square are made so. */
export function shape(frame) {
  return frame.aspect >= 1 ? [frame.columns, frame.rows * frame.aspect] : [frame.columns / frame.aspect, frame.rows];
}
