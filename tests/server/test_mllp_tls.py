"""HL7 over TLS at the running server: who is let in, and whose messages they are."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hl7 import sender
from hl7.errors import NoReply
from server import clock, config
from server.flows import feeds
from server.flows.feeds import Feed
from server.store.tables import audit
from tests.support.certificates import self_signed
from tests.support.hl7_builder import PID, packed
from tests.support.keyring import keyring
from tests.support.mllp_peers import node_hl7, python_hl7_tls
from tests.support.server import Server, running
from tests.support.waiting import until

ADT = "ADT^A08^ADT_A01"
Pair = tuple[Path, Path]


@dataclass(slots=True)
class Site:
    """A server that takes HL7 over mutual TLS, and the certificates of those around it."""

    server: Server
    own: Pair
    ris: Pair
    lab: Pair
    stranger: Pair

    def context(self, pair: Pair | None) -> ssl.SSLContext:
        """The side of a sender with a certificate, or without one."""
        context = ssl.create_default_context(cafile=str(self.own[0]))
        if pair is not None:
            context.load_cert_chain(*pair)
        return context

    def told(self, pair: Pair) -> dict[str, str]:
        """The same in words."""
        cert, key = map(str, pair)
        return {"cert": cert, "key": key, "ca": str(self.own[0]), "servername": "localhost"}

    def send(self, pair: Pair | None, *messages: bytes) -> list[bytes]:
        """Send over TLS; gives the answers."""
        tls = self.context(pair)
        port = self.server.mllps
        return sender.send("127.0.0.1", port, messages, tls=tls, name="localhost")

    def kept(self) -> dict[str, str]:
        """The feed of each message in the log by its control id."""
        lines = self.server.run("hl7", "list", check=False).stdout.splitlines()
        return {one["control_id"]: one["feed"] for one in map(json.loads, lines)}

    def refusals(self) -> list[str]:
        """What the audit says of connections that were turned away."""
        with keyring(self.server) as keys, keys.house.database.read() as connection:
            query = select(audit.c.detail).where(audit.c.action == "refuse")
            return list(connection.execute(query).scalars())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    own = self_signed(folder / "own")
    ris, lab = (
        self_signed(folder / "ris", "ris.example"),
        self_signed(folder / "lab", "lab.example"),
    )
    trusted = folder / "trusted.pem"
    trusted.write_bytes(ris[0].read_bytes() + lab[0].read_bytes())
    settings: dict[str, Any] = {
        "MLLP_TLS_CERTIFICATE": str(own[0]),
        "MLLP_TLS_KEY": str(own[1]),
        "MLLP_TLS_CLIENT_CA": str(trusted),
        "OPEN_DOORS": "none",
    }
    with running(folder / "data", **settings) as server:
        with keyring(server) as keys:
            for feed in (
                Feed(0, "ris", certificate="ris.example"),
                Feed(0, "any", application="RIS", listener="mllps"),
            ):
                feeds.put_feed(keys.house, feed, "home", now=clock.now())
        yield Site(server, own, ris, lab, self_signed(folder / "stranger", "ris.example"))


def test_a_feed_is_known_by_its_certificate_before_what_its_messages_say(site: Site) -> None:
    (by_ris,) = site.send(site.ris, packed(ADT, PID, control="C1", application="OTHER"))
    (by_lab,) = site.send(site.lab, packed(ADT, PID, control="C2"))
    (neither,) = site.send(site.lab, packed(ADT, PID, control="C3", application="OTHER"))
    assert [b"MSA|AA|C1" in by_ris, b"MSA|AA|C2" in by_lab, b"MSA|AR|C3" in neither] == [True] * 3
    assert {"C1": "ris", "C2": "any"}.items() <= site.kept().items()
    assert "C3" not in site.kept()


def test_who_shows_no_certificate_of_ours_is_turned_away_and_audited(site: Site) -> None:
    for pair in (site.stranger, None):
        with pytest.raises((OSError, NoReply)):
            site.send(pair, packed(ADT, PID, control="C4"))
    told = ("its certificate is not trusted", "it has no certificate")
    until(lambda: all(any(x in y for y in site.refusals()) for x in told), "two audited refusals")
    assert "C4" not in site.kept()


def test_a_feed_that_calls_over_tls_is_a_stranger_without_it(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.server.mllp), timeout=60) as plain:
        assert plain.recv(1) == b""
    until(lambda: any("no feed is known" in one for one in site.refusals()), "an audited refusal")


@pytest.mark.peers
@pytest.mark.slow
def test_independent_senders_deliver_over_mutual_tls(site: Site, tmp_path: Path) -> None:
    messages = [packed(ADT, PID, control=f"T{number}") for number in range(2)]
    node = tmp_path / "node"
    node.mkdir()
    told = site.told(site.ris)
    printed = python_hl7_tls(site.server.mllps, messages[:1], tmp_path, told)
    assert "MSA|AA|T0" in printed
    assert node_hl7(site.server.mllps, messages[1:], node, json.dumps(told)) == ["AA T1"]
    assert {"T0": "ris", "T1": "ris"}.items() <= site.kept().items()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MLLP_TLS_CERTIFICATE": __file__}, "go together"),
        ({"MLLP_PLAIN": "off"}, "needs TRIPTYCH_MLLP_TLS_CERTIFICATE"),
        ({"MLLP_TLS_KEY": "/nowhere", "MLLP_TLS_CERTIFICATE": __file__}, "cannot read '/nowhere'"),
    ],
)
def test_settings_that_would_not_work_are_told(settings: dict[str, str], words: str) -> None:

    with pytest.raises(config.BadSetting, match=words):
        config.load({f"TRIPTYCH_{name}": value for name, value in settings.items()})


def test_beyond_loopback_there_is_no_plain_door_beside_one_with_tls(tmp_path: Path) -> None:

    cert, key = self_signed(tmp_path)
    told: dict[str, Any] = {
        "TRIPTYCH_MLLP_TLS_CERTIFICATE": str(cert),
        "TRIPTYCH_MLLP_TLS_KEY": str(key),
    }
    away = {"TRIPTYCH_HOST": "198.51.100.7", "TRIPTYCH_BASE_URL": "https://t.example"}
    assert config.load(told).plain_hl7
    assert not config.load(told | away).plain_hl7
    assert config.load(told | away | {"TRIPTYCH_MLLP_PLAIN": "on"}).plain_hl7
