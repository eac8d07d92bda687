"""Identifiers: who issued a number becomes its system, UIDs become urn:oid, placeholders are known.

`system_for` is shared by DICOM and HL7 v2, so that one number gets one system whichever door it
came through.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dicom.facts import Issuer, Number
from fhir.codes import DCM, IDENTIFIER_TYPE, coded, is_oid

DICOM_UID = "urn:dicom:uid"
RFC_3986 = "urn:ietf:rfc:3986"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE | re.ASCII)

_ORDER_KINDS = ("PLAC", "FILL", "ACSN")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """What one organisation decided about numbers and times.

    `systems` maps a namespace or universal id to a system, `base` begins the systems that are
    made up for all others, `default` is the authority of patient numbers that name none, `zone`
    is an IANA time zone name. The other defaults are for numbers of their kind that name none.
    A Study ID (0020,0010) and a social security number are kept only if their system is set.
    `realm` is the country whose profiles count, as us.
    """

    base: str
    systems: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    zone: str = ""
    accession_system: str = ""
    study_id_system: str = ""
    placer_system: str = ""
    filler_system: str = ""
    visit_system: str = ""
    staff_system: str = ""
    social_security_system: str = ""
    realm: str = ""


def system_for(
    issuer: Issuer, *, table: Mapping[str, str], base: str, default: str = ""
) -> tuple[str, str | None]:
    """The system of an issuer's numbers and a warning, if its choice was not certain.

    Order: site table by namespace, then by universal id; OID; UUID; URI; the namespace under our
    own base; the universal id under our own base; the default. "" means: nobody knows.
    """
    namespace, universal = issuer.namespace.strip(), issuer.universal_id.strip()
    for key in (namespace, universal):
        if key and key in table:
            return table[key], None
    if known := _universal_system(universal, issuer.universal_type.strip().upper()):
        return known, None
    if namespace:
        return f"{base.rstrip('/')}/{quote(namespace.lower(), safe='')}", None
    if universal:
        warning = "the universal id is of no known type: it was used like a namespace"
        return f"{base.rstrip('/')}/{quote(universal.lower(), safe='')}", warning
    if default:
        return default, "the number names no issuer: the configured default was used"
    return "", "the number names no issuer and there is no default: it cannot be a match key"


def patient_system(issuer: Issuer, site: Site) -> str:
    """The system of a patient number, by the site's table and default issuer."""
    return system_for(issuer, table=site.systems, base=site.base, default=site.default)[0]


def order_system(issuer: Issuer, site: Site, kind: str = "ACSN") -> str:
    """The system of an accession (ACSN), placer (PLAC), filler (FILL) or visit number (VN).

    The patient default does not apply to it; a number of another kind has no default.
    """
    defaults = {
        "ACSN": site.accession_system,
        "PLAC": site.placer_system,
        "FILL": site.filler_system,
        "VN": site.visit_system,
    }
    default = defaults.get(kind, "")
    return system_for(issuer, table=site.systems, base=site.base, default=default)[0]


def uid_urn(uid: str) -> str:
    """A UID as FHIR spells it in an Identifier or a Coding (PS3.5 B.2)."""
    return f"urn:oid:{uid}"


def bare_uid(value: str) -> str:
    """Undo `uid_urn`, so that the spellings of one UID are equal; other text is returned as is."""
    rest = value.removeprefix("urn:oid:")
    return rest if rest != value and is_oid(rest) else value


def study_identifier(uid: str) -> Json:
    """The identifier that every ImagingStudy of this study has (R4 imagingstudy notes)."""
    kind = {"coding": [coded(DCM, "110180", "Study Instance UID")]}
    return {"use": "official", "type": kind, "system": DICOM_UID, "value": uid_urn(uid)}


def typed_identifier(value: str, *, kind: str, system: str = "", use: str = "") -> Json:
    """An Identifier with a type of HL7 table 0203 (MR, ACSN, PLAC, FILL, …)."""
    body: Json = {"use": use} if use else {}
    body["type"] = {"coding": [coded(IDENTIFIER_TYPE, kind)]}
    if system:
        body["system"] = system
    return body | {"value": value}


def accession_identifier(number: Number, site: Site) -> Json:
    """The identifier of an accession number (0008,0050) and its issuer (0008,0051)."""
    return order_identifier(number, "ACSN", site)


def order_identifier(number: Number, kind: str, site: Site) -> Json:
    """The identifier of an order by a number of one kind: ACSN, PLAC or FILL."""
    system = order_system(number.issuer, site, kind)
    return typed_identifier(number.value.strip(), kind=kind, system=system)


def distinct(identifiers: Iterable[Json]) -> list[Json]:
    """Identifiers, each number once by type: one with a system stands for one without."""
    kept: dict[tuple[str, str, str], Json] = {}
    for one in identifiers:
        kept.setdefault((_type_code(one), one.get("system", ""), one["value"]), one)
    issued = {(kind, value) for kind, system, value in kept if system}
    return [
        one for (kind, system, value), one in kept.items() if system or (kind, value) not in issued
    ]


def in_order(identifiers: Iterable[Json]) -> list[Json]:
    """Identifiers of an order or report: placer, filler, accession, then all others."""

    def rank(one: Json) -> tuple[int, str, str]:
        kind = _type_code(one)
        place = _ORDER_KINDS.index(kind) if kind in _ORDER_KINDS else len(_ORDER_KINDS)
        return place, one.get("system", ""), one["value"]

    return sorted(identifiers, key=rank)


def _type_code(identifier: Json) -> str:
    codings = identifier.get("type", {}).get("coding", [{}])
    return str(codings[0].get("code", ""))


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What feeds write when they do not know: never a match key (house rule 1).

    Numbers are compared in upper case, dates as they are. A family name equals a placeholder or
    begins with one that has several words ("BABY OF …").
    """

    numbers: frozenset[str] = frozenset({"0", "1", "123456", "UNKNOWN", "TEST"})
    names: frozenset[str] = frozenset({"DOE", "UNKNOWN", "BABY OF"})
    dates: frozenset[str] = frozenset({"19000101"})

    def number(self, value: str) -> bool:
        """Whether a patient number says nothing about who this is."""
        return not value.strip() or value.strip().upper() in self.numbers

    def name(self, person_name: str) -> bool:
        """Whether a person name (PN or XPN family) says nothing about who this is."""
        family = " ".join(person_name.split("^")[0].upper().split())
        return not family or any(
            family == name or (" " in name and family.startswith(f"{name} ")) for name in self.names
        )

    def date(self, birth_date: str) -> bool:
        """Whether a birth date (YYYYMMDD) says nothing about who this is."""
        return not birth_date.strip() or birth_date.strip() in self.dates


def _universal_system(universal: str, kind: str) -> str:
    if kind == "ISO" and is_oid(universal):
        return f"urn:oid:{universal}"
    if kind in {"UUID", "GUID", ""} and _UUID.fullmatch(universal):
        return f"urn:uuid:{universal.lower()}"
    if kind in {"URI", "URL"} and _URI.fullmatch(universal):
        return universal
    return ""
