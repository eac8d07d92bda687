"""An association of ours: objects go out to a peer as they lie, chunk by chunk (PS3.7 9.1.1)."""

import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from dicom import pdu
from dicom.archive import Destination, Held
from dicom.command import pack_store_request, parse_response
from dicom.errors import DicomError
from dicom.pdu import Proposal, ProtocolError
from dicom.wire import Wire

_CONNECT = 10.0
_PATIENCE = 60.0
_MAX_PDU = 131072
_MOST_CONTEXTS = 128


class NotTaken(DicomError):
    """The peer could not be reached, took no association, or was lost."""


class Outgoing:
    """An association that stores, from `with` to its release. Raises NotTaken."""

    def __init__(self, target: Destination, calling: str, kinds: Iterable[tuple[str, str]]) -> None:
        self._target = target
        self._calling = calling
        self._ids = {
            kind: 2 * number + 1 for number, kind in enumerate(sorted(kinds)[:_MOST_CONTEXTS])
        }
        self.sent = 0  # bytes of data sets that have left
        self._message = 0
        self._wire: Wire
        self._accepted: pdu.Acceptance

    def __enter__(self) -> Self:
        target = self._target
        try:
            self._wire = Wire(socket.create_connection((target.host, target.port), _CONNECT))
        except OSError as error:
            raise NotTaken(f"{target.ae} cannot be reached") from error
        try:
            self._accepted = self._associate()
        except (OSError, ProtocolError) as error:
            self._wire.socket.close()
            raise NotTaken(f"{target.ae} takes no association") from error
        return self

    def _associate(self) -> pdu.Acceptance:
        proposals = [pdu.Proposal(id_, kind[0], (kind[1],)) for kind, id_ in self._ids.items()]
        proposals = proposals or [Proposal(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",))]
        request = pdu.pack_associate_request(self._target.ae, self._calling, proposals, _MAX_PDU)
        self._wire.send_within(request, _PATIENCE)
        kind, body = self._read()
        if kind != pdu.ASSOCIATE_AC:
            raise ProtocolError(pdu.UNEXPECTED_PDU, "the association is refused")
        return pdu.parse_associate_accept(body)

    def _read(self) -> tuple[int, bytes]:
        kind, length = self._wire.read_header(_PATIENCE)
        if length > _MAX_PDU + pdu.HEADER:
            raise ProtocolError(pdu.INVALID_PARAMETER, "a PDU is longer than announced")
        body = bytearray(length)
        self._wire.fill(memoryview(body), _PATIENCE)
        return kind, bytes(body)

    def takes(self, way: tuple[str, str]) -> bool:
        """Whether the peer takes a SOP class in a transfer syntax."""
        return self._ids.get(way, 0) in self._accepted.syntaxes

    def store(
        self,
        held: Held,
        way: tuple[str, str],
        data: Iterable[bytes],
        originator: tuple[str, int] | None = None,
    ) -> int:
        """Send one object in a way that the peer takes, and return its status."""
        context = self._ids[way]
        self._message = self._message % 0xFFFF + 1
        command = pack_store_request(self._message, held.sop_class, held.sop_instance, originator)
        longest = self._accepted.max_length
        try:
            self._wire.send_within(pdu.pack_command(context, command, longest), _PATIENCE)
            for part in pdu.pack_data(context, data, longest):
                self._wire.send_within(part, _PATIENCE)
                self.sent += len(part) - pdu.PACKING
            return self._response()
        except (OSError, ProtocolError) as error:
            raise NotTaken(f"{self._target.ae} was lost") from error

    def _response(self) -> int:
        """The status of the C-STORE-RSP that answers the message just sent."""
        command = bytearray()
        while True:
            kind, body = self._read()
            if kind != pdu.P_DATA:
                raise ProtocolError(pdu.UNEXPECTED_PDU, "the peer ended the association")
            for _, control, fragment in pdu.data_values(memoryview(body)):
                command += fragment
                if control & 2:
                    response = parse_response(bytes(command))
                    if response.message_id != self._message:
                        raise ProtocolError(pdu.INVALID_PARAMETER, "an answer to no question")
                    return response.status

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release, or abort when something went wrong in between."""
        if kind is None:
            self._wire.send_last(pdu.pack_release_request())
        else:
            self._wire.send_last(pdu.pack_abort(0))
        self._wire.hang_up()
