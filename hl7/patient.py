"""Who a message is about: PID, PD1, NK1, PV1 and PV2 to facts (HL7 2.5.1 ch. 3.4)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from hl7.facts import ContactPerson, PatientFacts, PriorFacts, VisitFacts
from hl7.message import Segment, Value
from hl7.moments import Moment
from hl7.types import (
    Address,
    Concept,
    Contact,
    Identifier,
    Organisation,
    Person,
    PersonName,
    Place,
    text_of,
)

T = TypeVar("T")


def every(segment: Segment, number: int, read: Callable[[Value], T]) -> tuple[T, ...]:
    """All repetitions of a field that say anything, read as one type."""
    facts = (read(value) for value in segment.repetitions(number))
    return tuple(fact for fact in facts if fact)


def nulls_of(segment: Segment) -> frozenset[str]:
    """The fields that were sent as null."""
    if not segment or b'""' not in segment.raw:
        return frozenset()
    numbers = range(1, len(segment.fields))
    return frozenset(f"{segment.name}-{number}" for number in numbers if segment.is_null(number))


def read_patient(pid: Segment, pd1: Segment, contacts: Iterable[Segment]) -> PatientFacts:
    """Read the facts of one patient; PD1 and NK1 may be absent."""
    return replace(
        _read_pid(pid),
        protection=pd1.text(12).strip(),
        care_organisations=every(pd1, 3, Organisation.read),
        care_providers=every(pd1, 4, Person.read),
        contacts=tuple(_contact(nk1) for nk1 in contacts),
        nulls=nulls_of(pid) | nulls_of(pd1),
    )


def _read_pid(pid: Segment) -> PatientFacts:
    field = pid.field
    return PatientFacts(
        identifiers=every(pid, 3, Identifier.read),
        external=Identifier.read(field(2)),
        alternates=every(pid, 4, Identifier.read),
        names=every(pid, 5, PersonName.read),
        aliases=every(pid, 9, PersonName.read),
        mothers_maiden_names=every(pid, 6, PersonName.read),
        birth=Moment.read(field(7)),
        sex=text_of(field(8)),
        races=every(pid, 10, Concept.read),
        ethnic_groups=every(pid, 22, Concept.read),
        addresses=every(pid, 11, Address.read),
        county=text_of(field(12)),
        home_phones=every(pid, 13, Contact.read),
        work_phones=every(pid, 14, Contact.read),
        other_contacts=every(pid, 40, Contact.read),
        language=Concept.read(field(15)),
        marital_status=Concept.read(field(16)),
        religion=Concept.read(field(17)),
        account=Identifier.read(field(18)),
        social_security_number=text_of(field(19)),
        licence=text_of(field(20)),
        mothers=every(pid, 21, Identifier.read),
        multiple_birth=text_of(field(24)),
        birth_order=text_of(field(25)),
        citizenships=every(pid, 26, Concept.read),
        nationality=Concept.read(field(28)),
        death=Moment.read(field(29)),
        dead=text_of(field(30)),
        identity_unknown=text_of(field(31)),
        reliability=every(pid, 32, text_of),
        updated=Moment.read(field(33)),
        species=Concept.read(field(35)),
        breed=Concept.read(field(36)),
        strain=text_of(field(37)),
    )


def _contact(nk1: Segment) -> ContactPerson:
    phones = (every(nk1, number, Contact.read) for number in (5, 6))
    return ContactPerson(
        names=every(nk1, 2, PersonName.read),
        relationship=Concept.read(nk1.field(3)),
        addresses=every(nk1, 4, Address.read),
        phones=tuple(phone for numbers in phones for phone in numbers),
        role=Concept.read(nk1.field(7)),
    )


def read_visit(pv1: Segment, pv2: Segment) -> VisitFacts | None:
    """Read the facts of one visit; None without PV1."""
    if not pv1:
        return None
    field = pv1.field
    return VisitFacts(
        number=Identifier.read(field(19)),
        alternate=Identifier.read(field(50)),
        preadmit=Identifier.read(field(5)),
        patient_class=Concept.read(field(2)),
        location=Place.read(field(3)),
        prior_location=Place.read(field(6)),
        temporary_location=Place.read(field(11)),
        attending=every(pv1, 7, Person.read),
        referring=every(pv1, 8, Person.read),
        consulting=every(pv1, 9, Person.read),
        admitting=every(pv1, 17, Person.read),
        service=Concept.read(field(10)),
        admission_type=Concept.read(field(4)),
        vip=Concept.read(field(16)),
        disposition=Concept.read(field(36)),
        admitted=Moment.read(field(44)),
        discharged=Moment.read(field(45)),
        expected=Moment.read(pv2.field(8)),
        reason=Concept.read(pv2.field(3)),
        nulls=nulls_of(pv1) | nulls_of(pv2),
    )


def read_prior(mrg: Segment) -> PriorFacts:
    """Read MRG: the numbers of the record that is merged, moved or renamed (ch. 3.4.9)."""
    return PriorFacts(
        identifiers=every(mrg, 1, Identifier.read),
        alternates=every(mrg, 2, Identifier.read),
        account=Identifier.read(mrg.field(3)),
        external=Identifier.read(mrg.field(4)),
        visit=Identifier.read(mrg.field(5)),
        alternate_visit=Identifier.read(mrg.field(6)),
        names=every(mrg, 7, PersonName.read),
    )
