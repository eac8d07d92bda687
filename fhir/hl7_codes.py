"""Coded elements of HL7 v2 (CE, CWE, IS) as CodeableConcept, and the tables of v2 as systems."""

import re
from collections.abc import Iterable
from typing import Any

from dicom.facts import Code
from fhir.codes import IDENTIFIER_TYPE, coded, is_oid
from fhir.codes import coding as coding_of_code
from hl7.types import Coding, Concept

Json = dict[str, Any]
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

ACCESS = "urn:triptych:access-check"
RELEASE = "urn:triptych:release-category"

RESTRICTED = coded(CONFIDENTIALITY, "R", "restricted")

# What senders call the systems of table 0396, besides its own names, which are those of DICOM.
_ALIASES = {
    "LOINC": "LN",
    "SNOMED": "SCT",
    "SNOMEDCT": "SCT",
    "SNOMED-CT": "SCT",
    "SNOMED CT": "SCT",
    "CPT": "C4",
    "CPT-4": "C4",
    "ICD10": "I10",
    "ICD-10": "I10",
    "ICD10CM": "I10C",
    "ICD-10-CM": "I10C",
    "2.16.840.1.113883.6.1": "LN",
    "2.16.840.1.113883.6.96": "SCT",
    "2.16.840.1.113883.6.8": "UCUM",
    "2.16.840.1.113883.6.12": "C4",
    "2.16.840.1.113883.6.3": "I10",
    "2.16.840.1.113883.6.90": "I10C",
    "1.2.840.10008.2.16.4": "DCM",
}
_TABLE = re.compile(r"HL7(\d{4})", re.ASCII)
# Sensitivities that ORC-28 (table 0177) names; each of them is restricted.
_SENSITIVE = {"AID": "HIV", "HIV": "HIV", "EMP": "EMP", "ETH": "ETH", "PSY": "PSY", "VIP": "CEL"}


def table(number: str) -> str:
    """The system of a table of HL7 v2, such as 0078."""
    return f"http://terminology.hl7.org/CodeSystem/v2-{number}"


def concept(told: Concept, *, base: str) -> Json | None:
    """A coded element as CodeableConcept with up to three codings (mapping 2.9); None when empty."""
    codings = [found for one in told.codings if (found := coding(one, base=base))]
    body: Json = {"coding": codings} if codings else {}
    if told.text:
        body["text"] = told.text
    return body or None


def concept_of(told: Concept, number: str, *, base: str) -> Json | None:
    """A coded element of a table of HL7 v2; a code without a system is one of that table."""
    body = concept(told, base=base)
    for one in (body or {}).get("coding", []):
        one.setdefault("system", table(number))
    return body


def coding(told: Coding, *, base: str) -> Json | None:
    """One code as Coding; text without a code is no coding."""
    value, scheme = one_line(told.code), told.system
    if not value:
        return None
    if match := _TABLE.fullmatch(scheme.upper()):
        return coded(table(match[1]), value, told.text)
    scheme = _ALIASES.get(scheme.upper(), scheme)
    uid = scheme if is_oid(scheme) else ""
    return coding_of_code(Code(value, scheme, told.text, uid), base=base)


def confidentiality(told: Concept) -> list[Json]:
    """Security labels of ORC-28 (table 0177); a word that the table does not know restricts."""
    code = told.code.upper()
    if not told or code == "U":
        return []
    if code == "V":
        return [coded(CONFIDENTIALITY, "V", "very restricted")]
    sensitive = [coded(ACT_CODE, _SENSITIVE[code])] if code in _SENSITIVE else []
    return [RESTRICTED, *sensitive]


def release_labels(access: Iterable[str], releases: Iterable[str]) -> list[Json]:
    """Labels of OBX-13 and OBX-26 as they were sent: the site's release table reads them."""
    checks = [coded(ACCESS, one_line(check)) for check in access if check]
    return [*checks, *(coded(RELEASE, one_line(release)) for release in releases if release)]


def identifier_type(kind: str) -> Json | None:
    """The type of an identifier by its code of table 0203."""
    code = one_line(kind)
    return {"coding": [coded(IDENTIFIER_TYPE, code)]} if code else None


def one_line(text: str) -> str:
    """Text as FHIR codes may hold it: single blanks, no line breaks."""
    return " ".join(text.split())
