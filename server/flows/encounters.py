"""Visits applied: the Encounter of a visit number."""

from hl7.facts import VisitFacts
from server.flows.writing import Work


def of(work: Work, patient: str, visit: VisitFacts) -> str:
    """The reference to the Encounter of an order or report; "" without one."""
    return ""
