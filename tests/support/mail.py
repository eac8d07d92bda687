"""A mail server that is not ours: it keeps what it takes, and refuses, breaks or stalls as told."""

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BufferedIOBase
from pathlib import Path
from threading import Event, Thread


@dataclass(slots=True)
class Office:
    """A post office on a loopback port. `answers` are those to a command, in place of the usual ones.

    `lost` commands are obeyed, and their answer never arrives; `held` ones wait until `go`.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    came: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)

    def serve(self, connection: socket.socket) -> None:
        """One session (RFC 5321 3)."""
        file = connection.makefile("rwb")
        self._say(file, "220 post office")
        while line := file.readline():
            word, _, rest = line.decode().strip().partition(" ")
            word = word.upper()
            if word == "STARTTLS" and self.tls is not None:
                self._say(file, "220 begin")
                connection = self.tls.wrap_socket(connection, server_side=True)
                file = connection.makefile("rwb")
                continue
            answer = self._obey(word, rest, file)
            if word in self.lost:
                break
            self._say(file, self.answers.get(word, answer))
            if word == "QUIT":
                break
        connection.close()

    def _obey(self, word: str, rest: str, file: BufferedIOBase) -> str:
        if word in self.held:
            self.came.set()
            self.go.wait()
        if word in self.answers:
            return ""
        if word == "EHLO":
            offers = ["STARTTLS", "AUTH PLAIN"] if self.tls is not None else ["AUTH PLAIN"]
            return "\r\n".join(
                [f"250-{one}" for one in ("post office", *offers)] + ["250 8BITMIME"]
            )
        if word == "AUTH":
            self.logins.append(base64.b64decode(rest.split()[-1]).decode())
            return "235 welcome"
        if word == "RCPT":
            self.recipients += re.findall(r"<(.*?)>", rest)
        if word == "DATA":
            self._say(file, "354 go on")
            lines = list(iter(file.readline, b".\r\n"))
            raw = b"".join(one.removeprefix(b".") for one in lines)
            self.mails.append(message_from_bytes(raw, policy=policy.default))
        return "221 bye" if word == "QUIT" else "250 ok"

    def _say(self, file: BufferedIOBase, words: str) -> None:
        file.write(words.encode() + b"\r\n")
        file.flush()


@contextmanager
def office(tls: tuple[Path, Path] | None = None, *, at_once: bool = False) -> Iterator[Office]:
    """A post office for the length of a block; `at_once` speaks TLS from the first byte."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    listener = socket.create_server(("127.0.0.1", 0))
    made = Office(listener.getsockname()[1], None if at_once else context)

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                secure = (
                    context.wrap_socket(connection, server_side=True)
                    if at_once and context
                    else connection
                )
                made.serve(secure)

    thread = Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
