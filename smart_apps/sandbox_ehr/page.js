// The page: a patient is chosen, an app is started for that patient in a window of its own.

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
}

function find(patients) {
  const wanted = part("find").value.toLowerCase();
  part("patients").replaceChildren(
    ...patients.filter((one) => words(one).toLowerCase().includes(wanted)).map(choice),
  );
  part("banner").hidden = true;
}

// The window is opened at once, while the user's click still allows it.
async function launch(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const opened = window.open("", "_blank");
  try {
    const asked = { patient: form.get("patient"), app: part("app").value, shown: part("shown").checked };
    const { url } = await ask("launch", asked);
    opened.opener = null;
    opened.location.replace(url);
    tell("The app has been started in a new window.");
  } catch (error) {
    opened?.close();
    tell(error.message);
  }
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
