"""WADO-RS: a study, an instance, a frame, metadata and pictures, with other studies beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
import simplejpeg

from bench import objects, qido, sender, web
from bench.harness import Contender, Line, Row, Run, Scale, Tree, compare
from bench.objects import Template, draw, uid
from bench.stand import Process, Stand

_CONNECTIONS = 4
_PICTURES = 60
_OBJECTS = {"Accept": 'multipart/related; type="application/dicom"'}
_OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}
_JSON = {"Accept": "application/dicom+json"}
_JPEG = {"Accept": "image/jpeg"}
# Bytes of an instance's metadata and of its picture, about: what the file beside them has.
_METADATA, _PICTURE = 2_500, 60_000


def _row(
    name: str, title: str, unit: str, *, peer: float | None = None, limit: float | None = None
) -> Row:
    return Row(
        f"wado-{name}",
        title,
        unit,
        less=unit == "ms",
        limit="file stream",
        times_peer=peer,
        times_limit=limit,
    )


WHOLE = _row("study", "WADO-RS whole study of 0.5 MB slices", "MB/s", limit=1)
INSTANCE = _row("instance", "WADO-RS instance 0.5 MB", "requests/s", peer=10, limit=1)
FRAME = _row("frame", "WADO-RS frame 0.5 MB", "requests/s", peer=10, limit=1)
METADATA = _row("metadata", "WADO-RS metadata of that study", "ms", peer=20)
MADE = Row("wado-made", "Rendered JPEG 512x512", "ms", True, limit="LUT+JPEG", times_limit=0.5)
AGAIN = _row("again", "Rendered JPEG 512x512, once more", "ms", limit=0.5)
ROWS = (WHOLE, INSTANCE, FRAME, METADATA, MADE, AGAIN)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    template = draw(objects.LARGE)
    limit = stand.limit_app()
    bench = _Bench(_servers(stand, scale, template), limit, template, scale)
    plans: tuple[tuple[Row, Callable[[], Sequence[Contender | None]]], ...] = (
        (WHOLE, bench.whole),
        (INSTANCE, bench.instances),
        (FRAME, bench.frames),
        (METADATA, bench.metadata),
        (MADE, bench.made),
        (AGAIN, bench.again),
    )
    for row, contenders in plans:
        if row in rows:
            yield compare(row, scale.repeats, contenders())


@dataclass(frozen=True, slots=True)
class _Server:
    """A DICOMweb server, what it takes to be let in, and the processes that answer."""

    process: Process
    root: str
    bearer: Mapping[str, str]
    tree: Tree


def _servers(stand: Stand, scale: Scale, template: Template) -> list[_Server | None]:
    """Ours and Orthanc, each with the study and the others beside it."""
    ours, orthanc = stand.ours(stand.filled(scale.beside)), stand.orthanc()
    slices = [(1, number) for number in range(scale.slices)]
    queues = [slices[part::_CONNECTIONS] for part in range(_CONNECTIONS)]
    sender.send(ours.ports["dimse"], template, queues)
    found = _Server(ours, "/dicomweb", ours.bearer, ours.role("web"))
    if orthanc is None:
        return [found, None]
    sender.send(orthanc.ports["dimse"], template, queues)
    qido.fill_peer(orthanc, scale.beside)
    return [found, _Server(orthanc, "/dicom-web", {}, orthanc.tree)]


class _Bench:
    """The contenders of each row: ours, Orthanc, and the limit."""

    def __init__(
        self,
        servers: Sequence[_Server | None],
        limit: Process,
        template: Template,
        scale: Scale,
    ) -> None:
        self._servers = servers
        self._limit = limit
        self._template = template
        self._calls = scale.calls // 4
        self._study = f"/studies/{uid(objects.STUDY, 1)}"
        series = f"{self._study}/series/{uid(objects.SERIES, 1)}"
        names = [uid(objects.INSTANCE, 1, number) for number in range(scale.slices)]
        self._paths = [f"{series}/instances/{name}" for name in names]
        self._quality = 50

    def whole(self) -> list[Contender | None]:
        size = self._template.size * len(self._paths)
        return self._each(_speed, lambda: [self._study], _OBJECTS, size)

    def instances(self) -> list[Contender | None]:
        return self._each(_rate, self._round, _OBJECTS, self._template.size)

    def frames(self) -> list[Contender | None]:
        size = len(self._template.pixels)
        return self._each(_rate, lambda: self._round("/frames/1"), _OCTETS, size)

    def metadata(self) -> list[Contender | None]:
        size = _METADATA * len(self._paths)
        return self._each(_median, lambda: [f"{self._study}/metadata"] * 5, _JSON, size)

    def made(self) -> list[Contender | None]:
        ours, orthanc, _ = self._each(_median, self._fresh, _JPEG, _PICTURE)
        return [ours, orthanc, Contender(lambda: _by_hand(self._template))]

    def again(self) -> list[Contender | None]:
        paths = [f"{self._paths[0]}/rendered"] * self._calls
        return self._each(_median, lambda: paths, _JPEG, _PICTURE)

    def _round(self, tail: str = "") -> list[str]:
        """Each instance in turn."""
        return [self._paths[call % len(self._paths)] + tail for call in range(self._calls)]

    def _fresh(self) -> list[str]:
        """Pictures of a quality that nobody has asked for yet."""
        self._quality += 1
        return [f"{path}/rendered?quality={self._quality}" for path in self._paths[:_PICTURES]]

    def _each(
        self,
        measure: Callable[[int, Sequence[bytes]], Run],
        paths: Callable[[], Sequence[str]],
        accept: Mapping[str, str],
        size: int,
    ) -> list[Contender | None]:
        """The same paths asked of ours and of Orthanc, and a file of that size of the limit."""

        def ask(server: _Server) -> Run:
            headers = {**server.bearer, **accept}
            requests = [web.request(server.root + path, headers) for path in paths()]
            return measure(server.process.ports["http"], requests)

        def stream() -> Run:
            return measure(self._limit.ports["http"], [web.request(f"/file/{size}")] * len(paths()))

        (self._limit.folder / str(size)).write_bytes(bytes(size))
        found = [
            Contender(partial(ask, server), server.tree) if server else None
            for server in self._servers
        ]
        return [*found, Contender(stream, self._limit.tree)]


def _speed(port: int, requests: Sequence[bytes]) -> Run:
    load = web.load(port, requests)
    return Run(load.size / load.seconds / 1e6, len(requests))


def _rate(port: int, requests: Sequence[bytes]) -> Run:
    return Run(web.load(port, requests, _CONNECTIONS).rate, len(requests))


def _median(port: int, requests: Sequence[bytes]) -> Run:
    return Run(web.load(port, requests).median_ms, len(requests))


def _by_hand(template: Template) -> Run:
    """What the picture costs by itself: a look-up for each pixel, and libjpeg-turbo."""
    stored = np.frombuffer(template.pixels[: 2 * objects.LARGE**2], "<u2")
    pixels = stored.reshape(objects.LARGE, objects.LARGE)
    low, high = 1024 + 40 - 50, 1024 + 40 + 50
    ramp = (np.arange(65536.0) - low) / (high - low) * 255
    table = np.clip(ramp, 0, 255).astype(np.uint8)
    each = []
    for _ in range(_PICTURES):
        start = perf_counter()
        simplejpeg.encode_jpeg(np.take(table, pixels)[..., None], quality=90, colorspace="GRAY")
        each.append(perf_counter() - start)
    return Run(sorted(each)[_PICTURES // 2] * 1000, _PICTURES)
