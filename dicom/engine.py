"""pynetdicom as the engine of associations that ask for more than storage and verification.

It keeps the upper layer (PS3.8 9.2) and the negotiation; the messages of C-STORE and C-ECHO go to
the same Exchange as in our own receiver, so objects stream to the Sink here too.
"""

from collections.abc import Callable
from typing import cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.events import Event as Happening
from pynetdicom.pdu_primitives import A_ASSOCIATE, P_DATA
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import AddressInformation, AssociationSocket

from dicom import pdu
from dicom.asking import Message
from dicom.exchange import Exchange
from dicom.pdu import Context, ProtocolError
from dicom.rules import Ending, Limits
from dicom.wire import TICK, Wire

UNRECOGNISED = b"\0"  # a PDU type that no standard knows
START = 10.0  # seconds for pynetdicom's threads to take in a request that is at hand
LAST = (pdu.ASSOCIATE_RJ, pdu.RELEASE_RP, pdu.ABORT)


class ReplaySocket(AssociationSocket):
    """A socket that serves the PDU already read first, then the wire, within our limits."""

    def __init__(self, assoc: Association, wire: Wire, first: bytes, limits: Limits) -> None:
        super().__init__(assoc, client_socket=wire.socket)
        self._wire = wire
        self._first = first
        self._limits = limits
        self._header = bytearray()
        self._answer_due = False
        self._over = False

    @property
    def ready(self) -> bool:
        """Tell whether a PDU can be read, with poll: select fails for descriptors over 1023.

        Between a request of the peer and our answer nothing is read: what it says there would
        leave pynetdicom's state machine in a state where the answer has no place.
        """
        if self._first:
            return True
        if self._answer_due or self._over or self.socket is None:
            return False
        try:
            return self._wire.readable()
        except (OSError, ValueError):  # closed by the other thread in between
            self.event_queue.put("Evt17")
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Read the header of a PDU, then its body, then the next header and so on."""
        if self._first:
            data = bytearray(self._first[:nr_bytes])
            self._first = self._first[nr_bytes:]
        else:
            data = bytearray(nr_bytes)
            self._wire.fill(memoryview(data), self._limits.stall)
            self._wire.acknowledge()
        if self._header:
            self._answer_due = self._header[0] in (pdu.ASSOCIATE_RQ, pdu.RELEASE_RQ)
            self._header.clear()
        else:
            self._header += data
            if self._too_long(data):
                # pynetdicom has no limit, but it reads no body for a type that it does not know
                # and answers A-ABORT.
                data[0:1] = UNRECOGNISED
        return data

    def send(self, bytestream: bytes) -> None:
        """Send one PDU. After the last one of an association nothing more is read."""
        try:
            self._wire.send(bytestream)
        except OSError:
            self.event_queue.put("Evt17")
        self._answer_due = False
        self._over = bytestream[0] in LAST

    def _shutdown_socket(self) -> None:
        """Leave the connection to the door, which hangs up when the last PDU has been read."""

    def _too_long(self, header: bytearray) -> bool:
        length = int.from_bytes(header[2:6], "big")
        return header[0] != pdu.ASSOCIATE_RQ and length > self._limits.max_pdu


class Messages(DIMSEServiceProvider):
    """The message layer of one association: values go to the Exchange, its responses back."""

    def __init__(self, assoc: Association, exchange: Exchange) -> None:
        super().__init__(assoc)
        self._exchange = exchange

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Feed the values of one P-DATA-TF; called in the thread that reads the wire."""
        values = primitive.presentation_data_value_list
        try:
            if not values or not all(value for _, value in values):
                raise ProtocolError(pdu.INVALID_PARAMETER, "a P-DATA-TF lacks its values")
            messages = [
                message
                for context_id, value in values
                for message in self._exchange.feed(context_id, value[0], memoryview(value)[1:])
            ]
        except ProtocolError:
            self.dul.event_queue.put("Evt19")  # invalid PDU: A-ABORT (PS3.8 9.2.3)
            return
        for message in messages:
            self._respond(message)

    def _respond(self, message: Message) -> None:
        for value in pdu.command_values(message.command, self.maximum_pdu_size):
            primitive = P_DATA()
            primitive.presentation_data_value_list.append((message.context, value))
            self.dul.send_pdu(primitive)


class Engine:
    """Makes pynetdicom associations for one door."""

    def __init__(self, ae_title: str, limits: Limits) -> None:
        self._limits = limits
        self._ae = ApplicationEntity(ae_title)
        self._ae.implementation_class_uid = pdu.IMPLEMENTATION_UID
        self._ae.implementation_version_name = pdu.IMPLEMENTATION_NAME
        self._ae.maximum_associations = limits.connections  # the door counts for itself
        self._ae.maximum_pdu_size = limits.max_pdu
        self._ae.acse_timeout = START
        self._ae.dimse_timeout = limits.stall
        self._ae.network_timeout = limits.idle

    def serve(
        self,
        wire: Wire,
        first: bytes,
        contexts: tuple[Context, ...],
        exchange: Exchange,
        stopping: Callable[[], bool],
    ) -> Ending:
        """Serve one association to its end, given the request already read from the wire."""
        assoc = self._associate(wire, first, contexts)
        assoc.dimse = Messages(assoc, exchange)
        assoc.start()
        while assoc.is_alive():
            assoc.join(TICK)
            if stopping() and exchange.idle and assoc.is_established:
                assoc.abort()
        assoc.dul.join()
        return _ending(assoc)

    def _associate(self, wire: Wire, first: bytes, contexts: tuple[Context, ...]) -> Association:
        assoc = Association(self._ae, "acceptor")
        _silence(assoc)
        assoc.bind(evt.EVT_REQUESTED, _narrow, [contexts])
        assoc.dul.daemon = True  # as ours are: a process that ends waits for none of them
        assoc.set_socket(ReplaySocket(assoc, wire, first, self._limits))
        assoc.requestor.address_info = AddressInformation.from_tuple(wire.socket.getpeername())
        assoc.acceptor.address_info = AddressInformation.from_tuple(wire.socket.getsockname())
        assoc.acceptor.ae_title = self._ae.ae_title
        assoc.acceptor.maximum_length = self._limits.max_pdu
        assoc.acceptor.implementation_class_uid = self._ae.implementation_class_uid
        assoc.acceptor.implementation_version_name = self._ae.implementation_version_name
        assoc.acceptor.supported_contexts = _supported(contexts)
        return assoc


def _silence(assoc: Association) -> None:
    """Unbind pynetdicom's own log handlers: they print whole messages, patients included."""
    for event in assoc.get_events():
        if isinstance(event, evt.NotificationEvent):
            handlers = assoc.get_handlers(event)
            for handler, _ in cast(list[tuple[Callable[..., object], object]], handlers):
                assoc.unbind(event, handler)


def _supported(contexts: tuple[Context, ...]) -> list[PresentationContext]:
    syntaxes: dict[str, list[str]] = {}
    for context in contexts:
        if context.result == 0:
            syntaxes.setdefault(context.abstract_syntax, []).append(context.transfer_syntax)
    return [build_context(abstract, transfer) for abstract, transfer in syntaxes.items()]


def _narrow(event: Happening, contexts: tuple[Context, ...]) -> None:
    """Cut each proposed context to the transfer syntax that we chose.

    pynetdicom would prefer by the order of the supported ones, which are shared by all contexts
    of one abstract syntax.
    """
    chosen = {context.id: context.transfer_syntax for context in contexts}
    request = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    for proposed in request.presentation_context_definition_list:
        proposed.transfer_syntax = [chosen[cast(int, proposed.context_id)]]


def _ending(assoc: Association) -> Ending:
    if assoc.is_released:
        return Ending("released")
    if assoc.is_rejected:
        return Ending("rejected", "refused during negotiation")
    if assoc.is_aborted:
        return Ending("aborted", "aborted by the peer or for a protocol error")
    return Ending("lost", "the connection broke")
