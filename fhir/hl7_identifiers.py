"""Numbers of HL7 v2 (CX, EI) as Identifier, by the same authorities as those of DICOM headers."""

from typing import Any

from dicom.facts import Issuer, Number
from fhir.hl7_codes import identifier_type
from fhir.hl7_times import Zones, period_of
from fhir.identifiers import Site, order_identifier, order_system, patient_system
from hl7.types import Authority, Identifier, OrderNumber

Json = dict[str, Any]
# Numbers that people keep wherever they are treated: evidence, never a key (house rule 1).
SHARED = frozenset(
    {"SS", "NI", "NH", "HC", "MA", "MC", "MI", "DL", "PPN", "TAX", "BR", "PEN", "JHN", "CZ", "SB"}
    | {"INS", "INS-A", "INS-C", "INS-NIR", "INS-NIA"}
)
_NATIONAL = "NN"  # NNxxx: the national number of the country xxx


def issuer_of(authority: Authority) -> Issuer:
    """An assigning authority (HD) as the issuer that DICOM names in its own fields."""
    return Issuer(authority.namespace, authority.universal_id, authority.universal_type)


def number_of(number: Identifier | OrderNumber) -> Number:
    """A number with its authority as the facts of a DICOM header have it."""
    kind = number.kind if isinstance(number, Identifier) else ""
    return Number(number.value, issuer_of(number.authority), kind)


def is_shared(number: Identifier) -> bool:
    """Whether a patient number is national, of an insurance or a document: never a key."""
    kind = number.kind.upper()
    return kind in SHARED or (kind.startswith(_NATIONAL) and len(kind) == 5)


def patient_identifier(number: Identifier, site: Site, zones: Zones, *, use: str = "") -> Json:
    """A patient number (CX) as Identifier; the site's default authority is not for shared ones."""
    own = bool(number.authority) or not is_shared(number)
    system = patient_system(issuer_of(number.authority), site) if own else ""
    return _identifier(number, system, zones, use)


def visit_identifier(number: Identifier, kind: str, site: Site, zones: Zones) -> Json:
    """The number of a visit (VN) or account (AN) as Identifier; `kind` is for one without."""
    system = order_system(issuer_of(number.authority), site, kind)
    kinds = {"type": identifier_type(number.kind or kind)} if number.kind or kind else {}
    return {**kinds, **_identifier(number, system, zones, "")}


def order_number(number: OrderNumber, kind: str, site: Site) -> Json | None:
    """The number of an order (EI) as Identifier: ACSN, PLAC or FILL; None without one."""
    return order_identifier(number_of(number), kind, site) if number else None


def untyped_number(number: OrderNumber, site: Site) -> Json | None:
    """A number of a kind that table 0203 does not know, such as a requested procedure's."""
    if not number:
        return None
    system = order_system(issuer_of(number.authority), site, "")
    return ({"system": system} if system else {}) | {"value": number.value}


def _identifier(number: Identifier, system: str, zones: Zones, use: str) -> Json:
    fields = {
        "use": use,
        "type": identifier_type(number.kind),
        "system": system,
        "value": number.value,
        "period": period_of(number.start, number.end, zones),
        "assigner": {"display": name} if (name := number.authority.namespace) else None,
    }
    return {key: value for key, value in fields.items() if value}
