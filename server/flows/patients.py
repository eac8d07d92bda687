"""The identity service: which Patient a DICOM header speaks of, and when it must not be decided.

A patient is never joined on a bare number. A number with an issuer is a key of the organisation's
domain; one without is good only within its source and with an agreeing birth date; what has
neither gets a record of its own. A contradiction joins nothing: it is filed apart, and reviewed.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select

from dicom.facts import Issuer, Number, PatientFacts
from fhir import identifiers
from fhir.identifiers import Placeholders
from server.store import identities, reviews
from server.store.install import derived_id
from server.store.jobs import insert_for
from server.store.tables import authority, patient, patient_number, patient_unissued


@dataclass(frozen=True, slots=True)
class Site:
    """One organisation as identity sees it: the install key, its systems, its placeholders."""

    organisation: int
    name: str
    key: str
    mapping: identifiers.Site
    placeholders: Placeholders = Placeholders()


@dataclass(frozen=True, slots=True)
class Filing:
    """Where a header belongs. `unconfirmed` marks a record that a contradiction set apart.

    `subject` is the record that `patient` has become part of, or the same.
    """

    patient: str
    system: str = ""
    unconfirmed: bool = False
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Who sent a header: the peer's name and the issuer that its bare numbers have."""

    name: str
    issuer: str = ""


def system_of(site: Site, source: Source, number: Number) -> str:
    """The system of a number, from its issuer or the source's default; empty when unissued."""
    default = source.issuer or site.mapping.default
    return identifiers.patient_system(number.issuer, replace(site.mapping, default=default))


def resolve(
    connection: Connection, site: Site, source: Source, header: PatientFacts, study: str, now: int
) -> Filing:
    """Find or make the Patient of a header (rules of identity: domain, unissued, of its own)."""
    if site.placeholders.number(header.number.value) or header.removed:
        return _unissued(connection, site, source, header, study, now)
    system = system_of(site, source, header.number)
    if not system:
        return _unissued(connection, site, source, header, study, now)
    return _domain(connection, site, header, system, study, now)


def _domain(
    connection: Connection, site: Site, header: PatientFacts, system: str, study: str, now: int
) -> Filing:
    """The record that a number of the domain names, or a new one; apart if facts contradict."""
    value = header.number.value
    known = identities.bearer(connection, site.organisation, system, value)
    if known:
        fill(connection, site, known, header)
        differs = contradictions(site, facts_of(connection, site, known), header)
        if not differs:
            heir = identities.heir(connection, site.organisation, known)
            return Filing(known, system, subject=heir)
        apart = _create(connection, site, header, "unidentified", f"apart|{study}|{value}", "", now)
        evidence = {
            "rule": "same number, other person",
            "patient": known,
            "apart": apart,
            "fields": differs,
        }
        add_review(connection, site, "identity", f"{known}|{study}", study, evidence, now)
        heir = identities.heir(connection, site.organisation, apart)
        return Filing(apart, "", unconfirmed=True, subject=heir)
    made = _create(connection, site, header, "identified", f"{system}|{value}", system, now)
    _own(connection, site, system, value, made, now)
    return Filing(made, system)


def _own(
    connection: Connection, site: Site, system: str, value: str, patient_id: str, now: int
) -> None:
    """Bind a number to its record; an authority that nobody owns joins this domain."""
    owner = insert_for(connection.dialect.name, authority).values(
        system=system, organisation=site.organisation, created=now
    )
    connection.execute(owner.on_conflict_do_nothing())
    connection.execute(
        insert(patient_number).values(
            organisation=site.organisation,
            system=system,
            value=value,
            patient=patient_id,
            rule="DICOM header",
            created=now,
        )
    )


def _unissued(
    connection: Connection, site: Site, source: Source, header: PatientFacts, study: str, now: int
) -> Filing:
    """The record for a number without issuer, or for none at all."""
    number, birth = header.number.value, header.birth_date
    bare = site.placeholders.number(number)
    weak = bare or site.placeholders.date(birth)
    parts = [study] if weak else [source.name, number, birth, header.sex, str(header.removed)]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    found = connection.execute(
        select(patient_unissued.c.patient).where(
            patient_unissued.c.organisation == site.organisation, patient_unissued.c.key == key
        )
    ).scalar()
    if found is not None:
        return Filing(found, subject=identities.heir(connection, site.organisation, found))
    kind = "unidentified" if bare else "unissued"
    made = _create(connection, site, header, kind, f"unissued|{key}", "", now)
    connection.execute(
        insert(patient_unissued).values(organisation=site.organisation, key=key, patient=made)
    )
    return Filing(made)


def _create(
    connection: Connection,
    site: Site,
    header: PatientFacts,
    kind: str,
    natural: str,
    issuer: str,
    now: int,
) -> str:
    """Make a source record once; equal natural keys give the same id."""
    made = derived_id(site.key, "Patient", f"{site.organisation}|{natural}")
    facts = dump_facts(header)
    row = insert_for(connection.dialect.name, patient).values(
        organisation=site.organisation,
        id=made,
        kind=kind,
        facts=facts,
        born=identities.born(facts),
        issuer=issuer,
        salt=secrets.token_hex(16),
        created=now,
    )
    connection.execute(row.on_conflict_do_nothing())
    return made


def make(
    connection: Connection, site: Site, header: PatientFacts, system: str, value: str, now: int
) -> str:
    """Make the record that a number of the domain names; a header that names it finds the same."""
    return _create(connection, site, header, "identified", f"{system}|{value}", system, now)


def fill(connection: Connection, site: Site, id_: str, header: PatientFacts) -> None:
    """Let a record of which only its number was known take the facts of the first who tells more."""
    before = facts_of(connection, site, id_)
    if not (before.name or before.birth_date or before.sex):
        text = dump_facts(replace(header, number=before.number))
        identities.set_facts(connection, site.organisation, id_, text)


def facts_of(connection: Connection, site: Site, id_: str) -> PatientFacts:
    """The header facts kept with a record."""
    query = select(patient.c.facts).where(
        patient.c.organisation == site.organisation, patient.c.id == id_
    )
    return load_facts(connection.execute(query).scalar_one())


def dump_facts(header: PatientFacts) -> str:
    """A header's facts as they are kept with a record."""
    return json.dumps(asdict(header), ensure_ascii=False)


def load_facts(text: str) -> PatientFacts:
    """The header facts kept with a record."""
    raw: dict[str, Any] = json.loads(text)
    raw["number"] = _number(raw["number"])
    raw["others"] = tuple(_number(other) for other in raw["others"])
    return PatientFacts(**raw)


def _number(raw: dict[str, Any]) -> Number:
    return Number(raw["value"], Issuer(**raw["issuer"]), raw["kind"])


def contradictions(site: Site, one: PatientFacts, other: PatientFacts) -> list[str]:
    """The identifying fields that disagree. Absent and placeholder values are silent."""
    found = []
    births = {one.birth_date, other.birth_date}
    if len([birth for birth in births if not site.placeholders.date(birth)]) > 1:
        found.append("birthDate")
    if len({s for s in (one.sex, other.sex) if s in ("M", "F")}) > 1:
        found.append("gender")
    return found


def same_person(site: Site, one: PatientFacts, other: PatientFacts) -> bool:
    """Whether two headers of one study speak of the same person.

    Numbers must agree (one may be absent), and issuers where both are named; birth date and sex
    must not contradict, nor the family name when no number is there to agree on.
    """
    if one == other and one.number.value:
        return True
    numbers = {h.number.value for h in (one, other) if h.number.value}
    issuers = {h.number.issuer for h in (one, other) if h.number.issuer != Issuer()}
    if len(numbers) > 1 or (numbers and len(issuers) > 1 and not _one_issuer(issuers)):
        return False
    if contradictions(site, one, other):
        return False
    agreed = one.number.value == other.number.value != ""
    return agreed or one.removed or not family_differs(site, one, other)


def _one_issuer(issuers: set[Issuer]) -> bool:
    """Whether issuers agree where each of them says something."""
    names = {issuer.namespace for issuer in issuers if issuer.namespace}
    universal = {issuer.universal_id for issuer in issuers if issuer.universal_id}
    return len(names) < 2 and len(universal) < 2


def family_differs(site: Site, one: PatientFacts, other: PatientFacts) -> bool:
    """Whether two family names disagree. Absent and placeholder names are silent."""
    names = [h.name for h in (one, other) if not site.placeholders.name(h.name)]
    families = {name.split("=")[0].split("^")[0].strip().casefold() for name in names}
    return len(families) > 1


def add_review(
    connection: Connection,
    site: Site,
    kind: str,
    key: str,
    study: str,
    evidence: dict[str, Any],
    now: int,
    state: str = "open",
    *,
    again: bool = False,
) -> None:
    """Put what cannot be decided before a person, once for the same evidence."""
    reviews.add(
        connection,
        site.organisation,
        kind,
        key,
        study=study,
        evidence=evidence,
        state=state,
        now=now,
        again=again,
    )
