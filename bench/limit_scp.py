"""The limit of C-STORE in Python: receives, writes, syncs, renames, answers, and nothing else.

    python -m bench.limit_scp PORT FOLDER

No index, no audit, no deadlines, no suspicion, and a folder that is not synced: a measuring rod for
the real receiver, not one to keep pictures with.
"""

import os
import socket
import sys
import threading
from pathlib import Path

from dicom import command, pdu
from dicom.negotiation import negotiate
from dicom.part10 import file_meta

_MAX_PDU = 131072
_MAY = frozenset({"echo", "store"})


class _Association:
    """One connection from its A-ASSOCIATE-RQ to its end."""

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._buffer = memoryview(bytearray(_MAX_PDU))
        self._syntaxes: dict[int, str] = {}
        self._file = -1

    def serve(self) -> None:
        with self._connection:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._serve_pdu():
                pass

    def _serve_pdu(self) -> bool:
        head = bytes(self._read(6))
        if not head:
            return False
        body = self._read(int.from_bytes(head[2:], "big"))
        if head[0] == pdu.P_DATA:
            for value in pdu.data_values(body):
                self._take(*value)
        elif head[0] == pdu.ASSOCIATE_RQ:
            self._accept(bytes(body))
        else:
            self._connection.sendall(pdu.pack_release_response())
            return False
        return True

    def _read(self, count: int) -> memoryview:
        """So many bytes; acknowledged at once where a sender with Nagle on waits for that."""
        view = left = self._buffer[:count]
        while left:
            got = self._connection.recv_into(left)
            if not got:
                return self._buffer[:0]
            left = left[got:]
            if left:
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return view

    def _accept(self, body: bytes) -> None:
        request = pdu.parse_associate_request(body)
        contexts = negotiate(request, _MAY)
        self._syntaxes = {context.id: context.transfer_syntax for context in contexts}
        self._connection.sendall(pdu.pack_associate_accept(request, contexts, _MAX_PDU))

    def _take(self, context: int, control: int, fragment: memoryview) -> None:
        if control & 1:
            self._open(context, command.parse_command(bytes(fragment)))
            return
        os.write(self._file, fragment)
        if control & 2:
            os.fsync(self._file)
            os.close(self._file)
            os.rename(self._part, self._folder / self._request.sop_instance)
            answer = command.pack_response(self._request, command.Answer(command.SUCCESS))
            self._connection.sendall(pdu.pack_command(context, answer, _MAX_PDU))

    def _open(self, context: int, request: command.Command) -> None:
        self._request = request
        self._part = self._folder / f"{request.sop_instance}.part"
        self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        names = request.sop_class, request.sop_instance, self._syntaxes[context]
        os.write(self._file, file_meta(*names, ""))


def main(words: list[str]) -> None:
    """Receive until the process is ended."""
    port, folder = int(words[0]), Path(words[1])
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            serve = _Association(connection, folder).serve
            threading.Thread(target=serve, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
