// Ends an open page when its link has ended: within three seconds nothing of it is left to see.
// Without a script the next click is refused.
const ended = document.currentScript.dataset.ended;

function clear() {
  const words = document.createElement("p");
  words.setAttribute("role", "alert");
  words.textContent = ended;
  document.title = ended;
  document.body.replaceChildren(words);
}

async function look() {
  try {
    const answer = await fetch("/s/alive", { cache: "no-store" });
    if (answer.status === 401) {
      clear();
      return;
    }
  } catch {
    // The network is gone, the link may not be: look again.
  }
  setTimeout(look, 2000);
}

// A page that the browser kept and shows again has to be looked after at once.
addEventListener("pageshow", (event) => event.persisted && look());
look();
