// Pointers, wheel and keys on a pane. Whatever they do, a button or a slider does too.

const PER_PICTURE = 12; // px of a drag for one picture
const PER_NOTCH = 40; // px of a wheel for one picture
const KEY_STEP = 12;

/** Let a pane be handled; `mode()` tells what a drag means: browse, contrast or move. */
export function handle(pane, mode) {
  const { canvas } = pane;
  const pointers = new Map();
  let rest = 0;
  let turned = 0;
  let busy = false;
  let pinch = null;

  const wanted = { x: 0, y: 0 };
  const adjust = async (x, y) => {
    wanted.x += x;
    wanted.y += y;
    if (busy) return;
    busy = true;
    while (wanted.x || wanted.y) {
      const { x: wider, y: darker } = wanted;
      wanted.x = wanted.y = 0;
      await pane.adjust(wider, -darker);
      await new Promise(requestAnimationFrame);
    }
    busy = false;
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pointers.set(event.pointerId, event);
    rest = 0;
    pinch = null;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    pointers.set(event.pointerId, event);
    if (pointers.size > 1) return pinched();
    const [x, y] = [event.clientX - before.clientX, event.clientY - before.clientY];
    return drag(event.buttons & 2 ? "contrast" : event.buttons & 4 ? "move" : mode(), x, y);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      pinch = null;
    });
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => pane.reset());
  canvas.addEventListener("wheel", turn, { passive: false });
  canvas.addEventListener("keydown", press);

  function drag(what, x, y) {
    if (what === "move") pane.stage.move(x, y);
    else if (what === "contrast") adjust(x, y);
    else {
      rest += y;
      const steps = Math.trunc(rest / PER_PICTURE);
      rest -= steps * PER_PICTURE;
      if (steps) pane.step(steps);
    }
  }

  function pinched() {
    const [one, other] = [...pointers.values()];
    const box = canvas.getBoundingClientRect();
    const now = {
      distance: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1,
      x: (one.clientX + other.clientX) / 2 - box.left,
      y: (one.clientY + other.clientY) / 2 - box.top,
    };
    if (pinch) {
      pane.stage.move(now.x - pinch.x, now.y - pinch.y);
      pane.scale(now.distance / pinch.distance, now.x, now.y);
    }
    pinch = now;
  }

  function turn(event) {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    const by = event.deltaMode === 1 ? event.deltaY * PER_NOTCH : event.deltaY;
    if (event.ctrlKey) return pane.scale(Math.exp(-by / 300), event.clientX - box.left, event.clientY - box.top);
    turned += by;
    const steps = Math.trunc(turned / PER_NOTCH);
    turned -= steps * PER_NOTCH;
    return steps && pane.step(Math.sign(steps) * Math.min(3, Math.abs(steps)));
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (arrow) arrowed(arrow);
    else if (!pressed(event.key)) return;
    event.preventDefault();
  }

  function arrowed([x, y]) {
    if (mode() === "contrast") adjust(x * KEY_STEP, y * KEY_STEP);
    else if (mode() === "move") pane.stage.move(-x * KEY_STEP, -y * KEY_STEP);
    else pane.step(x + y);
  }

  function pressed(key) {
    const steps = { PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[key];
    const zoom = { "+": 1.25, "=": 1.25, "-": 0.8 }[key];
    if (steps) pane.step(steps);
    else if (zoom) pane.scale(zoom);
    else if (key === "0") pane.reset();
    else return false;
    return true;
  }
}
