"""Names, addresses, telephone numbers, people and organisations of HL7 v2 as FHIR data types."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from fhir.hl7_codes import identifier_type
from fhir.hl7_context import Context
from fhir.hl7_identifiers import issuer_of
from fhir.identifiers import Site, system_for
from hl7.types import Address, Contact, Identifier, Organisation, Person, PersonName

Json = dict[str, Any]
T = TypeVar("T")
NPI = "http://hl7.org/fhir/sid/us-npi"

# Table 0200, by R4's concept map of name-use.
_NAME_USE = {
    "L": "official",
    "D": "usual",
    "M": "maiden",
    "N": "nickname",
    "TEMP": "temp",
    "S": "anonymous",
    "BAD": "old",
    "NOUSE": "old",
}
# Table 0190. Places of birth and origin are no addresses.
_ADDRESS_USE = {
    "H": "home",
    "P": "home",
    "B": "work",
    "O": "work",
    "C": "temp",
    "V": "temp",
    "BA": "old",
    "BI": "billing",
}
_NO_ADDRESS = frozenset({"BDL", "BR", "F", "N"})
# Tables 0201 and 0202.
_CONTACT_USE = {"PRN": "home", "ORN": "home", "VHN": "temp", "WPN": "work", "PRS": "mobile"}
_CONTACT_SYSTEM = {
    "FX": "fax",
    "BP": "pager",
    "MD": "other",
    "TDD": "other",
    "TTY": "other",
    "X.400": "other",
}


def human_name(name: PersonName, *, use: str = "") -> Json:
    """A name (XPN); `use` is for one that does not say what kind it is."""
    given = [part for part in (name.given, name.further) if part]
    suffixes = [part for part in (name.suffix, name.degree) if part]
    words = [name.prefix, *given, name.family, *suffixes]
    fields = {
        "use": _NAME_USE.get(name.kind.upper(), use),
        "text": " ".join(word for word in words if word),
        "family": name.family,
        "given": given,
        "prefix": [name.prefix] if name.prefix else [],
        "suffix": suffixes,
    }
    return {key: value for key, value in fields.items() if value}


def addresses(told: Iterable[Address]) -> list[Json]:
    """Addresses (XAD) at which a person can be reached."""
    return [_address(one) for one in told if one.kind.upper() not in _NO_ADDRESS]


def _address(told: Address) -> Json:
    kind = told.kind.upper()
    fields = {
        "use": _ADDRESS_USE.get(kind, ""),
        "type": "postal" if kind == "M" else "",
        "line": [line for line in (told.street, told.other) if line],
        "city": told.city,
        "district": told.district,
        "state": told.state,
        "postalCode": told.postcode,
        "country": told.country,
    }
    return {key: value for key, value in fields.items() if value}


def contact_points(told: Iterable[Contact], *, use: str = "") -> list[Json]:
    """Telephone numbers and e-mail addresses (XTN); `use` is that of the field."""
    found = []
    for one in told:
        kind = _contact_use(one, use)
        if one.number:
            found.append(_point(_contact_system(one), one.number, kind))
        if one.email:
            found.append(_point("email", one.email, kind if kind != "mobile" else use))
    return found


def _contact_system(told: Contact) -> str:
    if told.equipment.upper() == "INTERNET":
        return "url"
    return _CONTACT_SYSTEM.get(told.equipment.upper(), "phone")


def _contact_use(told: Contact, use: str) -> str:
    if told.equipment.upper() == "CP":
        return "mobile"
    return _CONTACT_USE.get(told.use.upper(), use)


def _point(system: str, value: str, use: str) -> Json:
    return {"system": system, "value": value} | ({"use": use} if use else {})


def staff_key(number: Identifier, site: Site) -> tuple[str, str] | None:
    """System and value that name a person or organisation; None when nobody issued the number."""
    if not number:
        return None
    if number.kind.upper() == "NPI":
        return NPI, number.value
    issuer = issuer_of(number.authority)
    default = site.staff_system
    system = system_for(issuer, table=site.systems, base=site.base, default=default)[0]
    return (system, number.value) if system else None


def practitioner(person: Person, context: Context) -> Json | None:
    """The reference to a professional (XCN): a resource if one is known, else number and name."""
    display = str(human_name(person.name).get("text", ""))
    return _reference("Practitioner", person.number, display, context)


def organisation(told: Organisation, context: Context) -> Json | None:
    """The reference to an organisation (XON): a resource if one is known, else number and name."""
    return _reference("Organization", told.number, told.name, context)


def _reference(kind: str, number: Identifier, display: str, context: Context) -> Json | None:
    body: Json = {}
    if key := staff_key(number, context.site):
        if key in context.known:
            body["reference"] = context.known[key]
        body |= {"identifier": {"system": key[0], "value": key[1]}}
    if display:
        body["display"] = display
    return {"type": kind, **body} if body else None


def practitioners(people: Iterable[Person], context: Context) -> list[Json]:
    """References to several professionals, each once."""
    found = (practitioner(person, context) for person in dict.fromkeys(people))
    return [reference for reference in found if reference]


def named_in(facts: object, kind: type[T]) -> Iterator[T]:
    """Every Person or Organisation that facts name, in their order."""
    if isinstance(facts, kind):
        yield facts
        return
    members = getattr(facts, "__dataclass_fields__", ())
    for part in facts if isinstance(facts, tuple) else (getattr(facts, name) for name in members):
        if part and not isinstance(part, str | bool):
            yield from named_in(part, kind)


def resource(kind: str, number: Identifier, name: Json, context: Context, id: str) -> Json | None:
    """A Practitioner or Organization by its issued number; None without one."""
    key = staff_key(number, context.site)
    if key is None:
        return None
    types = {"type": found} if (found := identifier_type(number.kind)) else {}
    meta = {"meta": {"source": context.source}} if context.source else {}
    return {
        "resourceType": kind,
        "id": id,
        **meta,
        "identifier": [{**types, "system": key[0], "value": key[1]}],
        "active": True,
        **name,
    }
