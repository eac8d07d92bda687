"""People and organisations that messages name: found again by system and value of their number.

Who is known by name alone stays a name. They belong to the organisation, not to a patient: a
patient reads those that one of the patient's own resources refers to.
"""

from collections.abc import Iterator
from dataclasses import replace

from fhir import organization, practitioner
from fhir.hl7_people import named_in, staff_key
from hl7.types import Identifier, Organisation, Person
from server.flows.writing import Json, Work
from server.store import last_words
from server.store.install import derived_id

PERSON, ORGANISATION = "Practitioner", "Organization"


def settle(work: Work, facts: object) -> None:
    """Write whoever a message names by a number, and let its references lead to them."""
    found: dict[tuple[str, str], Json] = {}
    for number, body in _named(work, facts):
        key = staff_key(number, work.context.site)
        if key is not None and body is not None and "name" not in found.get(key, {}):
            found[key] = body  # who is named twice is called as the first time
    for body in found.values():
        _write(work, body)
    known = {key: f"{body['resourceType']}/{body['id']}" for key, body in found.items()}
    work.context = replace(work.context, known={**work.context.known, **known})


def _named(work: Work, facts: object) -> Iterator[tuple[Identifier, Json | None]]:
    """Each person and organisation once, as this message tells of them."""
    for person in dict.fromkeys(named_in(facts, Person)):
        id_ = _id(work, PERSON, person.number)
        yield person.number, practitioner.build(person, work.context, id=id_)
    for told in dict.fromkeys(named_in(facts, Organisation)):
        id_ = _id(work, ORGANISATION, told.number)
        yield told.number, organization.build(told, work.context, id=id_)


def _id(work: Work, kind: str, number: Identifier) -> str:
    system, value = staff_key(number, work.context.site) or ("", "")
    return derived_id(work.site.key, kind, f"{work.organisation}|{system}|{value}")


def _write(work: Work, body: Json) -> None:
    """Write a new one; a name replaces what was told before, unless that was newer."""
    kind, id_ = body["resourceType"], body["id"]
    known = work.body(kind, id_)
    if known is not None and ("name" not in body or _is_stale(work, kind, id_)):
        return
    if "name" in body:
        last_words.keep(work.connection, work.organisation, kind, id_, work.word())
    work.write({**(known or {}), **body}, "", f"named by {work.header.kind}")


def _is_stale(work: Work, kind: str, id_: str) -> bool:
    before = work.last_word(kind, id_)
    return before is not None and before.is_newer_than(work.word())
