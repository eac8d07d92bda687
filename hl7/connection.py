"""One connection of the MLLP door from its handshake to its end: frames in, answers out."""

import logging
import ssl
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Generic

from hl7 import ack
from hl7.framing import Deframer, Frame, frame
from hl7.judge import too_large
from hl7.rules import Caller, Ending, Event, Feed, Rules
from hl7.wire import Interrupted, Wire

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Counts:
    answered: int = 0
    refused: int = 0
    failed: int = 0
    received: int = 0


class _Unanswerable(Exception):
    """A frame could not be taken, and its sender wants no answer: silence would mean success."""


class Reception(Generic[Feed]):
    """Meets the connections of one door, each in a thread of its own."""

    def __init__(self, rules: Rules[Feed], stopping: Callable[[], bool]) -> None:
        self._rules = rules
        self._stopping = stopping

    def meet(self, wire: Wire, caller: Caller) -> None:
        """Serve one connection to its end and report it. The outermost loop of its thread."""
        try:
            event = self._converse(wire, caller)
            _log(event)
            self._rules.on_event(event)
        except Exception as fault:  # whatever it was, it ends one connection and no other
            _log_fault("A connection failed", fault)
        finally:
            wire.hang_up()

    def _converse(self, wire: Wire, caller: Caller) -> Event[Feed]:
        if self._rules.tls is not None:
            try:
                secured = wire.secure(self._rules.tls, self._rules.limits.handshake)
            except OSError as error:
                return Event(caller, None, Ending("refused", _refusal(error)))
            caller = _with_certificate(caller, secured)
        feed = self._rules.identify(caller)
        if feed is None:
            return Event(caller, None, Ending("refused", "no feed is known for this caller"))
        counts = _Counts()
        ending = _Conversation(self._rules, self._stopping, wire, feed, counts).serve()
        told = (counts.answered, counts.refused, counts.failed, counts.received)
        return Event(caller, feed, ending, *told)


class _Conversation(Generic[Feed]):
    """The frames of one connection, in their order."""

    def __init__(
        self,
        rules: Rules[Feed],
        stopping: Callable[[], bool],
        wire: Wire,
        feed: Feed,
        counts: _Counts,
    ) -> None:
        self._rules = rules
        self._limits = rules.limits
        self._stopping = stopping
        self._wire = wire
        self._feed = feed
        self._counts = counts
        self._deframer = Deframer(rules.limits.message)
        self._began = 0.0
        self._patience = rules.limits.undecided

    def serve(self) -> Ending:
        """Take frames and answer them until one side ends the connection."""
        try:
            while True:
                data = self._read()
                if data == b"":
                    return self._hung_up()
                for one in self._frames(data):
                    self._answer(one)
                if self._deframer.noise > self._limits.noise:
                    return Ending("ended", "too much noise between frames")
        except Interrupted:
            return Ending("ended", "the door is closing")
        except _Unanswerable:
            return Ending("ended", "a message could not be taken, and no answer is wanted")
        except TimeoutError:
            if self._deframer.within:
                return Ending("lost", "the caller was silent or too slow within a frame")
            return Ending("ended", "idle")
        except OSError:
            return Ending("lost", "the connection broke")

    def _read(self) -> bytes | None:
        """The next bytes; None when an FS stood alone for long enough."""
        if not self._deframer.within:
            return self._wire.receive(self._limits.idle, self._stopping)
        self._wire.acknowledge()
        remaining = self._began + self._limits.frame - time.monotonic()
        seconds = min(self._limits.stall, remaining)
        if seconds <= 0:
            raise TimeoutError
        if not self._deframer.undecided:
            return self._wire.receive(seconds)
        try:
            return self._wire.receive(self._patience)
        except TimeoutError:
            self._patience /= 10  # this caller leaves CR out: wait less from now on
            return None

    def _frames(self, data: bytes | None) -> list[Frame]:
        if data is None:
            return [self._deframer.close()]
        was_within = self._deframer.within
        self._counts.received += len(data)
        frames = self._deframer.feed(data)
        if frames or not was_within:
            self._began = time.monotonic()
        return frames

    def _hung_up(self) -> Ending:
        if self._deframer.undecided:
            self._answer(self._deframer.close())
        elif self._deframer.within:
            return Ending("lost", "the caller hung up within a frame")
        return Ending("closed")

    def _answer(self, one: Frame) -> None:
        reply = self._take(one) if one.whole else self._refuse(one)
        if reply:
            self._wire.send(frame(reply), self._limits.stall)

    def _take(self, one: Frame) -> bytes:
        try:
            reply = self._rules.receive(self._feed, one.content)
        except Exception as fault:  # an outermost loop: the sender has to hear of it
            self._counts.failed += 1
            _log_fault("A message could not be taken", fault)
            reply = ack.try_again(one.content, self._rules.stamp())
            if not reply:
                raise _Unanswerable from None
            return reply
        self._counts.answered += 1
        return reply

    def _refuse(self, one: Frame) -> bytes:
        self._counts.refused += 1
        log.warning("A message of %d bytes is beyond the limit", one.size)
        return ack.refuse(one.content, too_large(), self._rules.stamp())


def _refusal(error: OSError) -> str:
    """Why a handshake failed, in our own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, ssl.SSLError) and error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it has no certificate"
    return "no TLS"


def _with_certificate(caller: Caller, secured: ssl.SSLSocket) -> Caller:
    der = secured.getpeercert(binary_form=True)
    if der is None:
        return caller
    told: dict[str, Any] = secured.getpeercert() or {}
    subject = [pair for entry in told.get("subject", ()) for pair in entry]
    names = [value for key, value in subject if key == "commonName"]
    names += [value for key, value in told.get("subjectAltName", ()) if key == "DNS"]
    return replace(caller, names=tuple(dict.fromkeys(names)), fingerprint=sha256(der).hexdigest())


def _log_fault(words: str, fault: Exception) -> None:
    """Where it happened, and no value: messages hold patients."""
    frames = "".join(traceback.format_tb(fault.__traceback__))
    log.error("%s: %s\n%s", words, type(fault).__name__, frames)


def _log(event: Event[Feed]) -> None:
    ending = event.ending
    counts = (event.answered, event.refused, event.failed)
    log.info(
        "Connection from %s %s (%s): %d answered, %d refused, %d failed",
        event.caller.address,
        ending.kind,
        ending.reason,
        *counts,
    )
