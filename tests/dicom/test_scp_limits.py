"""Many peers, slow peers, silent peers, and how the door closes."""

import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from pynetdicom import AE

from dicom.rules import Event, Limits
from tests.support.certificates import self_signed
from tests.support.door import ENGINES, House, running_house
from tests.support.parrot import (
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    Parrot,
    echo,
    message,
    pdu,
    pieces,
    request,
    store,
)

DATA = bytes(range(256)) * 40
SHORT = 0.1


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def hurried(engine: str, tmp_path: Path) -> Iterator[House]:
    """A door without patience."""
    limits = Limits(artim=SHORT, idle=SHORT, stall=SHORT)
    with running_house(tmp_path, engine, limits=limits) as running:
        yield running


def store_one(house: House, number: int) -> int:
    with Parrot(house.port) as parrot:
        parrot.associate(request(calling=b"PARROT%d" % number))
        parrot.say(message(3, store(f"1.2.{number}"), DATA, size=500))
        status: int = parrot.response().Status
        parrot.release()
    return status


@pytest.mark.slow
def test_sixty_four_associations_store_at_once(engine: str, tmp_path: Path) -> None:
    with running_house(tmp_path, engine) as house, ExitStack() as stack:
        parrots = [stack.enter_context(Parrot(house.port)) for _ in range(64)]
        for parrot in parrots:
            parrot.associate()
        for number, parrot in enumerate(parrots):
            parrot.say(message(3, store(f"1.2.{number}"), DATA))
        for number, parrot in enumerate(parrots):
            answer = parrot.response()
            assert (answer.Status, answer.AffectedSOPInstanceUID) == (0, f"1.2.{number}")
        for parrot in parrots:
            parrot.release()
        assert {kept.data for kept in house.keeper.kept} == {DATA}
        assert len(house.keeper.kept) == 64


def test_one_association_too_many_is_told_to_come_back_later(engine: str, tmp_path: Path) -> None:
    with running_house(tmp_path, engine, limits=Limits(associations=2)) as house:
        with Parrot(house.port) as first, Parrot(house.port) as second, Parrot(house.port) as third:
            first.associate()
            second.associate()
            third.say(request())
            kind, body = third.hear()
            assert (kind, body[1:]) == (3, b"\2\3\2"), "transient, presentation, local limit"
            assert house.next_event().ending.reason == "local limit exceeded"
            first.release()
            assert house.next_event().ending.kind == "released"
        assert store_one(house, 1) == 0x0000


def test_connections_beyond_all_limits_are_rejected_unread(tmp_path: Path) -> None:
    limits = Limits(associations=1, connections=2)
    with running_house(tmp_path, limits=limits) as house, Parrot(house.port) as first:
        first.associate()
        with Parrot(house.port), Parrot(house.port) as third:
            kind, body = third.hear()
            assert (kind, body[1:]) == (3, b"\2\3\2")
            with pytest.raises(EOFError):
                third.hear()
        assert house.next_event().ending.kind == "lost"
        first.say(message(1, echo()))
        assert first.response().Status == 0x0000
        first.release()


@pytest.mark.slow
def test_a_flood_of_connections_leaves_the_door_standing(engine: str, tmp_path: Path) -> None:
    with running_house(tmp_path, engine) as house:
        for _ in range(300):
            socket.create_connection(("127.0.0.1", house.port)).close()
        assert {house.next_event().ending.kind for _ in range(300)} == {"lost"}
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda number: store_one(house, number), range(100)))
        assert statuses == [0] * 100
        assert house.keeper.open == 0


def test_who_connects_and_says_nothing_is_hung_up_on(hurried: House) -> None:
    with Parrot(hurried.port) as parrot:
        assert parrot.aborted() is None
        event = hurried.next_event()
        assert (event.ending.kind, event.calling.calling_ae) == ("lost", "")


def test_who_begins_a_request_and_stops_is_hung_up_on(hurried: House) -> None:
    with Parrot(hurried.port) as parrot:
        parrot.say(request()[:50])
        assert parrot.aborted() is None
        assert hurried.next_event().ending.kind == "lost"


def test_an_idle_association_is_aborted(hurried: House) -> None:
    with Parrot(hurried.port) as parrot:
        parrot.associate()
        assert parrot.aborted() == 0
        assert hurried.next_event().ending.kind == "aborted"


@pytest.mark.parametrize("rest", [b"", b"\4\0", pdu(4, pieces(3, 0, DATA, 9999)[0])[:-1]])
def test_a_sender_that_stops_in_mid_object_is_dropped(hurried: House, rest: bytes) -> None:
    with Parrot(hurried.port) as parrot:
        parrot.associate()
        parrot.say(message(3, store()), pdu(4, pieces(3, 0, DATA, 99)[0]), rest)
        parrot.aborted()
        assert hurried.next_event().ending.kind in ("aborted", "lost")
    assert (hurried.keeper.open, hurried.keeper.aborted) == (0, 1)


def test_a_slow_writer_is_dropped_however_steadily_it_drips(hurried: House) -> None:
    """A PDU has to arrive whole in time: a byte now and then does not prolong it."""
    with Parrot(hurried.port) as parrot:
        parrot.associate()
        parrot.say(message(3, store()))
        dropped = threading.Event()
        drip = threading.Thread(target=drip_until, args=(parrot.socket, dropped))
        drip.start()
        parrot.aborted()
        dropped.set()
        drip.join()
    assert hurried.next_event().ending.kind in ("aborted", "lost")
    assert hurried.keeper.open == 0


def drip_until(connection: socket.socket, dropped: threading.Event) -> None:
    """Send a PDU byte by byte."""
    for byte in pdu(4, pieces(3, 0, bytes(100000), 100000)[0]):
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return
        if dropped.wait(SHORT / 20):
            return


@pytest.mark.slow
def test_a_closing_door_ends_idle_associations_and_takes_no_more(
    engine: str, tmp_path: Path
) -> None:
    with running_house(tmp_path, engine) as house, Parrot(house.port) as parrot:
        parrot.associate()
        house.door.stop(20)
        assert parrot.aborted() == 0
        assert house.next_event().ending.kind == "aborted"
        with pytest.raises(ConnectionRefusedError):
            Parrot(house.port)


@pytest.mark.slow
def test_a_closing_door_lets_an_object_finish(engine: str, tmp_path: Path) -> None:
    with running_house(tmp_path, engine) as house, Parrot(house.port) as parrot:
        parrot.associate()
        whole = message(3, store(), DATA, size=1000)
        parrot.say(whole[:2000])
        wait_for_bytes(house)
        stopping = threading.Thread(target=house.door.stop, args=(20,))
        stopping.start()
        wait_until_closed(house.port)
        parrot.say(whole[2000:])
        assert parrot.response().Status == 0x0000
        parrot.aborted()
        stopping.join()
        assert [kept.data for kept in house.keeper.kept] == [DATA]


def test_after_its_grace_a_closing_door_cuts_what_still_runs(engine: str, tmp_path: Path) -> None:
    with running_house(tmp_path, engine) as house, Parrot(house.port) as parrot:
        parrot.associate()
        parrot.say(message(3, store()), pdu(4, pieces(3, 0, DATA, 99)[0]))
        wait_for_bytes(house)
        house.door.stop(0)
        parrot.aborted()
        assert house.next_event().stored == 0
        assert (house.keeper.open, house.keeper.aborted) == (0, 1)


def wait_for_bytes(house: House) -> None:
    """Wait until an object has begun to arrive."""
    assert house.keeper.written.wait(20)


def wait_until_closed(port: int) -> None:
    """Wait until nobody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return


def test_descriptors_beyond_what_select_can_take_are_served(engine: str, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        for _ in range(1024):
            stack.enter_context(open(os.devnull, "rb"))
        with running_house(tmp_path, engine) as house:
            assert store_one(house, 1) == 0x0000


def test_a_door_can_be_stopped_twice_and_before_it_starts(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.door.stop(0)
    with running_house(tmp_path) as house:
        house.door.stop(0)


def test_ipv6_has_a_door_too(tmp_path: Path) -> None:
    with running_house(tmp_path, host="::1") as house:
        connection = socket.create_connection(("::1", house.port), timeout=20)
        with connection:
            connection.sendall(request())
            assert connection.recv(1) == b"\2"
        event: Event = house.next_event()
    assert event.calling.address == "::1"


def test_an_object_larger_than_any_buffer_streams_through(engine: str, tmp_path: Path) -> None:
    large = bytes(range(251)) * 100000
    with running_house(tmp_path, engine) as house, Parrot(house.port) as parrot:
        parrot.associate(request([(1, CT, [EXPLICIT])]))
        parrot.say(message(1, store(), large, size=100000))
        assert parrot.response().Status == 0x0000
        parrot.release()
        assert house.keeper.kept[0].data == large
        assert house.keeper.longest <= 131072


def test_associations_over_tls_end_in_the_same_sinks(engine: str, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    scu = AE("SECURE")
    scu.add_requested_context(VERIFICATION, IMPLICIT)
    client = ssl.create_default_context(cafile=str(certificate))
    with running_house(tmp_path / "kept", engine, tls=server) as house:
        with Parrot(house.port) as plain:  # waits for its handshake without holding others up
            association = scu.associate(
                "127.0.0.1", house.port, ae_title="TRIPTYCH", tls_args=(client, "localhost")
            )
            assert association.is_established
            assert association.send_c_echo().Status == 0x0000
            association.release()
            assert house.next_event().ending.kind == "released"
            plain.say(request())
            plain.aborted()
        assert house.next_event().ending.kind == "lost"
