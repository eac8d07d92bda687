"""A proxy that speaks TLS in front of a server of ours, as a hospital's own would; and plain pages."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from tests.support.certificates import self_signed


class Terminator:
    """Listens on a port of loopback from the start, and hands on once it knows to whom. One thread."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self._key = self_signed(folder)
        self.base, self._target = "", 0
        self._loop, self._ready = asyncio.new_event_loop(), Event()
        self._thread = Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def lead_to(self, port: int) -> None:
        """Hand on what comes from now on to a port of this machine."""
        self._target = port

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        server = self._loop.run_until_complete(listening)
        self.base = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asks = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_copy(reader, asks), _copy(answers, writer))
        finally:
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until one side ends, and end the other."""
    with suppress(OSError):
        while part := await source.read(64 << 10):
            target.write(part)
            await target.drain()
    target.close()


@contextmanager
def terminator(folder: Path) -> Iterator[Terminator]:
    """The proxy, for the length of a block."""
    made = Terminator(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class _Around(BaseHTTPRequestHandler):
    """A page with a frame that shows the address in its query."""

    def do_GET(self) -> None:
        address = parse_qs(urlsplit(self.path).query).get("shows", [""])[0]
        html = f"<!doctype html><title>A page</title><iframe src='{address}' width=1200 height=800>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(html.replace("&", "&amp;").encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: addresses hold launches."""


@contextmanager
def page_around() -> Iterator[str]:
    """The origin of a page of somebody else's, which shows `/?shows=ADDRESS` in a frame."""
    with HTTPServer(("127.0.0.1", 0), _Around) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
