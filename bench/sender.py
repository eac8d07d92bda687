"""A C-STORE sender that costs next to nothing, so that the receiver is what is measured (PS3.7 9.1)."""

import socket
import struct
import threading
import time
from collections.abc import Sequence

from bench.objects import INSTANCE as INSTANCE_UID
from bench.objects import Template, uid
from bench.stand import HOST
from dicom import command, pdu

_MAX_PDU = 131072
_CONTEXT = 1
_ROOM = _MAX_PDU - pdu.HEADER


class Refused(Exception):
    """A receiver that did not take what we sent."""


class Association:
    """One open association, for objects of one template."""

    def __init__(self, port: int, template: Template) -> None:
        self._template = template
        self._socket = socket.create_connection((HOST, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_request(template))
        if self._read()[0] != pdu.ASSOCIATE_AC:
            raise Refused("no association")
        self._first = _ROOM - (len(template.head) - template.start)
        self._rest = _values(template.pixels[self._first :])

    def store(self, study: int, instance: int) -> None:
        """Send one object and wait until it is stored; Refused if it is not."""
        template = self._template
        dataset = template.numbered(study, instance)[template.start :]
        values = dataset + template.pixels[: self._first]
        last = len(template.pixels) <= self._first
        self._socket.sendall(
            pdu.pack_command(_CONTEXT, _store(template, instance), 0) + _value(values, last)
        )
        if self._rest:
            self._socket.sendall(self._rest)
        kind, answer = self._read()
        if kind != pdu.P_DATA or _status(answer) != command.SUCCESS:
            raise Refused(f"answered with {answer[:400].hex()}")

    def release(self) -> None:
        """End the association in order."""
        self._socket.sendall(pdu.pack(pdu.RELEASE_RQ, bytes(4)))
        self._read()
        self._socket.close()

    def _read(self) -> tuple[int, bytes]:
        head = self._exactly(pdu.HEADER)
        return head[0], self._exactly(int.from_bytes(head[2:], "big"))

    def _exactly(self, count: int) -> bytes:
        data = self._socket.recv(count, socket.MSG_WAITALL)
        if len(data) < count:
            raise Refused("the receiver hung up")
        return data


def send(port: int, template: Template, queues: Sequence[Sequence[tuple[int, int]]]) -> float:
    """Send each queue of (study, instance) over an association of its own, all at once.

    Gives the seconds it took, without the associations' beginning and end.
    """
    associations = [Association(port, template) for _ in queues]
    faults: list[Exception] = []

    def run(association: Association, queue: Sequence[tuple[int, int]]) -> None:
        try:
            for study, instance in queue:
                association.store(study, instance)
        except (OSError, Refused) as fault:
            faults.append(fault)

    threads = [
        threading.Thread(target=run, args=one) for one in zip(associations, queues, strict=True)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if faults:
        raise faults[0]
    for association in associations:
        association.release()
    return seconds


def _request(template: Template) -> bytes:
    """An A-ASSOCIATE-RQ for the template's class and transfer syntax (PS3.8 9.3.2)."""
    context = struct.pack(">Bxxx", _CONTEXT)
    context += _item(0x30, template.sop_class) + _item(0x40, template.transfer_syntax)
    user = struct.pack(">BxHL", 0x51, 4, _MAX_PDU) + _item(0x52, pdu.IMPLEMENTATION_UID)
    body = struct.pack(">Hxx16s16s32x", 1, b"TRIPTYCH".ljust(16), b"BENCH".ljust(16))
    body += _item(0x10, pdu.APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return pdu.pack(pdu.ASSOCIATE_RQ, body)


def _item(kind: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">BxH", kind, len(raw)) + raw


def _store(template: Template, instance: int) -> bytes:
    """A C-STORE-RQ (PS3.7 9.3.1.1)."""
    name = uid(INSTANCE_UID, 0, instance).encode()
    sop_class = template.sop_class.encode()
    elements = (
        (command.AFFECTED_SOP_CLASS, sop_class + bytes(len(sop_class) % 2)),
        (command.COMMAND_FIELD, struct.pack("<H", command.C_STORE_RQ)),
        (command.MESSAGE_ID, struct.pack("<H", 1)),
        (0x0700, struct.pack("<H", 0)),
        (command.DATA_SET_TYPE, struct.pack("<H", 0)),
        (command.AFFECTED_SOP_INSTANCE, name + bytes(len(name) % 2)),
    )
    body = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _values(data: bytes) -> bytes:
    """The P-DATA-TFs that carry the rest of a data set."""
    starts = range(0, len(data), _ROOM)
    return b"".join(_value(data[at : at + _ROOM], at + _ROOM >= len(data)) for at in starts)


def _value(data: bytes, last: bool) -> bytes:
    return pdu.pack(pdu.P_DATA, struct.pack(">LBB", len(data) + 2, _CONTEXT, 2 * last) + data)


def _status(answer: bytes) -> int:
    """Status (0000,0900) of a response."""
    at = answer.index(struct.pack("<HHL", 0, command.STATUS, 2))
    return int.from_bytes(answer[at + 8 : at + 10], "little")
