"""The DIMSE side of one association: C-ECHO answered, C-STORE written to a Sink (PS3.7 9.1).

Knows no socket: an engine feeds it the values of P-DATA-TFs and sends the messages that it returns.
Those of a query or retrieval are made one at a time, while the engine asks for the next one.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from dicom.archive import MODELS
from dicom.asking import Asking, Message, Operation, Services
from dicom.command import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH_SOP_CLASS,
    INVALID_SOP_INSTANCE,
    NOT_AUTHORISED,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNISED_OPERATION,
    Answer,
    Command,
    Response,
    is_response,
    pack_response,
    parse_command,
    parse_response,
)
from dicom.errors import Refused
from dicom.negotiation import VERIFICATION, is_uid
from dicom.pdu import INVALID_PARAMETER, UNEXPECTED_PARAMETER, Context, ProtocolError
from dicom.sink import Peer, Sink, SinkFactory, StoreRequest

COMMAND_LIMIT = 65536
# Message control header (PS3.8 annex E.2).
COMMAND_FRAGMENT = 1
LAST_FRAGMENT = 2

log = logging.getLogger(__name__)
T = TypeVar("T")


class Incoming:
    """A request whose answer is known already: whatever data set follows is passed over."""

    def __init__(self, command: Command, answer: Answer) -> None:
        self.command = command
        self.answer = answer

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set."""

    def finish(self) -> Answer:
        """Tell, after the last byte, what becomes of the request."""
        return self.answer

    def abort(self) -> None:
        """Give up before the last byte."""


class Storing(Incoming):
    """A C-STORE on its way into a Sink. A refusal is answered after the data set has passed."""

    def __init__(self, command: Command, request: StoreRequest, open_sink: SinkFactory) -> None:
        super().__init__(command, Answer(SUCCESS))
        self._sink: Sink | None = None
        self._sink = self._attempt(lambda: open_sink(request))

    def write(self, fragment: memoryview) -> None:
        """Hand bytes to the sink as they lie in the receive buffer."""
        sink = self._sink
        if sink is not None:
            self._attempt(lambda: sink.write(fragment))

    def finish(self) -> Answer:
        """Commit; the first warning of the receipt becomes the status."""
        sink = self._sink
        receipt = self._attempt(sink.commit) if sink is not None else None
        self._sink = None
        if receipt is not None and receipt.warnings:
            return Answer(*receipt.warnings[0])
        return self.answer

    def abort(self) -> None:
        """Let the sink forget the object."""
        sink, self._sink = self._sink, None
        if sink is not None:
            self._attempt(sink.abort)

    def _attempt(self, step: Callable[[], T]) -> T | None:
        """Run one step of the sink: a failure becomes the answer, and the object is given up."""
        try:
            return step()
        except Refused as refusal:
            self.answer = Answer(refusal.status, refusal.comment)
        except Exception as fault:  # a fault in a sink costs one object, not the association
            # The message of the exception may quote the data set: it is not logged.
            frames = "".join(traceback.format_tb(fault.__traceback__))
            log.error("A sink failed with %s:\n%s", type(fault).__name__, frames)
            self.answer = Answer(PROCESSING_FAILURE, "Processing failure")
        self.abort()
        return None


class Exchange:
    """Messages of one association, from fragments to answers. Not thread safe.

    Whoever owns it calls `close` at the end, whatever the end was.
    """

    def __init__(
        self,
        contexts: Mapping[int, Context],
        open_sink: SinkFactory,
        peer: Peer,
        calling_ae: str,
        services: Services | None = None,
    ) -> None:
        self.stored = 0
        self.refused = 0
        self.received = 0
        self._contexts = contexts
        self._open_sink = open_sink
        self._peer = peer
        self._calling_ae = calling_ae
        self._services = services
        self._context: Context | None = None
        self._command = bytearray()
        self._incoming: Incoming | Asking | None = None
        self._operation: Operation | None = None

    @property
    def idle(self) -> bool:
        """Between messages: nothing is lost if the association ends here."""
        return self._context is None and self._operation is None

    @property
    def awaits(self) -> bool:
        """Whether a request of ours has no response yet."""
        return self._operation is not None and self._operation.awaited != 0

    @property
    def asked(self) -> tuple[int, int]:
        """How many queries and retrievals came, and how many bytes of objects left for them."""
        return (self._services.asked, self._services.given) if self._services else (0, 0)

    def left(self, size: int) -> None:
        """Count bytes of objects as they leave."""
        if self._services is not None:
            self._services.given += size

    def feed(self, context_id: int, control: int, fragment: memoryview) -> Iterable[Message]:
        """Take one value of a P-DATA-TF and return the messages that answer what it completes."""
        context = self._contexts.get(context_id)
        if context is None:
            raise ProtocolError(INVALID_PARAMETER, "a value for a context that was not accepted")
        if self._context not in (None, context):
            raise ProtocolError(UNEXPECTED_PARAMETER, "a value for another message in between")
        self._context = context
        last = bool(control & LAST_FRAGMENT)
        if control & COMMAND_FRAGMENT:
            return self._take_command(context, fragment, last)
        return self._take_data(context, fragment, last)

    def close(self) -> None:
        """End: an object that has not arrived whole is forgotten."""
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None

    def _take_command(
        self, context: Context, fragment: memoryview, last: bool
    ) -> Iterable[Message]:
        if self._incoming is not None:
            raise ProtocolError(UNEXPECTED_PARAMETER, "a command before the data set has ended")
        if len(self._command) + len(fragment) > COMMAND_LIMIT:
            raise ProtocolError(INVALID_PARAMETER, "a command set is too long")
        self._command += fragment
        if not last:
            return ()
        data = bytes(self._command)
        self._command.clear()
        if is_response(data):
            return self._take_response(parse_response(data))
        return self._take_request(context, parse_command(data))

    def _take_request(self, context: Context, command: Command) -> Iterable[Message]:
        if self._operation is not None:
            return self._interrupt(self._operation, command)
        incoming = self._open(context, command)
        if not command.has_data:
            return self._conclude(context, incoming)
        self._incoming = incoming
        return ()

    def _interrupt(self, operation: Operation, command: Command) -> Iterable[Message]:
        """While an answer is given only its cancellation is heard (PS3.7 9.3.2.3)."""
        if command.field != C_CANCEL_RQ or command.has_data:
            raise ProtocolError(UNEXPECTED_PARAMETER, "a request while another is answered")
        operation.cancelled = True
        self._context = None
        return ()

    def _take_response(self, response: Response) -> Iterable[Message]:
        if self._operation is None or response.message_id != self._operation.awaited:
            raise ProtocolError(INVALID_PARAMETER, "a response to a request that was never made")
        self._operation.hear(response.status)
        self._context = None
        return ()

    def _take_data(self, context: Context, fragment: memoryview, last: bool) -> Iterable[Message]:
        if self._incoming is None:
            raise ProtocolError(UNEXPECTED_PARAMETER, "a data set without a command")
        self.received += len(fragment)
        self._incoming.write(fragment)
        if not last:
            return ()
        incoming, self._incoming = self._incoming, None
        return self._conclude(context, incoming)

    def _open(self, context: Context, command: Command) -> "Incoming | Asking":
        refusal = _refusal(context, command)
        if refusal is not None:
            return Incoming(command, refusal)
        if self._services is not None and command.field in _QUERIES:
            return Asking(command, context, self._services)
        if command.field != C_STORE_RQ:
            return Incoming(command, Answer(SUCCESS))
        request = StoreRequest(
            door="dimse",
            peer=self._peer,
            sop_class=command.sop_class,
            sop_instance=command.sop_instance,
            transfer_syntax=context.transfer_syntax,
            calling_ae=self._calling_ae,
        )
        return Storing(command, request, self._open_sink)

    def _conclude(self, context: Context, incoming: "Incoming | Asking") -> Iterable[Message]:
        self._context = None
        if isinstance(incoming, Asking):
            return self._answer(incoming)
        command, answer = incoming.command, incoming.finish()
        if command.field == C_CANCEL_RQ:
            return ()  # what it is to cancel was answered already, and it has no response
        if command.field == C_STORE_RQ:
            self.stored += answer.kept
            self.refused += not answer.kept
        return (Message(context.id, pack_response(command, answer)),)

    def _answer(self, asking: Asking) -> Iterable[Message]:
        """The messages of a query or retrieval; until the last one it is the only one at work."""
        self._operation = asking.operation
        try:
            yield from asking.messages(self._contexts)
        finally:
            self._operation = None


_QUERIES = {C_FIND_RQ: "find", C_MOVE_RQ: "move", C_GET_RQ: "get"}


def _refusal(context: Context, command: Command) -> Answer | None:
    """Say why a request cannot be served on its context, if it cannot."""
    if command.field == C_CANCEL_RQ:
        return None
    service = _QUERIES.get(command.field, "")
    if service:
        return _query_refusal(context, command, service)
    if command.field not in (C_STORE_RQ, C_ECHO_RQ):
        return Answer(UNRECOGNISED_OPERATION, "Operation not recognised on this association")
    verifying = context.abstract_syntax == VERIFICATION
    if verifying != (command.field == C_ECHO_RQ) or context.abstract_syntax in MODELS:
        return Answer(SOP_CLASS_NOT_SUPPORTED, "Operation does not belong to the context")
    return None if verifying else _store_refusal(context, command)


def _query_refusal(context: Context, command: Command, service: str) -> Answer | None:
    model = MODELS.get(context.abstract_syntax)
    if model is None:
        return Answer(UNRECOGNISED_OPERATION, "Operation not recognised on this association")
    if model.service != service:
        return Answer(SOP_CLASS_NOT_SUPPORTED, "Operation does not belong to the context")
    if not command.has_data:
        return Answer(CANNOT_UNDERSTAND, "there is no identifier")
    return None


def _store_refusal(context: Context, command: Command) -> Answer | None:
    if not command.has_data:
        return Answer(CANNOT_UNDERSTAND, "C-STORE without a data set")
    if not context.takes:
        return Answer(NOT_AUTHORISED, "the context was granted for objects from here alone")
    if command.sop_class != context.abstract_syntax:
        return Answer(DOES_NOT_MATCH_SOP_CLASS, "SOP class is not that of the context")
    if not is_uid(command.sop_instance):
        return Answer(INVALID_SOP_INSTANCE, "SOP Instance UID is not a UID")
    return None
