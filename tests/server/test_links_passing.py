"""Magic Links in their holder's hands: passed on, looked after, and closed by who is not meant."""

import json
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import select

from server import clock
from server.errors import Conflict
from server.flows import links, reviewing
from server.flows.factors import DAY
from server.store.share_tables import share, share_throttle
from server.store.tables import audit
from tests.support.hl7_builder import obr, obx, packed, segment
from tests.support.holder import Holder, link, opened, words
from tests.support.houses import add_patient
from tests.support.mllp import send
from tests.support.practice import Practice
from tests.support.scenes import ALICES, BOBS
from tests.support.waiting import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LANGUAGES = sorted((ROOT / "server" / "web" / "languages").glob("*.json"))
HOLES = re.compile(r"\{\w+\}")
OF_THE_HOLDER = ("/s/pass-on", "/s/pass-on/end", "/s/not-me", "/s/later")


@pytest.fixture(autouse=True)
def forgotten(surgery: Practice) -> None:
    """Each test begins without wrong answers from this address."""
    with surgery.keys.house.database.write() as connection:
        connection.execute(share_throttle.delete())


def passed_on(surgery: Practice, first: Holder, **form: str) -> tuple[Holder, str]:
    """A link that a holder passed on, opened with its PIN, and its id."""
    page = first.submit("/s/link", "/s/pass-on", **{"days": "7", "label": "my sister"} | form)
    token, pin = re.findall(r'class="secret" dir="ltr">([^<]+)<', page.text)
    second = Holder(surgery.server.base)
    path = token.removeprefix(surgery.server.base)
    assert second.answer(path, factor=pin).status_code == 303
    with surgery.keys.house.database.read() as connection:
        ids = connection.execute(select(share.c.id).where(share.c.parent != "")).scalars().all()
    return second, max(ids, key=lambda one: second_is(surgery, one))


def second_is(surgery: Practice, id_: str) -> int:
    with surgery.keys.house.database.read() as connection:
        query = select(share.c.created).where(share.c.id == id_)
        return int(connection.execute(query).scalar_one())


def test_a_link_is_passed_on_once_shows_no_more_and_never_longer(surgery: Practice) -> None:
    end = clock.now() + 2 * DAY
    made = link(surgery.keys, surgery.patients["Alice"], "pin", studies={ALICES}, expires=end)
    first = opened(surgery.server.base, made)
    second, id_ = passed_on(surgery, first, days="30")
    assert second.get("/s/pictures").status_code == 200
    with surgery.keys.house.database.read() as connection:
        row = connection.execute(select(share).where(share.c.id == id_)).one()
    assert row.expires <= end
    assert ALICES in row.studies
    assert "/s/pass-on" not in second.get("/s/link").text
    form = re.search(r'name="csrf" value="(\w+)"', second.get("/s/not-me").text)
    assert form is not None
    refused = second.answer("/s/pass-on", csrf=form[1], days="7", label="")
    assert refused.status_code == 403


def test_who_passed_a_link_on_sees_it_used_and_ends_it(surgery: Practice) -> None:
    first = opened(surgery.server.base, link(surgery.keys, surgery.patients["Alice"], "pin"))
    second, id_ = passed_on(surgery, first)
    assert second.get("/s/pictures").status_code == 200
    said = words(first.get("/s/link"))
    assert "my sister: good until" in said
    assert "Opened · " in said
    gone = first.submit("/s/link", "/s/pass-on/end", link=id_)
    assert gone.status_code == 303
    assert second.get("/s/pictures").status_code == 401
    assert first.get("/s/pictures").status_code == 200


def test_what_was_passed_on_ends_with_the_first_link(surgery: Practice) -> None:
    made = link(surgery.keys, surgery.patients["Alice"], "pin")
    second, _ = passed_on(surgery, opened(surgery.server.base, made))
    links.revoke(surgery.keys.house, made.id, now=clock.now())
    assert second.get("/s/pictures").status_code == 401


def test_this_is_not_me_closes_the_link_for_all_and_calls_the_staff(surgery: Practice) -> None:
    made = link(surgery.keys, surgery.patients["Alice"], "pin")
    first, other = (opened(surgery.server.base, made) for _ in range(2))
    second, _ = passed_on(surgery, first)
    done = first.submit("/s/not-me", "/s/not-me")
    assert "The link is closed" in words(done)
    assert {one.get("/s/open").status_code for one in (first, other, second)} == {401}
    assert Holder(surgery.server.base).open(made).status_code == 403
    house = surgery.keys.house
    (item,) = (one for one in reviewing.listing(house) if one["evidence"].get("link") == made.id)
    assert item["evidence"]["patient"] == surgery.patients["Alice"]
    reviewing.accept(house, "home", item["id"], "called the patient", now=clock.now())
    assert item["id"] not in {one["id"] for one in reviewing.listing(house)}


BOB = "PID|1||BOB||Cratchit^Bob||19430101|O"


def report(surgery: Practice, filler: str, status: str, text: str, minute: int, *more: str) -> None:
    """A report on Bob's pictures, sent and applied."""
    body = packed(
        "ORU^R01^ORU_R01",
        BOB,
        *more,
        obr(
            f2=filler,
            f3=filler,
            f4="MR^MR^L",
            f22=f"2026090512{minute:02}00+0000",
            f25="F" if status == "W" else status,
        ),
        obx("TX", "&IMP", text, status),
        obx("ST", "110180^Study Instance UID^DCM", BOBS),
        control=f"{filler}-{minute}",
        sent=f"2026090512{minute:02}30",
    )
    assert send(surgery.server.mllp, body) == ["AA"]


def on_disc(holder: Holder) -> str:
    """What the pages of a disc say."""
    disc = ZipFile(BytesIO(holder.get("/s/disc").content))
    return "".join(disc.read(one).decode() for one in disc.namelist() if one.endswith(".HTM"))


def test_a_report_is_announced_until_it_is_final_and_is_gone_when_it_was_wrong(
    surgery: Practice,
) -> None:
    """Rules of release: the holder learns that there is one, and of a wrong one that it was."""
    holder = opened(surgery.server.base, link(surgery.keys, surgery.patients["Bob"], "pin"))

    def says(wanted: str) -> str:
        def look() -> str:
            said = words(holder.get("/s/reports"))
            return said if wanted in said else ""

        return until(look, wanted)

    report(surgery, "B-1", "P", "perhaps a shadow", 1)
    assert "shadow" not in says("A report exists. It is not finished")
    assert "shadow" not in on_disc(holder)
    report(surgery, "B-1", "F", "no shadow", 2)
    assert "A report exists" not in says("Report of 5 September 2026 · Final")
    address = re.search(r'href="(/s/reports/[^"]+)"', holder.get("/s/reports").text)
    assert address is not None
    assert "no shadow" in holder.get(address[1]).text
    assert "no shadow" in on_disc(holder)
    report(surgery, "B-1", "W", "no shadow", 3)
    assert "shadow" not in says("A report was withdrawn")
    assert "shadow" not in holder.get(address[1]).text
    assert holder.get(f"{address[1]}/text").status_code == 404
    assert "shadow" not in holder.get("/s/bundle").text
    assert "shadow" not in on_disc(holder)
    assert "shadow" not in holder.read("/fhir/DiagnosticReport").text


def test_what_is_marked_as_sensitive_is_not_even_announced_and_needs_more_than_a_birth_date(
    surgery: Practice,
) -> None:
    bob = surgery.patients["Bob"]
    report(surgery, "B-2", "F", "a delicate matter", 4, segment("ORC", f1="RE", f2="B-2", f28="V"))

    def refused() -> bool:
        try:
            link(surgery.keys, bob, "birth-date")
        except Conflict as error:
            return "marked as sensitive" in str(error)
        return False

    until(refused, "a refusal of a birth date")
    holder = opened(surgery.server.base, link(surgery.keys, bob, "pin"))
    page = holder.get("/s/reports")
    assert "delicate" not in page.text
    assert "exists" not in words(page)
    assert "delicate" not in holder.get("/s/bundle").text
    assert "delicate" not in on_disc(holder)


@pytest.mark.parametrize("path", OF_THE_HOLDER)
def test_no_form_of_another_site_acts_for_the_holder(surgery: Practice, path: str) -> None:
    holder = opened(surgery.server.base, link(surgery.keys, surgery.patients["Alice"], "pin"))
    assert holder.answer(path, csrf="0" * 64, days="7").status_code == 403
    assert Holder(surgery.server.base).answer(path, csrf="0" * 64).status_code == 401
    assert holder.get("/s/open").status_code == 200


def test_a_patient_without_a_birth_date_or_a_study_gets_another_word(surgery: Practice) -> None:
    nobody = add_patient(surgery.keys.house, "7001")
    with pytest.raises(Conflict, match="no study yet"):
        link(surgery.keys, nobody)


def test_every_opening_and_refusal_is_in_the_audit(surgery: Practice) -> None:
    made = link(surgery.keys, surgery.patients["Alice"], "pin")
    for _ in range(2):
        assert Holder(surgery.server.base).open(made, "000 000").status_code == 403
    opened(surgery.server.base, made)
    with surgery.keys.house.database.read() as connection:
        query = select(audit).where(audit.c.grant == made.id).order_by(audit.c.at)
        found = list(connection.execute(query))
    assert [(one.door, one.action, one.outcome) for one in found] == [
        ("command", "create", "0"),
        ("link", "login", "4"),
        ("link", "login", "4"),
        ("link", "login", "0"),
    ]
    assert len({one.person for one in found}) == 1


def test_pages_speak_the_browsers_language_or_the_one_that_was_chosen(surgery: Practice) -> None:
    reader = Holder(surgery.server.base)
    assert '<html lang="es"' in reader.get("/s/", Accept_Language="es-CL, en;q=0.5").text
    assert "Código de 12 cifras" in words(reader.get("/s/", Accept_Language="es"))
    assert '<html lang="en"' in reader.get("/s/", Accept_Language="is").text
    assert "Código" in words(reader.get("/s/?lang=es", Accept_Language="en"))


def test_every_language_says_all_that_english_says_and_in_its_own_words() -> None:
    tables = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in LANGUAGES}
    english = tables.pop("en")
    for name, table in tables.items():
        assert table.keys() == english.keys(), name
        for key, text in table.items():
            assert set(HOLES.findall(text)) == set(HOLES.findall(english[key])), key
        same = [key for key, text in table.items() if text == english[key]]
        assert len(same) < len(english) / 10, f"{name} is not translated: {same}"
