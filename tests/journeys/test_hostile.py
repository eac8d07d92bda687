"""Hostile peers against the real server: whatever they send, the next honest one is served."""

import random
import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

import psutil
import pytest

from bench.crash.objects import SOP_CLASS, TRANSFER_SYNTAX, make
from tests.support.dicom_objects import DEFLATED, identified, part10
from tests.support.modality import send
from tests.support.parrot import Parrot, command, message, request
from tests.support.server import Server, running
from tests.support.waiting import until
from tests.support.web import FAILED, STOW_TYPE, Web, multipart, references, value, web

pytestmark = [pytest.mark.journey, pytest.mark.slow]

ASSOCIATIONS = 64
SEEDS = range(40)
CROWD = 40  # silent or slow peers at once
ROOM = 64 << 20
TOO_LARGE = 0xA700
LOCAL_LIMIT = (2, 3, 2)  # A-ASSOCIATE-RJ: transient, by presentation, local limit exceeded

_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("hostile") / "data"
    with running(
        data, LOG_LEVEL="WARNING", MAX_ASSOCIATIONS=str(ASSOCIATIONS), HTTP_STALL_SECONDS="3"
    ) as started:
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server, "system/*.crs")


@pytest.fixture(autouse=True)
def served_before_and_after(server: Server, staff: Web) -> Iterator[None]:
    """The next honest peers are served by the same processes, and nothing is left in between."""
    before = processes(server)
    serve_honest(server, staff)
    yield
    serve_honest(server, staff)
    assert processes(server) == before, "a process of the server has ended"
    assert "Traceback" not in server.log.read_text()
    until(lambda: not list((server.data / "blobs" / "tmp").iterdir()), "an empty tmp")


def processes(server: Server) -> set[int]:
    return {child.pid for child in psutil.Process(server.process.pid).children(recursive=True)}


def serve_honest(server: Server, staff: Web) -> None:
    """A good C-STORE and a good search."""
    made = make("honest", "CT1", next(_numbers))
    assert send(server.dimse, made.file) == [0]
    rows = staff.found(f"/studies/{made.study}/instances?SOPInstanceUID={made.uid}")
    assert len(rows) == 1


def mutated(good: bytes, dice: random.Random) -> bytes:
    """A stream with some bytes changed, dropped, doubled or invented, perhaps cut short."""
    bad = bytearray(good)
    for _ in range(dice.randint(1, 6)):
        at, length = dice.randrange(len(bad)), dice.choice((1, 1, 2, 4, 40))
        change = dice.randrange(4)
        if change == 0:
            bad[at : at + length] = dice.randbytes(length)
        elif change == 1:
            del bad[at : at + length]
        elif change == 2:
            bad[at:at] = bad[at : at + length]
        else:
            bad[at:at] = dice.choice((b"\xff" * length, bytes(length)))
    return bytes(bad[: dice.choice((len(bad), dice.randrange(1, len(bad) + 1)))])


def say_and_listen(port: int, said: bytes) -> bytes:
    """Send bytes and nothing more, and read until the server hangs up."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer, suppress(OSError):
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        while more := peer.recv(65536):
            heard += more
    return heard


def test_fuzzed_pdus_end_their_own_association_only(server: Server) -> None:
    hello = request([(1, SOP_CLASS, [TRANSFER_SYNTAX])])
    for seed in SEEDS:
        made, dice = make("fuzzed", "PDU", seed, 3_000), random.Random(seed)
        asked = command(1, sop_class=SOP_CLASS, sop_instance=made.uid)
        stream = message(1, asked, made.data, 1_000)
        bad = mutated(hello + stream, dice) if seed % 2 else hello + mutated(stream, dice)
        say_and_listen(server.dimse, bad)


def test_fuzzed_multipart_bodies_are_told_what_is_wrong(staff: Web) -> None:
    for seed in SEEDS:
        files = [make("fuzzed", "WEB", 2 * seed + n, 3_000).file for n in range(2)]
        answer = staff.post(mutated(multipart(files), random.Random(seed)))
        assert answer.status_code in (200, 202, 400, 409, 413), answer.text
        assert answer.headers["Content-Type"].startswith("application/")


def test_fuzzed_http_is_answered_or_cut(server: Server, staff: Web) -> None:
    body = multipart([make("fuzzed", "HTTP", 1, 3_000).file])
    head = http_head("POST", staff, f"Content-Type: {STOW_TYPE}", f"Content-Length: {len(body)}")
    for seed in SEEDS:
        heard = say_and_listen(server.http, mutated(head + body, random.Random(seed)))
        assert not heard or heard.startswith(b"HTTP/1.1 ")
        assert not heard.startswith(b"HTTP/1.1 5"), heard[:200]


def http_head(method: str, staff: Web, *fields: str, path: str = "/dicomweb/studies") -> bytes:
    """The head of a request with a good token."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"Authorization: Bearer {staff.token}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def crowd(port: int, *said: bytes) -> Iterator[list[socket.socket]]:
    """Many peers that say something and then nothing more; their windows are small."""
    with ExitStack() as peers:
        sockets = []
        for number in range(CROWD):
            peer = peers.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", port))
            peer.sendall(said[number % len(said)])
            sockets.append(peer)
        yield sockets


def test_half_open_dicom_peers_keep_nobody_out(server: Server, staff: Web) -> None:
    hello = request([(1, SOP_CLASS, [TRANSFER_SYNTAX])])
    asked = command(1, sop_class=SOP_CLASS, sop_instance="1.2.3")
    begun = message(1, asked, bytes(2_000))[:1_500]
    with crowd(server.dimse, b"", hello[:3], hello[:200], hello, hello + begun):
        serve_honest(server, staff)


def test_half_open_and_slow_http_clients_keep_nobody_out(server: Server, staff: Web) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    said = (
        b"",
        b"GET /livez HT",
        http_head("POST", staff, f"Content-Type: {STOW_TYPE}", "Content-Length: 9999"),
        http_head("POST", staff, f"Content-Type: {STOW_TYPE}", "Transfer-Encoding: chunked"),
        http_head("POST", staff, form, "Content-Length: 999", path="/oauth/token") + b"grant_",
        http_head("POST", staff, form, "Content-Length: 999", path="/fhir/Patient/_search"),
    )
    with crowd(server.http, *said):
        serve_honest(server, staff)


def test_slow_readers_keep_nobody_out_and_hold_little(server: Server, staff: Web) -> None:
    large = make("slow", "CT1", 1, 20_000_000)
    assert send(server.dimse, large.file) == [0]
    path = f"/dicomweb/studies/{large.study}"
    asked = http_head(
        "GET", staff, 'Accept: multipart/related; type="application/dicom"', path=path
    )
    before = memory(server)
    with crowd(server.http, asked) as readers:
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 200"
        serve_honest(server, staff)
        assert memory(server) - before < 4 * CROWD << 20, "4 MB for each reader"
        until(lambda: not readers_of(server), "the end of readers that take nothing")


def readers_of(server: Server) -> list[int]:
    """The ports of HTTP clients that the server still holds a connection to."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    open_ = [one for process in family for one in process.net_connections("tcp")]
    return [
        one.raddr.port
        for one in open_
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.http
    ]


def memory(server: Server) -> int:
    """What all processes of the server hold now."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    return sum(process.memory_info().rss for process in family)


def test_64_associations_are_served_at_once_and_the_65th_is_told_to_wait(
    server: Server, staff: Web
) -> None:
    hello = request([(1, SOP_CLASS, [TRANSFER_SYNTAX])])
    with ExitStack() as peers:
        guests = [peers.enter_context(Parrot(server.dimse)) for _ in range(ASSOCIATIONS)]
        for guest in guests:
            guest.associate(hello)
        with Parrot(server.dimse) as beyond:
            beyond.say(hello)
            assert beyond.hear() == (3, bytes([0, *LOCAL_LIMIT]))
        made = [make("crowd", "CT1", number) for number in range(ASSOCIATIONS)]
        for guest, one in zip(guests, made, strict=True):
            asked = command(1, sop_class=SOP_CLASS, sop_instance=one.uid)
            guest.say(message(1, asked, one.data))
        assert [guest.response().Status for guest in guests] == [0] * ASSOCIATIONS
        for guest in guests:
            guest.release()
    rows = staff.found(f"/studies/{made[0].study}/instances")
    assert len(rows) == ASSOCIATIONS


def test_a_deflate_bomb_costs_one_answer(server: Server, staff: Web) -> None:
    """500 MB of zeros in half a megabyte, as one attribute of a deflated object."""
    bomb, uid = deflated_bomb(500_000_000)
    before = memory(server)
    answer = staff.store(bomb)
    assert answer.status_code == 409
    (failure,) = references(answer, FAILED)
    assert value(failure, "00081197") == TOO_LARGE
    with Parrot(server.dimse) as parrot:
        parrot.associate(request([(1, SOP_CLASS, [DEFLATED])]))
        asked = command(1, sop_class=SOP_CLASS, sop_instance=uid)
        parrot.say(message(1, asked, bomb[dataset_start(bomb) :], 100_000))
        assert parrot.response().Status == TOO_LARGE
        parrot.release()
    assert memory(server) - before < ROOM
    assert staff.found(f"/instances?SOPInstanceUID={uid}") == []


def deflated_bomb(size: int) -> tuple[bytes, str]:
    """A deflated object whose last attribute is so long, and its UID."""
    data_set = identified()
    data_set.SOPInstanceUID = "1.2.3.777"
    honest, plain = part10(data_set, DEFLATED), part10(data_set)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(plain[dataset_start(plain) :])
    packed += packer.compress(b"\xe0\x7f\x10\x00OB\0\0" + size.to_bytes(4, "little"))
    for _ in range(size // 1_000_000):
        packed += packer.compress(bytes(1_000_000))
    head = honest[: dataset_start(honest)]
    return head + packed + packer.flush(), str(data_set.SOPInstanceUID)


def dataset_start(file: bytes) -> int:
    return 144 + int.from_bytes(file[140:144], "little")
