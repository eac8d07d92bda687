"""Patient (R4) from PID, PD1 and NK1, merged into what is known (mapping 2.2, 2.9).

A field that was not sent keeps what was known, one sent as null removes it, and one that was sent
replaces it. Identifiers only ever grow: a merge or a move takes them away, never an update.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir import us_realm
from fhir.codes import TAGS, coded
from fhir.hl7_codes import RESTRICTED, concept, concept_of
from fhir.hl7_context import Context, language_tag
from fhir.hl7_identifiers import is_shared, patient_identifier
from fhir.hl7_people import addresses, contact_points, human_name, organisation, practitioners
from fhir.hl7_times import date_of, datetime_of
from fhir.identifiers import typed_identifier
from fhir.patient import ANIMAL
from fhir.unique import unique
from hl7.facts import ContactPerson, PatientFacts
from hl7.types import NO_NUMBER, Identifier

Json = dict[str, Any]
BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
MARITAL_STATUS = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
BCP_47 = "urn:ietf:bcp:47"

# Table 0001, and the words that some senders write instead.
GENDER = {
    "M": "male",
    "F": "female",
    "O": "other",
    "A": "other",
    "N": "other",
    "U": "unknown",
    "MALE": "male",
    "FEMALE": "female",
    "OTHER": "other",
    "UNKNOWN": "unknown",
}
# Table 0002 where v3 has the same idea: its A is annulled, that of table 0002 separated.
_MARITAL = {
    "B": "U",
    "D": "D",
    "E": "L",
    "I": "I",
    "M": "M",
    "N": "A",
    "P": "T",
    "R": "T",
    "S": "S",
    "W": "W",
}
_REALM_FIELDS = {us_realm.RACE: "PID-10", us_realm.ETHNICITY: "PID-22"}
# Names by which a person is also known (PID-9), which a new legal name does not replace.
_ALSO = frozenset({"nickname", "maiden", "anonymous", "old"})
# What is kept of a Patient that was made from an image or an order, when PID itself arrives.
_LASTING = frozenset({"resourceType", "id", "meta", "identifier", "active", "link"})
_MANAGED = (
    *("resourceType", "id", "meta", "extension", "identifier", "active", "name", "telecom"),
    *("gender", "birthDate", "_birthDate", "deceased", "address", "maritalStatus"),
    *("multipleBirth", "contact", "communication", "generalPractitioner"),
)


def main_number(patient: PatientFacts, owned: Iterable[str], context: Context) -> Identifier:
    """The number that names a patient here: of an owned system, else MR, else PI, else the first.

    National and insurance numbers never do; NO_NUMBER if there is no other (house rule 1).
    """
    numbers = [one for one in patient.named_by if not is_shared(one)]
    systems = frozenset(owned)
    own = [n for n in numbers if _identifier(n, context).get("system", "") in systems]
    ranked = (
        *(n for n in own if n.kind.upper() == "MR"),
        *(n for n in numbers if n.kind.upper() == "MR"),
        *(n for n in numbers if n.kind.upper() == "PI"),
        *numbers,
    )
    return next(iter(ranked), NO_NUMBER)


@dataclass(frozen=True, slots=True)
class PatientView:
    """What was decided about a Patient: its id and the number that names it here.

    A `provisional` one was made from an image or an order: of it only numbers and links count.
    `tags`, if given, replace those of ours.
    """

    id: str
    main: Identifier = NO_NUMBER
    provisional: bool = False
    tags: tuple[str, ...] | None = None


def merge(current: Json | None, patient: PatientFacts, view: PatientView, context: Context) -> Json:
    """The Patient after a message; `current` is None for a new one."""
    old = _standing(current or {}, view.provisional)

    def sent(name: str, field: str, value: Any) -> Any:
        """What was sent; else what was known, unless the field was sent as null."""
        return value or (None if field in patient.nulls else old.get(name))

    fields = {
        "resourceType": "Patient",
        "id": view.id,
        "meta": _meta(old, patient, view, context),
        "extension": _extensions(old, patient, context),
        "identifier": _identifiers(old, patient, view, context),
        "active": old.get("active", True),
        "name": _names(old, patient),
        "telecom": _telecom(old, patient),
        "gender": sent("gender", "PID-8", GENDER.get(patient.sex.upper())),
        **(_birth(patient, context) or _choice(old, "birthDate", patient, "PID-7")),
        **(_death(old, patient, context) or _choice(old, "deceased", patient, "PID-29", "PID-30")),
        "address": sent("address", "PID-11", _addresses(patient)),
        "maritalStatus": sent("maritalStatus", "PID-16", _marital_status(patient, context)),
        **(_siblings(patient) or _choice(old, "multipleBirth", patient, "PID-24", "PID-25")),
        "contact": _contacts(patient.contacts, context) or old.get("contact"),
        "communication": sent("communication", "PID-15", _communication(patient, context)),
        "generalPractitioner": _care(old, patient, context),
    }
    rest = {key: value for key, value in old.items() if not key.startswith(_MANAGED)}
    return {key: value for key, value in (fields | rest).items() if value not in (None, "", [], {})}


def warnings(patient: PatientFacts) -> tuple[str, ...]:
    """What PID says that could not be told in FHIR, as field and reason; never the value itself."""
    found = []
    if patient.birth.flawed:
        found.append("PID-7 is not a date of the calendar")
    if patient.sex and patient.sex.upper() not in GENDER:
        found.append("PID-8 is not a code of table 0001")
    if patient.death.flawed:
        found.append("PID-29 is not a date of the calendar")
    if patient.death and patient.dead[:1].upper() == "N":
        found.append("PID-29 and PID-30 contradict each other: PID-30 was believed")
    return tuple(found)


def _standing(current: Json, provisional: bool) -> Json:
    if not provisional:
        return current
    return {key: value for key, value in current.items() if key in _LASTING}


def _choice(old: Json, stem: str, patient: PatientFacts, *fields: str) -> Json:
    """The members of a choice, or of a primitive and its companion, as they were known."""
    if patient.nulls.intersection(fields):
        return {}
    return {key: value for key, value in old.items() if key.removeprefix("_").startswith(stem)}


def _meta(old: Json, patient: PatientFacts, view: PatientView, context: Context) -> Json:
    meta = dict(old.get("meta", {}))
    if context.source:
        meta["source"] = context.source
    if patient.protection or "PD1-12" in patient.nulls:
        labels = [one for one in meta.get("security", []) if one != RESTRICTED]
        protected = patient.protection.upper() == "Y"
        meta["security"] = [*labels, RESTRICTED] if protected else labels
    if view.tags is not None:
        others = [one for one in meta.get("tag", []) if one.get("system") != TAGS]
        meta["tag"] = [*others, *(coded(TAGS, code) for code in view.tags)]
    return {key: value for key, value in meta.items() if value}


def _extensions(old: Json, patient: PatientFacts, context: Context) -> list[Json]:
    """Race, ethnicity and the animal (PID-10, -22, -35, -36), beside what others have put there."""
    known: list[Json] = old.get("extension", [])
    if context.site.realm == us_realm.REALM:
        told = us_realm.extensions(patient.races, patient.ethnic_groups)
        new = {one["url"] for one in told}
        gone = {url for url, field in _REALM_FIELDS.items() if field in patient.nulls}
        known = [*(one for one in known if one.get("url") not in new | gone), *told]
    others = [one for one in known if one.get("url") != ANIMAL]
    parts = {
        name: concept(told, base=context.site.base)
        for name, told in (("species", patient.species), ("breed", patient.breed))
    }
    if parts["species"]:
        nested = [{"url": url, "valueCodeableConcept": c} for url, c in parts.items() if c]
        return [*others, {"url": ANIMAL, "extension": nested}]
    return others if "PID-35" in patient.nulls else known


def _identifier(number: Identifier, context: Context, use: str = "") -> Json:
    return patient_identifier(number, context.site, context.zones, use=use)


def _identifiers(
    old: Json, patient: PatientFacts, view: PatientView, context: Context
) -> list[Json]:
    """Every number that was ever sent, the main one first."""
    numbers = sorted(patient.named_by, key=lambda number: number != view.main)
    site = context.site
    made = [
        _identifier(number, context, "usual" if number == view.main else "")
        for number in numbers
        if site.social_security_system or number.kind.upper() != "SS"
    ]
    if patient.social_security_number and (system := site.social_security_system):
        made.append(typed_identifier(patient.social_security_number, kind="SS", system=system))
    if patient.licence:
        made.append(typed_identifier(patient.licence, kind="DL"))
    return _united(made, old.get("identifier", []))


def _united(made: list[Json], known: list[Json]) -> list[Json]:
    """Numbers by system and value, the newer telling of each; one is the usual one."""
    usual = any(_is_usual(one) for one in made)
    united: dict[tuple[str, str], Json] = {}
    for one in made:
        united.setdefault((one.get("system", ""), one["value"]), one)
    for one in known:
        plain = {key: value for key, value in one.items() if key != "use"}
        kept = plain if usual and _is_usual(one) else one
        united.setdefault((one.get("system", ""), one.get("value", "")), kept)
    issued = {value for system, value in united if system}
    keys = [key for key in united if key[0] or key[1] not in issued]
    return [united[key] for key in sorted(keys, key=lambda k: (not _is_usual(united[k]), k))]


def _is_usual(identifier: Json) -> bool:
    return identifier.get("use") == "usual"


def _addresses(patient: PatientFacts) -> list[Json]:
    """PID-11; the county of PID-12 is that of the first address, if it does not say its own."""
    found = addresses(patient.addresses)
    if found and patient.county:
        found[0].setdefault("district", patient.county)
    return found


def _names(old: Json, patient: PatientFacts) -> list[Json]:
    """PID-5 replaces what the person is called, PID-9 what else the person was ever called."""
    known: list[Json] = old.get("name", [])
    legal = [human_name(name) for name in patient.names]
    aliases = [human_name(name, use="old") for name in patient.aliases]
    gone = {one.get("use", "") for one in legal}
    kept = [
        one
        for one in known
        if (
            not (aliases or "PID-9" in patient.nulls) and one.get("use", "") not in gone
            if one.get("use") in _ALSO
            else not (legal or "PID-5" in patient.nulls)
        )
    ]
    return unique(sorted([*legal, *aliases, *kept], key=lambda one: one.get("use") in _ALSO))


def _telecom(old: Json, patient: PatientFacts) -> list[Json]:
    """PID-13 and PID-40 replace what is not for work, PID-14 what is."""
    private = contact_points(patient.home_phones, use="home")
    work = contact_points(patient.work_phones, use="work")
    others = contact_points(patient.other_contacts)
    told = {
        False: bool(private or others) or "PID-13" in patient.nulls,
        True: bool(work or any(_at_work(one) for one in others)) or "PID-14" in patient.nulls,
    }
    kept = [one for one in old.get("telecom", []) if not told[_at_work(one)]]
    return unique(sorted([*private, *work, *others, *kept], key=_at_work))


def _at_work(point: Json) -> bool:
    return bool(point.get("use") == "work")


def _birth(patient: PatientFacts, context: Context) -> Json:
    if not patient.birth:
        return {}
    body: Json = {"birthDate": date_of(patient.birth)}
    when = datetime_of(patient.birth, context.zones)
    if "T" in when:
        body["_birthDate"] = {"extension": [{"url": BIRTH_TIME, "valueDateTime": when}]}
    return body


def _death(old: Json, patient: PatientFacts, context: Context) -> Json:
    """PID-30 says whether, PID-29 when; a time that is known is not lost to a mere yes."""
    dead = patient.dead[:1].upper()  # some write the whole word
    if dead == "N":
        return {"deceasedBoolean": False}
    if patient.death:
        return {"deceasedDateTime": datetime_of(patient.death, context.zones)}
    if dead != "Y":
        return {}
    known = old.get("deceasedDateTime") if "PID-29" not in patient.nulls else None
    return {"deceasedDateTime": known} if known else {"deceasedBoolean": True}


def _siblings(patient: PatientFacts) -> Json:
    """PID-25 tells which of a multiple birth, PID-24 only that it was one."""
    order = patient.birth_order
    if order.isascii() and order.isdigit() and 0 < int(order) < 100:
        return {"multipleBirthInteger": int(order)}
    told = {"Y": True, "N": False}.get(patient.multiple_birth[:1].upper())
    return {} if told is None else {"multipleBirthBoolean": told}


def _marital_status(patient: PatientFacts, context: Context) -> Json | None:
    told = patient.marital_status
    code = told.code.upper()
    if code in _MARITAL:
        body: Json = {"coding": [coded(MARITAL_STATUS, _MARITAL[code])]}
        return body | ({"text": told.text} if told.text else {})
    return concept(told, base=context.site.base)


def _communication(patient: PatientFacts, context: Context) -> list[Json]:
    told = patient.language
    if not told:
        return []
    language = concept(told, base=context.site.base) or {}
    if tag := language_tag(told.code):
        language = {**language, "coding": [coded(BCP_47, tag)]}
    return [{"language": language, "preferred": True}]


def _contacts(people: Iterable[ContactPerson], context: Context) -> list[Json]:
    """The people of NK1 of whom more is known than how they are related (pat-1)."""
    found = (_contact(person, context) for person in people)
    return [contact for contact in found if contact.keys() - {"relationship"}]


def _contact(person: ContactPerson, context: Context) -> Json:
    base, kinds = context.site.base, (("0063", person.relationship), ("0131", person.role))
    places = addresses(person.addresses)
    fields = {
        "relationship": [
            found for number, told in kinds if (found := concept_of(told, number, base=base))
        ],
        "name": human_name(person.names[0]) if person.names else None,
        "telecom": contact_points(person.phones),
        "address": places[0] if places else None,
    }
    return {key: value for key, value in fields.items() if value}


def _care(old: Json, patient: PatientFacts, context: Context) -> list[Json]:
    """PD1-4 replaces the practitioners, PD1-3 the organisations."""
    known: list[Json] = old.get("generalPractitioner", [])
    people = practitioners(patient.care_providers, context)
    places = [organisation(one, context) for one in patient.care_organisations]
    told = {
        "Practitioner": bool(people) or "PD1-4" in patient.nulls,
        "Organization": bool(places) or "PD1-3" in patient.nulls,
    }
    kept = [one for one in known if not told.get(one.get("type", ""), False)]
    every = [*people, *(place for place in places if place), *kept]
    return sorted(every, key=lambda one: one.get("type") == "Organization")
