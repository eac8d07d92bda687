"""Tokens: what becomes of one, whom it reaches, and when it ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from server import clock
from server.errors import Denied, Fault, Invalid, Missing, Unauthenticated
from server.flows import access, clients, grants, held, parties
from server.flows.access import Grant
from server.flows.clients import Client
from server.flows.sites import House
from server.store import tables
from tests.support import houses
from tests.support.backend import jwks
from tests.support.houses import SYSTEM, add_patient, retire

SECOND = 1_000_000


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with houses.opened(tmp_path) as opened:
        yield opened


def backend(house: House, reach: str, scope: str = "system/*.rs") -> Client:
    wanted = Client("", 0, "research", "backend", scope, reach, jwks=jwks())
    return clients.add(house, wanted, "home", now=clock.now())[0]


def issued(house: House, client: Client) -> str:
    token = grants.draw()
    grants.for_client(house, client, client.scope, token, 300, address="", now=clock.now())
    return token


def grant(house: House, token: str, now: int | None = None) -> Grant:
    return grants.authenticate(house, token, address="127.0.0.1", now=now or clock.now())


def script(
    house: House, scope: str, patient: str = "", organisation: str = "home", reason: str = ""
) -> str:
    return grants.for_script(
        house,
        scope,
        patient=patient,
        organisation=organisation,
        reason=reason,
        now=clock.now(),
    ).token


def test_a_backends_token_is_a_grant_of_its_client_over_everyone(house: House) -> None:
    client = backend(house, "all")
    found = grant(house, issued(house, client))
    assert (found.client, found.organisation, found.context) == (client.id, 1, "system")
    assert found.everyone
    assert found.address == "127.0.0.1"
    access.may(found, "ImagingStudy", "s")
    with pytest.raises(Denied):
        access.may(found, "ImagingStudy", "c")


def test_smart_imaging_9_a_reach_is_fixed_when_the_token_is_issued(house: House) -> None:
    """Neither a new member of the group nor a new patient widens a token that is out."""
    anna, ben = add_patient(house, "11"), add_patient(house, "12")
    parties.add_group(house, "trial", "home", [anna], now=clock.now())
    token = issued(house, backend(house, "group:trial"))
    parties.add_group(house, "trial", "home", [ben], now=clock.now())
    assert grant(house, token).patients == {anna}
    assert not grant(house, token).everyone
    one = issued(house, backend(house, f"patient:{SYSTEM}|12"))
    assert grant(house, one).patients == {ben}


def test_smart_imaging_8_a_patients_token_is_no_system_token(house: House) -> None:
    anna, ben = add_patient(house, "11"), add_patient(house, "12")
    found = grant(house, script(house, "patient/*.rs", f"{SYSTEM}|11"))
    assert (found.context, set(found.patients), found.everyone) == ("patient", {anna}, False)
    assert not access.admits_patient(found, ben)


def test_a_token_ends_with_its_time_and_only_its_digest_was_kept(house: House) -> None:
    token = issued(house, backend(house, "all"))
    with house.database.read() as connection:
        row = connection.execute(select(tables.token)).mappings().one()
    assert token not in json.dumps(dict(row))
    grant(house, token, now=row["expires"] - 1)
    assert row["expires"] - row["issued"] == 300 * SECOND
    with pytest.raises(Unauthenticated):
        grant(house, token, now=row["expires"])


def test_a_token_ends_with_its_client(house: House) -> None:
    client = backend(house, "all")
    token = issued(house, client)
    with house.database.write() as connection:
        connection.execute(update(tables.client).values(retired=clock.now()))
    with pytest.raises(Unauthenticated):
        grant(house, token)
    assert clients.find(house, client.id) is None


def test_a_token_that_names_a_retired_patient_is_dead_even_for_a_group(house: House) -> None:
    anna, ben = add_patient(house, "11"), add_patient(house, "12")
    parties.add_group(house, "trial", "home", [anna, ben], now=clock.now())
    client = backend(house, "group:trial")
    tokens = [script(house, "patient/*.rs", anna), issued(house, client)]
    everyone = script(house, "system/*.rs")
    retire(house, anna, ben)
    for token in tokens:
        with pytest.raises(Unauthenticated):
            grant(house, token)
    assert grant(house, everyone).everyone
    # A new token sees the whole of the one that is left.
    assert grant(house, issued(house, client)).patients == {ben, anna}


def test_every_reason_to_refuse_a_token_has_the_same_words(house: House) -> None:
    """Whoever tries tokens must not learn which of them once existed."""
    anna = add_patient(house, "11")
    expired, revoked, retired = (script(house, "patient/*.rs", anna) for _ in range(3))
    known = held.find(house, revoked, now=clock.now())
    assert known is not None
    held.revoke(house, known, address="", now=clock.now())
    words = set()
    for token, now in ((expired, clock.now() + 901 * SECOND), (revoked, None), ("unknown", None)):
        with pytest.raises(Unauthenticated) as caught:
            grant(house, token, now)
        words.add(str(caught.value))
    retire(house, anna)
    with pytest.raises(Unauthenticated) as caught:
        grant(house, retired)
    assert words == {str(caught.value)}


@pytest.mark.parametrize("token", ["", " ", "\u00e9", "\x00", "x" * 100_000])
def test_any_text_may_be_tried_as_a_token(house: House, token: str) -> None:
    with pytest.raises(Unauthenticated):
        grant(house, token)


@pytest.mark.parametrize("reach", ["", "group:empty", "patient:{retired}"])
def test_a_client_that_reaches_nobody_gets_no_token(house: House, reach: str) -> None:
    anna, ben = add_patient(house, "11"), add_patient(house, "12")
    parties.add_group(house, "empty", "home", [anna], now=clock.now())
    client = backend(house, reach.format(retired=anna))
    retire(house, anna, ben)
    with pytest.raises(Denied, match="reaches no patient"):
        issued(house, client)


@pytest.mark.parametrize(
    ("asked", "ceiling", "granted"),
    [
        ("system/*.rs", "system/*.rs", "system/*.rs"),
        ("system/*.read", "system/*.cruds", "system/*.read"),
        ("system/*.*", "system/*.rs", "system/*.read"),
        ("system/Patient.rs?name=x", "system/*.rs", ""),
        ("system/Patient.rs", "system/*.rs?name=x", ""),
        ("system/Patient.sr", "system/*.rs", ""),
        (
            "system/*.rs",
            "system/Patient.r system/Endpoint.rs",
            "system/Patient.r system/Endpoint.rs",
        ),
        ("system/Patient.cruds", "system/*.rs", "system/Patient.rs"),
        ("system/Patient.rs system/Patient.rs", "system/*.rs", "system/Patient.rs"),
        ("system/Patient.c", "system/*.rs", ""),
        ("patient/*.rs user/*.rs launch openid nonsense", "system/*.rs", ""),
        ("system/*.rs", "", ""),
        ("", "system/*.rs", ""),
    ],
)
def test_a4_granted_is_what_is_asked_for_within_the_ceiling(
    asked: str, ceiling: str, granted: str
) -> None:
    assert grants.allowed(asked, ceiling) == granted
    assert grants.allowed(granted, ceiling) == granted


@pytest.mark.parametrize(
    ("scope", "more", "error"),
    [
        ("user/*.rs", {}, Invalid),
        ("patient/*.rs system/*.rs", {"patient": "{anna}"}, Invalid),
        ("launch", {}, Invalid),
        ("", {}, Invalid),
        ("patient/*.rs", {}, Invalid),
        ("system/*.rs", {"patient": "{anna}"}, Invalid),
        ("patient/*.rs", {"patient": "nobody"}, Missing),
        ("system/*.rs", {"organisation": "nowhere"}, Missing),
    ],
)
def test_a_script_gets_no_token_for_what_makes_no_sense(
    house: House, scope: str, more: dict[str, str], error: type[Fault]
) -> None:
    anna = add_patient(house, "11")
    with pytest.raises(error):
        script(house, scope, **{name: text.format(anna=anna) for name, text in more.items()})


@pytest.mark.parametrize("seconds", [0, -1, 901])
def test_a_scripts_token_lives_900_seconds_at_most(house: House, seconds: int) -> None:
    with pytest.raises(Invalid, match="900"):
        grants.for_script(house, "system/*.rs", seconds=seconds, now=clock.now())


def test_beyond_loopback_a_script_says_why_it_needs_a_token(tmp_path: Path) -> None:
    with houses.opened(tmp_path, HOST="198.51.100.7", BASE_URL="https://t.example") as house:
        with pytest.raises(Invalid, match="--reason"):
            script(house, "system/*.rs")
        script(house, "system/*.rs", reason="ticket 4711")
        with house.database.read() as connection:
            details = list(connection.execute(select(tables.audit.c.detail)).scalars())
    assert details == ["token for 900 s: system/*.rs ticket 4711"]


def test_an_assertion_counts_once_for_each_client(house: House) -> None:
    until = clock.now() + SECOND
    assert grants.use_assertion(house, "a", "1", expires=until)
    assert not grants.use_assertion(house, "a", "1", expires=until)
    assert grants.use_assertion(house, "b", "1", expires=until)


def test_a_purge_forgets_what_is_over_and_keeps_what_is_not(house: House) -> None:
    now = clock.now()
    token = script(house, "system/*.rs")
    for jti, expires in (("old", now), ("new", now + 3600 * SECOND)):
        grants.use_assertion(house, "a", jti, expires=expires)
    assert grants.purge(house, now=now) == 1
    assert not grants.use_assertion(house, "a", "new", expires=now)
    assert grant(house, token).client == "cli"
    assert grants.purge(house, now=now + 901 * SECOND) == 1
