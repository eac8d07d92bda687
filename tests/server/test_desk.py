"""The desk from outside: who gets in, what it tells and why, what it does, and that all of it is kept."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import select

from server import clock
from server.app import ROUTES
from server.flows import operate, parties
from server.store import jobs
from server.store.tables import audit, review
from server.web.routes import Route, Signed
from tests.support.clerk import Clerk, at_desk, links
from tests.support.hl7_builder import packed
from tests.support.holder import Holder, words
from tests.support.mllp import send
from tests.support.practice import REPORT_TEXT, Practice, practice
from tests.support.scenes import ALICES, BOBS
from tests.support.smart_app import Person
from tests.support.waiting import until

pytestmark = pytest.mark.slow

DESK = [route for route in ROUTES if isinstance(route.access, Signed) and route.door == "desk"]
BOBS_PID = "PID|1||BOB||Cratchit^Bob||19430101|O"
WRONG_PID = "PID|1||BOB||Cratchit^Bob||19500505|O"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """A practice with an operator and a privacy officer, and an operator of another organisation."""
    with practice(tmp_path_factory.mktemp("office")) as made:
        house = made.keys.house
        parties.add_organisation(house, "west", issuer="", issuers={}, zone="", now=clock.now())
        made.keys.user("olga", "operator")
        made.keys.user("pia", "privacy")
        made.keys.user("wim", "operator", organisation="west")
        yield made


@pytest.fixture(scope="module")
def olga(office: Practice) -> Clerk:
    return at_desk(office.server, "olga")


@pytest.fixture(scope="module")
def pia(office: Practice) -> Clerk:
    return at_desk(office.server, "pia")


@pytest.fixture(scope="module")
def wim(office: Practice) -> Clerk:
    return at_desk(office.server, "wim")


def chart(office: Practice, name: str = "Alice") -> str:
    return f"/desk/patients/{office.patients[name]}"


def events(office: Practice, **equal: Any) -> list[Any]:
    """Events of the desk, oldest first."""
    query = select(audit).where(audit.c.door == "desk")
    for name, value in equal.items():
        query = query.where(audit.c[name] == value)
    with office.keys.house.database.read() as connection:
        return list(connection.execute(query.order_by(audit.c.at, audit.c.seq)))


def person_of(office: Practice, name: str) -> str:
    house = office.keys.house
    with house.database.read() as connection:
        return house.auditor.person(connection, 1, office.patients[name])


# Who gets in.


def filled(office: Practice, route: Route) -> str:
    id_ = office.patients["Alice"] if "patients" in route.rule else "1"
    return route.rule.replace("<id>", id_)


@pytest.mark.parametrize("route", DESK, ids=[f"{one.methods[0]} {one.rule}" for one in DESK])
def test_each_page_of_the_desk_is_for_its_roles_alone(office: Practice, route: Route) -> None:
    assert isinstance(route.access, Signed)
    path, method = filled(office, route), route.methods[0]
    stranger = requests.request(
        method, office.server.base + path, allow_redirects=False, timeout=60
    )
    assert stranger.status_code == 303
    assert stranger.headers["Location"].startswith("/oauth/login")
    for name, role in (("alice", "patient"), ("drew", "clinician"), ("pia", "privacy")):
        clerk = _signed_in(office, name)
        answer = clerk.get(path) if method == "GET" else clerk.post(path)
        if role not in route.access.roles:
            assert answer.status_code == 403
            assert "Liddell" not in answer.text
            last = events(office, action="refuse")[-1]
            assert (last.organisation, last.outcome) == (1, "4")
            assert last.client, "the refusal names who was refused"


_SIGNED_IN: dict[str, Clerk] = {}


def _signed_in(office: Practice, name: str) -> Clerk:
    if name not in _SIGNED_IN or _SIGNED_IN[name].person.server is not office.server:
        person = Person(office.server, name)
        person.log_in(person.open(f"{office.server.base}/oauth/apps"))
        _SIGNED_IN[name] = Clerk(person)
    return _SIGNED_IN[name]


def test_a_form_that_no_page_of_ours_made_does_nothing(office: Practice, olga: Clerk) -> None:
    for route in DESK:
        if route.methods == ("POST",):
            assert olga.post(filled(office, route), reason="x", act="accept").status_code == 403


def test_another_organisation_does_not_exist_at_the_desk(
    office: Practice, olga: Clerk, wim: Clerk
) -> None:
    link = _link(office, olga, "Alice")
    (item,) = _items(office, "identity-joined", at_least=0) or ["none"]
    message = links(olga.get("/desk/messages"), r"messages/\d+")[0]
    assert "Nobody was found" in wim.page("/desk/?find=liddell")
    assert "Nobody was found" in wim.page("/desk/?find=ALICE")
    for path in (chart(office), f"{chart(office)}/link", link, message, f"/desk/review/{item}"):
        assert wim.get(path).status_code == 404, path
    token = wim.form("/desk/jobs", "/oauth/logout").values("csrf")[0]
    assert wim.post(f"{link}/revoke", csrf=token).status_code == 404
    assert wim.post(f"{chart(office)}/part", csrf=token, reason="x").status_code == 404
    assert wim.post(f"{message}/replay", csrf=token).status_code == 404
    for path in ("/desk/messages", "/desk/links", "/desk/review?state=noted"):
        assert "Liddell" not in wim.page(path)
    assert "olga" not in wim.page("/desk/audit")
    assert "Settings in force" not in wim.page("/desk/health")
    assert "open" in olga.page(link)


def test_who_sits_there_sees_no_record_by_any_other_door(office: Practice, olga: Clerk) -> None:
    """The desk's reach is no token: the same session reads nothing from the doors of data."""
    for path in (f"/fhir/Patient/{office.patients['Alice']}", f"/dicomweb/studies/{ALICES}"):
        answer = olga.person.http.get(
            office.server.base + path, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60
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
    office: Practice, olga: Clerk
) -> None:
    said = olga.page(chart(office))
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
    office: Practice, olga: Clerk
) -> None:
    olga.page(chart(office, "Bob"))
    seen = events(office, action="read", person=person_of(office, "Bob"))
    assert "chart" in {one.detail for one in seen}
    assert {one.client for one in seen} <= {one.client for one in events(office, action="search")}
    olga.page("/desk/?find=cratchit")
    last = events(office, action="search")[-1]
    assert last.detail.startswith("Patient?name")
    assert "cratchit" not in last.detail
    assert operate.verify_audit(office.keys.house) == []


# Links.


def _link(office: Practice, olga: Clerk, name: str, **given: Any) -> str:
    """Make a link by the three pages; gives the address of its page at the desk."""
    return links(_made(office, olga, name, **given), r"/desk/links/[\w-]{10,}")[0]


def _made(office: Practice, olga: Clerk, name: str, **given: Any) -> requests.Response:
    at = chart(office, name)
    study = {"Alice": ALICES, "Bob": BOBS}[name]
    first = olga.form(f"{at}/link", f"{at}/link/factor")
    assert first.values("study") == [study]
    second = f"{at}/link/factor?study={study}&span=7d"
    answer = olga.submit(second, f"{at}/link", **{"factor": "birth-date", "sheet": "es"} | given)
    assert answer.status_code == 200, words(answer)
    return answer


def test_a_link_is_made_in_three_steps_and_its_secrets_are_shown_once(
    office: Practice, olga: Clerk
) -> None:
    page = _made(office, olga, "Alice", factor="pin", label="for the aunt")
    assert page.headers["Cache-Control"] == "no-store"
    said = words(page)
    url = re.search(rf"{office.server.base}/s/(p[\w-]{{27}})", said)
    code = re.search(r"(\d{4} ){2}\d{4}", said)
    pin = re.search(r"PIN (\d{6})", said)
    assert url
    assert code
    assert pin
    assert page.text.count("<svg") == 1
    sheet = page.text[page.text.index('<section class="sheet" lang="es"') :]
    for word in ("Alice", "Liddell", "CT", pin[1]):
        assert word not in sheet
    holder = Holder(office.server.base)
    assert holder.answer(f"/s/{url[1]}", factor=pin[1]).headers["Location"] == "/s/open"
    (link, *_) = links(page, r"/desk/links/[\w-]{10,}")
    later = olga.page(link) + olga.page("/desk/links")
    assert "for the aunt" in later
    assert "signed in" in later, "the log tells that it was opened"
    for secret in (url[1], code[0], pin[1]):
        assert secret not in later


def test_a_link_that_was_made_at_the_desk_lives_longer_and_ends_there(
    office: Practice, olga: Clerk
) -> None:
    link = _link(office, olga, "Bob", factor="pin")
    assert olga.submit(link, f"{link}/extend", span="90d").headers["Location"] == (
        f"{link}?done=extended"
    )
    assert olga.submit(link, f"{link}/revoke").headers["Location"] == f"{link}?done=revoked"
    said = olga.page(f"{link}?done=revoked")
    assert "The link was ended." in said
    assert "End it for good" not in said
    told = {one.action: one for one in events(office, grant=link.rpartition("/")[2])}
    assert {"create", "update", "delete"} <= set(told)
    assert len({one.client for one in told.values()} - {""}) == 1


def test_a_link_without_a_study_or_of_too_long_a_life_is_not_made(
    office: Practice, olga: Clerk
) -> None:
    at = chart(office)
    assert "Nothing was chosen" in olga.page(f"{at}/link/factor?span=7d")
    second = f"{at}/link/factor?study={ALICES}&span=90d"
    assert "birth-date" not in olga.form(second, f"{at}/link").values("factor")
    for wrong in ({"study": ()}, {"factor": "birth-date"}, {"study": BOBS, "factor": "pin"}):
        given = {"factor": "pin"} | wrong
        answer = olga.submit(second, f"{at}/link", **given)
        assert answer.status_code in (400, 404), words(answer)


# Merging and reviewing.


def test_two_records_are_compared_merged_and_parted_again_with_a_reason(
    office: Practice, olga: Clerk
) -> None:
    alice, bob = office.patients["Alice"], office.patients["Bob"]
    ask = f"{chart(office, 'Bob')}/merge?into={alice}"
    said = olga.page(ask)
    assert "Bob Cratchit" in said
    assert "Alice Liddell" in said
    at = f"{chart(office, 'Bob')}/merge"
    assert olga.submit(ask, at, reason="  ").status_code == 400
    assert olga.submit(ask, at, reason="told at the counter").status_code == 303
    said = olga.page(chart(office))
    assert "told at the counter" in said
    assert "Cratchit" not in said, "the record that stays is who it was"
    assert f"This record is part of {alice}" in olga.page(chart(office, "Bob"))
    part = f"{chart(office, 'Bob')}/part"
    assert olga.submit(part, part, reason="they are two").status_code == 303
    assert "This record is part of" not in olga.page(chart(office, "Bob"))
    told = [one for one in events(office, action="update") if bob in one.detail]
    assert [one.detail.split(" ")[0] for one in told] == ["merge", "unmerge"]
    assert all(one.client for one in told)


def _items(office: Practice, kind: str, at_least: int = 1) -> list[str]:
    def found() -> list[str] | None:
        with office.keys.house.database.read() as connection:
            query = select(review.c.id).where(review.c.kind == kind)
            ids = list(connection.execute(query).scalars())
        return ids if len(ids) >= at_least else None

    return until(found, f"a review item {kind}") if at_least else (found() or [])


def test_a_held_message_is_decided_with_its_evidence_side_by_side(
    office: Practice, olga: Clerk, pia: Clerk
) -> None:
    wrong = packed("ADT^A08^ADT_A01", WRONG_PID, "PV1|1|O|RAD", control="W1")
    assert send(office.server.mllp, wrong) == ["AA"]
    (id_,) = _items(office, "identity")
    item = f"/desk/review/{id_}"
    assert item in olga.get("/desk/review").text
    said = olga.page(item)
    assert "Bob Cratchit" in said
    assert "1943-01-01" in said
    assert item in pia.get("/desk/review").text
    assert "Bob Cratchit" in pia.page(item)
    assert "Reason" not in pia.page(item)
    assert olga.submit(item, item, act="refuse", reason="").status_code == 400
    assert olga.submit(item, item, act="refuse", reason="typed wrongly").status_code == 303
    assert "typed wrongly" in olga.page(item)
    message = links(olga.get(item), r"messages/\d+")[0]
    assert "parked" in olga.page(message)
    assert olga.submit(item, item, act="undo", reason="look again").status_code == 303
    assert "held" in olga.page(message)
    seen = events(office, person=person_of(office, "Bob"), detail="review item")
    assert len({one.client for one in seen}) == 2
    assert olga.submit(message, f"{message}/park").status_code == 303
    assert "parked" in olga.page(f"{message}?done=parked")


# Messages.


@pytest.mark.parametrize(
    "words_",
    ["control=R1", "patient=ALICE", "kind=ORU%5ER01", "state=applied", "feed=loopback", ""],
)
def test_a_message_is_found_by_what_is_known_of_it(olga: Clerk, words_: str) -> None:
    assert "ORU^R01 R1 applied" in olga.page(f"/desk/messages?{words_}")


@pytest.mark.parametrize(
    "words_",
    ["control=R9", "patient=NOBODY", "kind=ADT%5EA99", "feed=no", "before=2001-01-01T00:00"],
)
def test_a_message_that_is_not_there_is_not_found(olga: Clerk, words_: str) -> None:
    assert "ORU^R01 R1" not in olga.page(f"/desk/messages?{words_}")


def test_a_message_is_read_as_text_with_what_it_wrote_and_is_applied_again(
    office: Practice, olga: Clerk
) -> None:
    (message,) = links(olga.get("/desk/messages?control=R1"), r"messages/\d+")
    said = olga.page(message)
    for word in ("PID", "|1||ALICE||Liddell^Alice", REPORT_TEXT, "MSA", "DiagnosticReport"):
        assert word in said
    versions = said.count("DiagnosticReport")
    assert olga.submit(message, f"{message}/replay").status_code == 303
    until(lambda: "applied" in olga.page(message), "the message to be applied again")
    assert olga.page(message).count("DiagnosticReport") == versions
    assert events(office, action="create")[-1].detail.startswith("hl7 replay: ")
    assert any(one.detail == "message" for one in events(office, person=person_of(office, "Alice")))


def test_a_span_is_counted_before_it_is_applied_again(olga: Clerk) -> None:
    ask = "/desk/messages/replay?since=2020-01-01T00:00&before=2099-01-01T00:00"
    count = re.search(r"(\d+) messages from", olga.page(ask))
    assert count
    assert int(count[1]) >= 2
    assert olga.submit(ask, "/desk/messages/replay").headers["Location"] == (
        "/desk/messages?done=replayed"
    )
    assert olga.get("/desk/messages/replay?since=2020-01-01T00:00").status_code == 400
    assert olga.get("/desk/messages/replay?since=yesterday&before=2020").status_code == 400


def test_the_feeds_tell_their_last_message_their_day_and_their_faults(olga: Clerk) -> None:
    said = olga.page("/desk/feeds")
    assert re.search(r"loopback 20\d\d-\d\d-\d\d \d\d:\d\d UTC \d+", said)


# Audit, jobs, health.


def test_the_audit_tells_who_saw_a_patient_by_which_door(
    office: Practice, olga: Clerk, pia: Clerk
) -> None:
    drew = _signed_in(office, "drew")
    read = drew.person.http.get(
        f"{office.server.base}/fhir/Patient/{office.patients['Bob']}",
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=60,
    )
    assert read.status_code == 200
    olga.page(chart(office, "Bob"))
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


def test_a_parked_job_shows_its_reason_and_is_tried_again(office: Practice, olga: Clerk) -> None:
    house = office.keys.house
    with house.database.write() as connection:
        jobs.add(connection, 1, "join", "nothing", now=clock.now(), run_at=0)
        connection.execute(
            jobs.job.update()
            .where(jobs.job.c.key == "nothing")
            .values(state="parked", error="it broke")
        )
    said = olga.page("/desk/jobs")
    assert "it broke" in said
    assert "1 jobs parked" in olga.page("/desk/")
    answer = olga.submit("/desk/jobs", "/desk/jobs/retry")
    assert answer.headers["Location"] == "/desk/jobs?done=retried"
    until(lambda: "it broke" not in olga.page("/desk/jobs"), "the job to be done")
    assert events(office, action="update")[-1].detail.startswith("jobs retry: ")


def test_the_health_page_draws_what_it_tells_and_holds_no_secret(
    office: Practice, olga: Clerk
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
        "/desk/jobs?after=x",
        "/desk/?find=a&after=nonsense",
        f"/desk/?find={'x' * 300}",
    ],
)
def test_what_no_page_of_ours_asked_for_is_refused_in_words(olga: Clerk, path: str) -> None:
    answer = olga.get(path)
    assert answer.status_code == 400
    assert "Something in the address or the form" in words(answer)


def test_no_page_runs_a_script_or_stands_in_a_frame(office: Practice, olga: Clerk) -> None:
    for path in ("/desk/", chart(office), "/desk/health"):
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
