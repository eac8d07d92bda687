"""The gate, among ten patients and among up to a million: what a request costs is not to grow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench import fill, growth, objects, web
from bench.fhir import IDS
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.stand import FIRST, Ours, Stand

_CONNECTIONS = 4
_FHIR = {"Accept": "application/fhir+json"}
_JSON = {"Accept": "application/dicom+json"}
_OCTETS = {"Accept": "application/octet-stream"}
# As many requests a second among many patients as two thirds of those among few.
_GROWTH = 1 / 1.5


def _row(name: str, title: str) -> Row:
    words = f"{title}, {{}} patients"
    return Row(f"gate-{name}", words, "requests/s", limit="of few", times_limit=_GROWTH)


READ = _row("read", "Patient read by id with its own token")
PATIENT = _row("patient", "ImagingStudy?patient= with that patient's token")
HOUSE = _row("organisation", "ImagingStudy?started= with a token for all")
QIDO = _row("qido", "QIDO-RS of one study with its patient's token")
FRAME = _row("frame", "Frame of an instance with a token for all")
ROWS = (READ, PATIENT, HOUSE, QIDO, FRAME)


@dataclass(frozen=True, slots=True)
class _Place:
    """A server with so many patients."""

    server: Ours
    count: int

    @property
    def own(self) -> Mapping[str, str]:
        """The header of a patient's own token."""
        words = ("--scope", "patient/*.rs", "--patient", IDS.of(self.server, FIRST))
        return {"Authorization": f"Bearer {self.server.run('token', *words)['access_token']}"}


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    most = scale.patients * (10 if scale.full else 1)
    few, many = (_Place(stand.ours(stand.filled(n)), n) for n in (scale.fewest, most))
    for row, asking in _ASKING.items():
        if row in rows:
            both = [_contender(place, asking, scale.calls) for place in (many, few)]
            told = replace(row, title=row.title.format(f"{most:,}"))
            yield compare(told, scale.repeats, [both[0], None, both[1]])


def _contender(place: _Place, asking: Callable[[_Place], Sequence[bytes]], calls: int) -> Contender:
    asked = asking(place)
    requests = [asked[call % len(asked)] for call in range(calls)]

    def run() -> Run:
        return Run(web.load(place.server.ports["http"], requests, _CONNECTIONS).rate, calls)

    return Contender(run, place.server.role("web"))


def _read(place: _Place) -> list[bytes]:
    path = f"/fhir/Patient/{IDS.of(place.server, FIRST)}"
    return [web.request(path, {**_FHIR, **place.own})]


def _patient(place: _Place) -> list[bytes]:
    path = f"/fhir/ImagingStudy?patient={IDS.of(place.server, FIRST)}"
    return [web.request(path, {**_FHIR, **place.own})]


def _organisation(place: _Place) -> list[bytes]:
    """What was done on a day, as a clinician looks it up."""
    days = (fill.day(number).isoformat() for number in growth.numbers(place.count))
    paths = [f"/fhir/ImagingStudy?started={day}&_count=20" for day in days]
    return [web.request(path, {**_FHIR, **place.server.bearer}) for path in paths]


def _qido(place: _Place) -> list[bytes]:
    path = f"/dicomweb/studies?StudyInstanceUID={objects.uid(objects.STUDY, FIRST)}"
    return [web.request(path, {**_JSON, **place.own})]


def _frame(place: _Place) -> list[bytes]:
    """Of the one study that has its pictures: it came in by the door, before it was copied."""
    study, number = objects.uid(objects.STUDY, fill.SEED), fill.SEED
    series = objects.uid(objects.SERIES, number)
    instance = objects.uid(objects.INSTANCE, number, number)
    path = f"/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/1"
    return [web.request(path, {**_OCTETS, **place.server.bearer})]


_ASKING = {
    READ: _read,
    PATIENT: _patient,
    HOUSE: _organisation,
    QIDO: _qido,
    FRAME: _frame,
}
