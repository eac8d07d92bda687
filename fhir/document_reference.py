"""DocumentReference (R4) of an encapsulated document that does not say whether it is verified.

Scans of consents and identity cards come in the same class as reports: without a flag a document
is not taken for one (mapping 1.8).
"""

from typing import Any

from dicom.facts import InstanceFacts
from fhir.codes import concept
from fhir.identifiers import DICOM_UID, Site, uid_urn
from fhir.papers import PaperView, enclosed_form, identifiers, interpreters, issued
from fhir.references import named
from fhir.text import clean

Json = dict[str, Any]


def build(paper: InstanceFacts, view: PaperView, site: Site) -> Json:
    """The DocumentReference of one encapsulated document."""
    fields = {
        "resourceType": "DocumentReference",
        "id": view.id,
        "masterIdentifier": {"system": DICOM_UID, "value": uid_urn(paper.uid)},
        "identifier": identifiers([paper]),
        "status": "current",
        "type": concept([paper.document.title], clean(paper.title), base=site.base),
        "subject": {"reference": view.subject, "type": "Patient"},
        "date": issued(paper, site),
        "author": interpreters(paper, view, site),
        "custodian": named("Organization", paper.series.institution),
        "description": clean(paper.title),
        "content": [{"attachment": enclosed_form(paper, view.documents[paper.uid])}],
        "context": _context(view),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}


def _context(view: PaperView) -> Json:
    """The visit, and the study that the document came with."""
    context: Json = {"encounter": [{"reference": view.encounter}]} if view.encounter else {}
    return context | {"related": [{"reference": view.study, "type": "ImagingStudy"}]}
