"""The limit of HTTP in Python: Flask on the same server with the same settings, and no work to do.

    python -m bench.limit_app PORT FOLDER

/hello answers a few bytes, /file/NAME streams a file of the folder, POST /sink writes and syncs one.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, request
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from server import config as settings

_CHUNK = 1 << 20
_FOLDER = "BENCH_LIMIT_FOLDER"


def application() -> Flask:
    """The WSGI application of one worker."""
    app, folder = Flask("limit"), Path(os.environ[_FOLDER])

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.get("/file/<name>")
    def file(name: str) -> Response:
        path = folder / name
        answer = Response(_chunks(path), content_type="application/octet-stream")
        answer.content_length = path.stat().st_size
        return answer

    @app.post("/sink")
    def sink() -> str:
        with open(folder / uuid.uuid4().hex, "wb", buffering=0) as out:
            while data := request.stream.read(_CHUNK):
                out.write(data)
            os.fsync(out.fileno())
        return "kept"

    return app


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as source:
        while data := source.read(_CHUNK):
            yield data


def main(words: list[str]) -> None:
    """Serve until the process is ended."""
    config = settings.load({})
    os.environ[_FOLDER] = words[1]
    Server(
        "bench.limit_app:application",
        factory=True,
        address="127.0.0.1",
        port=int(words[0]),
        interface=Interfaces.WSGI,
        workers=config.http_workers,
        blocking_threads=config.http_threads,
        log_level=LogLevels.error,
        working_dir=Path.cwd(),
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
