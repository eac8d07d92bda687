"""Notices by mail: they say that there is something and never what, and arrive once, or are told of."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from server import clock
from server.errors import Busy, Conflict, Invalid, Missing, Unauthenticated
from server.flows import links, notices, opening, operate, owing, passing, post, reachable
from server.flows.links import Made
from server.flows.opening import Handle, authenticate, open_link
from server.flows.reachable import Contact
from server.flows.sites import HOME, House
from server.store import resources, shares
from server.store.fhir_tables import resource
from server.store.resources import Change, Owner
from server.store.share_tables import share, share_session, share_throttle
from server.store.tables import job
from tests.support.mail import Office, office
from tests.support.mailing import ALICE, SENDER, STAFF, hurry, mailed, patient_of, sending, work


@pytest.fixture(scope="module")
def open_office() -> Iterator[Office]:
    with office() as made:
        yield made


@pytest.fixture
def post_office(open_office: Office) -> Office:
    """The office as it is in the morning."""
    for one in (open_office.mails, open_office.recipients, open_office.logins):
        one.clear()
    open_office.answers.clear()
    open_office.lost.clear()
    return open_office


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory, open_office: Office) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with sending(folder, f"smtp+plain://localhost:{open_office.port}") as made:
        yield made


@pytest.fixture
def house(open_house: House, post_office: Office) -> House:
    """The house without links, reports, wrong answers and work, and with the patient's address."""
    with open_house.database.write() as connection:
        for table in (share, share_session, share_throttle, job, resource):
            connection.execute(table.delete())
    known = Contact(ALICE, "de")
    reachable.set_contact(open_house, "home", patient_of(open_house), known, now=clock.now())
    return open_house


BORN = "1 1 1970"


def said(post_office: Office, number: int = -1) -> str:
    return str(post_office.mails[number].get_content())


def entered(house: House, token: str, answer: str) -> Any:
    now = clock.now()
    secret = open_link(house, Handle(token), answer, address="127.0.0.1", now=now)
    return authenticate(house, secret, address="127.0.0.1", now=now)


def told(house: House, made: Made) -> list[str]:
    return [one["detail"] for one in links.log(house, made.id) if one["door"] == "mail"]


def test_a_link_goes_to_the_checked_address_and_tells_neither_name_nor_kind_nor_answer(
    house: House, post_office: Office
) -> None:
    made = mailed(house, "pin")
    work(house)
    (mail,) = post_office.mails
    assert post_office.recipients == [ALICE]
    assert (mail["From"], mail["To"]) == (SENDER, ALICE)
    assert (mail["Subject"], mail["Content-Language"]) == ("Ein Link für Sie", "de")
    assert made.url in said(post_office)
    assert "PIN, die Sie auf anderem Weg" in said(post_office)
    for word in (made.answer, made.code, "Test", "CT", "1970"):
        assert word not in mail.as_string()
    assert told(house, made) == ["notice link sent"]
    work(house)
    assert len(post_office.mails) == 1


def test_a_link_is_mailed_only_where_somebody_checked_an_address(house: House) -> None:
    assert reachable.contact_of(house, "home", patient_of(house))[0] == Contact(ALICE, "de")
    reachable.forget_contact(house, "home", patient_of(house))
    with pytest.raises(Missing):
        reachable.contact_of(house, "home", patient_of(house))
    with pytest.raises(Conflict, match="no address of this patient was checked"):
        mailed(house)


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: all@b.example", "A <a@b.example>", "a@b, c@d", "a b@c", "@", ""],
)
def test_an_address_that_is_not_one_plain_address_is_refused(house: House, address: str) -> None:
    with pytest.raises(Invalid):
        reachable.set_contact(house, "home", patient_of(house), Contact(address, "en"), now=1)


def test_a_code_is_mailed_to_who_asks_for_it_and_opens_once(
    house: House, post_office: Office
) -> None:
    made = mailed(house, "otp")
    assert made.answer == ""
    for _ in range(2):
        hurry(house)
        with house.database.write() as connection:
            connection.execute(update(share).values(answer_until=0))
        notices.ask_code(house, made.token, address="127.0.0.1", now=clock.now())
        work(house)
        (code,) = re.findall(r"\b\d{6}\b", said(post_office))
        assert made.url not in said(post_office)
        entered(house, made.token, code)
        with pytest.raises(Unauthenticated):
            entered(house, made.token, code)
    assert [str(mail["Subject"]) for mail in post_office.mails] == [
        "Ein Link für Sie",
        "Ihr Code",
        "Ihr Code",
    ]


def test_a_code_that_came_too_late_opens_nothing(house: House, post_office: Office) -> None:
    made = mailed(house, "otp")
    notices.ask_code(house, made.token, address="127.0.0.1", now=clock.now() - owing.CODE_LIVES)
    with house.database.read() as connection:
        row = shares.by_id(connection, made.id)
    assert row is not None
    assert row.answer
    work(house)
    assert [str(mail["Subject"]) for mail in post_office.mails] == ["Ein Link für Sie"]


def test_no_code_is_mailed_for_what_is_no_such_link_and_nobody_learns_it(
    house: House, post_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MOST_CODES", 4)
    other, ended = mailed(house), mailed(house, "otp")
    links.revoke(house, ended.id, now=clock.now())
    work(house)
    before = len(post_office.mails)

    def ask(token: str) -> None:
        notices.ask_code(house, token, address="127.0.0.1", now=clock.now())

    for token in ("onone", other.token, ended.token):
        ask(token)
    work(house)
    assert len(post_office.mails) == before
    ask("onone")
    with pytest.raises(Busy, match="too many codes"):
        ask("onone")


def test_the_patient_hears_when_a_link_that_was_passed_on_was_opened(
    house: House, post_office: Office
) -> None:
    made = mailed(house)
    first = entered(house, made.token, BORN)
    second = passing.pass_on(house, first, 7, "my sister", now=clock.now())
    work(house)
    entered(house, second.token, second.answer)
    work(house)
    assert "weitergegeben" in str(post_office.mails[-1]["Subject"])
    assert "sister" not in said(post_office)
    assert len(post_office.mails) == 2


def test_staff_hear_when_somebody_says_this_is_not_me(house: House, post_office: Office) -> None:
    made = mailed(house)
    opened = entered(house, made.token, BORN)
    passing.not_me(house, opened, now=clock.now())
    passing.not_me(house, opened, now=clock.now())
    work(house)
    assert post_office.mails[-1]["To"] == STAFF
    assert made.id in said(post_office)
    assert post_office.recipients.count(STAFF) == 1


def report(house: House, status: str = "final", text: str = "no shadow") -> None:
    """A report on the study, written."""
    body = {
        "resourceType": "DiagnosticReport",
        "id": "report-1",
        "status": status,
        "code": {"text": "CT"},
        "subject": {"reference": f"Patient/{patient_of(house)}"},
        "imagingStudy": [{"reference": "ImagingStudy/study-1"}],
        "conclusion": text,
    }
    hidden = status in ("preliminary", "registered")
    with house.database.write() as connection:
        owner = Owner(HOME, patient_of(house), hidden)
        resources.put(connection, owner, body, Change(clock.now(), "test", house.config.fhir_base))


def test_a_new_report_is_told_once_when_it_may_be_read(house: House, post_office: Office) -> None:
    """Rules of release: what is not released is no news."""
    mailed(house)
    work(house)

    def heard() -> int:
        hurry(house)
        work(house)
        return sum("Neues" in str(mail["Subject"]) for mail in post_office.mails)

    report(house, "preliminary")
    assert heard() == 0
    report(house)
    report(house, text="no shadow at all")
    assert heard() == 1
    assert heard() == 1
    assert "shadow" not in said(post_office)
    report(house, "entered-in-error")
    assert heard() == 2


def test_nothing_is_mailed_for_a_link_that_has_ended_or_to_who_has_died(
    house: House, post_office: Office
) -> None:
    ended = mailed(house)
    links.revoke(house, ended.id, now=clock.now())
    mailed(house)
    person = {"resourceType": "Patient", "id": patient_of(house), "deceasedBoolean": True}
    with house.database.write() as connection:
        change = Change(clock.now(), "test", house.config.fhir_base)
        resources.put(connection, Owner(HOME, patient_of(house)), person, change)
    work(house)
    assert post_office.mails == []
    assert told(house, ended) == ["notice link not sent: nobody is to have it now"]


@pytest.mark.parametrize("word", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_is_busy_is_tried_again_with_the_same_mail(
    house: House, post_office: Office, word: str
) -> None:
    mailed(house)
    post_office.answers[word] = "451 later"
    work(house)
    assert post_office.mails == []
    post_office.answers.clear()
    work(house)
    assert post_office.mails == [], "not before its time"
    hurry(house)
    work(house)
    assert len(post_office.mails) == 1


def test_what_a_server_refuses_for_good_is_told_in_the_log_of_the_link(
    house: House, post_office: Office
) -> None:
    made = mailed(house)
    post_office.answers["RCPT"] = "550 nobody of that name"
    work(house)
    hurry(house)
    work(house)
    assert told(house, made) == ["notice link not sent: the mail server refused it: 550"]


def test_a_mail_whose_receipt_was_lost_comes_again_as_the_same_one(
    house: House, post_office: Office
) -> None:
    """RFC 5321 has no more than that: a Message-ID by which the other side may know it."""
    mailed(house)
    post_office.lost.add("DATA")
    work(house)
    post_office.lost.clear()
    hurry(house)
    work(house)
    one, other = post_office.mails
    assert one.as_bytes() == other.as_bytes()
    assert one["Message-ID"].endswith("@stmary.example>")


def test_a_server_that_is_down_or_says_nothing_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "_SECONDS", 0.2)
    with office() as gone:
        pass
    with sending(tmp_path, f"smtp+plain://localhost:{gone.port}") as house:
        mailed(house)
        for _ in range(10):
            hurry(house)
            work(house)
        with house.database.read() as connection:
            row = connection.execute(select(job)).one()
    assert (row.state, row.attempts) == ("pending", 0)
    assert "no mail now" in row.error
    assert ALICE not in row.error


def test_what_a_notice_holds_is_not_told_to_who_lists_jobs(house: House) -> None:
    made = mailed(house)
    assert made.token not in str(operate.job_list(house))
    assert [one["kind"] for one in operate.job_list(house)] == ["mail"]
