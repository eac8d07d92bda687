"""Keys by which orders and reports are found, the same for what messages and DICOM objects tell."""

from collections.abc import Iterable

from dicom.facts import Number, Request
from fhir.identifiers import Site, order_system
from server.store.links import ACCESSION, FILLER, PLACER, PROCEDURE, Key

# The kind of key by which a report itself is found again.
NAME = "report"


def request_keys(request: Request, site: Site) -> set[Key]:
    """The numbers of an order as a DICOM object tells them (0040,0275), (0040,A370)."""
    numbers = (
        (PLACER, "PLAC", request.placer),
        (FILLER, "FILL", request.filler),
        (PROCEDURE, "", Number(request.procedure_id)),
    )
    found = {key for kind, code, number in numbers for key in _key(kind, code, number, site)}
    return found | accession_key(request.accession, site)


def accession_key(number: Number, site: Site) -> set[Key]:
    """An accession number as a key; none without a value."""
    return set(_key(ACCESSION, "ACSN", number, site))


def _key(kind: str, code: str, number: Number, site: Site) -> list[Key]:
    value = number.value.strip()
    return [Key(kind, value, order_system(number.issuer, site, code))] if value else []


def report_names(keys: Iterable[Key], code: str) -> list[Key]:
    """Filler number, accession with procedure code, or placer, the strongest first (mapping 2.7)."""
    by_kind = {key.kind: key for key in sorted(keys, reverse=True)}
    found = []
    for kind in (FILLER, ACCESSION, PLACER):
        key = by_kind.get(kind)
        if key and (code or kind != ACCESSION):
            suffix = f"|{code}" if kind == ACCESSION else ""
            found.append(Key(NAME, f"{kind}|{key.value}{suffix}", key.system))
    return found


def order_name(keys: Iterable[Key]) -> str:
    """What the id of an order is made of: placer, filler or accession; "" if it has none."""
    for kind in (PLACER, FILLER, ACCESSION):
        for key in sorted(key for key in keys if key.kind == kind):
            return f"{kind}|{key.system}|{key.value}"
    return ""


def instance_name(uid: str) -> Key:
    """A report by the SOP instance that it is, or that a message says it is."""
    return Key(NAME, f"instance|{uid}")


def natural_name(name: Key) -> str:
    """What the id of a report is made of."""
    return f"{name.system}|{name.value}"
