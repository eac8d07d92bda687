"""The judgement before the acknowledgement: by the message and its feed's profile alone.

Framing, MSH, size, character set, version, processing id, structure and required fields. What
needs the database never refuses a message.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hl7.checks import check
from hl7.errors import NotHL7
from hl7.events import EVENTS, Event
from hl7.facts import UNREAD, Header
from hl7.faults import (
    DATA_TYPE,
    EVENT,
    INTERNAL,
    MESSAGE_TYPE,
    PROCESSING_ID,
    REQUIRED,
    SEQUENCE,
    TABLE_VALUE,
    VERSION,
    Fault,
    Severity,
    Where,
    at,
    warning,
)
from hl7.header import read_header
from hl7.message import Message, parse
from hl7.profiles import Profile

# What answers another message is never answered itself.
_ANSWERS = frozenset({"ACK", "MCF"})
_HEAD = 65536  # bytes of a message beyond the limit in which its MSH is looked for
_VERSION = re.compile(r"2(?:\.\d+){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a message before the acknowledgement.

    `message` is None if nothing of it could be read. `event` is None for what is kept unmapped.
    """

    message: Message | None = None
    header: Header = UNREAD
    event: Event | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The worst fault, None if there is none."""
        found = {fault.severity for fault in self.faults}
        ranks: tuple[Severity, ...] = ("reject", "error", "warning")
        return next((rank for rank in ranks if rank in found), None)

    @property
    def accepted(self) -> bool:
        """Whether the message is taken: nothing worse than a warning."""
        return self.severity in {None, "warning"}

    @property
    def is_answer(self) -> bool:
        """Whether the message is itself an acknowledgement."""
        return self.header.code in _ANSWERS

    def with_fault(self, fault: Fault) -> "Verdict":
        """Add what another judge found, such as an unknown sender."""
        return replace(self, faults=(*self.faults, fault))


def judge(raw: bytes, profile: Profile) -> Verdict:
    """Judge one message (a batch is unwrapped first) by the profile of its feed."""
    if len(raw) > profile.max_message:
        return glance(raw[:_HEAD], profile.charset).with_fault(too_large())
    return judged(glance(raw, profile.charset), profile)


def judged(verdict: Verdict, profile: Profile) -> Verdict:
    """Judge a message that was read in the character set of the profile."""
    message, header = verdict.message, verdict.header
    if message is None:
        return verdict
    faults = (*_judge_header(message, header, profile), *_judge_body(message, header, profile))
    return replace(verdict, faults=faults)


def glance(raw: bytes, charset: str = "") -> Verdict:
    """Read only who sent a message and what it is; its sole fault may be that it is none."""
    try:
        message = parse(raw, charset)
    except NotHL7 as error:
        return Verdict(faults=(_unreadable(error),))
    header = read_header(message)
    return Verdict(message, header, EVENTS.get(header.kind))


def too_large() -> Fault:
    """The fault of a message beyond the limit."""
    return Fault(INTERNAL, Where("MSH"), "the message is larger than the limit", "reject")


def _unreadable(error: NotHL7) -> Fault:
    _, _, field = error.where.partition("-")
    text = f"{error}; expected: {error.expected}"
    code = DATA_TYPE if field else SEQUENCE
    return Fault(code, Where("MSH", 1, int(field or 0)), text, "reject")


def _judge_header(message: Message, header: Header, profile: Profile) -> Iterator[Fault]:
    msh = message.first("MSH")
    for field, value in ((9, header.code), (10, header.control_id)):
        if not value:
            yield Fault(REQUIRED, at(msh, field), f"MSH-{field} is required")
    yield from _judge_processing(header, profile)
    if not header.version:
        yield warning(at(msh, 12), "no version: read as 2.5.1", REQUIRED)
    elif not _VERSION.fullmatch(header.version):
        yield Fault(VERSION, at(msh, 12), "this is no version of HL7 v2", "reject")
    charset = message.charset
    if charset.wrong:
        code = TABLE_VALUE if charset.unknown else DATA_TYPE
        severity: Severity = "error" if profile.strict_charset else "warning"
        yield Fault(code, at(msh, 18), charset.finding, severity)


def _judge_processing(header: Header, profile: Profile) -> Iterator[Fault]:
    where = Where("MSH", field=11)
    if header.processing and header.processing not in profile.processing:
        yield Fault(PROCESSING_ID, where, "the feed does not take this processing id", "reject")
    elif not header.processing and not profile.processing >= {"P", "T", "D"}:
        yield Fault(REQUIRED, where, "MSH-11 is required by this feed")


def _judge_body(message: Message, header: Header, profile: Profile) -> Iterator[Fault]:
    second = next((msh for msh in message.all("MSH") if msh.position > 1), None)
    if second is not None:
        yield Fault(SEQUENCE, at(second), "a second message begins here")
    event = EVENTS.get(header.kind)
    if event is not None:
        lenient = not profile.strict_status
        yield from check(message, event, profile.max_attachment, lenient=lenient)
    elif header.code and header.code not in _ANSWERS:
        codes = {known.partition("^")[0] for known in EVENTS}
        code, component = (EVENT, 2) if header.code in codes else (MESSAGE_TYPE, 1)
        where = at(message.first("MSH"), 9, component)
        yield warning(where, "messages of this kind are kept, and nothing is made of them", code)
