"""What a Magic Link reaches: its own studies and reports, by the one gate, and nothing else."""

import base64
import json
from typing import Any

import pytest
import requests
from sqlalchemy import update

from fhir.gate import problems
from server import clock
from server.flows import links
from server.store.share_tables import share, share_session
from server.store.tables import study
from tests.support.hl7_builder import obr, obx, packed
from tests.support.holder import Holder, link, opened, words
from tests.support.mllp import send
from tests.support.practice import PID, REPORT_TEXT, Practice
from tests.support.scenes import ALICES, BOBS, ROOT, instance
from tests.support.waiting import until
from tests.support.web import STOW_TYPE, Web, multipart

pytestmark = pytest.mark.slow

OTHER = f"{ROOT}.77"
SECRET = "a matter of the Queen"


@pytest.fixture(scope="module")
def ids(surgery: Practice) -> dict[str, str]:
    """Ids of Alice's shared study and report, and of those that are not shared."""
    staff = Web(surgery.server.base + "/dicomweb", surgery.keys.token("system/*.cruds"))
    assert staff.store(instance("CT_small.dcm", 1, study=OTHER)).status_code == 200
    send(surgery.server.mllp, report("SECRET-1", SECRET, "F", OTHER))
    alice = surgery.patients["Alice"]

    def found() -> dict[str, str]:
        answer = staff_get(surgery, f"/fhir/DiagnosticReport?patient={alice}")
        named = {}
        for entry in answer["entry"]:
            body = entry["resource"]
            name = "hidden" if SECRET in json.dumps(body) else "report"
            named[name] = body["id"] if "imagingStudy" in body else ""
        return named if all(named.get(name) for name in ("hidden", "report")) else {}

    named = until(found, "two reports that name their studies")
    with surgery.keys.house.database.read() as connection:
        for row in connection.execute(study.select()):
            name = {ALICES: "study", OTHER: "other", BOBS: "bobs"}[row.uid]
            named[name] = row.id
    return named


def staff_get(surgery: Practice, path: str) -> Any:
    return surgery.server.get(path, surgery.keys.token("system/*.rs")).json()


def report(filler: str, text: str, status: str, uid: str = ALICES, *more: str) -> bytes:
    return packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(f2=filler, f3=filler, f4="CT-HEAD^CT head^L", f22="20260905123000+0000", f25=status),
        obx("TX", "&IMP", text),
        obx("ST", "110180^Study Instance UID^DCM", uid),
        *more,
        control=filler,
    )


@pytest.fixture
def holder(surgery: Practice, ids: dict[str, str]) -> Holder:
    return opened(
        surgery.server.base, link(surgery.keys, surgery.patients["Alice"], "pin", studies={ALICES})
    )


def test_the_first_page_asks_and_shows_no_picture_and_no_report(holder: Holder) -> None:
    page = holder.get("/s/open")
    assert "Pictures Report Later: I will talk to my doctor first" in words(page)
    assert "Alice Liddell" in page.text
    assert "<img" not in page.text
    assert REPORT_TEXT not in page.text


def test_the_pictures_are_those_of_the_studies_and_can_be_leafed_through(holder: Holder) -> None:
    page = holder.get("/s/pictures")
    assert "not for diagnosis" in page.text
    assert ALICES in page.text
    assert OTHER not in page.text
    stack = f"/s/pictures/{ALICES}/{ALICES}.1"
    shown = []
    for number in (1, 2, 3):
        page = holder.get(f"{stack}?n={number}")
        assert f"Picture {number} of 3" in page.text
        assert "Alice Liddell" in page.text
        assert "29 February 2024" in page.text
        picture = page.text.split('class="picture" src="')[1].split('"')[0]
        answer = holder.get(picture)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
        shown.append(answer.content)
        assert ('rel="prev"' in page.text, 'rel="next"' in page.text) == (number > 1, number < 3)
    assert len(set(shown)) == 2, "the first two are alike"
    assert holder.get(f"{stack}?n=4").status_code == 404
    assert holder.get(f"{stack}/thumbnail").content.startswith(b"\xff\xd8")


def test_a_report_is_read_with_its_conclusion_first_and_saved(
    holder: Holder, ids: dict[str, str]
) -> None:
    listed = words(holder.get("/s/reports"))
    assert "CT head" in listed
    assert SECRET not in listed
    page = words(holder.get(f"/s/reports/{ids['report']}"))
    assert "Conclusion" in page
    assert page.index("Conclusion") < page.index("The whole report")
    assert REPORT_TEXT in page
    saved = holder.get(f"/s/reports/{ids['report']}/text")
    assert REPORT_TEXT in saved.text
    assert saved.headers["Content-Disposition"] == 'attachment; filename="report.txt"'


def test_a_document_of_a_report_comes_through_the_gate(surgery: Practice, holder: Holder) -> None:
    pdf = base64.b64encode(b"%PDF-1.4 of alice").decode()
    ed = obx("ED", "PDF^Report", f"^application^pdf^Base64^{pdf}")
    send(surgery.server.mllp, report("PDF-1", "see the document", "F", ALICES, ed))
    send(
        surgery.server.mllp,
        report(
            "PDF-2",
            "see the other document",
            "F",
            OTHER,
            ed.replace(pdf, base64.b64encode(b"%PDF-1.4 hidden").decode()),
        ),
    )

    def documents() -> list[str]:
        body = staff_get(surgery, f"/fhir/DiagnosticReport?patient={surgery.patients['Alice']}")
        found = [
            form["url"].removeprefix("Binary/")
            for entry in body["entry"]
            for form in entry["resource"].get("presentedForm", [])
            if "url" in form and "imagingStudy" in entry["resource"]
        ]
        return found if len(found) == 2 else []

    until(documents, "two documents of reports with studies")
    page = holder.get("/s/reports").text
    mine = page.split('href="/s/reports/')[1:]
    found = {}
    for one in mine:
        text = holder.get(f"/s/reports/{one.split(chr(34))[0]}").text
        for part in text.split('href="/s/documents/')[1:]:
            found[part.split('"')[0]] = holder.get("/s/documents/" + part.split('"')[0])
    assert [one.content for one in found.values()] == [b"%PDF-1.4 of alice"]
    (hidden,) = set(documents()) - set(found)
    assert holder.get(f"/s/documents/{hidden}").status_code == 403
    assert holder.read(f"/fhir/Binary/{hidden}").status_code == 403
    assert holder.read(f"/fhir/Binary/{next(iter(found))}").status_code == 200


def test_a_bundle_to_keep_holds_the_link_and_passes_the_gate(
    holder: Holder, ids: dict[str, str]
) -> None:
    answer = holder.get("/s/bundle")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    body = answer.json()
    assert problems(body) == []
    kinds = {(e["resource"]["resourceType"], e["resource"]["id"]) for e in body["entry"]}
    assert ("ImagingStudy", ids["study"]) in kinds
    assert ("DiagnosticReport", ids["report"]) in kinds
    assert SECRET not in answer.text
    assert OTHER not in answer.text
    person = next(
        e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == "Patient"
    )
    assert set(person) <= {"resourceType", "id", "meta", "name", "gender", "birthDate"}


# The doors of data.

SHOWN = ("/dicomweb/studies/{uid}/metadata", "/dicomweb/studies/{uid}/series")
OTHERS = [
    "/fhir/ImagingStudy/{other}",
    "/fhir/ImagingStudy/{bobs}",
    "/fhir/DiagnosticReport/{hidden}",
    "/fhir/DiagnosticReport/{hidden}/_history",
    "/fhir/Patient/{alice}",
    "/fhir/Observation",
    "/fhir/Encounter",
    "/fhir/ServiceRequest",
    "/fhir/Provenance",
    "/fhir/ImagingStudy?patient={bob}",
    f"/dicomweb/studies/{OTHER}",
    f"/dicomweb/studies/{OTHER}/metadata",
    f"/dicomweb/studies/{OTHER}/thumbnail",
    f"/dicomweb/studies/{BOBS}/metadata",
    f"/s/pictures/{OTHER}/{OTHER}.1",
    f"/s/pictures/{OTHER}/{OTHER}.1/thumbnail",
    f"/s/pictures/{OTHER}/{OTHER}.1/{OTHER}.1.1/1",
    f"/s/pictures/{BOBS}/{BOBS}.1",
    "/s/reports/{hidden}",
    "/s/reports/{hidden}/text",
]


def test_a_page_of_ours_reads_the_share_and_nothing_else(
    surgery: Practice, holder: Holder, ids: dict[str, str]
) -> None:
    """The contract of the viewer: GET with the cookie, same-origin by the browser's own word."""
    studies = holder.read("/fhir/ImagingStudy").json()
    assert [e["resource"]["id"] for e in studies["entry"]] == [ids["study"]]
    reports = holder.read("/fhir/DiagnosticReport?_total=accurate").json()
    assert SECRET not in json.dumps(reports)
    assert reports["total"] == len(reports["entry"])
    found = holder.read("/dicomweb/studies").json()
    assert [one["0020000D"]["Value"] for one in found] == [[ALICES]]
    for path in SHOWN:
        assert holder.read(path.format(uid=ALICES)).status_code == 200
    names = ids | {name.lower(): id_ for name, id_ in surgery.patients.items()}
    for pattern in OTHERS:
        answer = holder.read(pattern.format(**names))
        assert answer.status_code in (403, 404), pattern
        assert SECRET not in answer.text


def test_the_cookie_opens_the_doors_for_pages_of_ours_alone_and_for_reading_alone(
    surgery: Practice, holder: Holder
) -> None:
    path = "/fhir/ImagingStudy"
    for site in ("cross-site", "same-site", "none", ""):
        assert holder.read(path, site).status_code == 401, site
    assert holder.get(path).status_code == 401
    assert holder.read(path, Authorization="Bearer nonsense").status_code == 401
    own = {"Sec-Fetch-Site": "same-origin"}
    base = surgery.server.base
    body = multipart([instance("CT_small.dcm", 8)])
    posts = (
        (f"{base}/dicomweb/studies", body, STOW_TYPE),
        (f"{base}/fhir/ImagingStudy/_search", b"", "application/x-www-form-urlencoded"),
    )
    for url, data, kind in posts:
        headers = own | {"Content-Type": kind}
        cookies = holder.browser.cookies  # on a connection of its own: a refused body ends one
        answer = requests.post(url, data=data, headers=headers, cookies=cookies, timeout=60)
        assert answer.status_code == 401, url


def test_a_wrong_cookie_is_no_cookie(surgery: Practice) -> None:
    stranger = Holder(surgery.server.base)
    for secret in ("", "x", "x" * 43, "'", "x" * 4000):
        stranger.browser.cookies.set("triptych-link", secret)
        assert stranger.get("/s/open").status_code == 401
        assert stranger.read("/fhir/ImagingStudy").status_code == 401


# When it ends.


def ended(holder: Holder) -> bool:
    """Whether nothing of the link can be seen any more, on any door."""
    paths = ("/s/open", "/s/pictures", "/s/reports", "/s/bundle", "/s/link", "/s/alive")
    doors = ("/fhir/ImagingStudy", "/dicomweb/studies", f"/dicomweb/studies/{ALICES}/thumbnail")
    found = {holder.get(path).status_code for path in paths}
    found |= {holder.read(path).status_code for path in doors}
    assert found <= {200, 204, 401}
    return found == {401}


def change(surgery: Practice, table: Any, made: links.Made, **values: Any) -> None:
    key = table.c.id if table is share else table.c.share
    with surgery.keys.house.database.write() as connection:
        connection.execute(update(table).where(key == made.id).values(**values))


@pytest.mark.parametrize("how", ["revoked", "expired", "session over", "merged"])
def test_a_link_that_has_ended_shows_nothing_on_any_door(surgery: Practice, how: str) -> None:
    made = link(surgery.keys, surgery.patients["Alice"], "pin", studies={ALICES})
    holder = opened(surgery.server.base, made)
    assert not ended(holder)
    if how == "revoked":
        links.revoke(surgery.keys.house, made.id, now=clock.now())
    elif how == "expired":
        change(surgery, share, made, expires=clock.now())
    elif how == "session over":
        change(surgery, share_session, made, expires=clock.now())
    else:
        change(surgery, share, made, patient="a-record-that-was-merged-away")
    assert ended(holder)
    assert "This link is closed" in holder.get("/s/open").text


def test_later_closes_the_browser_and_not_the_link(surgery: Practice) -> None:
    made = link(surgery.keys, surgery.patients["Alice"], "pin")
    holder = opened(surgery.server.base, made)
    assert holder.answer("/s/later", csrf="no").status_code == 403, (
        "a form that no page of ours made"
    )
    answer = holder.submit("/s/open", "/s/later")
    assert "the link stays good until" in words(answer).lower()
    assert ended(holder)
    assert Holder(surgery.server.base).open(made).status_code == 303
