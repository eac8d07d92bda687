"""The desk from outside: who gets in, what it tells and why, and that every look is kept."""

import re

import pytest
import requests

from server import clock
from server.app import ROUTES
from server.flows import operate
from server.store import jobs
from server.store.tables import job
from server.web.routes import Route, Signed
from tests.support.clerk import Clerk, links
from tests.support.holder import words
from tests.support.office import Office, link_of
from tests.support.practice import REPORT_TEXT
from tests.support.scenes import ALICES
from tests.support.waiting import until

pytestmark = pytest.mark.slow

DESK = [route for route in ROUTES if isinstance(route.access, Signed) and route.door == "desk"]


# Who gets in.


def filled(office: Office, route: Route) -> str:
    id_ = office.patients["Alice"] if "patients" in route.rule else "1"
    return route.rule.replace("<id>", id_)


@pytest.mark.parametrize("route", DESK, ids=[f"{one.methods[0]} {one.rule}" for one in DESK])
def test_each_page_of_the_desk_is_for_its_roles_alone(office: Office, route: Route) -> None:
    assert isinstance(route.access, Signed)
    path, method = filled(office, route), route.methods[0]
    stranger = requests.request(method, office.base + path, allow_redirects=False, timeout=60)
    assert stranger.status_code == 303
    assert stranger.headers["Location"].startswith("/oauth/login")
    for name, role in (("alice", "patient"), ("drew", "clinician"), ("pia", "privacy")):
        clerk = office.clerk(name)
        answer = clerk.get(path) if method == "GET" else clerk.post(path)
        if role not in route.access.roles:
            assert answer.status_code == 403
            assert "Liddell" not in answer.text
            last = office.events(action="refuse")[-1]
            assert (last.organisation, last.outcome) == (1, "4")
            assert last.client, "the refusal names who was refused"


def test_a_form_that_no_page_of_ours_made_does_nothing(office: Office, olga: Clerk) -> None:
    for route in DESK:
        if route.methods == ("POST",):
            assert olga.post(filled(office, route), reason="x", act="accept").status_code == 403


def test_another_organisation_does_not_exist_at_the_desk(
    office: Office, olga: Clerk, wim: Clerk
) -> None:
    link = link_of(office, olga, "Alice")
    message = links(olga.get("/desk/messages"), r"messages/\d+")[0]
    assert "Nobody was found" in wim.page("/desk/?find=liddell")
    assert "Nobody was found" in wim.page("/desk/?find=ALICE")
    for path in (office.chart(), f"{office.chart()}/link", link, message, "/desk/review/none"):
        assert wim.get(path).status_code == 404, path
    token = wim.form("/desk/jobs", "/oauth/logout").values("csrf")[0]
    assert wim.post(f"{link}/revoke", csrf=token).status_code == 404
    assert wim.post(f"{office.chart()}/part", csrf=token, reason="x").status_code == 404
    assert wim.post(f"{message}/replay", csrf=token).status_code == 404
    for path in ("/desk/messages", "/desk/links", "/desk/review?state=noted"):
        assert "Liddell" not in wim.page(path)
    assert "olga" not in wim.page("/desk/audit")
    assert "Settings in force" not in wim.page("/desk/health")
    assert "open" in olga.page(link)


def test_who_sits_there_sees_no_record_by_any_other_door(office: Office, olga: Clerk) -> None:
    """The desk's reach is no token: the same session reads nothing from the doors of data."""
    for path in (f"/fhir/Patient/{office.patients['Alice']}", f"/dicomweb/studies/{ALICES}"):
        answer = olga.person.http.get(
            office.base + path, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60
        )
        assert answer.status_code == 401


# Finding, and the chart.


@pytest.mark.parametrize(
    "text", ["liddell", "LIDD alice", "Alice", "ALICE", "1952-05-04", "4.5.1952", "19520504"]
)
def test_one_box_finds_a_patient_by_name_number_and_birth_date(olga: Clerk, text: str) -> None:
    said = olga.page(f"/desk/?find={text}")
    assert "Alice Liddell" in said
    assert "Cratchit" not in said


@pytest.mark.parametrize("text", ["nobody", "999", "a,b", "x|y", "%24", "\\", "ALICE|", "'"])
def test_a_box_that_finds_nobody_says_so(olga: Clerk, text: str) -> None:
    assert "Nobody was found" in olga.page(f"/desk/?find={text}")


def test_the_chart_tells_what_was_joined_and_why_and_nothing_of_what_it_says(
    office: Office, olga: Clerk
) -> None:
    said = olga.page(office.chart())
    for word in ("Alice Liddell", "1952-05-04", "ALICE", "https://hospital.example/mrn"):
        assert word in said
    assert "CT head final" in said
    assert f"same study UID {ALICES}" in said
    assert "header of images" in said
    assert "by Study Instance UID" in said
    assert re.search(r"message \d{16}", said)
    assert REPORT_TEXT not in said
    assert "Bob" not in said


def test_each_look_at_a_patient_is_in_the_audit_with_its_person(
    office: Office, olga: Clerk
) -> None:
    olga.page("/desk/?find=cratchit")
    last = office.events(action="search")[-1]
    assert last.detail.startswith("Patient?name")
    assert "cratchit" not in last.detail
    olga.page(office.chart("Bob"))
    seen = office.events(action="read", person=office.person("Bob"), detail="chart")
    assert last.client in {one.client for one in seen}
    assert operate.verify_audit(office.house) == []


# Audit, jobs, health.


def test_the_audit_tells_who_saw_a_patient_by_which_door(
    office: Office, olga: Clerk, pia: Clerk
) -> None:
    drew = office.clerk("drew")
    read = drew.person.http.get(
        f"{office.base}/fhir/Patient/{office.patients['Bob']}",
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=60,
    )
    assert read.status_code == 200
    olga.page(office.chart("Bob"))
    for patient in (office.patients["Bob"], "BOB", "https://hospital.example/mrn%7CBOB"):
        said = pia.page(f"/desk/audit?patient={patient}")
        assert "drew" in said
        assert "olga" in said
    assert "olga" not in pia.page("/desk/audit?patient=BOB&door=fhir")
    said = pia.page("/desk/audit?person=drew&door=fhir")
    assert "looked at" in said
    assert "Nothing was found" in pia.page("/desk/audit?person=nobody")
    assert "Nobody was found" in pia.page("/desk/audit?patient=NOBODY")
    assert pia.get("/desk/").headers["Location"] == "/desk/audit"


def test_a_parked_job_shows_its_reason_and_is_tried_again(office: Office, olga: Clerk) -> None:
    house = office.house
    with house.database.write() as connection:
        jobs.add(connection, 1, "join", "nothing", now=clock.now(), run_at=0)
        connection.execute(
            job.update().where(job.c.key == "nothing").values(state="parked", error="it broke")
        )
    said = olga.page("/desk/jobs")
    assert "it broke" in said
    assert "1 jobs parked" in olga.page("/desk/")
    answer = olga.submit("/desk/jobs", "/desk/jobs/retry")
    assert answer.headers["Location"] == "/desk/jobs?done=retried"
    until(lambda: "it broke" not in olga.page("/desk/jobs"), "the job to be done")
    assert office.events(action="update")[-1].detail.startswith("jobs retry: ")


def test_the_health_page_draws_what_it_tells_and_holds_no_secret(
    office: Office, olga: Clerk
) -> None:
    answer = olga.get("/desk/health")
    assert answer.text.count('role="img"') >= 3
    said = words(answer)
    assert "GB free" in said
    assert "TRIPTYCH_AE_TITLE TRIPTYCH" in said
    assert "UTC 2 2" in said or re.search(r"UTC \d+ 2\b", said)


@pytest.mark.parametrize(
    "path",
    [
        "/desk/links?before=x-y",
        "/desk/review?state=none",
        "/desk/review?after=1x",
        "/desk/messages?state=none",
        "/desk/messages?after=-1",
        "/desk/audit?door=none",
        "/desk/jobs?state=none",
        "/desk/audit?since=0001-01-01T00:00",
        "/desk/jobs?after=x",
        "/desk/?find=a&after=nonsense",
        f"/desk/?find={'x' * 300}",
    ],
)
def test_what_no_page_of_ours_asked_for_is_refused_in_words(olga: Clerk, path: str) -> None:
    answer = olga.get(path)
    assert answer.status_code == 400
    assert "Something in the address or the form" in words(answer)


def test_no_page_runs_a_script_or_stands_in_a_frame(office: Office, olga: Clerk) -> None:
    for path in ("/desk/", office.chart(), "/desk/health"):
        answer = olga.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in answer.text
        assert "style=" not in answer.text


def test_every_page_speaks_the_reader_s_language(olga: Clerk) -> None:
    answer = olga.get("/desk/feeds?lang=ar")
    assert '<html lang="ar" dir="rtl">' in answer.text
    assert olga.get("/desk/feeds?lang=en").headers["Content-Language"] == "en"
