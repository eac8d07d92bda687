"""FHIR: a Patient read, its studies searched, a number looked up, among few studies and many."""

from collections.abc import Iterator, Sequence

from bench import growth, objects, web
from bench.harness import Line, Row, Scale
from bench.stand import Ours, Stand

_ACCEPT = {"Accept": "application/fhir+json"}


def _by_number(number: int) -> str:
    text = objects.number(objects.PATIENT.encode(), number, 0)
    return f"/fhir/Patient?identifier={text.decode()}"


class _Ids:
    """The ids of Patients by their number, asked once for each server."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def of(self, server: Ours, number: int) -> str:
        place = server.base, number
        if place not in self._known:
            found = web.fetch(server.ports["http"], _by_number(number), server.bearer)
            self._known[place] = found["entry"][0]["resource"]["id"]
        return self._known[place]


IDS = _Ids()


def _read(server: Ours, numbers: Sequence[int]) -> list[bytes]:
    return _asked(server, [f"/fhir/Patient/{IDS.of(server, number)}" for number in numbers])


def _studies(server: Ours, numbers: Sequence[int]) -> list[bytes]:
    ids = [IDS.of(server, number) for number in numbers]
    return _asked(server, [f"/fhir/ImagingStudy?patient={id_}" for id_ in ids])


def _identifier(server: Ours, numbers: Sequence[int]) -> list[bytes]:
    return _asked(server, [_by_number(number) for number in numbers])


def _asked(server: Ours, paths: Sequence[str]) -> list[bytes]:
    return [web.request(path, {**_ACCEPT, **server.bearer}) for path in paths]


SEARCHES = (
    growth.search("fhir-read", "FHIR read of a Patient", _read, limit=0.7),
    growth.search("fhir-patient", "FHIR ImagingStudy?patient=", _studies, limit=0.7),
    growth.search("fhir-identifier", "FHIR Patient?identifier=", _identifier, limit=0.7),
)
ROWS: tuple[Row, ...] = tuple(row for one in SEARCHES for row in one.rows)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    return growth.lines(stand, scale, rows, SEARCHES, lambda _: None)
