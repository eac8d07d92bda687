"""Reports and encapsulated documents out of their data sets (PS3.3 C.17, C.24), within bounds.

The content tree becomes a flat list with depths, so that nothing that reads it later recurses. How
deep it may be is the tag walk's limit; how long, the limits below.
"""

import hashlib
from collections.abc import Iterator

from dicom import tags
from dicom.dataset import DataSet
from dicom.facts import Code, Document, Enclosed, Item, Person
from dicom.macros import code, codes, person

STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104."
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
PDF, CDA = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2"
# Lists of what a computer found (mammography, chest, colon): no documents, and very long.
CAD = frozenset(f"{STRUCTURED_REPORTS}{number}" for number in (50, 65, 69))
_MEDIA_TYPES = {PDF: "application/pdf", CDA: "text/xml"}
MOST_ITEMS = 10_000
MOST_TEXT = 250_000
_STEP = 1 << 20
_NOTHING = Document()
_TEXTS = {
    "DATE": tags.Date,
    "TIME": tags.Time,
    "DATETIME": tags.DateTime,
    "PNAME": tags.PersonName,
    "UIDREF": tags.UID,
}


def read_document(data_set: DataSet, sop_class: str) -> Document:
    """The document of a report or encapsulated object; empty for all others, key objects too."""
    if sop_class in _MEDIA_TYPES:
        return _document(data_set, (), False, _enclosed(data_set, _MEDIA_TYPES[sop_class]))
    if not sop_class.startswith(STRUCTURED_REPORTS):
        return _NOTHING
    if sop_class == KEY_OBJECT_SELECTION or sop_class in CAD:
        return _NOTHING
    items, cut = _items(data_set)
    if cut:
        data_set.source.warn("the report is longer than is mapped to FHIR")
    return _document(data_set, items, cut, Enclosed())


def _document(
    data_set: DataSet, items: tuple[Item, ...], cut: bool, enclosed: Enclosed
) -> Document:
    text = data_set.text
    verifying = data_set.items(tags.VerifyingObserverSequence)
    return Document(
        title=_first_code(data_set, tags.ConceptNameCodeSequence),
        completion=text(tags.CompletionFlag).upper(),
        verification=text(tags.VerificationFlag).upper(),
        preliminary=text(tags.PreliminaryFlag).upper(),
        verified=max((one.text(tags.VerificationDateTime) for one in verifying), default=""),
        verifiers=tuple(_verifier(one) for one in verifying),
        authors=tuple(_authors(data_set, items)),
        predecessors=tuple(_predecessors(data_set)),
        evidence=_studies(data_set, tags.CurrentRequestedProcedureEvidenceSequence),
        number=data_set.whole(tags.HL7InstanceIdentifier),
        items=items,
        cut=cut,
        enclosed=enclosed,
    )


def _first_code(item: DataSet, tag: int) -> Code:
    return next(iter(codes(item, tag)), Code())


def _verifier(item: DataSet) -> Person:
    """Who verified (0040,A073)."""
    return Person(
        item.text(tags.VerifyingObserverName),
        codes(item, tags.VerifyingObserverIdentificationCodeSequence),
        item.text(tags.VerifyingOrganization),
    )


def _authors(data_set: DataSet, items: tuple[Item, ...]) -> Iterator[Person]:
    """Who wrote it (0040,A078), else the person observers of the content (PS3.16 TID 1003)."""
    told = [
        person(item.text(tags.PersonName), item)
        for item in data_set.items(tags.AuthorObserverSequence)
    ]
    found = [one for one in told if one.name or one.codes]
    if found:
        yield from found
        return
    for item in items:
        if item.depth == 0 and item.kind == "PNAME" and item.concept.value == "121008":
            yield Person(item.text)


def _predecessors(data_set: DataSet) -> Iterator[str]:
    """The SOP instances that this document replaces (0040,A360)."""
    for study in data_set.items(tags.PredecessorDocumentsSequence):
        for series in study.items(tags.ReferencedSeriesSequence):
            for one in series.items(tags.ReferencedSOPSequence):
                if uid := one.text(tags.ReferencedSOPInstanceUID):
                    yield uid


def _studies(data_set: DataSet, tag: int) -> tuple[str, ...]:
    uids = (item.text(tags.StudyInstanceUID) for item in data_set.items(tag))
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def _items(data_set: DataSet) -> tuple[tuple[Item, ...], bool]:
    """The content items in document order, and whether there were more than are kept."""
    waiting = [(0, item) for item in reversed(data_set.items(tags.ContentSequence))]
    found: list[Item] = []
    room = MOST_TEXT
    while waiting:
        depth, item = waiting.pop()
        made = _item(item, depth)
        room -= len(made.text) + len(made.concept.meaning) + len(made.code.meaning)
        if len(found) == MOST_ITEMS or room < 0:
            return tuple(found), True
        found.append(made)
        below = reversed(item.items(tags.ContentSequence))
        waiting += [(depth + 1, child) for child in below]
    return tuple(found), False


def _item(item: DataSet, depth: int) -> Item:
    kind = item.text(tags.ValueType).upper()
    text, value, absent = "", Code(), Code()
    if kind == "TEXT":
        text = item.whole(tags.TextValue)
    elif kind == "CODE":
        value = _first_code(item, tags.ConceptCodeSequence)
    elif kind == "NUM":
        measured = item.first(tags.MeasuredValueSequence)
        if measured is not None:
            text = measured.text(tags.NumericValue)
            value = _first_code(measured, tags.MeasurementUnitsCodeSequence)
        absent = _first_code(item, tags.NumericValueQualifierCodeSequence)
    elif kind in _TEXTS:
        text = item.text(_TEXTS[kind])
    name = item.first(tags.ConceptNameCodeSequence)
    relationship = item.text(tags.RelationshipType).upper()
    concept = code(name) if name is not None else Code()
    return Item(depth, relationship, kind, concept, text, value, absent)


def _enclosed(data_set: DataSet, usual: str) -> Enclosed:
    """The encapsulated document; what pads it to an even length is not a part of it."""
    element = data_set.elements.get(tags.EncapsulatedDocument)
    if element is None or element.length <= 0:
        return Enclosed()
    start, length = element.offset, element.length
    stated = data_set.integer(tags.EncapsulatedDocumentLength)
    if 0 < stated <= length:
        length = stated
    elif data_set.source.view[start + length - 1] == 0:
        length -= 1
    digest = hashlib.sha1(usedforsecurity=False)
    for at in range(start, start + length, _STEP):
        digest.update(data_set.source.view[at : min(at + _STEP, start + length)])
    media_type = data_set.text(tags.MIMETypeOfEncapsulatedDocument).lower()
    return Enclosed(media_type or usual, start, length, digest.hexdigest())
