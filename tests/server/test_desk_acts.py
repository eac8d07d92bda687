"""What is done at the desk: links handed over, records merged, items decided, messages replayed."""

import re
from html import unescape

import pytest

from tests.support.clerk import Clerk, links
from tests.support.hl7_builder import packed
from tests.support.holder import Holder, words
from tests.support.mllp import send
from tests.support.office import Office, handed_over, link_of
from tests.support.practice import REPORT_TEXT
from tests.support.scenes import ALICES, BOBS
from tests.support.waiting import until

pytestmark = pytest.mark.slow

WRONG_PID = "PID|1||BOB||Cratchit^Bob||19500505|O"


# Links.


def test_a_link_is_made_in_three_steps_and_its_secrets_are_shown_once(
    office: Office, olga: Clerk
) -> None:
    page = handed_over(office, olga, "Alice", factor="pin", label="for the aunt")
    assert page.headers["Cache-Control"] == "no-store"
    said = words(page)
    url = re.search(rf"{office.base}/s/(p[\w-]{{27}})", said)
    code = re.search(r"(\d{4} ){2}\d{4}", said)
    pin = re.search(r"PIN (\d{6})", said)
    assert url
    assert code
    assert pin
    assert page.text.count("<svg") == 1
    sheet = page.text[page.text.index('<section class="sheet" lang="es"') :]
    for word in ("Alice", "Liddell", "CT", pin[1]):
        assert word not in sheet
    holder = Holder(office.base)
    assert holder.answer(f"/s/{url[1]}", factor=pin[1]).headers["Location"] == "/s/open"
    (link, *_) = links(page, r"/desk/links/[\w-]{10,}")
    later = olga.page(link) + olga.page("/desk/links")
    assert "for the aunt" in later
    assert "signed in" in later, "the log tells that it was opened"
    for secret in (url[1], code[0], pin[1]):
        assert secret not in later


def test_a_link_that_was_made_at_the_desk_lives_longer_and_ends_there(
    office: Office, olga: Clerk
) -> None:
    link = link_of(office, olga, "Bob", factor="pin")
    assert olga.submit(link, f"{link}/extend", span="90d").headers["Location"] == (
        f"{link}?done=extended"
    )
    assert olga.submit(link, f"{link}/revoke").headers["Location"] == f"{link}?done=revoked"
    said = olga.page(f"{link}?done=revoked")
    assert "The link was ended." in said
    assert "End it for good" not in said
    told = {one.action: one for one in office.events(grant=link.rpartition("/")[2])}
    assert {"create", "update", "delete"} <= set(told)
    assert len({one.client for one in told.values()} - {""}) == 1


def test_a_link_without_a_study_or_of_too_long_a_life_is_not_made(
    office: Office, olga: Clerk
) -> None:
    at = office.chart()
    assert "Nothing was chosen" in olga.page(f"{at}/link/factor?span=7d")
    second = f"{at}/link/factor?study={ALICES}&span=90d"
    assert "birth-date" not in olga.form(second, f"{at}/link").values("factor")
    for wrong in ({"study": ()}, {"factor": "birth-date"}, {"study": BOBS, "factor": "pin"}):
        given = {"factor": "pin"} | wrong
        answer = olga.submit(second, f"{at}/link", **given)
        assert answer.status_code in (400, 404), words(answer)


# Merging and reviewing.


def test_two_records_are_compared_merged_and_parted_again_with_a_reason(
    office: Office, olga: Clerk, pia: Clerk
) -> None:
    alice, bob = office.patients["Alice"], office.patients["Bob"]
    ask = f"{office.chart('Bob')}/merge?into={alice}"
    said = olga.page(ask)
    assert "Bob Cratchit" in said
    assert "Alice Liddell" in said
    at = f"{office.chart('Bob')}/merge"
    assert olga.submit(ask, at, reason="  ").status_code == 400
    assert olga.submit(ask, at, reason="told at the counter").status_code == 303
    said = olga.page(office.chart())
    assert "told at the counter" in said
    assert "Cratchit" not in said, "the record that stays is who it was"
    assert f"This record is part of {alice}" in olga.page(office.chart("Bob"))
    part = f"{office.chart('Bob')}/part"
    assert olga.submit(part, part, reason="they are two").status_code == 303
    assert "This record is part of" not in olga.page(office.chart("Bob"))
    told = [one for one in office.events(action="update") if bob in one.detail]
    assert [one.detail.split(" ")[0] for one in told] == ["merge", "unmerge"]
    assert all(one.client for one in told)
    recalls = pia.get("/desk/recalls")
    assert "Bob Cratchit Alice Liddell" in words(recalls)
    (meanwhile,) = links(recalls, f"patient={bob}")
    assert "olga" in pia.page(unescape(meanwhile))


def test_a_held_message_is_decided_with_its_evidence_side_by_side(
    office: Office, olga: Clerk, pia: Clerk
) -> None:
    wrong = packed("ADT^A08^ADT_A01", WRONG_PID, "PV1|1|O|RAD", control="W1")
    assert send(office.practice.server.mllp, wrong) == ["AA"]
    (id_,) = until(lambda: office.items("identity"), "an item to decide")
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
    seen = office.events(person=office.person("Bob"), detail="review item")
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
    office: Office, olga: Clerk
) -> None:
    (message,) = links(olga.get("/desk/messages?control=R1"), r"messages/\d+")
    said = olga.page(message)
    for word in ("PID", "|1||ALICE||Liddell^Alice", REPORT_TEXT, "MSA", "DiagnosticReport"):
        assert word in said
    versions = said.count("DiagnosticReport")
    assert olga.submit(message, f"{message}/replay").status_code == 303
    until(lambda: "applied" in olga.page(message), "the message to be applied again")
    assert olga.page(message).count("DiagnosticReport") == versions
    assert office.events(action="create")[-1].detail.startswith("hl7 replay: ")
    assert any(one.detail == "message" for one in office.events(person=office.person("Alice")))


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


def test_no_markup_of_a_sender_becomes_part_of_a_page(office: Office, olga: Clerk) -> None:
    """A name, a number and a report come from outside: a page shows them as they are written."""
    eve = 'PID|1||EVE"><i>||<script>alert(1)</script>^"onfocus=x||19700101|F'
    message = packed("ADT^A04^ADT_A01", eve, "PV1|1|O|RAD", control="<b>E1</b>")
    assert send(office.practice.server.mllp, message) == ["AA"]

    def found() -> list[str]:
        return links(olga.get("/desk/?find=%3Cscript"), r"/desk/patients/")

    (chart,) = until(found, "the patient of that name")
    (letter,) = links(olga.get("/desk/messages?control=%3Cb%3EE1%3C/b%3E"), r"messages/\d+")
    pages = (chart, f"{chart}/merge?into={office.patients['Bob']}", letter, "/desk/messages")
    for path in (*pages, "/desk/?find=%3Cscript", "/desk/audit?person=%22%3E%3Ci%3E"):
        text = olga.get(path).text
        for planted in ("<script", "<i>", "<b>E1", '"onfocus'):
            assert planted not in text, path
    assert "<script>alert(1)</script>" in olga.page(letter)
