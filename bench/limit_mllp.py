"""Measuring rods for the MLLP door: what other receivers do before they answer.

    python -m bench.limit_mllp append|hl7apy PORT FOLDER

`append` appends each message to a file, syncs it and answers from the first segment: no judgement,
no log that could be searched, no audit. `hl7apy` parses each message with that library and keeps
nothing.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from hl7apy.parser import parse_message

Take = Callable[[bytes], None]
_START, _END = b"\x0b", b"\x1c\r"


def appending(folder: Path) -> Take:
    """Append to a file and sync it, one message at a time."""
    file = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    lock = threading.Lock()

    def take(raw: bytes) -> None:
        with lock:
            os.write(file, raw)
            os.fdatasync(file)

    return take


def parsing(raw: bytes) -> None:
    """Parse as hl7apy does by default, and look for the patient's number."""
    _ = parse_message(raw.decode(), find_groups=False).pid.pid_3.value


def answer(raw: bytes) -> bytes:
    """An acknowledgement, made of the fields of MSH alone."""
    msh = raw[: raw.find(b"\r")].split(b"|")
    head = b"|".join((b"MSH", msh[1], msh[4], msh[5], msh[2], msh[3], b"20260101", b"", b"ACK"))
    return head + b"|A" + msh[9] + b"|P|2.5.1\rMSA|AA|" + msh[9] + b"\r"


def serve(connection: socket.socket, take: Take) -> None:
    """Answer the messages of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray()
    with connection:
        while data := connection.recv(65536):
            buffer += data
            while (end := buffer.find(_END)) >= 0:
                raw = bytes(buffer[1:end])
                del buffer[: end + 2]
                take(raw)
                connection.sendall(_START + answer(raw) + _END)


def main(words: list[str]) -> None:
    """Receive until the process is ended."""
    kind, port, folder = words[0], int(words[1]), Path(words[2])
    take = appending(folder) if kind == "append" else parsing
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, take), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
