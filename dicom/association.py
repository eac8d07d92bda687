"""One connection from its first PDU to its end: who calls, what is granted, which engine serves."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from dicom import negotiation, pdu
from dicom.asking import Services
from dicom.engine import Engine
from dicom.exchange import Exchange
from dicom.pdu import AssociateRequest, ProtocolError
from dicom.receiver import Receiver
from dicom.rules import Calling, Ending, Event, Rules
from dicom.sink import Peer
from dicom.wire import Interrupted, Wire

# 128 contexts with sixty transfer syntaxes each fit in half of it.
REQUEST_LIMIT = 524288

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and reason are of PS3.8 table 9-21."""

    result: int
    source: int
    reason: int
    meaning: str


PROTOCOL_VERSION = Rejection(1, 2, 2, "protocol version not supported")
APPLICATION_CONTEXT = Rejection(1, 1, 2, "application context name not supported")
CALLING_AE = Rejection(1, 1, 3, "calling AE title not recognised")
CALLED_AE = Rejection(1, 1, 7, "called AE title not recognised")
LIMIT_EXCEEDED = Rejection(2, 3, 2, "local limit exceeded")


@dataclass(frozen=True, slots=True)
class Request:
    """An association that was asked for: the PDU as read and as understood, and who sent it."""

    first: bytes
    parsed: AssociateRequest
    calling: Calling


class Reception:
    """Meets the connections of one door, each in a thread of its own."""

    def __init__(self, rules: Rules, stopping: Callable[[], bool]) -> None:
        self._rules = rules
        self._stopping = stopping
        self._engine = Engine(rules.ae_title, rules.limits)
        self._places = BoundedSemaphore(rules.limits.associations)

    def meet(self, wire: Wire, calling: Calling) -> None:
        """Serve one connection to its end and report it. The outermost loop of its thread."""
        try:
            event = self._converse(wire, calling)
            _log(event)
            self._rules.on_event(event)
        except Exception as fault:  # whatever it was, it ends one connection and no other
            frames = "".join(traceback.format_tb(fault.__traceback__))
            log.error("A connection failed with %s:\n%s", type(fault).__name__, frames)
            wire.send_last(pdu.pack_abort(0))
        finally:
            wire.hang_up()

    def _converse(self, wire: Wire, calling: Calling) -> Event:
        try:
            request = self._read_request(wire, calling)
        except ProtocolError as error:
            wire.send_last(pdu.pack_abort(error.reason))
            return Event(calling, None, Ending("aborted", str(error)))
        except Interrupted:
            return Event(calling, None, Ending("lost", "the door is closing"))
        except OSError:
            return Event(calling, None, Ending("lost", "no association was asked for"))
        verdict = self._judge(request)
        if isinstance(verdict, Rejection):
            return _reject(wire, request, verdict)
        if not self._places.acquire(blocking=False):
            return _reject(wire, request, LIMIT_EXCEEDED)
        try:
            return self._serve(wire, request, verdict)
        finally:
            self._places.release()

    def _read_request(self, wire: Wire, calling: Calling) -> Request:
        """Read exactly one PDU, the A-ASSOCIATE-RQ, before the ARTIM timer ends (PS3.8 9.1.5)."""
        limits = self._rules.limits
        deadline = time.monotonic() + limits.artim
        if self._rules.tls is not None:
            wire.secure(self._rules.tls, limits.artim)
        kind, length = wire.read_header(deadline - time.monotonic(), self._stopping)
        if kind != pdu.ASSOCIATE_RQ:
            raise pdu.out_of_place(kind)
        if length > REQUEST_LIMIT:
            raise ProtocolError(pdu.INVALID_PARAMETER, "the A-ASSOCIATE-RQ is too long")
        body = bytearray(length)
        wire.fill(memoryview(body), deadline - time.monotonic(), self._stopping)
        parsed = pdu.parse_associate_request(bytes(body))
        calling = replace(calling, calling_ae=parsed.calling, called_ae=parsed.called)
        return Request(pdu.pack(kind, bytes(body)), parsed, calling)

    def _judge(self, request: Request) -> Peer | Rejection:
        parsed = request.parsed
        if not parsed.version & 1:
            return PROTOCOL_VERSION
        if parsed.application_context != pdu.APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT
        if not self._rules.any_called_ae and parsed.called != self._rules.ae_title:
            return CALLED_AE
        return self._rules.identify(request.calling) or CALLING_AE

    def _serve(self, wire: Wire, request: Request, peer: Peer) -> Event:
        rules, parsed = self._rules, request.parsed
        ours = rules.own_receiver and negotiation.is_plain(parsed)
        asks = ours and rules.archive is not None
        may = peer.may if asks else peer.may - negotiation.QUERYING
        contexts = negotiation.negotiate(parsed, may, roles=asks)
        accepted = {c.id: c for c in contexts if c.result == negotiation.ACCEPTED}
        services = self._services(request.calling, peer)
        exchange = Exchange(accepted, rules.open_sink, peer, parsed.calling, services)
        try:
            if ours:
                ending = self._receive(wire, parsed, contexts, exchange)
            else:
                serve = self._engine.serve
                ending = serve(wire, request.first, contexts, exchange, self._stopping)
        finally:
            exchange.close()
        counts = (exchange.stored, exchange.refused, exchange.received, *exchange.asked)
        return Event(request.calling, peer, ending, *counts)

    def _services(self, calling: Calling, peer: Peer) -> Services | None:
        archive = self._rules.archive
        if archive is None:
            return None
        return Services(archive, peer, calling.address, calling.calling_ae, self._rules.ae_title)

    def _receive(
        self,
        wire: Wire,
        parsed: AssociateRequest,
        contexts: tuple[pdu.Context, ...],
        exchange: Exchange,
    ) -> Ending:
        limits = self._rules.limits
        receiver = Receiver(wire, exchange, parsed.max_length, limits, self._stopping)
        return receiver.serve(pdu.pack_associate_accept(parsed, contexts, limits.max_pdu))


def _reject(wire: Wire, request: Request, rejection: Rejection) -> Event:
    answer = (rejection.result, rejection.source, rejection.reason)
    wire.send_last(pdu.pack_associate_reject(*answer))
    return Event(request.calling, None, Ending("rejected", rejection.meaning))


def _log(event: Event) -> None:
    calling, ending = event.calling, event.ending
    who = f"{calling.calling_ae or 'nobody'} at {calling.address}"
    how = f"{ending.kind} ({ending.reason})" if ending.reason else ending.kind
    counts = f"{event.stored} stored, {event.refused} refused, {event.asked} asked"
    log.info("Association with %s %s: %s", who, how, counts)
