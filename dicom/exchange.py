"""The DIMSE side of one association: C-ECHO answered, C-STORE written to a Sink (PS3.7 9.1).

Knows no socket: an engine feeds it the values of P-DATA-TFs and sends what it returns.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import TypeVar

from dicom.command import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH_SOP_CLASS,
    INVALID_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNISED_OPERATION,
    Answer,
    Command,
    pack_response,
    parse_command,
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
    ) -> None:
        self.stored = 0
        self.refused = 0
        self.received = 0
        self._contexts = contexts
        self._open_sink = open_sink
        self._peer = peer
        self._calling_ae = calling_ae
        self._context: Context | None = None
        self._command = bytearray()
        self._incoming: Incoming | None = None

    @property
    def idle(self) -> bool:
        """Between messages: nothing is lost if the association ends here."""
        return self._context is None

    def feed(self, context_id: int, control: int, fragment: memoryview) -> bytes:
        """Take one value of a P-DATA-TF and return the response it completes, or nothing."""
        context = self._contexts.get(context_id)
        if context is None:
            raise ProtocolError(INVALID_PARAMETER, "a value for a context that was not accepted")
        if self._context not in (None, context):
            raise ProtocolError(UNEXPECTED_PARAMETER, "a value for another message in between")
        self._context = context
        last = bool(control & LAST_FRAGMENT)
        if control & COMMAND_FRAGMENT:
            return self._take_command(context, fragment, last)
        return self._take_data(fragment, last)

    def close(self) -> None:
        """End: an object that has not arrived whole is forgotten."""
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None

    def _take_command(self, context: Context, fragment: memoryview, last: bool) -> bytes:
        if self._incoming is not None:
            raise ProtocolError(UNEXPECTED_PARAMETER, "a command before the data set has ended")
        if len(self._command) + len(fragment) > COMMAND_LIMIT:
            raise ProtocolError(INVALID_PARAMETER, "a command set is too long")
        self._command += fragment
        if not last:
            return b""
        command = parse_command(bytes(self._command))
        self._command.clear()
        incoming = self._open(context, command)
        if not command.has_data:
            return self._conclude(incoming)
        self._incoming = incoming
        return b""

    def _take_data(self, fragment: memoryview, last: bool) -> bytes:
        if self._incoming is None:
            raise ProtocolError(UNEXPECTED_PARAMETER, "a data set without a command")
        self.received += len(fragment)
        self._incoming.write(fragment)
        if not last:
            return b""
        incoming, self._incoming = self._incoming, None
        return self._conclude(incoming)

    def _open(self, context: Context, command: Command) -> Incoming:
        refusal = _refusal(context, command)
        if refusal is not None:
            return Incoming(command, refusal)
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

    def _conclude(self, incoming: Incoming) -> bytes:
        command, answer = incoming.command, incoming.finish()
        self._context = None
        if command.field == C_CANCEL_RQ:
            return b""  # nothing here runs long enough to be cancelled, and it has no response
        if command.field == C_STORE_RQ:
            self.stored += answer.kept
            self.refused += not answer.kept
        return pack_response(command, answer)


def _refusal(context: Context, command: Command) -> Answer | None:
    """Say why a request cannot be served on its context, if it cannot."""
    verifying = context.abstract_syntax == VERIFICATION
    if command.field == C_CANCEL_RQ:
        return None
    if command.field not in (C_STORE_RQ, C_ECHO_RQ):
        return Answer(UNRECOGNISED_OPERATION, "Operation not recognised on this association")
    if verifying != (command.field == C_ECHO_RQ):
        return Answer(SOP_CLASS_NOT_SUPPORTED, "Operation does not belong to the context")
    return None if verifying else _store_refusal(context, command)


def _store_refusal(context: Context, command: Command) -> Answer | None:
    if not command.has_data:
        return Answer(CANNOT_UNDERSTAND, "C-STORE without a data set")
    if command.sop_class != context.abstract_syntax:
        return Answer(DOES_NOT_MATCH_SOP_CLASS, "SOP class is not that of the context")
    if not is_uid(command.sop_instance):
        return Answer(INVALID_SOP_INSTANCE, "SOP Instance UID is not a UID")
    return None
