"""Magic Links: what opens one, what does not, and that nobody learns which links there are."""

import json
import re
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import select

from server import clock
from server.__main__ import cli
from server.errors import Busy, Conflict, Fault, Invalid, Missing, Unauthenticated
from server.flows import factors, links, opening, throttle
from server.flows.factors import DAY
from server.flows.links import Made
from server.flows.opening import MOST_BY_CODE, MOST_FROM_BLOCK, Handle
from server.flows.throttle import WINDOW
from server.store import shares
from server.store.share_tables import share, share_throttle
from tests.support.holder import BORN, Holder, link, opened, told, words
from tests.support.practice import Practice
from tests.support.scenes import ALICES, BOBS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def forgotten(surgery: Practice) -> None:
    """Each test begins without wrong answers from this address."""
    with surgery.keys.house.database.write() as connection:
        connection.execute(share_throttle.delete())


def made_for(surgery: Practice, name: str = "Alice", factor: str = "pin", **more: Any) -> Made:
    return link(surgery.keys, surgery.patients[name], factor, **more)


def command(surgery: Practice) -> Callable[..., str]:
    """Run `share …` on the server's data, in this process; gives what it prints."""
    settings = {"TRIPTYCH_DATA": str(surgery.server.data)}

    def run(*words: str) -> str:
        done = CliRunner(env=settings).invoke(cli, ["share", *words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def row(surgery: Practice, made: Made) -> Any:
    with surgery.keys.house.database.read() as connection:
        return connection.execute(select(share).where(share.c.id == made.id)).one()


def wrong(surgery: Practice, made: Made, times: int) -> None:
    for _ in range(times):
        assert Holder(surgery.server.base).open(made, "000 000").status_code == 403


# Made by command.


def test_share_prints_a_link_its_spoken_code_and_a_picture_of_it(surgery: Practice) -> None:
    told = surgery.server.run("share", "--patient", surgery.patients["Alice"])
    assert re.fullmatch(rf"{surgery.server.base}/s/b[\w-]{{27}}", told["url"])
    assert re.fullmatch(r"(\d{4} ){2}\d{4}", told["short_code"])
    assert told["qr_svg"].startswith("<svg ")
    assert told["factor"] == "birth-date"
    assert "pin" not in told
    holder = Holder(surgery.server.base)
    path = told["url"].removeprefix(surgery.server.base)
    assert holder.answer(path, factor="1952-05-04").headers["Location"] == "/s/open"
    assert "Alice Liddell" in holder.get("/s/open").text


def test_nothing_that_is_handed_over_tells_who_it_is_about_or_the_answer(surgery: Practice) -> None:
    told = surgery.server.run("share", "--patient", surgery.patients["Alice"], "--factor", "pin")
    assert re.fullmatch(r"\d{6}", told["pin"])
    carried = {told[name] for name in ("url", "short_code", "qr_svg")}
    page = requests.get(told["url"], timeout=60).text
    for text in (*carried, page):
        for word in ("Alice", "Liddell", "1952", told["pin"], "CT", ALICES):
            assert word not in text


def test_a_link_is_listed_extended_revoked_and_has_a_log(surgery: Practice) -> None:
    made = made_for(surgery, "Bob", label="for his sister")
    bob, run = surgery.patients["Bob"], command(surgery)
    listed = told(run("list", "--patient", bob))
    mine = next(one for one in listed if one["id"] == made.id)
    assert (mine["state"], mine["label"]) == ("open", "for his sister")
    assert mine["studies"] == [BOBS]
    assert made.token not in json.dumps(listed)
    wrong(surgery, made, 5)
    (extended,) = told(run("extend", made.id, "--expires", "20d"))
    assert extended["expires"] > mine["expires"]
    opened(surgery.server.base, made)
    assert told(run("revoke", made.id)) == [{"id": made.id, "state": "revoked"}]
    with pytest.raises(Conflict, match="make a new one"):
        run("extend", made.id, "--expires", "20d")
    log = told(run("log", made.id))
    kinds = [(one["action"], one["outcome"]) for one in reversed(log)]
    assert kinds == [
        ("create", "0"),
        *[("login", "4")] * 5,
        ("update", "0"),
        ("login", "0"),
        ("delete", "0"),
    ]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"patient": "nobody"}, Missing, "no such patient"),
        ({"studies": {BOBS}}, Missing, "a study that this patient does not have"),
        ({"factor": "none"}, Invalid, "factor takes one of"),
        ({"organisation": "west"}, Missing, "no organisation"),
    ],
)
def test_a_link_that_may_not_be_made_is_refused_with_a_reason(
    surgery: Practice, change: dict[str, Any], error: type[Fault], says: str
) -> None:
    wanted = {"patient": surgery.patients["Alice"], "factor": "pin"} | change
    with pytest.raises(error, match=says):
        link(surgery.keys, **wanted)


@pytest.mark.parametrize("text", ["31d", "0d", "1h30", "2020-01-01", "2099-01-01", "soon", ""])
def test_a_link_that_asks_for_a_birth_date_lives_at_most_thirty_days(text: str) -> None:
    with pytest.raises(Invalid):
        links.expiry(text, "birth-date", clock.now())


def test_a_link_with_a_birth_date_is_not_extended_beyond_thirty_days(surgery: Practice) -> None:
    made = made_for(surgery, factor="birth-date", expires=clock.now() + 29 * DAY)
    with pytest.raises(Invalid, match="at most 30 days"):
        links.extend(surgery.keys.house, made.id, "30d", now=clock.now() + DAY)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("27 3 1952", {"19520327"}),
        ("1952-03-27", {"19520327"}),
        ("27.03.1952", {"19520327"}),
        ("03/27/1952", {"19520327"}),
        ("4/5/1952", {"19520504", "19520405"}),
        ("27031952", {"19520327"}),
        ("19520327", {"19520327"}),
        ("٢٧ ٣ ١٩٥٢", {"19520327"}),
        ("31 2 1952", set()),
        ("27 3 52", set()),
        ("27 1952 3", set()),
        ("Alice", set()),
        ("", set()),
    ],
)
def test_a_birth_date_is_understood_as_people_write_it(said: str, meant: set[str]) -> None:
    assert factors.birth_dates(said) == meant


# The way in.


@pytest.mark.parametrize("factor", ["birth-date", "pin", "otp"])
def test_looking_and_empty_forms_neither_open_nor_use_up_a_link(
    surgery: Practice, factor: str
) -> None:
    """A mail scanner follows every link, and some send its form."""
    made, scanner = made_for(surgery, factor=factor), Holder(surgery.server.base)
    for _ in range(8):
        page = scanner.get(f"/s/{made.token}")
        assert (page.status_code, page.cookies.get_dict()) == (200, {})
        head = scanner.browser.head(f"{scanner.base}/s/{made.token}", timeout=60)
        assert (head.status_code, head.content) == (200, b"")
        for form in ({}, {"factor": ""}, {"factor": "  "}, {"other": "1"}):
            assert "fill in" in words(scanner.answer(f"/s/{made.token}", **form))
    assert "Alice" not in page.text
    kept = row(surgery, made)
    assert (kept.uses, kept.failures) == (0, 0)
    assert Holder(surgery.server.base).open(made).status_code == 303


def test_the_page_of_a_link_is_not_kept_sent_on_or_framed(surgery: Practice) -> None:
    made = made_for(surgery)
    for path in (f"/s/{made.token}", "/s/", "/s/no-such-link"):
        headers = Holder(surgery.server.base).get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_unknown_wrong_locked_expired_revoked_and_used_up_answer_alike(surgery: Practice) -> None:
    """Rules of Magic Links: in words and status; equal work is the next test's."""
    made = {name: made_for(surgery) for name in ("wrong", "locked", "revoked")}
    made["expired"] = made_for(surgery, expires=clock.now() + 1)
    made["used up"] = made_for(surgery, most_uses=1)
    opened(surgery.server.base, made["used up"])
    wrong(surgery, made["locked"], 5)
    links.revoke(surgery.keys.house, made["revoked"].id, now=clock.now())
    tokens = {name: one.token for name, one in made.items()}
    tokens["unknown"] = factors.draw_token("pin")
    said = {name: one.answer for name, one in made.items()} | {"wrong": "1", "unknown": "123456"}
    found = {}
    for name, token in tokens.items():
        holder = Holder(surgery.server.base)
        page, told = holder.get(f"/s/{token}"), holder.answer(f"/s/{token}", factor=said[name])
        assert not holder.browser.cookies
        found[name] = [
            (one.status_code, one.text.replace(token, "…"), sorted(one.headers))
            for one in (page, told)
        ]
    assert all(one == found["wrong"] for one in found.values()), found.keys()
    assert found["wrong"][1][0] == 403
    by_code = {
        name: Holder(surgery.server.base).answer("/s/", code=one.code, factor=said[name])
        for name, one in made.items()
    }
    by_code["unknown"] = Holder(surgery.server.base).answer("/s/", code="1" * 12, factor="123456")
    assert len({(one.status_code, one.text) for one in by_code.values()}) == 1


def test_a_wrong_answer_takes_as_long_where_there_is_no_link(surgery: Practice) -> None:
    """Medians of interleaved attempts: what differs is less than half of the work of judging."""
    house, now = surgery.keys.house, clock.now()
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(4):
        made = made_for(surgery)
        for name, token in (("known", made.token), ("unknown", factors.draw_token("pin"))):
            start = perf_counter()
            with pytest.raises(Unauthenticated):
                opening.open_link(house, Handle(token), "1", address=f"10.0.{number}.1", now=now)
            times[name].append(perf_counter() - start)
    known, unknown = (statistics.median(found) for found in times.values())
    assert max(known, unknown) < 2 * min(known, unknown), times


def test_five_wrong_answers_close_a_link_whichever_way_they_come(surgery: Practice) -> None:
    made, base = made_for(surgery), surgery.server.base
    wrong(surgery, made, 3)
    for _ in range(2):
        answer = Holder(base).answer("/s/", code=made.code, factor="000000")
        assert answer.status_code == 403
    assert Holder(base).open(made).status_code == 403
    assert Holder(base).answer("/s/", code=made.code, factor=made.answer).status_code == 403
    listed = links.listing(surgery.keys.house, "home", surgery.patients["Alice"], now=clock.now())
    assert next(one for one in listed if one["id"] == made.id)["state"] == "locked"


def test_a_right_answer_forgets_the_wrong_ones_before_it(surgery: Practice) -> None:
    made = made_for(surgery)
    for _ in range(2):
        wrong(surgery, made, 4)
        opened(surgery.server.base, made)
    assert row(surgery, made).uses == 2


def test_many_answers_at_once_are_no_more_than_five(surgery: Practice) -> None:
    """A million PINs, all sent together: each is counted before it is judged."""
    made, house = made_for(surgery), surgery.keys.house

    def guess(number: int) -> bool:
        said = made.answer if number >= 5 else "x"
        try:
            opening.open_link(
                house, Handle(made.token), said, address=f"10.1.{number}.1", now=clock.now()
            )
        except Unauthenticated:
            return False
        return True

    assert [guess(number) for number in range(5)] == [False] * 5
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(guess, range(5, 13)))


def test_a_one_time_code_opens_once_even_if_two_come_together(surgery: Practice) -> None:
    made, house = made_for(surgery, factor="otp"), surgery.keys.house

    def attempt(_: int) -> bool:
        try:
            opening.open_link(
                house, Handle(made.token), made.answer, address="10.2.0.1", now=clock.now()
            )
        except Unauthenticated:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1
    assert not attempt(0)


@pytest.mark.parametrize("spelt", ["{}", "{0[0]} {0[1]}-{0[2]}"])
def test_a_spoken_code_opens_with_the_answer_in_the_same_form(
    surgery: Practice, spelt: str
) -> None:
    made, holder = made_for(surgery, factor="birth-date"), Holder(surgery.server.base)
    form = holder.get("/s/").text
    assert 'name="code"' in form
    assert 'name="factor"' in form
    code = spelt.format(made.code.split() if "[" in spelt else made.code)
    assert holder.answer("/s/", code=code, factor=BORN).status_code == 303
    assert holder.get("/s/open").status_code == 200


def test_codes_in_other_digits_are_the_same_codes(surgery: Practice) -> None:
    made = made_for(surgery)
    arabic = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    code, said = made.code.translate(arabic), made.answer.translate(arabic)
    assert Holder(surgery.server.base).answer("/s/", code=code, factor=said).status_code == 303


def test_who_guesses_is_stopped_by_where_it_comes_from_and_by_codes_everywhere(
    surgery: Practice,
) -> None:
    house = surgery.keys.house
    now = clock.now() + 3 * WINDOW  # a time of its own: other tests guess as well
    made = made_for(surgery, expires=now + DAY)

    def attempt(handle: Handle, address: str, said: str = "1", at: int = now) -> None:
        opening.open_link(house, handle, said, address=address, now=at)

    with house.database.write() as connection:
        for key, count in (("10.9.8.0/24", MOST_FROM_BLOCK), ("code", MOST_BY_CODE)):
            for _ in range(count):
                shares.count_failure(connection, key, now=now, until=now + WINDOW)
    with pytest.raises(Busy, match="quarter of an hour"):
        attempt(Handle(made.token), "10.9.8.7", made.answer)
    with pytest.raises(Busy):
        attempt(Handle(code=made.code), "10.99.0.1", made.answer)
    # A link's own address stays open to its holder, wherever others guess.
    attempt(Handle(made.token), "10.99.0.1", made.answer)
    attempt(Handle(made.token), "10.9.8.7", made.answer, at=now + WINDOW + 1)
    assert throttle.block("2001:db8:1:2ff::9") == "2001:db8:1::/48"


def test_a_form_from_another_site_opens_nothing(surgery: Practice) -> None:
    made, base = made_for(surgery), surgery.server.base
    for site in ("cross-site", "same-site"):
        answer = requests.post(
            f"{base}/s/{made.token}",
            data={"factor": made.answer},
            headers={"Sec-Fetch-Site": site},
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == 403
    answer = requests.post(f"{base}/s/{made.token}", json={"factor": made.answer}, timeout=60)
    assert answer.status_code == 400
    assert row(surgery, made).failures == 0


@pytest.mark.parametrize(
    "said", ["\0' OR 1=1 --", "9" * 5000, "😀" * 200, "<script>alert(1)", "٣" * 500]
)
def test_hostile_answers_are_wrong_answers(surgery: Practice, said: str) -> None:
    made = made_for(surgery, factor="birth-date")
    assert Holder(surgery.server.base).open(made, said).status_code == 403
    answer = Holder(surgery.server.base).answer("/s/", code=said, factor=said)
    assert answer.status_code in (200, 403)
    assert "<script>alert" not in answer.text


def test_of_secrets_only_digests_are_kept(surgery: Practice) -> None:
    made = made_for(surgery)
    holder = opened(surgery.server.base, made)
    cookie = holder.browser.cookies["triptych-link"]
    digits = made.code.replace(" ", "")
    data = surgery.server.data
    for file in (data / "triptych.db", data / "triptych.db-wal", Path(surgery.server.log)):
        bytes_ = file.read_bytes() if file.exists() else b""
        for secret in (made.token, cookie, digits):
            assert secret.encode() not in bytes_, file.name
    assert made.answer not in str(row(surgery, made))
