"""Mutual TLS: who has no certificate of ours does not come in, and who has is known by it."""

import ssl
from hashlib import sha256
from pathlib import Path

import pytest

from hl7.framing import frame
from hl7.sender import send
from tests.support.certificates import self_signed
from tests.support.hl7_builder import PID, packed
from tests.support.mllp_door import HURRIED, MllpParrot, Ward, running_ward

MESSAGE = packed("ADT^A08", PID)


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    (folder / name).mkdir()
    return self_signed(folder / name)


@pytest.fixture
def server(tmp_path: Path) -> tuple[Path, Path]:
    return pair(tmp_path, "server")


@pytest.fixture
def client(tmp_path: Path) -> tuple[Path, Path]:
    return pair(tmp_path, "client")


def server_side(own: tuple[Path, Path], trusted: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted)
    return context


def client_side(trusted: Path, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(trusted))
    if own is not None:
        context.load_cert_chain(*own)
    return context


def test_a_sender_with_its_certificate_is_known_by_it(
    server: tuple[Path, Path], client: tuple[Path, Path]
) -> None:
    with running_ward(tls=server_side(server, client[0])) as ward:
        tls = client_side(server[0], client)
        (answer,) = send("127.0.0.1", ward.port, [MESSAGE], tls=tls, name="localhost")
        assert b"MSA|AA|MSG1" in answer
        assert ward.taken == [MESSAGE]
        caller = ward.next_event().caller
    der = ssl.PEM_cert_to_DER_cert(client[0].read_text())
    assert caller.fingerprint == sha256(der).hexdigest()
    assert caller.names == ("localhost",)


def test_many_messages_and_large_ones_pass_through_tls(
    server: tuple[Path, Path], client: tuple[Path, Path]
) -> None:
    messages = [packed("ADT^A08", PID, f"ZXX|{'x' * size}") for size in (10, 2_000_000, 16384)]
    with running_ward(tls=server_side(server, client[0])) as ward:
        with MllpParrot(ward.port, client_side(server[0], client)) as parrot:
            parrot.say(*map(frame, messages))
            assert [parrot.verdict()[0] for _ in messages] == ["AA"] * 3
        assert ward.taken == messages


def test_a_sender_without_a_certificate_does_not_come_in(
    server: tuple[Path, Path], client: tuple[Path, Path]
) -> None:
    with running_ward(tls=server_side(server, client[0])) as ward:
        assert answers(ward, client_side(server[0])) == []
        assert turned_away(ward)


def test_a_sender_with_a_strange_certificate_does_not_come_in(
    server: tuple[Path, Path], client: tuple[Path, Path], tmp_path: Path
) -> None:
    stranger = pair(tmp_path, "stranger")
    with running_ward(tls=server_side(server, client[0])) as ward:
        assert answers(ward, client_side(server[0], stranger)) == []
        assert turned_away(ward)


def test_plain_text_does_not_come_in(server: tuple[Path, Path], client: tuple[Path, Path]) -> None:
    with running_ward(tls=server_side(server, client[0])) as ward:
        assert answers(ward, None) == []
        assert turned_away(ward)


def test_a_handshake_that_never_comes_keeps_nobody_waiting(
    server: tuple[Path, Path], client: tuple[Path, Path]
) -> None:
    tls = server_side(server, client[0])
    with running_ward(tls=tls, limits=HURRIED) as ward, MllpParrot(ward.port):
        context = client_side(server[0], client)
        (answer,) = send("127.0.0.1", ward.port, [MESSAGE], tls=context, name="localhost")
        assert b"MSA|AA" in answer
        endings = {ward.next_event().ending.reason for _ in range(2)}
        assert "no TLS" in endings


def answers(ward: Ward, tls: ssl.SSLContext | None) -> list[bytes]:
    """Say a message and hear what comes back; being cut off, or a TLS alert, is no answer."""
    try:
        with MllpParrot(ward.port, tls) as parrot:
            parrot.say(frame(MESSAGE))
            return [parrot.hear()]
    except (OSError, EOFError):
        return []


def turned_away(ward: Ward) -> bool:
    return ward.next_event().ending.kind == "refused" and not ward.taken and not ward.callers
