"""The commands that say who takes part: what they print, what they refuse, what they teach."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from joserfc.jwk import ECKey
from sqlalchemy import select

from server import clock
from server import config as settings
from server.__main__ import cli
from server.errors import Fault
from server.flows import audit, grants
from server.flows.sites import open_house
from server.store import tables
from tests.support import houses
from tests.support.backend import jwks
from tests.support.houses import SYSTEM, add_patient

LOOPBACK_APP = "http://127.0.0.1:3000/callback"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def keys(tmp_path: Path) -> str:
    file = tmp_path / "keys.json"
    file.write_text(jwks())
    return str(file)


@pytest.fixture
def anna(data: Path) -> str:
    with houses.opened(data) as house:
        return add_patient(house, "4711")


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def run(*words: str) -> dict[str, Any]:
    """What a command prints, which is one JSON object."""
    result = invoke(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def refusal(*words: str) -> str:
    """What a command says when it refuses: a sentence of ours, or of click's."""
    result = invoke(*words)
    assert result.exit_code != 0
    if isinstance(result.exception, Fault):
        return str(result.exception)
    assert isinstance(result.exception, SystemExit)
    return result.stderr


def column(data: Path, wanted: Any) -> list[Any]:
    house = open_house(settings.load({"TRIPTYCH_DATA": str(data)}), "test")
    try:
        with house.database.read() as connection:
            return list(connection.execute(select(wanted)).scalars())
    finally:
        house.close()


def test_the_first_command_makes_the_stores_and_its_audit_chain_is_signed(data: Path) -> None:
    run("organisation", "add", "St Mary")
    assert set(column(data, tables.organisation.c.name)) == {"home", "St Mary"}
    assert column(data, tables.audit_root.c.signature)
    house = open_house(settings.load({"TRIPTYCH_DATA": str(data)}), "test")
    with house.database.write() as connection:
        assert audit.verify(connection) == []
    house.close()


def test_an_organisation_is_added_with_its_issuers() -> None:
    words = ("--issuer", "https://mary.example/mrn?x=1", "--issuer", "EAST=urn:oid:1.2.3")
    assert run("organisation", "add", "St Mary", "--zone", "Europe/London", *words) == {
        "organisation": "St Mary",
        "id": 2,
        "issuer": "https://mary.example/mrn?x=1",
        "issuers": {"EAST": "urn:oid:1.2.3"},
        "zone": "Europe/London",
        "charset": "",
        "realm": "",
    }
    assert "already" in refusal("organisation", "add", "St Mary")
    two = ("--issuer", "urn:oid:1.2.4", "--issuer", "urn:oid:1.2.5")
    assert "one SYSTEM" in refusal("organisation", "add", "Other", *two)


def test_a_group_is_made_of_patients(anna: str) -> None:
    answer = run("group", "add", "trial", "--patient", f"{SYSTEM}|4711", "--patient", anna)
    assert answer == {"group": "trial", "organisation": "home", "patients": [anna]}
    assert "no such patient" in refusal("group", "add", "trial", "--patient", "nobody")


def test_a_peer_may_do_all_but_worklist_unless_told_otherwise() -> None:
    answer = run("peer", "add", "CT1", "10.0.0.7", "104", "--issuer", SYSTEM)
    assert answer["may"] == ["echo", "store", "commit", "find", "get", "move", "mpps"]
    assert (answer["ae"], answer["host"], answer["port"]) == ("CT1", "10.0.0.7", 104)
    assert (answer["organisation"], answer["issuer"]) == ("home", SYSTEM)
    assert run("peer", "add", "CT1", "10.0.0.7", "104", "--may", "echo, store")["may"] == [
        "echo",
        "store",
    ]
    assert "no organisation Elsewhere" in refusal(
        "peer", "add", "CT1", "10.0.0.7", "104", "--organisation", "Elsewhere"
    )


def test_a_backend_is_registered_with_pasted_keys_and_gets_no_secret(
    data: Path, keys: str, anna: str
) -> None:
    words = ("--scope", "system/ImagingStudy.rs system/Patient.r", "--jwks", keys)
    answer = run("client", "add", "lab", "--type", "backend", "--reach", f"patient:{anna}", *words)
    assert answer.keys() == {"client_id", "name", "type", "scope", "reach"}
    assert answer["reach"] == f"patient:{anna}"
    assert column(data, tables.client.c.secret_hash) == [""]


def test_a_backend_without_scope_and_reach_is_kept_with_a_note(keys: str) -> None:
    result = invoke("client", "add", "lab", "--type", "backend", "--jwks", keys)
    assert result.exit_code == 0
    assert "gets no token" in result.stderr
    assert json.loads(result.stdout)["scope"] == ""


def test_a_confidential_app_gets_a_secret_that_is_shown_once_and_kept_as_a_digest(
    data: Path,
) -> None:
    words = ("client", "add", "app", "--type", "confidential", "--redirect-uri", LOOPBACK_APP)
    answer = run(*words)
    (kept,) = column(data, tables.client.c.secret_hash)
    assert kept == hashlib.sha256(answer["client_secret"].encode()).hexdigest()
    assert "patient/*.rs" in answer["scope"].split()
    assert answer["client_secret"] not in "".join(column(data, tables.audit.c.detail))


def test_a_public_app_and_one_with_keys_get_no_secret(keys: str) -> None:
    public = run("client", "add", "a", "--type", "public", "--redirect-uri", "org.example.app:/cb")
    app = ("client", "add", "b", "--type", "confidential", "--redirect-uri", LOOPBACK_APP)
    for answer in (public, run(*app, "--jwks", keys)):
        assert answer.keys() == {"client_id", "name", "type", "scope"}


BAD_CLIENTS: dict[str, tuple[str, ...]] = {
    "proves itself with a key": ("backend",),
    "needs a --redirect-uri": ("public",),
    "has no key": ("public", "--redirect-uri", LOOPBACK_APP, "--jwks-uri", "https://a.example/k"),
    "use https": ("public", "--redirect-uri", "http://app.example/cb"),
    "without *": ("public", "--redirect-uri", "https://*.example/cb"),
    "without user or #": ("public", "--redirect-uri", "https://app.example/cb#x"),
    "give an address": ("public", "--redirect-uri", "javascript:alert(1)"),
    "http is for localhost": ("backend", "--jwks-uri", "http://keys.example/jwks"),
    "--reach is for backend": ("public", "--redirect-uri", LOOPBACK_APP, "--reach", "all"),
    "never redirected": ("backend", "--jwks", "{keys}", "--redirect-uri", LOOPBACK_APP),
    "system/ scopes are for backend": ("backend", "--jwks", "{keys}", "--scope", "patient/*.rs"),
    "context/Type.letters": ("backend", "--jwks", "{keys}", "--scope", "everything"),
    "in the order": ("backend", "--jwks", "{keys}", "--scope", "system/*.sr"),
    "--reach takes": ("backend", "--jwks", "{keys}", "--reach", "some"),
    "no group nobody": ("backend", "--jwks", "{keys}", "--reach", "group:nobody"),
    "no such patient": ("backend", "--jwks", "{keys}", "--reach", "patient:nobody"),
    "either --jwks or": ("backend", "--jwks", "{keys}", "--jwks-uri", "https://a.example/k"),
    "no organisation Nowhere": ("backend", "--jwks", "{keys}", "--organisation", "Nowhere"),
}


@pytest.mark.parametrize(("words", "given"), BAD_CLIENTS.items(), ids=BAD_CLIENTS.keys())
def test_a_client_that_cannot_work_is_refused_in_plain_words(
    keys: str, words: str, given: tuple[str, ...]
) -> None:
    kind, *rest = (word.format(keys=keys) for word in given)
    assert words in refusal("client", "add", "x", "--type", kind, *rest)


def test_a_key_file_that_gives_away_the_private_key_is_refused(data: Path) -> None:
    private = ECKey.generate_key("P-384", {"kid": "p"}).as_dict(private=True)
    public = json.loads(jwks())["keys"]
    for keys, words in (([private], "no public"), ([*public, private], "gives away a private key")):
        (data / "k.json").write_text(json.dumps({"keys": keys}))
        given = ("client", "add", "x", "--type", "backend", "--jwks", str(data / "k.json"))
        assert words in refusal(*given)


def test_a_token_for_scripts_works_and_is_audited(data: Path, anna: str) -> None:
    answer = run("token", "--scope", "patient/*.rs", "--patient", f"{SYSTEM}|4711", "--ttl", "60")
    assert answer | {"access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "patient/*.rs",
        "patient": anna,
    }
    house = open_house(settings.load(), "test")
    found = grants.authenticate(house, answer["access_token"], address="", now=clock.now())
    house.close()
    assert (found.client, set(found.patients)) == ("cli", {anna})
    assert "token for 60 s: patient/*.rs" in column(data, tables.audit.c.detail)
    assert answer["access_token"] not in "".join(column(data, tables.audit.c.detail))


def test_a_token_lives_900_seconds_unless_told_less() -> None:
    assert run("token", "--scope", "system/*.rs")["expires_in"] == 900
    assert "900" in refusal("token", "--scope", "system/*.rs", "--ttl", "901")


def test_a_token_is_refused_in_plain_words(anna: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "need --patient" in refusal("token", "--scope", "patient/*.rs")
    assert "user/" in refusal("token", "--scope", "user/*.rs", "--patient", anna)
    assert "no such patient" in refusal("token", "--scope", "patient/*.rs", "--patient", "x|4711")
    monkeypatch.setenv("TRIPTYCH_HOST", "198.51.100.7")
    monkeypatch.setenv("TRIPTYCH_BASE_URL", "https://t.example")
    assert "--reason" in refusal("token", "--scope", "system/*.rs")
    assert run("token", "--scope", "system/*.rs", "--reason", "ticket 12")["expires_in"] == 900


@pytest.mark.parametrize(
    "words",
    ["organisation add", "group add", "client add", "peer add", "token"],
)
def test_help_teaches_by_an_example_that_is_a_command_of_ours(words: str) -> None:
    result = invoke(*words.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert words in result.output.partition("Example")[2]
