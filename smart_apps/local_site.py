"""Serves a page to browsers of this machine: the files of one folder, and some answers in JSON.

Other web pages cannot use it: a name that leads here by a trick is refused by its Host, and what
changes something takes JSON from the page itself only.
"""

import json
import mimetypes
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
Answer = Callable[[dict[str, Any]], Any]
_MOST_BYTES = 64 << 10
_JSON = "application/json"
# A page runs its own script and style, shows pictures that it made, and may ask any server.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self' http: https:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Trouble(Exception):
    """Something that the page tells its user as it stands."""


class _Server(ThreadingHTTPServer):
    """Listens on loopback, with what it has to give."""

    daemon_threads = True

    def __init__(
        self, port: int, folder: Path, answers: Mapping[str, Answer], framed: str = ""
    ) -> None:
        super().__init__((HOST, port), _Handler)
        shown = (path for path in folder.iterdir() if path.is_file() and path.suffix != ".py")
        self.files = {f"/{path.name}": path for path in shown}
        self.files["/"] = self.files["/index.html"]
        self.answers = answers
        policy = _HEADERS["Content-Security-Policy"] + (f"; frame-src {framed}" if framed else "")
        self.always = _HEADERS | {"Content-Security-Policy": policy}


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._own_host():
            self._refuse(403, "this address is not known here")
        elif path in self.server.files:
            self._show(self.server.files[path])
        else:
            self._answer(f"GET {path}", {})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(min(int(length), _MOST_BYTES)) if length.isdecimal() else b""
        own = self.headers.get("Origin") == f"http://{self.headers.get('Host')}"
        if not (own and self._own_host() and self.headers.get("Content-Type") == _JSON):
            self._refuse(403, "only the page itself may ask this")
            return
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if isinstance(asked, dict):
            self._answer(f"POST {self.path}", asked)
        else:
            self._refuse(400, "this is not what the page sends")

    def _own_host(self) -> bool:
        name, _, port = self.headers.get("Host", "").partition(":")
        return name in (HOST, "localhost") and port == str(self.server.server_port)

    def _show(self, file: Path) -> None:
        kind = mimetypes.guess_type(file.name)[0]
        self._send(200, file.read_bytes(), f"{kind}; charset=utf-8")

    def _answer(self, name: str, asked: dict[str, Any]) -> None:
        if name not in self.server.answers:
            self._refuse(404, "there is nothing at this address")
            return
        try:
            status, body = 200, self.server.answers[name](asked)
        except Trouble as trouble:
            status, body = 502, {"error": str(trouble)}
        self._send(status, json.dumps(body).encode(), _JSON)

    def _refuse(self, status: int, words: str) -> None:
        self._send(status, words.encode(), "text/plain")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = self.server.always | {"Content-Type": kind, "Content-Length": str(len(body))}
        for field, text in headers.items():
            self.send_header(field, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: addresses hold codes and launches."""


def serve(
    folder: Path,
    port: int,
    answers: Mapping[str, Answer],
    ready: Callable[[str], None],
    framed: str = "",
) -> None:
    """Serve until Ctrl-C. `answers` are by method and path, as in `POST /launch`; `framed` says
    whose pages it shows in a frame (CSP frame-src), if it does.
    """
    with _Server(port, folder, answers, framed) as server:
        ready(f"http://{HOST}:{server.server_port}/")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
