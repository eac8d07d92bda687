"""Discrete results of a report: an Observation for each number, code or date, never for text."""

from dataclasses import dataclass, replace

from fhir import observation
from fhir.observation import ObservationView
from hl7.facts import ObservationFacts
from hl7.report_facts import Mark, ReportFacts
from hl7.types import NOTHING_CODED
from server.flows.orders import Whose
from server.flows.writing import Json, Work
from server.store import resources
from server.store.install import derived_id

_TYPE = "Observation"


@dataclass(frozen=True, slots=True)
class Told:
    """What was decided about the report that brings results: `held` ones are not for the patient."""

    id: str
    status: str
    labels: tuple[Json, ...]
    held: bool


def apply(work: Work, whose: Whose, report: ReportFacts, about: Told) -> tuple[str, ...]:
    """Write the results that a report brings and mark those it takes back; gives references."""
    view = ObservationView(
        id="",
        subject=f"Patient/{whose.patient}",
        encounter=whose.encounter,
        report_status=about.status,
        started=report.started,
        issued=report.issued,
        labels=about.labels,
    )
    written, seen = [], dict[tuple[str, str, str], int]()
    for told in report.observations:
        place = observation.place(told)
        seen[place] = seen.get(place, 0) + 1
        id_ = _id(work, about.id, told, seen[place])
        body = observation.build(told, replace(view, id=id_), work.context)
        if body is not None:
            why = f"a result of {work.header.kind}"
            work.write(body, whose.patient, why, held=about.held)
            written.append(f"{_TYPE}/{id_}")
    mark(work, whose, about.id, report)
    return tuple(written)


def mark(work: Work, whose: Whose, report_id: str, report: ReportFacts) -> None:
    """Mark the results that a report takes back (OBX-11 D, W, X) or confirms (U)."""
    for one in report.marks:
        _mark(work, whose, report_id, one)


def withdraw(work: Work, whose: Whose, reference: str) -> None:
    """A result of a report that was wrong: its value goes, and no version shows it to the patient."""
    id_ = reference.removeprefix(f"{_TYPE}/")
    current = work.body(_TYPE, id_)
    if current is not None:
        resources.hide_versions(work.connection, work.organisation, _TYPE, id_)
        body = observation.marked(current, Mark("W", NOTHING_CODED))
        work.write(body, whose.patient, "a result of a withdrawn report")


def _id(work: Work, report_id: str, told: ObservationFacts | Mark, number: int = 1) -> str:
    """A result is known within its report by OBX-3 and OBX-4, and by its place among equals."""
    place = "|".join((*observation.place(told), str(number)))
    return derived_id(work.site.key, _TYPE, f"{work.organisation}|{report_id}|{place}")


def _mark(work: Work, whose: Whose, report_id: str, mark: Mark) -> None:
    current = work.body(_TYPE, _id(work, report_id, mark))
    if current is not None:
        body = observation.marked(current, mark)
        work.write(body, whose.patient, f"a result marked {mark.status} by {work.header.kind}")
