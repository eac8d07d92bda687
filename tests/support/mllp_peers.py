"""Senders that are not ours: python-hl7 in an environment of its own, and node-hl7-client."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.shell import output
from tests.support.tree import ROOT

PEERS = ROOT / ".peers"
PYTHON_HL7 = PEERS / "python-hl7" / "bin" / "mllp_send"
PYTHON = PYTHON_HL7.with_name("python")
NODE_MODULES = PEERS / "node_modules"

# Sends each message of the files named, one after the other, and prints the code of each answer.
SCRIPT = """
import { readFileSync } from "node:fs";
import client from "node-hl7-client";
const Client = client.Client ?? client.default ?? client;
const { Message } = client.Message ? client : await import("node-hl7-client");
const [port, tls, ...files] = process.argv.slice(2);
const secure = JSON.parse(tls);
for (const name of ["key", "cert", "ca"]) if (secure?.[name]) secure[name] = readFileSync(secure[name]);
const sender = new Client({ host: "localhost", ipv4: true, version: "2.5.1", ...(secure && { tls: secure }) });
for (const file of files) {
  await new Promise((resolve, reject) => {
    const line = sender.createConnection({ port: Number(port) }, async (answer) => {
      console.log(answer.getMessage().get("MSA.1").toString() + " " + answer.getMessage().get("MSA.2").toString());
      await line.close();
      resolve();
    });
    line.on("client.error", reject);
    line.sendMessage(new Message({ text: readFileSync(file, "utf8") })).catch(reject);
  });
}
process.exit(0);
"""


def python_hl7(port: int, messages: list[bytes], folder: Path) -> str:
    """Send with python-hl7's mllp_send and return what it prints; skip if it is missing."""
    if not PYTHON_HL7.exists():
        pytest.skip(f"{PYTHON_HL7.relative_to(ROOT)} is missing: run `make peers`")
    stream = folder / "messages"
    stream.write_bytes(b"".join(b"\x0b" + message + b"\x1c\r" for message in messages))
    return output(PYTHON_HL7, "--port", str(port), "--file", stream, "127.0.0.1", cwd=folder)


# python-hl7's client over a socket that speaks TLS; prints each answer.
SECURE = """
import json, ssl, sys
from hl7.client import MLLPClient
port, told, *files = sys.argv[1:]
told = json.loads(told)
context = ssl.create_default_context(cafile=told["ca"])
context.load_cert_chain(told["cert"], told["key"])
with MLLPClient("127.0.0.1", int(port)) as client:
    client.socket = context.wrap_socket(client.socket, server_hostname=told["servername"])
    for file in files:
        print(client.send_message(open(file, "rb").read()).decode())
"""


def python_hl7_tls(port: int, messages: list[bytes], folder: Path, tls: dict[str, str]) -> str:
    """Send with python-hl7's client over TLS and return the answers; skip if it is missing."""
    if not PYTHON_HL7.exists():
        pytest.skip(f"{PYTHON_HL7.relative_to(ROOT)} is missing: run `make peers`")
    files = _files(folder, messages)
    return output(PYTHON, "-I", "-c", SECURE, str(port), json.dumps(tls), *files, cwd=folder)


def _files(folder: Path, messages: list[bytes]) -> list[Path]:
    """Each message as a file."""
    files = [folder / f"message{number}" for number in range(len(messages))]
    for file, message in zip(files, messages, strict=True):
        file.write_bytes(message)
    return files


def node_hl7(port: int, messages: list[bytes], folder: Path, tls: str = "null") -> list[str]:
    """Send with node-hl7-client and return code and control id of each answer."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "node-hl7-client").exists():
        pytest.skip("node or .peers/node_modules/node-hl7-client is missing: run `make peers`")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    script = folder / "send.mjs"
    script.write_text(SCRIPT)
    files = _files(folder, messages)
    return output(node, script, str(port), tls, *files, cwd=folder).splitlines()
