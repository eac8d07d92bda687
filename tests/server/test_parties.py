"""Organisations, groups and peers: what can be registered, and who is recognised at the door."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from server import clock
from server.errors import Conflict, Fault, Invalid, Missing
from server.flows import parties
from server.flows.parties import LOOPBACK, PeerEntry
from server.flows.sites import House
from server.store.tables import audit
from tests.support import houses
from tests.support.houses import SYSTEM, add_patient, retire

CT = PeerEntry("CT1", "10.0.0.7", 104, "home", "", ("echo", "store"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with houses.opened(tmp_path) as opened:
        yield opened


def organisation(house: House, name: str = "St Mary", **more: str) -> int:
    issuers = {"EAST": more["east"]} if "east" in more else {}
    return parties.add_organisation(
        house,
        name,
        issuer=more.get("issuer", ""),
        issuers=issuers,
        zone=more.get("zone", ""),
        now=clock.now(),
    )


def put(house: House, entry: PeerEntry) -> None:
    parties.put_peer(house, entry, now=clock.now())


def resolver(host: str) -> list[str]:
    if host == "ct.hospital.example":
        return ["10.0.0.7", "fd00::7"]
    raise socket.gaierror


def test_an_organisation_brings_its_systems_and_is_recorded(house: House) -> None:
    made = organisation(
        house, issuer="https://mary.example/mrn", east="urn:oid:1.2.3", zone="Europe/London"
    )
    with house.database.read() as connection:
        site = house.site(connection, made, clock.now())
        details = list(connection.execute(select(audit.c.detail)).scalars())
    assert site.name == "St Mary"
    assert site.mapping.default == "https://mary.example/mrn"
    assert site.mapping.systems == {"EAST": "urn:oid:1.2.3"}
    assert site.mapping.zone == "Europe/London"
    assert details == [f"organisation add: {made}"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"zone": "Mars/North"}, Invalid),
        ({"zone": "../etc"}, Invalid),
        ({"issuer": "MRN"}, Invalid),
        ({"east": "a b:c"}, Invalid),
        ({"name": "home"}, Conflict),
        ({"name": ""}, Invalid),
        ({"name": "a:b"}, Invalid),
        ({"name": "x" * 65}, Invalid),
    ],
)
def test_an_organisation_that_cannot_be_is_refused(
    house: House, more: dict[str, str], error: type[Fault]
) -> None:
    with pytest.raises(error):
        organisation(house, **more)


def test_numbers_belong_to_one_organisation(house: House) -> None:
    organisation(house, issuer=SYSTEM)
    with pytest.raises(Conflict, match="another organisation"):
        organisation(house, "Other", east=SYSTEM)
    with pytest.raises(Conflict, match="another organisation"):
        put(house, PeerEntry("CT1", "10.0.0.7", 104, "home", SYSTEM, ("store",)))
    with pytest.raises(Missing):
        put(house, PeerEntry("CT1", "10.0.0.7", 104, "Other", "", ("store",)))


def test_a_patient_is_found_by_id_or_number_and_the_message_repeats_no_number(house: House) -> None:
    anna = add_patient(house, "4711")
    with house.database.read() as connection:
        assert parties.patient(connection, 1, anna) == anna
        assert parties.patient(connection, 1, f"{SYSTEM}|4711") == anna
        for unknown in (f"{SYSTEM}|4712", "4711", "|4711", "", "nobody"):
            with pytest.raises(Missing, match="no such patient") as caught:
                parties.patient(connection, 1, unknown)
            assert "471" not in str(caught.value)


def test_a_retired_patient_is_refused_and_the_heir_is_named(house: House) -> None:
    anna, heir = add_patient(house, "11"), add_patient(house, "12")
    retire(house, anna, heir)
    with (
        house.database.read() as connection,
        pytest.raises(Missing, match=f"retired; {heir} took its place"),
    ):
        parties.patient(connection, 1, anna)


def test_a_group_grows_and_holds_known_patients_only(house: House) -> None:
    anna, ben = add_patient(house, "11"), add_patient(house, "12")
    assert parties.add_group(house, "trial", "home", [anna], now=clock.now()) == [anna]
    both = parties.add_group(house, "trial", "home", [f"{SYSTEM}|12", anna], now=clock.now())
    assert both == sorted([anna, ben])
    with pytest.raises(Missing):
        parties.add_group(house, "trial", "home", ["nobody"], now=clock.now())
    with pytest.raises(Invalid):
        parties.add_group(house, "trial", "home", [], now=clock.now())


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_a_peer_is_known_by_its_title_and_its_address(house: House, address: str) -> None:
    put(house, CT)
    found = parties.identify(house, "CT1", address)
    assert found is not None
    assert (found.name, found.organisation, set(found.may)) == (
        "CT1@10.0.0.7",
        1,
        {"echo", "store"},
    )
    assert parties.identify(house, "CT2", address) is None
    assert parties.identify(house, "CT1", "10.0.0.8") is None


def test_a_peer_that_is_registered_by_name_is_known_at_each_of_its_addresses(house: House) -> None:
    put(house, PeerEntry("CT1", "ct.hospital.example", 104, "home", "", ("store",)))
    put(house, PeerEntry("CT1", "gone.example", 104, "home", "", ("store",)))
    for address in ("10.0.0.7", "fd00::7"):
        found = parties.identify(house, "CT1", address, resolver)
        assert found is not None
        assert found.name == "CT1@ct.hospital.example"
    assert parties.identify(house, "CT1", "10.0.0.8", resolver) is None


def test_adding_a_peer_again_replaces_it(house: House) -> None:
    put(house, CT)
    put(house, PeerEntry("CT1", "10.0.0.7", 11112, "home", SYSTEM, ("echo",)))
    found = parties.identify(house, "CT1", "10.0.0.7")
    assert found is not None
    assert found.may == {"echo"}
    assert found.issuer == SYSTEM


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"])
def test_a_stranger_from_loopback_is_the_built_in_peer_of_home(house: House, address: str) -> None:
    assert parties.identify(house, "ANYBODY", address) == LOOPBACK
    assert LOOPBACK.may == {"echo", "store"}
    assert LOOPBACK.issuer == ""


@pytest.mark.parametrize(
    "settings", [{"OPEN_DOORS": "none"}, {"HOST": "198.51.100.7", "BASE_URL": "https://t.example"}]
)
def test_with_the_doors_closed_a_stranger_is_nobody(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with houses.opened(tmp_path, **settings) as house:
        assert parties.identify(house, "ANYBODY", "127.0.0.1") is None


@pytest.mark.parametrize(
    "entry",
    [
        PeerEntry("", "10.0.0.7", 104, "home", "", ("store",)),
        PeerEntry("SEVENTEENLETTERS1", "10.0.0.7", 104, "home", "", ("store",)),
        PeerEntry("A\\B", "10.0.0.7", 104, "home", "", ("store",)),
        PeerEntry(" CT", "10.0.0.7", 104, "home", "", ("store",)),
        PeerEntry("CT", "no host", 104, "home", "", ("store",)),
        PeerEntry("CT", "", 104, "home", "", ("store",)),
        PeerEntry("CT", "10.0.0.7", 0, "home", "", ("store",)),
        PeerEntry("CT", "10.0.0.7", 65536, "home", "", ("store",)),
        PeerEntry("CT", "10.0.0.7", 104, "home", "MRN", ("store",)),
        PeerEntry("CT", "10.0.0.7", 104, "home", "", ()),
        PeerEntry("CT", "10.0.0.7", 104, "home", "", ("store", "fly")),
    ],
)
def test_a_peer_that_cannot_be_is_refused_in_plain_words(house: House, entry: PeerEntry) -> None:
    with pytest.raises(Invalid):
        put(house, entry)
