// Makes a stack of the pictures of a page: one at a time, by slider, buttons and wheel.
// Without it they stand one below the other. Nothing is loaded but the pictures beside the page.
const leaves = [...document.querySelectorAll(".leaves figure")];
const bar = document.querySelector(".bar");
const slider = bar.querySelector("input");

function show() {
  const at = slider.valueAsNumber - 1;
  leaves.forEach((leaf, number) => {
    leaf.hidden = number !== at;
    if (Math.abs(number - at) < 4) leaf.querySelector("img").loading = "eager";
  });
  slider.setAttribute("aria-valuetext", leaves[at].querySelector("span").textContent);
}

function step(by) {
  slider.valueAsNumber = Math.min(leaves.length, Math.max(1, slider.valueAsNumber + by));
  show();
}

if (leaves.length > 1) {
  bar.hidden = false;
  slider.value = Math.ceil(leaves.length / 2);
  slider.addEventListener("input", show);
  bar.addEventListener("click", (event) => {
    if (event.target.type === "button") step(Number(event.target.value));
  });
  document.querySelector(".leaves").addEventListener("wheel", (event) => {
    event.preventDefault();
    step(Math.sign(event.deltaY));
  }, { passive: false });
  show();
}
