// Where a picture lies in the body: letters at its edges, and the place that two studies share.

const AXES = [["R", "L"], ["A", "P"], ["F", "H"]];
const OPPOSITE = { R: "L", L: "R", A: "P", P: "A", F: "H", H: "F" };
const OBLIQUE = 0.3; // a direction has a second letter if so much of it points there

/** Letters of the right, left, bottom and top edge (PS3.3 C.7.6.1.1.1), null where nothing is known. */
export function edges(frame) {
  const right = frame.orientation ? letters(frame.orientation.slice(0, 3)) : frame.patientOrientation?.[0];
  const bottom = frame.orientation ? letters(frame.orientation.slice(3)) : frame.patientOrientation?.[1];
  if (!right || !bottom) return null;
  return { right, left: opposite(right), bottom, top: opposite(bottom) };
}

/** The letters of a direction in the patient's coordinates, the strongest first. */
export function letters(vector) {
  return vector
    .map((part, axis) => ({ size: Math.abs(part), letter: AXES[axis][part > 0 ? 1 : 0] }))
    .filter(({ size }) => size > OBLIQUE)
    .sort((one, other) => other.size - one.size)
    .map(({ letter }) => letter)
    .join("");
}

function opposite(text) {
  return [...text].map((letter) => OPPOSITE[letter] ?? "").join("");
}

/** How far along its own normal a slice lies, in mm; null without position. */
export function depth(frame) {
  if (!frame.orientation || !frame.position) return null;
  const [a, b, c, d, e, f] = frame.orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  return normal.reduce((sum, part, axis) => sum + part * frame.position[axis], 0);
}

/** The place in one stack that belongs to a place in another: by position in the body, else by fraction. */
export function matching(frames, place, others) {
  const here = depth(frames[place]);
  const depths = others.map(depth);
  if (here !== null && parallel(frames[place], others[0]) && depths.every((one) => one !== null)) {
    const [low, high] = [Math.min(...depths), Math.max(...depths)];
    if (here >= low - 5 && here <= high + 5) {
      return depths.reduce((best, one, at) => (Math.abs(one - here) < Math.abs(depths[best] - here) ? at : best), 0);
    }
  }
  const last = Math.max(1, frames.length - 1);
  return Math.round((place / last) * (others.length - 1));
}

function parallel(one, other) {
  if (!one.orientation || !other.orientation) return false;
  return one.orientation.every((part, at) => Math.abs(part - other.orientation[at]) < 0.17);
}
