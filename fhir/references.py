"""References to people and machines that a DICOM header names.

Whoever has an identifier is looked up among the resources that the identity service knows; whoever
has only a name stays a name, because resources made from names multiply.
"""

from collections.abc import Mapping
from typing import Any

from dicom.facts import Person, SeriesFacts
from fhir.codes import coding
from fhir.identifiers import DICOM_UID, uid_urn
from fhir.names import display_name
from fhir.text import clean

Json = dict[str, Any]
# (system, value) of an identifier to the reference of its resource, such as "Practitioner/x".
Directory = Mapping[tuple[str, str], str]


def practitioner(person: Person, *, base: str, known: Directory) -> Json | None:
    """The reference to a person; None when the header gives neither name nor id."""
    codings = (coding(code, base=base) for code in person.codes)
    ids = [found for found in codings if found and "system" in found]
    body = _identified(ids[0]["system"], ids[0]["code"], known) if ids else {}
    if display := display_name(person.name):
        body["display"] = display
    return {"type": "Practitioner", **body} if body else None


def device(series: SeriesFacts, *, known: Directory) -> Json | None:
    """The reference to the equipment that made a series (General Equipment module)."""
    uid = series.device_uid.strip()
    body = _identified(DICOM_UID, uid_urn(uid), known) if uid else {}
    words = [clean(series.manufacturer), clean(series.model)]
    if display := " ".join(word for word in words if word) or clean(series.station):
        body["display"] = display
    return {"type": "Device", **body} if body else None


def named(kind: str, display: str) -> Json | None:
    """A reference that is only a name, such as an institution; None when there is no name."""
    text = clean(display)
    return {"type": kind, "display": text} if text else None


def _identified(system: str, value: str, known: Directory) -> Json:
    reference = known.get((system, value))
    body: Json = {"reference": reference} if reference else {}
    return body | {"identifier": {"system": system, "value": value}}
