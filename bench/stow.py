"""STOW-RS: ten objects of 0.5 MB in a request, durable and indexed before it is answered."""

from collections.abc import Iterator

from bench import objects, web
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.objects import Numbers, Template, draw
from bench.stand import Process, Stand

_PER_REQUEST = 10
_BOUNDARY = "bench-7f3a"
_HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
    "Accept": "application/dicom+json",
}


def _row(connections: int) -> Row:
    plural = "connection" if connections == 1 else "connections"
    title = f"STOW-RS 0.5 MB x {_PER_REQUEST}, {connections} {plural}"
    return Row(f"stow-{connections}", title, "objects/s", limit="POST+fsync", times_peer=2.0)


ONE, FOUR = _row(1), _row(4)
ROWS = (ONE, FOUR)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    ours, orthanc, limit = stand.ours(), stand.orthanc(), stand.limit_app()
    template, numbers = draw(objects.LARGE), Numbers()
    for row, connections in ((ONE, 1), (FOUR, 4)):
        if row in rows:
            load = _Load(template, scale.large // _PER_REQUEST, connections, numbers)
            doors = [load.by(ours, "/dicomweb/studies", ours.bearer)]
            doors.append(load.by(orthanc, "/dicom-web/studies", {}))
            doors.append(load.by(limit, "/sink", {}))
            yield compare(row, scale.repeats, doors)


class _Load:
    """So many requests over so many connections, all their objects of one study."""

    def __init__(
        self, template: Template, requests: int, connections: int, numbers: Numbers
    ) -> None:
        self._template = template
        self._requests = requests
        self._connections = connections
        self._numbers = numbers

    def by(self, server: Process | None, path: str, more: dict[str, str]) -> Contender | None:
        if server is None:
            return None
        return Contender(
            lambda: self._run(server.ports["http"], path, _HEADERS | more), server.tree
        )

    def _run(self, port: int, path: str, headers: dict[str, str]) -> Run:
        study = self._numbers.take()[0]
        requests = [
            web.request(path, headers, self._body(study), "POST") for _ in range(self._requests)
        ]
        count = self._requests * _PER_REQUEST
        load = web.load(port, requests, self._connections)
        return Run(count / load.seconds, count)

    def _body(self, study: int) -> bytes:
        before = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        pieces: list[bytes] = []
        for instance in self._numbers.take(_PER_REQUEST):
            head = self._template.numbered(study, instance)
            pieces += (before, head, self._template.pixels, b"\r\n")
        return b"".join([*pieces, f"--{_BOUNDARY}--\r\n".encode()])
