"""Code systems: DICOM scheme designators to FHIR systems, coded entries to Coding and concepts.

Every system URI that more than one module needs is named here.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from dicom.facts import Code
from fhir.body_sites import DISPLAY, SRT_TO_SCT, body_part_code

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"
SNM3 = "http://terminology.hl7.org/CodeSystem/SNM3"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
TAGS = "urn:triptych:tag"

SYSTEMS = {
    "DCM": DCM,
    "SCT": SCT,
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    "RADLEX": "http://radlex.org",
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "FMA": "http://purl.org/sig/ont/fma",
    "MDC": "urn:iso:std:iso:11073:10101",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
SNOMED_RT = frozenset({"SRT", "SNM3", "99SDM"})

Json = dict[str, Any]
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)


def is_oid(text: str) -> bool:
    """Whether the text is a dotted object identifier short enough to be a UID (PS3.5 9.1)."""
    return len(text) <= 64 and _OID.fullmatch(text) is not None


def coding(code: Code, *, base: str) -> Json | None:
    """Turn a coded entry into a Coding (PS3.3 8.8); None when it has neither code nor meaning."""
    system, value = _translated(code, base)
    fields = {"system": system, "code": value, "display": code.meaning.strip()}
    return {key: text for key, text in fields.items() if text} or None


def concept(codes: Iterable[Code], text: str = "", *, base: str) -> Json | None:
    """Put several codings of one idea, and its text, into a CodeableConcept; None when empty."""
    codings = [found for code in codes if (found := coding(code, base=base))]
    body: Json = {"coding": codings} if codings else {}
    if text.strip():
        body["text"] = text.strip()
    return body or None


def coded(system: str, code: str, display: str = "") -> Json:
    """A Coding from its three usual parts."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def body_site(region: Iterable[Code], body_part: str, *, base: str) -> Json | None:
    """The Coding of a series' body site: the coded region, else Annex L, else the bare word."""
    for code in region:
        if found := coding(code, base=base):
            return found
    if sct := body_part_code(body_part):
        return coded(SCT, sct, DISPLAY[sct])
    return {"display": body_part.strip()} if body_part.strip() else None


def _translated(code: Code, base: str) -> tuple[str, str]:
    """System and code in FHIR terms; a code without a value has no system either."""
    value, scheme = code.value.strip(), code.scheme.strip()
    if not value:
        return "", ""
    if scheme in SNOMED_RT:
        return (SCT, SRT_TO_SCT[value]) if value in SRT_TO_SCT else (SNM3, value)
    return _system(scheme, code.scheme_uid.strip(), base), value


def _system(scheme: str, scheme_uid: str, base: str) -> str:
    if known := SYSTEMS.get(scheme.upper()):
        return known
    if is_oid(scheme_uid):
        return f"urn:oid:{scheme_uid}"
    return f"{base.rstrip('/')}/{quote(scheme, safe='')}" if scheme else ""
