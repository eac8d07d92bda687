"""Apps written with stock SMART libraries, as their authors' manuals say: npm fhirclient, fhir-kit-client."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tree import ROOT

NODE_MODULES = ROOT / ".peers" / "node_modules"
_HEAD = '<!doctype html><html lang="en"><title>Stock app</title><link rel="icon" href="data:,">'

# Reads the record, renews the token, reads again, and writes what it found into the page.
_READY = """
async function read(client) {
  const patient = await client.patient.read();
  const all = { pageLimit: 0, flat: true };
  const of = (type) => client.request(`${type}?patient=${client.patient.id}&_count=1`, all);
  const studies = await of("ImagingStudy");
  const reports = await of("DiagnosticReport");
  return { patient: patient.id, studies: studies.length, reports: reports.length };
}
FHIR.oauth2.ready()
  .then(async (client) => {
    const first = await read(client);
    const before = client.getState("tokenResponse").access_token;
    await client.refresh();
    const after = client.getState("tokenResponse").access_token;
    const user = client.getFhirUser();
    return { first, again: await read(client), renewed: before !== after, user, token: after };
  })
  .catch((error) => ({ error: String(error) }))
  .then((found) => { document.getElementById("found").textContent = JSON.stringify(found); });
"""

# Prints where to log in, takes the code from a line of input, and prints what it then read.
KIT = """
import { createInterface } from "node:readline/promises";
import { Client } from "fhir-kit-client";
const [baseUrl, form, words] = process.argv.slice(2).map((one, n) => (n ? JSON.parse(one) : one));
const client = new Client({ baseUrl });
const { authorizeUrl, tokenUrl } = await client.smartAuthMetadata();
const lines = createInterface({ input: process.stdin });
console.log(`${authorizeUrl}?${new URLSearchParams(words)}`);
const code = await new Promise((resolve) => lines.once("line", resolve));
lines.close();
const body = new URLSearchParams({ ...form, code, grant_type: "authorization_code" });
const token = await (await fetch(tokenUrl, { method: "POST", body })).json();
client.bearerToken = token.access_token;
const patient = await client.read({ resourceType: "Patient", id: token.patient });
const find = (resourceType) => client.search({ resourceType, searchParams: { patient: token.patient } });
const [studies, reports] = [await find("ImagingStudy"), await find("DiagnosticReport")];
const wrong = await client.read({ resourceType: "Patient", id: form.other }).catch((error) => error);
console.log(JSON.stringify({
  patient: patient.id,
  studies: studies.entry.length,
  reports: reports.entry.length,
  refused: wrong.response?.status,
}));
"""


def fhirclient_app(client: str, iss: str, scope: str) -> dict[str, bytes]:
    """An app on npm fhirclient: an EHR starts launch.html, a user alone.html; index.html goes on."""
    script = NODE_MODULES / "fhirclient" / "build" / "fhir-client.js"
    if not script.exists():
        pytest.skip(f"{script.relative_to(ROOT)} is missing: run `make peers`")
    own = {"clientId": client, "redirectUri": "index.html"}
    alone = own | {"iss": iss, "scope": f"launch/patient {scope}"}
    return {
        "fhir-client.js": script.read_bytes(),
        "launch.js": _start(own | {"scope": f"launch {scope}"}),
        "launch.html": _page('<script src="launch.js"></script>'),
        "alone.js": _start(alone),
        "alone.html": _page('<script src="alone.js"></script>'),
        "ready.js": _READY.encode(),
        "index.html": _page('<pre id="found"></pre><script src="ready.js"></script>'),
    }


def _start(settings: dict[str, str]) -> bytes:
    script = f"FHIR.oauth2.authorize({json.dumps(settings)})"
    return f"{script}.catch((error) => {{ document.body.textContent = String(error); }});".encode()


def _page(body: str) -> bytes:
    return f'{_HEAD}<script src="fhir-client.js"></script><body>{body}'.encode()


def kit(
    folder: Path, base: str, form: dict[str, str], words: dict[str, str]
) -> "subprocess.Popen[str]":
    """A Node program on fhir-kit-client; skips where Node or the library is missing."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "fhir-kit-client").exists():
        pytest.skip("node or .peers/node_modules/fhir-kit-client is missing: run `make peers`")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    script = folder / "app.mjs"
    script.write_text(KIT)
    return subprocess.Popen(
        [node, str(script), base, json.dumps(form), json.dumps(words)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
