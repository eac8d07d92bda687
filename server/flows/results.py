"""Discrete results of a report: an Observation for each number, code or date, never for text."""

from dataclasses import replace

from fhir import observation
from fhir.observation import ObservationView
from hl7.facts import ObservationFacts
from hl7.report_facts import Mark, ReportFacts
from server.flows.orders import Whose
from server.flows.writing import Work
from server.store.install import derived_id

_TYPE = "Observation"


def apply(
    work: Work, whose: Whose, report_id: str, report: ReportFacts, status: str
) -> tuple[str, ...]:
    """Write the results that a report brings and mark those it takes back; gives references."""
    view = ObservationView(
        id="",
        subject=f"Patient/{whose.patient}",
        encounter=whose.encounter,
        report_status=status,
        started=report.started,
        issued=report.issued,
    )
    written, seen = [], dict[tuple[str, str, str], int]()
    for told in report.observations:
        place = observation.place(told)
        seen[place] = seen.get(place, 0) + 1
        id_ = _id(work, report_id, told, seen[place])
        body = observation.build(told, replace(view, id=id_), work.context)
        if body is not None:
            work.write(body, whose.patient, f"a result of {work.header.kind}")
            written.append(f"{_TYPE}/{id_}")
    for mark in report.marks:
        _mark(work, whose, report_id, mark)
    return tuple(written)


def _id(work: Work, report_id: str, told: ObservationFacts | Mark, number: int = 1) -> str:
    """A result is known within its report by OBX-3 and OBX-4, and by its place among equals."""
    place = "|".join((*observation.place(told), str(number)))
    return derived_id(work.site.key, _TYPE, f"{work.organisation}|{report_id}|{place}")


def _mark(work: Work, whose: Whose, report_id: str, mark: Mark) -> None:
    current = work.body(_TYPE, _id(work, report_id, mark))
    if current is not None:
        body = observation.marked(current, mark)
        work.write(body, whose.patient, f"a result marked {mark.status} by {work.header.kind}")
