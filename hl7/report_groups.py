"""Which order groups of an ORU make one report, and what status that report has.

HL7 2.5.1 ch. 7.3.1. One filler number is one report; groups without results share the report of
their neighbour (linked orders that are read together).
"""

from dataclasses import dataclass, field

from hl7.groups import OrderGroup, PatientGroup
from hl7.message import Segment
from hl7.observations import TEXT, value_type
from hl7.types import OrderNumber

# ORC-1 of a filler that answers an order (table 0119), no result yet.
_RESPONSES = frozenset(
    {"OK", "UA", "OC", "CR", "UC", "OD", "DR", "UD", "OH", "HR", "UH", "OR", "UR", "OE", "UM", "UX"}
    | {"NA", "SN"}
)
_FINAL = frozenset({"F", "V", "U"})
_PRELIMINARY = frozenset({"P", "R", "S"})

Key = tuple[OrderNumber, str]


@dataclass(slots=True)
class ReportGroup:
    """The order groups that make one report, the main order first.

    `obr` speaks for the report, `status` is OBR-25 as it was sent.
    """

    obr: Segment
    orders: list[OrderGroup] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    results: list[Segment] = field(default_factory=list)
    status: str = ""

    def add(self, order: OrderGroup) -> None:
        """Take an order group in; the first with results speaks for the report."""
        results = list(order.all("OBX"))
        if results and not self.results:
            self.obr = order.obr
        self.orders.append(order)
        self.segments += order.segments
        self.results += results
        self.status = self.status or status_of(order)

    @property
    def implied_status(self) -> str:
        """What OBX-11 says: F if all text is final, P if some is preliminary, else nothing."""
        texts = [obx for obx in self.results if value_type(obx) in TEXT and obx.text(5)]
        codes = {obx.text(11).strip().upper() for obx in texts or self.results}
        if codes & _PRELIMINARY:
            return "P"
        return "F" if codes and codes <= _FINAL else ""


def status_of(order: OrderGroup) -> str:
    """OBR-25 of one order group."""
    return order.obr.text(25).strip().upper()


def report_groups(patient: PatientGroup) -> tuple[list[ReportGroup], list[OrderGroup]]:
    """The reports about a patient, and the orders that are only answered."""
    reports: list[ReportGroup] = []
    named: dict[Key, ReportGroup] = {}
    responses: list[OrderGroup] = []
    for order in patient.orders:
        if _is_response(order):
            responses.append(order)
            continue
        key = _key(order)
        report = named.get(key) if key else None
        if report is None and reports and _is_linked(reports[-1], order):
            report = reports[-1]
        if report is None:
            report = ReportGroup(order.obr)
            reports.append(report)
        if key:
            named.setdefault(key, report)
        report.add(order)
    return reports, responses


def _is_response(order: OrderGroup) -> bool:
    if status_of(order) or order.orc.text(1).strip().upper() not in _RESPONSES:
        return False
    return not any(value_type(obx) in TEXT and obx.text(5) for obx in order.all("OBX"))


def _is_linked(report: ReportGroup, order: OrderGroup) -> bool:
    """Whether one of the two has no results of its own, and their status does not differ."""
    one_is_empty = not any(order.all("OBX")) or not report.results
    return one_is_empty and len({status_of(order), report.status} - {""}) <= 1


def _key(order: OrderGroup) -> Key | None:
    """What names the report: filler number, or accession with procedure code, or placer number."""
    if filler := OrderNumber.read(order.number(3)):
        return filler, ""
    if accession := OrderNumber.read(order.accession):
        return accession, order.obr.text(4).strip()
    placer = OrderNumber.read(order.number(2))
    return (placer, "") if placer else None
