"""`restore --to`: a PACS that lost everything gets its objects back, byte for byte, and goes on after a loss."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity

from bench.crash.objects import SOP_CLASS, TRANSFER_SYNTAX, make
from tests.support.server import Server, running
from tests.support.web import web

STUDIES, OBJECTS = 3, 4


@dataclass(slots=True)
class Pacs:
    """A PACS of pynetdicom: what it took, and what it answers to the objects in `statuses`."""

    port: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    dies_at: int = 0

    def store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if self.dies_at and len(self.taken) >= self.dies_at:
            event.assoc.abort()
        if status := self.statuses.get(uid, 0):
            return status
        self.taken.append((uid, event.request.DataSet.getvalue()))
        return 0


@contextmanager
def pacs() -> Iterator[Pacs]:
    made = Pacs()
    entity = ApplicationEntity("PACS")
    entity.add_supported_context(SOP_CLASS, TRANSFER_SYNTAX)
    listener = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, made.store)]
    )
    assert listener is not None
    made.port = listener.server_address[1]
    try:
        yield made
    finally:
        listener.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("restored")) as started:
        objects = [
            make(f"lost{s}", "CT1", n, 3_000) for s in range(STUDIES) for n in range(OBJECTS)
        ]
        objects.append(make("lost0", "CT1", 99, 3_000, paper=True))
        assert web(started).store(*(one.file for one in objects)).status_code == 200
        yield started


def restore(server: Server, peer: Pacs, title: str, *words: str) -> dict[str, Any]:
    server.run("peer", "add", title, "127.0.0.1", str(peer.port), "--may", "store")
    done = server.run("restore", "--to", title, *words, check=False)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (1 if told["refused"] or told["lost"] else 0), done.stderr
    return told


def lost() -> dict[str, bytes]:
    made = [make(f"lost{s}", "CT1", n, 3_000) for s in range(STUDIES) for n in range(OBJECTS)]
    return {one.uid: one.data for one in made}


def test_every_object_comes_back_byte_for_byte_and_what_was_refused_is_told(
    server: Server,
) -> None:
    unwanted = make("lost1", "CT1", 2, 3_000).uid
    with pacs() as peer:
        peer.statuses[unwanted] = 0xC123
        told = restore(server, peer, "PACS")
    expected = {uid: data for uid, data in lost().items() if uid != unwanted}
    assert dict(peer.taken) == expected
    assert (told["studies"], told["sent"], told["refused"]) == (STUDIES, len(expected), 2)
    paper = make("lost0", "CT1", 99, 3_000, paper=True).uid
    why = {one["instance"]: one["why"] for one in told["refusals"]}
    assert why[unwanted] == "0xC123"
    assert "takes not this kind" in why[paper]
    assert told["bytes"] == sum(map(len, expected.values()))


def test_a_restore_that_was_cut_off_goes_on_behind_its_last_whole_study(server: Server) -> None:
    with pacs() as peer:
        peer.dies_at = OBJECTS + 2
        first = restore(server, peer, "CUT")
        assert first["lost"]
        assert first["studies"] == 1
        before, peer.dies_at = len(peer.taken), 0
        peer.taken.clear()
        second = restore(server, peer, "CUT")
    assert before > OBJECTS
    assert (second["lost"], second["studies"], second["sent"]) == ("", STUDIES, len(lost()))
    assert len(peer.taken) == (STUDIES - 1) * OBJECTS, "what was whole is not sent again"


def test_a_full_pacs_is_not_asked_again_and_an_unknown_one_never(server: Server) -> None:
    with pacs() as peer:
        peer.statuses = dict.fromkeys(lost(), 0xA700)
        told = restore(server, peer, "FULL")
    assert "no room" in told["lost"]
    assert (told["sent"], peer.taken) == (0, [])
    done = server.run("restore", "--to", "NOBODY", check=False)
    assert done.returncode == 2
    assert "is no peer here" in done.stderr


def test_a_peer_of_another_organisation_gets_nothing_of_ours(server: Server) -> None:
    server.run("organisation", "add", "Elsewhere")
    with pacs() as peer:
        port = str(peer.port)
        server.run("peer", "add", "THEIRS", "127.0.0.1", port, "--organisation", "Elsewhere")
        told = server.run("restore", "--to", "THEIRS", "--organisation", "Elsewhere")
        assert (told["studies"], told["sent"], peer.taken) == (0, 0, [])
        assert server.run("restore", "--to", "THEIRS", check=False).returncode == 2
        assert peer.taken == []


def test_what_left_for_peers_is_in_the_audit(server: Server) -> None:
    assert server.run("verify")["faults"] == []
