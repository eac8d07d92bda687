"""Orders and reports in HL7 v2 with a number each, and a sender that waits for every answer."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence

from bench.stand import HOST

_START, _END = b"\x0b", b"\x1c\r"
_LINE = "The lungs are clear; no effusion, no pneumothorax, heart size within normal limits."
_LINES = 18  # a report of about 2 KB


class Refused(Exception):
    """A receiver that did not take what we sent."""


def order(number: int) -> bytes:
    """An imaging order with a Study Instance UID."""
    ipc = f"IPC|A{number}^RIS|R{number}^RIS|{_study(number)}|S{number}^RIS|CT"
    return _packed("OMI^O23^OMI_O23", number, f"O{number}", _orc("NW", number), _obr(number), ipc)


def report(number: int, version: int = 0) -> bytes:
    """The final report of an order."""
    lines = [f"OBX|{n}|TX|&GDT||{_LINE}||||||F" for n in range(1, _LINES)]
    lines.append(f"OBX|{_LINES}|TX|&IMP||Nothing acute. Reading {version}.||||||F")
    status = "F" if version == 0 else "C"
    obr = _obr(number) + f"|||||||||||||||||||||{status}"
    control = f"R{number}V{version}"
    return _packed("ORU^R01^ORU_R01", number, control, _orc("RE", number), obr, *lines)


def _packed(kind: str, number: int, control: str, *segments: str) -> bytes:
    msh = f"MSH|^~\\&|RIS|HOSP|PACS|HOSP|20260905120000+0200||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    pid = f"PID|1||B{number}^^^HOSP^MR||Bench^Number{number}||19700101|F"
    return "".join(f"{line}\r" for line in (msh, pid, *segments)).encode()


def _orc(control: str, number: int) -> str:
    return f"ORC|{control}|P{number}^HIS|F{number}^RIS"


def _obr(number: int) -> str:
    return f"OBR|1|P{number}^HIS|F{number}^RIS|CTCH^CT chest^LOCAL"


def _study(number: int) -> str:
    return f"1.2.826.0.1.3680043.2.9999.{number}"


def deal(messages: Sequence[bytes], connections: int) -> list[list[bytes]]:
    """The messages of each connection."""
    return [list(messages[n::connections]) for n in range(connections)]


def send(port: int, queues: Sequence[Sequence[bytes]]) -> float:
    """Send each queue over a connection of its own, one message after the other; gives seconds."""
    wrong: list[Exception] = []
    gate = threading.Barrier(len(queues) + 1)

    def run(queue: Sequence[bytes]) -> None:
        try:
            with _connected(port) as connection:
                gate.wait()
                for _ in answers(connection, queue):
                    pass
        except (OSError, Refused) as error:
            wrong.append(error)
            gate.abort()

    threads = [threading.Thread(target=run, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if wrong:
        raise wrong[0]
    return seconds


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answers(connection: socket.socket, queue: Sequence[bytes]) -> Iterator[bytes]:
    """The answer to each message. Raises Refused for one that does not say yes."""
    for raw in queue:
        connection.sendall(_START + raw + _END)
        answer = b""
        while not answer.endswith(_END):
            data = connection.recv(65536)
            if not data:
                raise Refused("the receiver hung up")
            answer += data
        if b"MSA|AA|" not in answer:
            raise Refused(f"the receiver said {answer[:300]!r}")
        yield answer
