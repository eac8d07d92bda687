"""Macros of PS3.3 that many sequences share: coded entries and people."""

from itertools import zip_longest

from dicom import tags
from dicom.dataset import DataSet
from dicom.facts import Code, Person


def text_or_meaning(data_set: DataSet, text_tag: int, code_tag: int) -> str:
    """A description, else the meaning of the code beside it."""
    return data_set.text(text_tag) or next((one.meaning for one in codes(data_set, code_tag)), "")


def codes(item: DataSet, tag: int) -> tuple[Code, ...]:
    """Code sequence items (PS3.3 table 8.8-1) that carry a value or a meaning."""
    items = item.items(tag)
    if not items:
        return ()
    found = (code(entry) for entry in items)
    return tuple(one for one in found if one.value or one.meaning)


def code(item: DataSet) -> Code:
    """One coded entry (PS3.3 table 8.8-1)."""
    text = item.text
    scheme = text(tags.CodingSchemeDesignator)
    return Code(
        text(tags.CodeValue) or text(tags.LongCodeValue) or item.whole(tags.URNCodeValue),
        scheme,
        text(tags.CodeMeaning),
        text(tags.CodingSchemeUID) or _scheme_uid(item, scheme),
    )


def _scheme_uid(item: DataSet, scheme: str) -> str:
    """UID of a coding scheme that the object itself identifies (0008,0110)."""
    root = item
    while root.parent is not None:
        root = root.parent
    for entry in root.items(tags.CodingSchemeIdentificationSequence):
        if entry.text(tags.CodingSchemeDesignator) == scheme:
            return entry.text(tags.CodingSchemeUID)
    return ""


def people(item: DataSet, names_tag: int, ids_tag: int) -> tuple[Person, ...]:
    """Persons by name, with the identification items that stand in the same order."""
    names, ids = item.texts(names_tag), item.items(ids_tag)
    if not names and not ids:
        return ()
    found = (person(name or "", entry) for name, entry in zip_longest(names, ids))
    return tuple(one for one in found if one.name or one.codes)


def person(name: str, item: DataSet | None) -> Person:
    """Person Identification macro (PS3.3 table 10-1)."""
    if item is None:
        return Person(name)
    ids = codes(item, tags.PersonIdentificationCodeSequence)
    institution = text_or_meaning(item, tags.InstitutionName, tags.InstitutionCodeSequence)
    return Person(name, ids, institution)


def first(people: tuple[Person, ...]) -> Person:
    """The first person, or nobody."""
    return people[0] if people else Person()
