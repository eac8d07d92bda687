"""Queries and retrievals of one association: C-FIND, C-MOVE and C-GET as SCP (PS3.4 C.4).

Answers are generators of messages. After a C-STORE that goes out on the association itself the
engine reads on until its response is there; in between it also hears a C-CANCEL.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dicom import convert, encode, identifier
from dicom.archive import MODELS, Archive, Held, Question, Retrieval, ways
from dicom.command import (
    C_FIND_RQ,
    C_GET_RQ,
    CANCELLED,
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    PENDING,
    SOME_FAILED,
    SUCCESS,
    Answer,
    Command,
    Counts,
    pack_response,
    pack_store_request,
)
from dicom.errors import Refused
from dicom.outgoing import NotTaken, Outgoing
from dicom.part10 import encoding_of
from dicom.pdu import Context
from dicom.sink import Peer

_FAILED_LIST = "00080058"
# UIDs of 64 characters and their backslashes that fit an explicit VR of 16 bits.
_MOST_LISTED = 1000


class Message(NamedTuple):
    """A message to send: its command set, and its data set if it has one.

    `awaited` says that it is a request, `more` that others follow, which the peer may cancel.
    """

    context: int
    command: bytes
    data: Iterable[bytes] | None = None
    awaited: bool = False
    more: bool = False


@dataclass(slots=True)
class Operation:
    """A query or retrieval at work: the message id it waits for, and what it has heard."""

    awaited: int = 0
    status: int | None = None
    cancelled: bool = False

    def hear(self, status: int) -> None:
        """Take the response that is waited for."""
        self.awaited, self.status = 0, status


@dataclass(slots=True)
class Services:
    """Who answers, and for whom; `asked` counts requests, `given` the bytes that left for them."""

    archive: Archive
    peer: Peer
    address: str
    calling_ae: str
    ae_title: str
    asked: int = 0
    given: int = 0


@dataclass(slots=True)
class _Tally:
    """Sub-operations so far, and the objects that did not get through."""

    remaining: int
    completed: int = 0
    warnings: int = 0
    lost: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, uid: str, status: int | None) -> bool:
        """Whether the other side has taken an object."""
        self.remaining = max(0, self.remaining - 1)
        if status == SUCCESS:
            self.completed += 1
        elif status is not None and status >> 12 == 0xB:
            self.warnings += 1
        else:
            self.lost += 1
            self.failed += [uid] if len(self.failed) < _MOST_LISTED else []
            return False
        return True

    @property
    def counts(self) -> Counts:
        return Counts(self.remaining, self.completed, self.lost, self.warnings)


class Asking:
    """A C-FIND, C-MOVE or C-GET whose identifier is on its way."""

    def __init__(self, command: Command, context: Context, services: Services) -> None:
        self.operation = Operation()
        self._command = command
        self._context = context
        self._services = services
        self._data = bytearray()
        self._number = 0

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the identifier; what is beyond all measure is not kept."""
        if len(self._data) <= identifier.LONGEST:
            self._data += fragment

    def abort(self) -> None:
        """Give up before the last byte: nothing was begun."""

    def messages(self, contexts: Mapping[int, Context]) -> Iterator[Message]:
        """Everything that is said in answer. Its last message is the final response."""
        self._services.asked += 1
        try:
            question = self._question()
            if self._command.field == C_FIND_RQ:
                yield from self._found(question)
            elif self._command.field == C_GET_RQ:
                yield from self._got(question, contexts)
            else:
                yield from self._moved(question)
        except Refused as refusal:
            yield self._response(Answer(refusal.status, refusal.comment))

    def _question(self) -> Question:
        if len(self._data) > identifier.LONGEST:
            raise Refused(CANNOT_UNDERSTAND, "the identifier is too long")
        model = MODELS[self._context.abstract_syntax]
        return identifier.read(bytes(self._data), self._context.transfer_syntax, model)

    def _response(self, answer: Answer, data: bytes = b"") -> Message:
        command = pack_response(self._command, answer)
        more = answer.status == PENDING
        return Message(self._context.id, command, (data,) if data else None, more=more)

    def _found(self, question: Question) -> Iterator[Message]:
        services = self._services
        syntax = self._context.transfer_syntax
        for match in services.archive.find(services.peer, services.address, question):
            if self.operation.cancelled:
                yield self._response(Answer(CANCELLED, "cancelled"))
                return
            yield self._response(Answer(PENDING, has_data=True), identifier.write(match, syntax))
        yield self._response(Answer(SUCCESS))

    def _got(self, question: Question, contexts: Mapping[int, Context]) -> Iterator[Message]:
        """C-GET: objects come back on contexts for which the requestor is the provider."""
        open_ = {(c.abstract_syntax, c.transfer_syntax): c for c in contexts.values() if c.gives}
        retrieval = self._retrieve(question)
        tally = _Tally(retrieval.count)
        try:
            for held in retrieval.objects():
                if self.operation.cancelled:
                    break
                self.operation.status = None
                context = next((open_[way] for way in ways(held) if way in open_), None)
                if context is not None:
                    yield from self._stored(context, held, retrieval)
                taken = tally.count(held.sop_instance, self.operation.status)
                retrieval.sent(0, whole=taken)
                yield self._progress(tally)
        finally:
            retrieval.end()
        yield self._ended(tally)

    def _retrieve(self, question: Question) -> Retrieval:
        services = self._services
        return services.archive.retrieve(services.peer, services.address, question)

    def _stored(self, context: Context, held: Held, retrieval: Retrieval) -> Iterator[Message]:
        """The C-STORE of an object, unless it turns out that it cannot be read."""
        try:
            data = held.data(context.transfer_syntax)
        except Refused:
            return
        self._number = self._number % 0xFFFF + 1
        self.operation.awaited = self._number
        command = pack_store_request(self._number, held.sop_class, held.sop_instance)
        yield Message(context.id, command, _counted(data, retrieval), awaited=True)

    def _moved(self, question: Question) -> Iterator[Message]:
        """C-MOVE: objects go to another title, on an association of their own."""
        services = self._services
        target = services.archive.destination(services.peer, self._command.destination)
        retrieval = self._retrieve(question)
        tally = _Tally(retrieval.count)
        try:
            with Outgoing(target, services.ae_title, _wanted(retrieval)) as outgoing:
                for held in retrieval.objects():
                    if self.operation.cancelled:
                        break
                    status = self._sent(outgoing, held, retrieval)
                    services.given, outgoing.sent = services.given + outgoing.sent, 0
                    retrieval.sent(0, whole=tally.count(held.sop_instance, status))
                    yield self._progress(tally)
        except NotTaken as failure:
            if not tally.completed:
                raise Refused(OUT_OF_RESOURCES + 2, str(failure)) from failure
            tally.lost, tally.remaining = tally.lost + tally.remaining, 0
        finally:
            retrieval.end()
        yield self._ended(tally)

    def _sent(self, outgoing: Outgoing, held: Held, retrieval: Retrieval) -> int | None:
        """The status of the C-STORE of an object, None if the peer does not take it as it is."""
        way = next((way for way in ways(held) if outgoing.takes(way)), None)
        if way is None:
            return None
        try:
            data = held.data(way[1])
        except Refused:
            return None
        originator = (self._services.calling_ae, self._command.message_id)
        return outgoing.store(held, way, _counted(data, retrieval), originator)

    def _progress(self, tally: _Tally) -> Message:
        return self._response(Answer(PENDING, counts=tally.counts))

    def _ended(self, tally: _Tally) -> Message:
        """The final response; objects that did not get through are named (PS3.4 C.4.2.1.4.2)."""
        cancelled = self.operation.cancelled
        status = CANCELLED if cancelled else SOME_FAILED if tally.lost else SUCCESS
        if not cancelled and tally.lost and not tally.completed + tally.warnings:
            status = OUT_OF_RESOURCES + 2
        listed = {_FAILED_LIST: {"vr": "UI", "Value": tally.failed}} if tally.failed else {}
        data = encode.data_set(listed, encoding_of(self._context.transfer_syntax))
        answer = Answer(status, has_data=bool(data), counts=tally.counts)
        return self._response(answer, data)


def _wanted(retrieval: Retrieval) -> frozenset[tuple[str, str]]:
    """What to propose for the objects of a retrieval: each syntax, and what it converts to."""
    others = {(sop_class, convert.other(syntax)) for sop_class, syntax in retrieval.kinds}
    return retrieval.kinds | {way for way in others if way[1]}


def _counted(data: Iterable[bytes], retrieval: Retrieval) -> Iterator[bytes]:
    """The bytes of an object, each counted as it leaves."""
    for chunk in data:
        yield chunk
        retrieval.sent(len(chunk), whole=False)
