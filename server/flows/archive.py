"""What DICOM peers find and retrieve: the archive behind C-FIND, C-GET and C-MOVE (PS3.4 annex C).

A peer stands for its organisation and reaches what that has, through the same gate as everybody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from dicom.archive import IMAGE, PATIENT, SERIES, STUDY, Destination, Held, Question
from dicom.command import DESTINATION_UNKNOWN, DOES_NOT_MATCH_SOP_CLASS, OUT_OF_RESOURCES
from dicom.errors import DicomError, Refused
from dicom.json_model import attribute
from dicom.query import KEYS, MOST_UIDS, at_level
from dicom.sink import Peer
from server import errors
from server.errors import Fault, Missing
from server.flows import pixels, query
from server.flows.access import Grant
from server.flows.audit import Reading
from server.flows.pixels import Selection
from server.flows.sites import House
from server.store import people

T = TypeVar("T")

# Most matches of one C-FIND; what asks for more is told to ask for less.
MOST = 20_000
_LEVELS = {PATIENT: "patient", STUDY: "study", SERIES: "series", IMAGE: "instance"}
_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00080018"
_PATIENT_ID, _ISSUER = "00100020", "00100021"
_UNIQUE = {PATIENT: _PATIENT_ID, STUDY: _STUDY_UID, SERIES: _SERIES_UID, IMAGE: _INSTANCE_UID}
_ABOVE = {SERIES: (_STUDY_UID,), IMAGE: (_STUDY_UID, _SERIES_UID)}


@dataclass(frozen=True, slots=True)
class PeerArchive:
    """dicom.archive.Archive over one house."""

    house: House

    def find(self, peer: Peer, address: str, question: Question) -> Iterator[Mapping[str, Any]]:
        """Every match, in pages, so that neither side holds more than one."""
        grant, level = grant_of(peer, address), _LEVELS[question.level]
        found = 0
        while True:
            page = min(query.MOST[level], MOST - found)
            words = [*_keys(level, question), ("limit", str(page)), ("offset", str(found))]
            answer = _refusing(partial(query.search, self.house, grant, level, words))
            yield from self._told(answer, question)
            found += len(answer.items)
            if not answer.more:
                return
            if found >= MOST:
                raise Refused(OUT_OF_RESOURCES, f"more than {MOST} matches: ask for less")

    def _told(self, answer: query.Shown, question: Question) -> Iterator[Mapping[str, Any]]:
        try:
            for item in answer.items:
                answer.reading.sent(0, 1)
                yield _asked(item, question, self.house.config.ae_title)
        finally:
            answer.reading.end()

    def retrieve(self, peer: Peer, address: str, question: Question) -> "PeerRetrieval":
        """The objects below the unique keys; nothing where they name what is not here."""
        grant = grant_of(peer, address)
        missing = [tag for tag in _ABOVE.get(question.level, ()) if not question.keys.get(tag)]
        if missing or not question.keys.get(_UNIQUE[question.level]):
            names = ", ".join(KEYS[tag].keyword for tag in [*missing, _UNIQUE[question.level]])
            raise Refused(DOES_NOT_MATCH_SOP_CLASS, f"unique keys are needed: {names}")
        if set("*?") & set("".join(question.keys.get(tag, "") for tag in _UNIQUE.values())):
            raise Refused(DOES_NOT_MATCH_SOP_CLASS, "a unique key is one value, without wildcards")
        places = _refusing(partial(self._places, grant, question))
        return PeerRetrieval(self.house, grant, [s for p in places for s in self._select(grant, p)])

    def _places(self, grant: Grant, question: Question) -> list[tuple[str, ...]]:
        """Study, series and instance UIDs that a question names, one of several at most."""
        keys, unique = question.keys, _UNIQUE[question.level]
        if question.level == PATIENT:
            return [(uid,) for uid in self._studies(grant, keys)]
        named = [uid.strip() for uid in keys[unique].split("\\") if uid.strip()]
        if len(named) > MOST_UIDS:
            raise Refused(OUT_OF_RESOURCES, f"more than {MOST_UIDS} UIDs: ask for less")
        above = tuple(keys[tag] for tag in _ABOVE.get(question.level, ()))
        return [(*above, uid) for uid in named]

    def _studies(self, grant: Grant, keys: Mapping[str, str]) -> list[str]:
        """The studies of one patient. A number that several patients have names none of them."""
        words = [(tag, keys[tag]) for tag in (_PATIENT_ID, _ISSUER) if keys.get(tag)]
        patients = query.search(self.house, grant, "patient", [*words, ("limit", "2")])
        patients.reading.end()
        if len(patients.items) > 1:
            raise Refused(
                DOES_NOT_MATCH_SOP_CLASS, "several patients have this number: add its issuer"
            )
        answer = query.search(self.house, grant, "study", words)
        answer.reading.end()
        if answer.more:
            raise Refused(OUT_OF_RESOURCES, f"more than {len(answer.items)} studies: ask for each")
        return [item[_STUDY_UID]["Value"][0] for item in answer.items]

    def _select(self, grant: Grant, place: Sequence[str]) -> list[Selection]:
        try:
            return [pixels.select(self.house, grant, *place)]
        except Missing:
            return []

    def destination(self, peer: Peer, title: str) -> Destination:
        """The peer of the same organisation that has a title."""
        with self.house.database.read() as connection:
            rows = people.peers(connection, title)
        mine = [row for row in rows if row.organisation == peer.organisation]
        if len(mine) != 1:
            how = "is at several hosts" if mine else "is no peer here"
            raise Refused(DESTINATION_UNKNOWN, f"the move destination {how}")
        return Destination(mine[0].ae, mine[0].host, mine[0].port)


@dataclass(slots=True)
class PeerRetrieval:
    """dicom.archive.Retrieval: the objects of some selections, in the audit study by study."""

    house: House
    grant: Grant
    selections: Sequence[Selection]
    _reading: Reading | None = field(default=None, init=False)

    @property
    def count(self) -> int:
        return sum(len(one.rows) for one in self.selections)

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        rows = (row for one in self.selections for row in one.rows)
        return frozenset((row.sop_class, row.transfer_syntax) for row in rows)

    def objects(self) -> Iterator[Held]:
        """Each object; the event that covers it is durable before its first byte."""
        for selection in self.selections:
            self.end()
            self._reading = _refusing(partial(pixels.reading, self.house, self.grant, selection))
            for row in selection.rows:
                data = partial(_data, self.house, selection.claim, row)
                yield Held(row.sop_class, row.uid, row.transfer_syntax, data)

    def sent(self, size: int, *, whole: bool) -> None:
        """Count what has left."""
        if self._reading is not None:
            self._reading.sent(size, int(whole))

    def end(self) -> None:
        """Close the event that is open."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.end()


def _data(house: House, claim: Any, row: Any, syntax: str) -> Iterable[bytes]:
    return _refusing(partial(pixels.data_set, house, claim, row, syntax))


def grant_of(peer: Peer, address: str) -> Grant:
    """A peer has no person and no scopes: its title is its organisation (house rule 9)."""
    return Grant(
        id=f"peer:{peer.name}",
        organisation=peer.organisation,
        client=peer.name,
        context="peer",
        everyone=True,
        address=address,
    )


def _keys(level: str, question: Question) -> list[tuple[str, str]]:
    """The keys of an identifier as parameters of a search: what cannot be matched is asked for."""
    known = {key.tag for key in at_level(level)}
    matched = [(tag, text) for tag, text in question.keys.items() if tag in known]
    others = [tag for tag in question.keys if tag not in known]
    return matched + ([("includefield", ",".join(others))] if others else [])


def _asked(item: Mapping[str, Any], question: Question, title: str) -> dict[str, Any]:
    """Of a match what was asked for, and what each answer has to hold (PS3.4 C.4.1.1.3)."""
    told = {tag: value for tag, value in item.items() if tag in question.keys}
    told["00080005"] = attribute("CS", ["ISO_IR 192"])
    told["00080052"] = attribute("CS", [question.level])
    told["00080054"] = attribute("AE", [title])
    return told


def _refusing(action: Callable[[], T]) -> T:
    """Run a step; what goes wrong becomes a DIMSE status."""
    try:
        return action()
    except (Fault, DicomError) as error:
        raise Refused(errors.dimse_status(error), str(error)) from error
