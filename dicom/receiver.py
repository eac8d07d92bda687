"""Our own storage engine: one blocking loop, one buffer, values straight to the Sink (PS3.8 9.2).

The upper layer for associations of storage and verification alone, after their acceptance.
"""

from collections.abc import Callable

from dicom import pdu
from dicom.asking import Message
from dicom.exchange import Exchange
from dicom.pdu import ProtocolError
from dicom.rules import Ending, Limits
from dicom.wire import Interrupted, Wire


class Hushed(Exception):
    """The peer aborted while it was being answered."""


class Receiver:
    """Serves one accepted association to its end, in the thread that calls `serve`."""

    def __init__(
        self,
        wire: Wire,
        exchange: Exchange,
        peer_max: int,
        limits: Limits,
        stopping: Callable[[], bool],
    ) -> None:
        self._wire = wire
        self._exchange = exchange
        self._peer_max = peer_max
        self._limits = limits
        self._stopping = stopping
        self._buffer = memoryview(bytearray(limits.max_pdu))
        self._aside: memoryview | None = None  # for what comes while a request is answered

    def serve(self, acceptance: bytes) -> Ending:
        """Send the A-ASSOCIATE-AC, then read PDUs until release, abort or loss."""
        try:
            self._wire.send(acceptance)
            while True:
                ending = self._serve_pdu()
                if ending is not None:
                    return ending
        except ProtocolError as error:
            return self._abort(error.reason, str(error))
        except Hushed:
            return Ending("aborted", "the peer aborted")
        except Interrupted:
            return self._abort(0, "the door is closing")
        except TimeoutError as error:
            return self._abort(0, str(error))
        except OSError:
            return Ending("lost", "the connection broke")

    def _serve_pdu(self) -> Ending | None:
        kind, body = self._read_pdu(self._buffer)
        if kind == pdu.P_DATA:
            self._wire.acknowledge()
            for context_id, control, fragment in pdu.data_values(body):
                for message in self._exchange.feed(context_id, control, fragment):
                    self._say(message)
            return None
        if kind == pdu.RELEASE_RQ:
            self._wire.send_last(pdu.pack_release_response())
            return Ending("released")
        if kind == pdu.ABORT:
            return Ending("aborted", "the peer aborted")
        raise pdu.out_of_place(kind)

    def _say(self, message: Message) -> None:
        """Send a message, and hear what the peer says meanwhile: its response, or a cancellation."""
        command = pdu.pack_command(message.context, message.command, self._peer_max)
        self._wire.send_within(command, self._limits.stall)
        if message.data is not None:
            for part in pdu.pack_data(message.context, message.data, self._peer_max):
                self._wire.send_within(part, self._limits.stall)
                self._exchange.left(len(part) - pdu.PACKING if message.awaited else 0)
        while self._exchange.awaits if message.awaited else message.more and self._wire.readable():
            self._hear()

    def _hear(self) -> None:
        if self._aside is None:
            self._aside = memoryview(bytearray(self._limits.max_pdu))
        kind, body = self._read_pdu(self._aside)
        if kind == pdu.ABORT:
            raise Hushed
        if kind != pdu.P_DATA:
            raise pdu.out_of_place(kind)
        for context_id, control, fragment in pdu.data_values(body):
            self._exchange.feed(context_id, control, fragment)

    def _read_pdu(self, buffer: memoryview) -> tuple[int, memoryview]:
        idle = self._exchange.idle
        patience = self._limits.idle if idle else self._limits.stall
        kind, length = self._wire.read_header(patience, lambda: idle and self._stopping())
        if length > len(buffer):
            raise ProtocolError(pdu.INVALID_PARAMETER, "a PDU is longer than announced")
        body = buffer[:length]
        self._wire.fill(body, self._limits.stall)
        return kind, body

    def _abort(self, reason: int, message: str) -> Ending:
        self._wire.send_last(pdu.pack_abort(reason))
        return Ending("aborted", message)
