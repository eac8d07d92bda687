"""Serves a page to browsers of this machine: the files of one folder, and some answers in JSON.

Other web pages cannot use it: a name that leads here by a trick is refused by its Host, and what
changes something takes JSON from the page itself only.
"""

import json
import mimetypes
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
Answer = Callable[[dict[str, Any]], Any]
_MOST_BYTES = 64 << 10
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


def serve(folder: Path, port: int, answers: Mapping[str, Answer], ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. `answers` are by method and path, as in `POST /launch`."""
    with ThreadingHTTPServer((HOST, port), _handler(folder, answers)) as server:
        ready(f"http://{HOST}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _handler(folder: Path, answers: Mapping[str, Answer]) -> type[BaseHTTPRequestHandler]:
    shown = (path for path in folder.iterdir() if path.is_file() and path.suffix != ".py")
    files = {f"/{path.name}": path for path in shown}
    files["/"] = files["/index.html"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if not self._own_host():
                self._send(403, b"wrong host", "text/plain")
            elif path in files:
                kind = mimetypes.guess_type(path if path != "/" else "x.html")[0]
                self._send(200, files[path].read_bytes(), f"{kind}; charset=utf-8")
            else:
                self._answer(f"GET {path}", {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(min(length, _MOST_BYTES))
            plain = self.headers.get("Content-Type", "") == "application/json"
            own = self.headers.get("Origin") == f"http://{self.headers.get('Host')}"
            if not (plain and own and self._own_host()):
                self._send(403, b"only the page itself may ask this", "text/plain")
                return
            self._answer(f"POST {self.path}", json.loads(body))

        def _own_host(self) -> bool:
            name, _, port = self.headers.get("Host", "").partition(":")
            here: Any = self.server
            return name in (HOST, "localhost") and port == str(here.server_port)

        def _answer(self, name: str, asked: dict[str, Any]) -> None:
            if name not in answers:
                self._send(404, b"there is nothing at this address", "text/plain")
                return
            try:
                status, body = 200, answers[name](asked)
            except Trouble as trouble:
                status, body = 502, {"error": str(trouble)}
            self._send(status, json.dumps(body).encode(), "application/json")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            headers = _HEADERS | {"Content-Type": kind, "Content-Length": str(len(body))}
            for field, text in headers.items():
                self.send_header(field, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: addresses hold codes and launches."""

    return Handler
