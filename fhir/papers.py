"""What reports and documents that arrive as DICOM share in FHIR: status, issue, people, forms."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dicom.facts import Enclosed, InstanceFacts
from fhir.codes import is_oid
from fhir.datetimes import fhir_datetime, fhir_datetime_of_dt
from fhir.identifiers import DICOM_UID, RFC_3986, Site, uid_urn
from fhir.references import Directory, practitioner
from fhir.text import clean
from fhir.unique import unique

Json = dict[str, Any]
_TIME = len("2026-09-05T12:30:00")


@dataclass(frozen=True, slots=True)
class PaperView:
    """What was decided about a report or document: its id, and what it refers to ("Patient/x").

    `started` and `description` are those of its study, `documents` the addresses of encapsulated
    documents by SOP Instance UID.
    """

    id: str
    subject: str
    encounter: str = ""
    study: str = ""
    started: str = ""
    description: str = ""
    orders: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    documents: dict[str, str] = field(default_factory=dict)
    known: Directory = field(default_factory=dict)


def status(paper: InstanceFacts) -> str:
    """The status by the flags of a document (PS3.3 C.17.2, C.24.1; mapping 1.8)."""
    document = paper.document
    if document.preliminary == "PRELIMINARY":
        return "preliminary"
    if document.completion == "PARTIAL":
        return "partial"
    if document.verification != "VERIFIED":
        return "preliminary"
    return "amended" if document.predecessors else "final"


def issued(paper: InstanceFacts, site: Site) -> str:
    """When it was verified, else written, as an instant; "" where no zone is known."""
    offset = paper.offset_from_utc
    verified = fhir_datetime_of_dt(paper.document.verified, offset=offset, zone=site.zone)
    written = fhir_datetime(paper.content_date, paper.content_time, offset=offset, zone=site.zone)
    return next((when for when in (verified, written) if len(when) > _TIME), "")


def interpreters(paper: InstanceFacts, view: PaperView, site: Site) -> list[Json]:
    """Who verified it, else who wrote it."""
    people = paper.document.verifiers or paper.document.authors
    found = (practitioner(person, base=site.base, known=view.known) for person in people)
    return unique(one for one in found if one)


def identifiers(papers: Iterable[InstanceFacts]) -> list[Json]:
    """The SOP Instance UID of every version, and what a CDA calls itself."""
    found = []
    for paper in papers:
        found.append({"system": DICOM_UID, "value": uid_urn(paper.uid)})
        root, _, extension = clean(paper.document.number).partition("^")
        if is_oid(root):
            system, value = (uid_urn(root), extension) if extension else (RFC_3986, uid_urn(root))
            found.append({"system": system, "value": value})
    return unique(found)


def enclosed_form(paper: InstanceFacts, address: str) -> Json:
    """The Attachment of an encapsulated document: its bytes are read at its address."""
    enclosed: Enclosed = paper.document.enclosed
    title = clean(paper.title)
    body: Json = {"contentType": enclosed.media_type, "url": address, "size": enclosed.length}
    body["hash"] = b64encode(bytes.fromhex(enclosed.sha1)).decode()
    return body | ({"title": title} if title else {})


def text_form(content_type: str, text: str, language: str, title: str) -> Json:
    """An Attachment that holds its text."""
    data = text.encode()
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    form: Json = {"contentType": content_type} | ({"language": language} if language else {})
    form |= {"data": b64encode(data).decode(), "size": len(data)}
    return form | {"hash": b64encode(digest).decode(), "title": title}
