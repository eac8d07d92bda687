"""How a message comes in: judged, kept with its answer on disk, answered; applied later.

The answer says yes when we answer for the message. It says no only where sending a corrected
message is the cure, or where sending it again later is: what needs the database to see is never a
reason to refuse.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hl7 import ack, batch, faults
from hl7.errors import NotHL7
from hl7.facts import Header
from hl7.judge import Verdict, glance, judge, judged
from hl7.message import Message, parse
from server import clock
from server.errors import Fault
from server.flows import answers, feeds, lanes
from server.flows.audit import Event
from server.flows.feeds import Connecting, Feed
from server.flows.sites import HOME, House
from server.store import messages as store

log = logging.getLogger(__name__)

DOOR = "mllp"
_LONGEST_ID, _LONGEST_KIND = 255, 32
_UNKNOWN = faults.Fault(
    faults.INTERNAL, faults.Where("MSH", field=3), "no feed has this sender", "reject"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a connection: its address, and the feeds it may be."""

    address: str
    candidates: tuple[Feed, ...]

    @property
    def organisation(self) -> int:
        """The organisation that it can only belong to, else the one that runs the server."""
        owners = {feed.organisation for feed in self.candidates}
        return owners.pop() if len(owners) == 1 else HOME


def greet(house: House, calling: Connecting) -> Caller | None:
    """Who calls; None for a stranger, whose connection ends at once."""
    candidates = tuple(feeds.calling(house, calling))
    return Caller(calling.address, candidates) if candidates else None


def lane_names(feed: str, message: Message) -> list[str]:
    """The lanes of a message: one for each patient's number and each order's that it names.

    Names are digests: they stand in the listing of jobs.
    """
    numbers = {
        f"patient {value}" for value in _values(message, ("PID", (2, 3, 4)), ("MRG", (1, 4)))
    }
    numbers |= {f"order {value}" for value in _values(message, ("ORC", (2, 3)), ("OBR", (2, 3)))}
    names = numbers or {f"feed {feed}"}
    return sorted(hashlib.sha256(name.encode()).hexdigest()[:32] for name in names)


def lanes_of(feed: str, raw: bytes) -> list[str]:
    """The lanes of a message that was kept."""
    return lane_names(feed, parse(raw))


def apply_again(connection: Connection, row: Any, now: int) -> None:
    """Let a kept message be applied anew: it waits in its lanes as it did when it came."""
    waits_in = lanes_of(row.feed, bytes(row.raw))
    store.again(connection, row.organisation, row.id, waits_in)
    lanes.ask(connection, row.organisation, waits_in, now)


def _values(message: Message, *places: tuple[str, Sequence[int]]) -> Iterable[str]:
    for name, fields in places:
        for segment in message.all(name):
            for field in fields:
                for value in segment.repetitions(field):
                    if text := value.text(1).strip().upper():
                        yield text


def receive(house: House, caller: Caller, raw: bytes) -> bytes:
    """Take a message, or a batch of them, and give the answer; what it says yes to is on disk.

    An empty answer is none: to a message that is itself an answer, or wants none. What could not
    be stored raises: the door then asks the sender to send it again.
    """
    if not batch.is_batch(raw):
        return _take(house, caller, raw)
    replies = [_take_one(house, caller, one) for one in batch.messages(raw)]
    try:
        return batch.answer(raw, replies, answers.stamp())
    except NotHL7:  # its header is beyond reading, its messages are not
        return b"".join(replies)


def _take_one(house: House, caller: Caller, raw: bytes) -> bytes:
    """Take one message of a batch; one that cannot be stored does not stop the others."""
    try:
        return _take(house, caller, raw)
    except Fault as error:
        log.error("a message of a batch waits at its sender: %s", error)
        return ack.try_again(raw, answers.stamp())


def _take(house: House, caller: Caller, raw: bytes) -> bytes:
    """Take one message: judged, kept with its answer, audited."""
    feed, verdict = _judge(house, caller, raw)
    reply = ack.answer(verdict, answers.stamp())
    if feed is None or verdict.message is None or not verdict.accepted or verdict.is_answer:
        return _refuse(house, caller, feed, reply)
    kept = _Kept(caller, feed, verdict.message, verdict.header, reply)
    own, first = house.database.apply(lambda c: _keep(house, c, kept, clock.now()))
    house.counters.add("hl7_received_total", outcome="kept")
    if not answers.waits(feed, verdict):
        return reply
    reply = answers.when_applied(house, feed.organisation, first, verdict)
    with house.database.write() as connection:
        store.set_answer(connection, feed.organisation, own, reply)
    return reply


def _judge(house: House, caller: Caller, raw: bytes) -> tuple[Feed | None, Verdict]:
    """The feed that a message belongs to, and what is wrong with it by the rules of that feed."""
    limit = house.config.mllp_max_bytes
    if len(raw) > limit:
        return None, judge(raw, feeds.profile(None, limit))
    verdict = glance(raw)
    if verdict.message is None:
        return None, verdict
    feed = feeds.choose(caller.candidates, verdict.header)
    if feed is None:
        return None, Verdict(verdict.message, verdict.header, verdict.event, (_UNKNOWN,))
    profile = feeds.profile(feed, limit)
    return feed, judge(raw, profile) if feed.charset else judged(verdict, profile)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A message that is to be kept, with its answer."""

    caller: Caller
    feed: Feed
    message: Message
    header: Header
    reply: bytes


def _keep(house: House, connection: Connection, kept: _Kept, now: int) -> tuple[int, int]:
    """Append a message to the log, and ask for it to be applied.

    Gives its id, and that of the message that it repeats, or its own again.
    """
    organisation, feed = kept.feed.organisation, kept.feed
    values = _values_of(kept, now)
    known = store.same_control_id(connection, organisation, feed.name, values["control_id"])
    same = [row.id for row in known if row.fingerprint == values["fingerprint"]]
    values["state"], values["outcome"] = store.PENDING, ""
    if same:
        values["state"] = store.DUPLICATE
        values["outcome"] = json.dumps({"duplicate_of": same[0]})
    elif known:
        values["outcome"] = json.dumps({"notes": ["another message had this control id"]})
    id_ = store.append(connection, organisation, values)
    if not same:
        names = lane_names(feed.name, kept.message)
        store.enter(connection, organisation, id_, names)
        lanes.ask(connection, organisation, names[:1], now)
    size = len(kept.message.raw)
    house.auditor.append(connection, _event(kept.caller, feed, "create", size, id_))
    return id_, same[0] if same else id_


def _values_of(kept: _Kept, now: int) -> dict[str, Any]:
    return {
        "feed": kept.feed.name,
        "control_id": kept.header.control_id[:_LONGEST_ID],
        "kind": kept.header.kind[:_LONGEST_KIND],
        "fingerprint": kept.message.fingerprint(),
        "sha256": hashlib.sha256(kept.message.raw).hexdigest(),
        "received": now,
        "raw": kept.message.raw,
        "ack": kept.reply,
    }


def _event(caller: Caller, feed: Feed | None, action: str, size: int, id_: int = 0) -> Event:
    refused = action == "refuse"
    return Event(
        organisation=feed.organisation if feed else caller.organisation,
        door=DOOR,
        action=action,
        outcome="4" if refused else "0",
        grant=f"feed {feed.name}" if feed else "",
        address=caller.address,
        detail=f"message {id_}" if id_ else "message refused",
        count=0 if refused else 1,
        bytes=size,
    )


def _refuse(house: House, caller: Caller, feed: Feed | None, reply: bytes) -> bytes:
    """Audit a refusal; the sender has the message, and is told why."""
    house.auditor.note(_event(caller, feed, "refuse", len(reply)))
    house.counters.add("hl7_received_total", outcome="refused")
    return reply
