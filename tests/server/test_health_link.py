"""SMART Health Links: opened by apps that are not ours, showing what the Magic Link shows, ending with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from server import clock
from server.errors import Invalid
from server.flows import audit, links
from server.flows.links import Made
from server.store.share_tables import share, share_session, share_throttle
from tests.support import logs
from tests.support.health_links import Wallet, jose
from tests.support.holder import BORN, Holder, link
from tests.support.practice import REPORT_TEXT, Practice
from tests.support.scenes import ALICES, BOBS, address

pytestmark = pytest.mark.slow
RECORDS, API = "application/fhir+json", "application/smart-api-access"


@pytest.fixture(autouse=True)
def forgotten(surgery: Practice) -> None:
    """Each test begins without wrong answers from this address."""
    with surgery.keys.house.database.write() as connection:
        connection.execute(share_throttle.delete())


def given(surgery: Practice, factor: str = "birth-date", **more: Any) -> tuple[Made, Wallet]:
    """A link to Alice's study with its second handle."""
    words = {"studies": {ALICES}, "health_link": True} | more
    made = link(surgery.keys, surgery.patients["Alice"], factor, **words)
    logs.keep_out(made.health_link)
    wallet = Wallet.scan(made.health_link)
    logs.keep_out(wallet.payload["url"].rpartition("/")[2])
    return made, wallet


@pytest.fixture(scope="module")
def lasting(surgery: Practice) -> tuple[Made, Wallet]:
    """A link that many tests open and none ends."""
    return given(surgery)


def test_an_app_reads_the_records_and_the_pictures_of_the_link(
    surgery: Practice, lasting: tuple[Made, Wallet]
) -> None:
    made, wallet = lasting
    files = wallet.opened(made.passcode)
    kinds = {entry["resource"]["resourceType"] for entry in files[RECORDS]["entry"]}
    assert {"Patient", "ImagingStudy", "DiagnosticReport"} <= kinds
    assert REPORT_TEXT in json.dumps(files[RECORDS])
    access = files[API]
    token = logs.keep_out(access["access_token"])
    assert access["aud"] == surgery.fhir
    assert 3500 < access["expires_in"] <= 3600
    for query in access["query"]:
        answer = surgery.server.get(f"/fhir/{query}", token)
        assert answer.json()["total"] >= 1
    pictures = surgery.server.get(f"/dicomweb{address(ALICES, 1, 1)}", token)
    assert pictures.status_code == 200
    with surgery.keys.house.database.read() as connection:
        assert audit.reconcile(connection) == []


def test_the_payload_is_one_of_the_standard_and_tells_nothing(
    surgery: Practice, lasting: tuple[Made, Wallet]
) -> None:
    made, wallet = lasting
    payload = wallet.payload
    assert set(payload) == {"url", "key", "exp", "flag", "v"}
    assert (payload["flag"], payload["v"], len(payload["key"])) == ("LP", 1, 43)
    assert len(payload["url"]) <= 128
    assert len(payload["url"].rpartition("/")[2]) == 43
    assert payload["exp"] * 1_000_000 <= made.expires < (payload["exp"] + 1) * 1_000_000
    with surgery.keys.house.database.read() as connection:
        row = connection.execute(select(share).where(share.c.id == made.id)).one()
    kept = str(tuple(row))
    assert payload["key"] not in kept
    assert payload["url"].rpartition("/")[2] not in kept


def test_another_maker_of_jose_reads_the_files(
    lasting: tuple[Made, Wallet], tmp_path: Path
) -> None:
    made, wallet = lasting
    files = wallet.ask(made.passcode).json()["files"]
    read = jose(
        wallet, next(one["embedded"] for one in files if one["contentType"] == RECORDS), tmp_path
    )
    assert read["header"]["enc"] == "A256GCM"
    assert read["body"]["resourceType"] == "Bundle"


def test_the_token_of_a_link_reaches_its_studies_for_reading_and_nothing_else(
    surgery: Practice, lasting: tuple[Made, Wallet]
) -> None:
    made, wallet = lasting
    token = logs.keep_out(wallet.opened(made.passcode)[API]["access_token"])
    get = surgery.server.get
    assert get(f"/dicomweb{address(BOBS, 1, 1)}", token).status_code in (403, 404)
    assert get(f"/fhir/Patient/{surgery.patients['Bob']}", token).status_code == 403
    assert get(f"/fhir/ImagingStudy?patient={surgery.patients['Bob']}", token).status_code == 403
    assert get("/fhir/Encounter", token).status_code == 403
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/dicom"}
    assert (
        requests.post(
            f"{surgery.server.base}/dicomweb/studies", b"x", headers=sent, timeout=60
        ).status_code
        == 403
    )
    holder = Holder(surgery.server.base)
    holder.browser.cookies.set("triptych-link", token)
    assert holder.get("/s/open").status_code == 401, "a token is no cookie"


def test_a_cookie_is_no_token(surgery: Practice, lasting: tuple[Made, Wallet]) -> None:
    made, _ = lasting
    holder = Holder(surgery.server.base)
    holder.open(made, BORN)
    secret = holder.browser.cookies["triptych-link"]
    for word in (secret, f"shl.{secret}", "shl."):
        assert surgery.server.get("/fhir/ImagingStudy", word).status_code == 401


def test_what_is_too_long_to_embed_is_fetched_once_by_its_ticket(surgery: Practice) -> None:
    made, wallet = given(surgery)
    files = wallet.ask(made.passcode, embeddedLengthMax=10).json()["files"]
    for file in files:
        assert "embedded" not in file
        first = requests.get(file["location"], timeout=60)
        assert first.headers["Content-Type"] == "application/jose"
        assert wallet.read({**file, "embedded": first.text})
        assert requests.get(file["location"], timeout=60).status_code == 404
    _, other = given(surgery)
    fresh = wallet.ask(made.passcode, embeddedLengthMax=10).json()["files"][0]["location"]
    strange = other.payload["url"] + "/" + fresh.rpartition("/")[2]
    assert requests.get(strange, timeout=60).status_code == 404


def test_wrong_passcodes_and_wrong_answers_are_one_count(surgery: Practice) -> None:
    made, wallet = given(surgery)
    wrong = "000000" if made.passcode != "000000" else "000001"
    assert wallet.ask(wrong).json() == {"remainingAttempts": 4}
    assert wallet.ask(made.passcode).status_code == 200
    answer = wallet.ask(wrong)
    assert (answer.status_code, answer.json()) == (401, {"remainingAttempts": 3})
    holder = Holder(surgery.server.base)
    for _ in range(3):
        assert holder.open(made, "1 1 1900").status_code == 403
    assert wallet.ask(made.passcode).status_code == 404
    assert holder.open(made, BORN).status_code == 403


def test_a_link_that_has_ended_gives_nothing_and_what_it_gave_ends(surgery: Practice) -> None:
    made, wallet = given(surgery)
    token = logs.keep_out(wallet.opened(made.passcode)[API]["access_token"])
    files = wallet.ask(made.passcode, embeddedLengthMax=0).json()["files"]
    links.revoke(surgery.keys.house, made.id, now=clock.now())
    assert wallet.ask(made.passcode).status_code == 404
    assert requests.get(files[0]["location"], timeout=60).status_code == 404
    assert surgery.server.get("/fhir/ImagingStudy", token).status_code == 401
    unknown = Wallet({**wallet.payload, "url": wallet.payload["url"][:-5] + "AAAAA"})
    assert unknown.ask(made.passcode).json() == wallet.ask(made.passcode).json()


def test_the_log_of_a_link_tells_of_apps_that_opened_it(surgery: Practice) -> None:
    made, wallet = given(surgery, most_uses=2)
    wallet.ask(made.passcode, recipient="Dr\r\nSmith\u202e")
    wallet.ask(made.passcode)
    assert wallet.ask(made.passcode).status_code == 404
    details = [one.get("detail", "") for one in links.log(surgery.keys.house, made.id)]
    assert "health link opened by an app: DrSmith" in details


def counts(surgery: Practice, made: Made) -> tuple[int, int]:
    """Wrong answers and uses of a link."""
    with surgery.keys.house.database.read() as connection:
        row = connection.execute(select(share).where(share.c.id == made.id)).one()
    return row.failures, row.uses


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"recipient": ""}', b'{"recipient": 1}', b"[" * 9000,
        b'{"recipient": "x", "passcode": 1}', b'{"recipient": "x", "embeddedLengthMax": -1}',
        b'{"recipient": "x", "embeddedLengthMax": true}', b"x" * 20_000,
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_no_attempt(
    surgery: Practice, lasting: tuple[Made, Wallet], body: bytes
) -> None:
    made, wallet = lasting
    before = counts(surgery, made)
    sent = {"Content-Type": "application/json"}
    answer = requests.post(wallet.payload["url"], body, headers=sent, timeout=60)
    assert answer.status_code in (400, 413)
    assert counts(surgery, made) == before


def test_a_page_of_any_site_may_open_a_link_and_read_what_it_says(
    lasting: tuple[Made, Wallet],
) -> None:
    made, wallet = lasting
    body = {"recipient": "x", "passcode": made.passcode}
    there = {"Origin": "https://viewer.example"}
    answer = requests.post(wallet.payload["url"], json=body, headers=there, timeout=60)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("factor", ["otp", "named-person"])
def test_a_link_for_one_look_or_one_person_has_no_second_handle(
    surgery: Practice, factor: str
) -> None:
    person = "drew" if factor == "named-person" else ""
    with pytest.raises(Invalid):
        given(surgery, factor, person=person)


def test_share_prints_the_second_handle_and_its_passcode(surgery: Practice) -> None:
    told = surgery.server.run("share", "--patient", surgery.patients["Alice"], "--health-link")
    assert told["health_link"].startswith("shlink:/")
    assert told["health_link_qr_svg"].startswith("<svg ")
    logs.keep_out(told["health_link"])
    assert Wallet.scan(told["health_link"]).ask(told["passcode"]).status_code == 200
    with surgery.keys.house.database.read() as connection:
        kinds = set(connection.execute(select(share_session.c.kind)).scalars())
    assert "bearer" in kinds
