"""Apps that open SMART Health Links and are not ours: npm's jose, and the primitives by hand."""

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.mllp_peers import NODE_MODULES
from tests.support.shell import output

SCRIPT = """
import { readFileSync } from "node:fs";
import { compactDecrypt, base64url } from "jose";
const [key, file] = process.argv.slice(2);
const { plaintext, protectedHeader } = await compactDecrypt(readFileSync(file, "utf8"), base64url.decode(key));
console.log(JSON.stringify({ header: protectedHeader, body: JSON.parse(new TextDecoder().decode(plaintext)) }));
"""


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class Wallet:
    """An app that was handed a link."""

    payload: dict[str, Any]

    @classmethod
    def scan(cls, uri: str) -> "Wallet":
        """Read what a QR code holds."""
        scheme, _, text = uri.partition(":/")
        assert scheme == "shlink"
        return cls(json.loads(_bytes(text)))

    def ask(self, passcode: str = "", **more: Any) -> requests.Response:
        """Ask for the manifest."""
        body = {"recipient": "A wallet", "passcode": passcode} | more
        return requests.post(self.payload["url"], json=body, timeout=60)

    def opened(self, passcode: str, **more: Any) -> dict[str, Any]:
        """The files of the manifest by their type, decrypted, wherever they are."""
        answer = self.ask(passcode, **more)
        assert answer.status_code == 200, answer.text
        return {one["contentType"]: self.read(one) for one in answer.json()["files"]}

    def read(self, file: dict[str, str]) -> Any:
        """One file of a manifest (RFC 7516 5.2, with direct encryption and AES-256-GCM)."""
        sealed = file.get("embedded") or requests.get(file["location"], timeout=60).text
        head, key, nonce, body, tag = sealed.split(".")
        assert key == ""
        header = json.loads(_bytes(head))
        assert header == {"alg": "dir", "enc": "A256GCM", "cty": file["contentType"]}
        cipher = AESGCM(_bytes(self.payload["key"]))
        return json.loads(cipher.decrypt(_bytes(nonce), _bytes(body) + _bytes(tag), head.encode()))


def jose(wallet: Wallet, sealed: str, folder: Path) -> Any:
    """What npm's jose makes of a file; skips where it is missing."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "jose").exists():
        pytest.skip("node or .peers/node_modules/jose is missing: run `make peers`")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    script, file = folder / "open.mjs", folder / "file.jwe"
    script.write_text(SCRIPT)
    file.write_text(sealed)
    return json.loads(output(node, script, wallet.payload["key"], file, cwd=folder))
