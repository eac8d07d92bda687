"""Acknowledgements in original and enhanced mode (HL7 2.5.1 ch. 2.9, 2.15.8, 2.15.5).

AA and CA say that the message is on disk, no more. The answer uses the sender's delimiters and
character set, and gives back the control id byte for byte.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from hl7.delimiters import Delimiters
from hl7.facts import Header
from hl7.faults import INTERNAL, MEANINGS, Fault, Where
from hl7.judge import Verdict, glance

_LETTERS = {None: "A", "warning": "A", "error": "E", "reject": "R"}
_UNREAD = "2.5.1"
_MOST_FAULTS = 50  # an answer names no more: by then the sender has enough to mend


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes an answer its own message: when it was written, and its control id."""

    now: datetime
    control_id: str


def answer(verdict: Verdict, stamp: Stamp) -> bytes:
    """Write what goes back at once; b"" where the sender asked for no answer."""
    code = immediate_code(verdict)
    return _write(verdict, code, verdict.faults, stamp) if code else b""


def try_again(raw: bytes, stamp: Stamp) -> bytes:
    """Refuse a message that could not be stored, so that the sender's queue keeps it."""
    fault = Fault(INTERNAL, Where("MSH"), "not stored; send it again later", "reject")
    return refuse(raw, fault, stamp)


def refuse(raw: bytes, fault: Fault, stamp: Stamp) -> bytes:
    """Refuse a message for one fault, whatever else is in it."""
    verdict = glance(raw)
    return answer(verdict if verdict.message is None else verdict.with_fault(fault), stamp)


def application_answer(verdict: Verdict, faults: tuple[Fault, ...], stamp: Stamp) -> bytes:
    """Write the later answer of enhanced mode: what came of applying an accepted message.

    It is a message of its own, which asks to be accepted (ch. 2.9.3).
    """
    applied = replace(verdict, faults=faults)
    return _write(applied, f"A{_LETTERS[applied.severity]}", faults, stamp, ("AL", "NE"))


def immediate_code(verdict: Verdict) -> str:
    """MSA-1 of the answer that goes back at once, "" if none does.

    Enhanced mode: MSH-15 asks for an accept acknowledgement (CA, CE, CR). A sender that declines
    it and asks for the application's (MSH-16) gets that at once, since it waits on the connection.
    """
    header, letter = verdict.header, _LETTERS[verdict.severity]
    accept, application = header.accept_ack, header.application_ack
    if verdict.is_answer:
        return ""
    if not accept and not application:
        return f"A{letter}"
    if _asked(accept, verdict.accepted):
        return f"C{letter}"
    declined = accept in {"", "NE"}
    return f"A{letter}" if declined and _asked(application, verdict.accepted) else ""


def wants_application_answer(header: Header, *, applied: bool) -> bool:
    """Whether an accepted message is to be answered again once it was applied, or was not."""
    return header.accept_ack not in {"", "NE"} and _asked(header.application_ack, applied)


def _asked(condition: str, success: bool) -> bool:
    """Table 0155: always, never, on error or reject, on success; what is unknown means always."""
    outcomes = {"": False, "NE": False, "ER": not success, "SU": success}
    return outcomes.get(condition, True)


def _write(
    verdict: Verdict,
    code: str,
    faults: tuple[Fault, ...],
    stamp: Stamp,
    asks: tuple[str, str] = ("", ""),
) -> bytes:
    """Write an acknowledgement; `asks` are its own MSH-15 and MSH-16."""
    envelope = _Envelope(verdict)
    ranked = sorted(faults, key=lambda fault: fault.severity == "warning")[:_MOST_FAULTS]
    worst = next((fault for fault in ranked if fault.severity != "warning"), None)
    lines = [envelope.msh(stamp, asks), envelope.msa(code, worst), *envelope.err(ranked)]
    return b"".join(envelope.encode(line) + b"\r" for line in lines)


class _Envelope:
    """The sender's MSH, turned round. Of a message that could not be read there is none."""

    def __init__(self, verdict: Verdict) -> None:
        message = verdict.message
        self.delimiters = message.delimiters if message else Delimiters()
        self._codec = message.charset.codec if message else "utf_8"
        self._version = _numbers(verdict.header.version)
        # MSH-n is at n - 1, for the separator is MSH-1.
        self._fields = self._decode(message.pieces.segments[0]) if message else []

    def _decode(self, msh: bytes) -> list[str]:
        """Bytes that are no text in this character set come back as they were.

        What would end a segment or a frame does not, or it would end the answer's.
        """
        text = msh.translate(None, b"\r\n\x0b\x1c").decode(self._codec, "surrogateescape")
        return text.split(self.delimiters.field)

    def encode(self, line: str) -> bytes:
        """The bytes of a line in the sender's character set."""
        return line.encode(self._codec, "surrogateescape")

    def _field(self, number: int) -> str:
        return self._fields[number - 1] if number <= len(self._fields) else ""

    def _join(self, *fields: str) -> str:
        return self.delimiters.field.join(fields).rstrip(self.delimiters.field)

    def _components(self, *parts: str, separator: str = "") -> str:
        escaped = (self.delimiters.escaped(part) for part in parts)
        return (separator or self.delimiters.component).join(escaped)

    def msh(self, stamp: Stamp, asks: tuple[str, str]) -> str:
        """MSH with sender and receiver exchanged; the rest is the sender's own."""
        component = self.delimiters.component
        event = self._field(9).split(component)[1:2] if component else []
        kind = ["ACK", *event, "ACK"] if any(event) else ["ACK"]
        if self._version < (2, 3, 1):
            kind = kind[:2] if self._version >= (2, 3) else kind[:1]
        addresses = [self._field(number) for number in (5, 6, 3, 4)]
        time = stamp.now.strftime("%Y%m%d%H%M%S%z")
        processing, version = self._field(11) or "P", self._field(12) or _UNREAD
        return self._join(
            "MSH",
            self.delimiters.encoding_characters,
            *addresses,
            time,
            "",
            component.join(kind).rstrip(component),
            self.delimiters.escaped(stamp.control_id),
            processing,
            version,
            "",
            "",
            *asks,
            "",
            self._field(18),
        )

    def msa(self, code: str, worst: Fault | None) -> str:
        """MSA; versions before 2.7 have room for a sentence."""
        text = self.delimiters.escaped(worst.text) if worst and self._version < (2, 7) else ""
        return self._join("MSA", code, self._field(10), text)

    def err(self, faults: list[Fault]) -> list[str]:
        """ERR for each fault; before 2.5 one ERR for all, which has no room for a warning."""
        if self._version >= (2, 5):
            return [self._modern_err(fault) for fault in faults]
        told = [self._old_err(fault) for fault in faults if fault.severity != "warning"]
        return [self._join("ERR", self.delimiters.repetition.join(told))] if told else []

    def _modern_err(self, fault: Fault) -> str:
        severity = "W" if fault.severity == "warning" else "E"
        return self._join(
            "ERR",
            "",
            self._components(*fault.where.parts()),
            self._components(str(fault.code), MEANINGS[fault.code], "HL70357"),
            severity,
            "",
            "",
            "",
            self.delimiters.escaped(fault.text),
        )

    def _old_err(self, fault: Fault) -> str:
        """ELD: segment, its sequence, the field, and the code."""
        place = [*fault.where.parts(), "", ""][:3]
        inner = self.delimiters.subcomponent or self.delimiters.component
        coded = self._components(str(fault.code), MEANINGS[fault.code], "HL70357", separator=inner)
        return self._components(*place) + self.delimiters.component + coded


def _numbers(version: str) -> tuple[int, ...]:
    """2.5.1 as (2, 5, 1); what is no version counts as that."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return (2, 5, 1)
