"""What appliers of messages share: writing a version only when something changed, and whose word
is the last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from fhir import wire
from fhir.hl7_context import Context, sender_of
from fhir.hl7_times import place_in_time
from hl7.facts import Header
from server.flows import joining, patients, release
from server.flows.audit import Auditor, Event
from server.flows.feeds import Feed
from server.flows.lanes import Outcome
from server.flows.patients import Site
from server.store import last_words, links, resources, reviews
from server.store.last_words import Word
from server.store.links import Key
from server.store.messages import Effect
from server.store.resources import Change, Owner

Json = dict[str, Any]


@dataclass(slots=True)
class Work:
    """One message being applied in one transaction; `blobs` hold its documents, by SHA-256."""

    connection: Connection
    site: Site
    feed: Feed
    header: Header
    context: Context
    message: int
    now: int
    base: str
    auditor: Auditor
    outcome: Outcome = field(default_factory=Outcome)
    touched: list[tuple[str, str]] = field(default_factory=list)
    blobs: Mapping[str, str] = field(default_factory=dict)
    came_under: dict[str, str] = field(default_factory=dict)

    @property
    def organisation(self) -> int:
        return self.site.organisation

    def body(self, type_: str, id_: str) -> Json | None:
        """The current body of a resource, None if there is none or it was withdrawn."""
        row = resources.current(self.connection, self.organisation, type_, id_)
        return None if row is None or row.deleted else wire.read(row.text)

    def filed_under(self, patient: str) -> str:
        """The record that this message named for a patient, which may have been merged since."""
        return self.came_under.get(patient, patient)

    def write(
        self, body: Json, patient: str, why: str, *, first: bool = False, held: bool = False
    ) -> None:
        """Store a body of a patient, unless only its source is new.

        It stays filed under the record that it first came in under. The `first` word of the one
        whose word counts is a new version even then. What is `held`, or of a status that is not
        released, is not for the patient.
        """
        row = resources.current(
            self.connection, self.organisation, body["resourceType"], body["id"]
        )
        filed_under = row.filed_under if row is not None else self.filed_under(patient)
        owner = Owner(self.organisation, filed_under, held or release.is_held(body))
        known = row is not None and not row.deleted and row.hidden == owner.hidden
        if known and not first and same_but_for_source(wire.read(row.text), body):
            return
        change = Change(self.now, why, self.base)
        version = resources.put(self.connection, owner, body, change)
        effect = Effect(body["resourceType"], body["id"], version, why)
        self.outcome.effects.append(effect)

    def word(self) -> Word:
        """What this message is among others of its sender."""
        sent = place_in_time(self.header.sent, self.context.zones)
        return Word(sender_of(self.header), sent, self.message)

    def last_word(self, type_: str, id_: str) -> Word | None:
        """The last word about a resource so far."""
        return last_words.get(self.connection, self.organisation, type_, id_)

    def has_last_word(self, type_: str, id_: str) -> bool:
        """Whether nothing newer was said of a resource; if so, this message's word is kept.

        Times count between messages of one sender only; otherwise what came later is newer.
        """
        word, before = self.word(), self.last_word(type_, id_)
        if before is not None and before.is_newer_than(word):
            self.outcome.notes.append(f"{type_}: something newer was said before")
            return False
        last_words.keep(self.connection, self.organisation, type_, id_, word)
        return True

    def keep_keys(self, type_: str, id_: str, keys: Iterable[Key]) -> None:
        """Keep what a resource is found by; `join` then looks at all that shares it."""
        links.keep(self.connection, self.organisation, type_, id_, keys)
        self.touched.append((type_, id_))

    def join(self) -> None:
        """Join anew all that hangs together with what this message touched."""
        change = Change(self.now, "joined", self.base)
        self.outcome.effects += joining.join(self.connection, self.site, self.touched, change)

    def audit(self, patient: str, detail: str) -> None:
        """Record an act upon a record, in the transaction that does it."""
        name = f"feed {self.feed.name}"
        event = Event(self.organisation, "mllp", "update", grant=name, patient=patient)
        self.auditor.append(self.connection, replace(event, detail=detail))

    def question(self, kind: str, key: str, evidence: Json) -> None:
        """Put something before a person; the message is applied all the same."""
        evidence |= {"message": self.message, "feed": self.feed.name}
        self.outcome.notes.append(str(evidence["rule"]))
        patients.add_review(self.connection, self.site, kind, key, "", evidence, self.now)

    def hold(self, kind: str, key: str, evidence: Json) -> None:
        """Put something before a person, with this message."""
        evidence |= {"message": self.message, "feed": self.feed.name}
        self.outcome.hold(str(evidence["rule"]))
        patients.add_review(
            self.connection, self.site, kind, key, "", evidence, self.now, again=True
        )

    def believed(self, kind: str, key: str) -> bool:
        """Whether a person has decided that this message is right in what it was held for."""
        state = reviews.state_of(self.connection, self.organisation, kind, key)
        return state == reviews.ACCEPTED


def same_but_for_source(one: Json, other: Json) -> bool:
    """Whether two bodies say the same, whoever said it and when."""
    return _bare(one) == _bare(other)


def _bare(body: Json) -> Json:
    meta = {
        key: value
        for key, value in body.get("meta", {}).items()
        if key not in ("versionId", "lastUpdated", "source")
    }
    return {key: value for key, value in body.items() if key != "meta"} | {"meta": meta}
