"""Which Patient a message speaks of: the same records, by the same rules, as DICOM headers get.

A number of the organisation's own domain names its record. Numbers that others issue, such as
national ones, are kept and never a key. What contradicts a record joins nothing: the message is
held for a person.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from dicom.facts import Number
from dicom.facts import PatientFacts as Header
from fhir.hl7_identifiers import is_shared, number_of
from hl7.facts import PatientFacts
from hl7.types import PersonName
from server.flows import patients
from server.flows.feeds import Feed
from server.flows.patients import Site, Source
from server.store import identities, people

# Events by which the source of a record corrects what it said of the person before.
_CORRECTING = frozenset({"ADT^A08", "ADT^A31", "ADT^A28", "ADT^A01", "ADT^A04", "ADT^A05"})


@dataclass(frozen=True, slots=True)
class Named:
    """Who a message names, or why that has to be decided by a person.

    `record` bears the number that was named, `patient` is what that has become part of, or the
    same, and `shown` the one of them whose Patient tells of the person. `rivals` are the patients at odds.
    """

    patient: str = ""
    record: str = ""
    shown: str = ""
    rivals: tuple[str, ...] = ()
    unidentified: bool = False
    held: str = ""


def header_of(person: PatientFacts, numbers: list[Number]) -> Header:
    """A person as a DICOM header would tell, which is how identity keeps and compares people."""
    name = _person_name(person.names[0]) if person.names else ""
    birth = person.birth.date if len(person.birth.date) == 8 else ""
    first = numbers[0] if numbers else Number()
    sex = person.sex[:1].upper()
    return Header(name, first, tuple(numbers[1:]), birth, sex if sex in "MFO" else "")


def _person_name(name: PersonName) -> str:
    parts = (name.family, name.given, name.further, name.prefix, name.suffix)
    return "^".join(part.replace("^", " ").replace("=", " ") for part in parts).rstrip("^")


def own_numbers(person: PatientFacts, site: Site) -> list[Number]:
    """The numbers that may name a record, the medical record number first."""
    found = [
        number_of(one)
        for one in person.named_by
        if not is_shared(one) and not site.placeholders.number(one.value)
    ]
    return sorted(found, key=lambda number: number.kind != "MR")


def keys(
    connection: Connection, site: Site, feed: Feed, numbers: list[Number], now: int
) -> Iterator[tuple[Number, str]]:
    """The numbers that are keys of this organisation's domain, each with its system."""
    for number in numbers:
        system = patients.system_of(site, Source(feed.name, feed.issuer), number)
        if not system:
            continue
        owner = people.own_system(connection, site.organisation, system, now=now)
        if owner == site.organisation:
            yield number, system


def find(
    connection: Connection,
    site: Site,
    feed: Feed,
    person: PatientFacts,
    kind: str,
    own: str,
    now: int,
) -> Named:
    """Find or make the record of a message's patient.

    `kind` is the message's, as ADT^A08; `own` names the record of one whom nothing else names.
    """
    numbers = own_numbers(person, site)
    header = header_of(person, numbers)
    known = list(keys(connection, site, feed, numbers, now))
    if not known:
        bare = replace(header, number=Number(header.number.value))
        source = Source(f"feed {feed.name}")
        filing = patients.resolve(connection, site, source, bare, own, now)
        return _named(connection, site, filing.patient, unidentified=not numbers)
    bearers = {
        identities.bearer(connection, site.organisation, system, number.value)
        for number, system in known
    } - {""}
    heirs = {identities.heir(connection, site.organisation, one) for one in bearers}
    if len(heirs) > 1:
        held = "its numbers belong to several patients"
        return Named(held=held, rivals=tuple(sorted(heirs)))
    if not bearers:
        made = patients.make(connection, site, header, known[0][1], known[0][0].value, now)
        _bind(connection, site, feed, known, made, now)
        return Named(made, made, made)
    # Of several records that are one by now it is about the one that stands for all.
    record = bearers.pop() if len(bearers) == 1 else heirs.pop()
    return _known(connection, site, feed, record, header, known, kind, now)


def _named(connection: Connection, site: Site, record: str, *, unidentified: bool = False) -> Named:
    return Named(
        patient=identities.heir(connection, site.organisation, record),
        record=record,
        shown=identities.shown_by(connection, site.organisation, record),
        unidentified=unidentified,
    )


def _known(
    connection: Connection,
    site: Site,
    feed: Feed,
    id_: str,
    header: Header,
    known: list[tuple[Number, str]],
    kind: str,
    now: int,
) -> Named:
    """A record that a number names: taken if nothing contradicts, or its source corrects it."""
    patients.fill(connection, site, id_, header)
    before = patients.facts_of(connection, site, id_)
    differs = patients.contradictions(site, before, header)
    family = patients.family_differs(site, before, header)
    corrects = kind in _CORRECTING and identities.told_by(
        connection, site.organisation, id_, feed.name
    )
    if differs and (not corrects or len(differs) + family > 1):
        held = f"{' and '.join(differs)} contradict the record of this number"
        return replace(_named(connection, site, id_), held=held, rivals=(id_,))
    _bind(connection, site, feed, known, id_, now)
    return _named(connection, site, id_)


def _bind(
    connection: Connection,
    site: Site,
    feed: Feed,
    known: list[tuple[Number, str]],
    id_: str,
    now: int,
) -> None:
    for number, system in known:
        identities.bind(
            connection, site.organisation, system, number.value, id_, rule="message", now=now
        )


def remember(
    connection: Connection, site: Site, feed: Feed, id_: str, person: PatientFacts
) -> None:
    """Keep what the source of a record says of the person: later comers are compared with it."""
    row = people.patient_row(connection, site.organisation, id_)
    if row is None:
        return
    before = patients.load_facts(row.facts)
    said = header_of(person, [])
    after = replace(
        before,
        name=said.name or before.name,
        birth_date=said.birth_date or before.birth_date,
        sex=said.sex or before.sex,
    )
    text = patients.dump_facts(after)
    identities.set_facts(connection, site.organisation, id_, text, told_by=feed.name)


def told(connection: Connection, site: Site, id_: str) -> bool:
    """Whether a feed has said who the person of a record is."""
    row = people.patient_row(connection, site.organisation, id_)
    return bool(row and row.told_by)
