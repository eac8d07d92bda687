// The page: a patient is chosen, an app is started for that patient in a window of its own or in a frame.

const part = (id) => document.getElementById(id);

function tell(text) {
  part("state").textContent = text;
}

async function ask(path, body) {
  const posted = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(path, body ? posted : {});
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

function words({ name, born, sex, number }) {
  return [name, born && `born ${born}`, sex, number && `no. ${number}`].filter(Boolean).join(" · ");
}

function choice(patient) {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), {
    type: "radio",
    name: "patient",
    value: patient.id,
    required: true,
  });
  radio.addEventListener("change", () => open(patient));
  label.append(radio, ` ${words(patient)}`);
  return label;
}

// An EHR shows whose record is open. An app shows it too, unless it is told that it need not.
function open(patient) {
  part("banner").textContent = `Open record: ${words(patient)}`;
  part("banner").hidden = false;
  ask("studies", { patient: patient.id }).then(offer, (error) => tell(error.message));
}

function offer(studies) {
  part("study").replaceChildren(new Option("None", ""), ...studies.map(({ id, name }) => new Option(name, id)));
}

function find(patients) {
  const wanted = part("find").value.toLowerCase();
  part("patients").replaceChildren(
    ...patients.filter((one) => words(one).toLowerCase().includes(wanted)).map(choice),
  );
  part("banner").hidden = true;
  offer([]);
}

// The window is opened at once, while the user's click still allows it.
async function launch(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const opened = part("framed").checked ? null : window.open("", "_blank");
  try {
    const asked = { patient: form.get("patient"), app: part("app").value, shown: part("shown").checked };
    const made = await ask("launch", { ...asked, study: part("study").value });
    if (!opened) return inside(made);
    opened.opener = null;
    opened.location.replace(made.url);
    tell("The app has been started in a new window.");
  } catch (error) {
    opened?.close();
    tell(error.message);
  }
  return undefined;
}

function inside(made) {
  document.querySelector("main").hidden = true;
  part("inside").hidden = false;
  part("frame").src = made.url;
  // Whoever closes the record ends the view too.
  part("back").onclick = async () => {
    part("frame").removeAttribute("src");
    part("inside").hidden = true;
    document.querySelector("main").hidden = false;
    await ask("end", { launch: made.launch }).catch((error) => tell(error.message));
  };
}

async function main() {
  const [patients, apps] = await Promise.all([ask("patients"), ask("apps")]);
  part("app").replaceChildren(...apps.map(({ id, name }) => new Option(name, id)));
  find(patients);
  part("find").addEventListener("input", () => find(patients));
  part("launch").addEventListener("submit", launch);
  part("desk").hidden = false;
  tell(patients.length ? "Ready." : "The server has no patients yet.");
}

main().catch((error) => tell(error.message));
