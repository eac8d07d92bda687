"""DICOM over TLS at the running server: stock peers store, find and get, and who is not let in."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from server import clock, config
from server.config import BadSetting
from server.flows import parties
from server.flows.parties import PeerEntry
from tests.support.certificates import self_signed
from tests.support.dcmtk import dcmtk
from tests.support.keyring import keyring
from tests.support.modality import get
from tests.support.scenes import BOBS, bobs
from tests.support.server import Server, running

MR = "1.2.840.10008.5.1.4.1.1.4"
Pair = tuple[Path, Path]


@dataclass(slots=True)
class Site:
    """A server that takes DICOM over mutual TLS, and the certificates of those around it."""

    server: Server
    own: Pair
    pacs: Pair
    stranger: Pair

    def ask(self, tool: str, pair: Pair, *words: str | Path) -> str:
        """Run a tool of dcmtk with a certificate."""
        cert, key = pair
        tls = ("+tls", key, cert, "+cf", self.own[0])
        place = ("127.0.0.1", str(self.server.dimses))
        return dcmtk(tool, *tls, "-aet", "PACS", "-aec", "TRIPTYCH", *place, *words)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("dimses")
    own, pacs, stranger = (self_signed(folder / name) for name in ("own", "pacs", "stranger"))
    settings: dict[str, Any] = {
        "DIMSE_TLS_CERTIFICATE": str(own[0]),
        "DIMSE_TLS_KEY": str(own[1]),
        "DIMSE_TLS_CLIENT_CA": str(pacs[0]),
    }
    with running(folder / "data", **settings) as server:
        with keyring(server) as keys:
            may = ("echo", "store", "find", "get", "move")
            entry = PeerEntry("PACS", "127.0.0.1", 104, "home", "", may)
            parties.put_peer(keys.house, entry, now=clock.now())
        yield Site(server, own, pacs, stranger)


def test_stock_peers_store_find_and_get_over_tls(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(bobs()[0])
    site.ask("echoscu", site.pacs)
    site.ask("storescu", site.pacs, file)
    study = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={BOBS}")
    assert "Cratchit^Bob" in site.ask("findscu", site.pacs, "-S", *study, "-k", "PatientName")
    context = ssl.create_default_context(cafile=str(site.own[0]))
    context.load_cert_chain(*site.pacs)
    kind = (MR, ExplicitVRLittleEndian)
    [got] = get(site.server.dimses, BOBS, kind, tls_args=(context, "localhost"))
    assert got.PixelData == dcmread(file).PixelData


def test_who_is_not_vouched_for_is_turned_away(site: Site) -> None:
    with pytest.raises(AssertionError, match="echoscu"):
        site.ask("echoscu", site.stranger)
    with pytest.raises(AssertionError, match="echoscu"):
        dcmtk("echoscu", "-aec", "TRIPTYCH", "127.0.0.1", str(site.server.dimses))
    site.ask("echoscu", site.pacs)


def test_tls_older_than_1_2_is_refused(site: Site) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", site.server.dimses)) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"DIMSE_TLS_CERTIFICATE": __file__}, "go together"),
        ({"DIMSE_PLAIN": "off"}, "DICOM over TLS needs TRIPTYCH_DIMSE_TLS_CERTIFICATE"),
    ],
)
def test_what_cannot_be_served_over_tls_is_said_at_the_start(
    said: dict[str, str], words: str
) -> None:
    with pytest.raises(BadSetting, match=words):
        config.load({f"TRIPTYCH_{name}": text for name, text in said.items()})
