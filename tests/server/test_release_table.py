"""A site's release table: which row counts, for whom, and what the clock alone changes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from fhir.datetimes import search_range
from server import clock
from server.__main__ import cli
from server.errors import Conflict, Fault, Invalid, Missing
from server.flows import access, query, release_table
from server.flows.access import Grant
from server.flows.release_table import Wanted
from server.flows.sites import House
from server.store.released import NOBODY
from server.store.tables import audit
from tests.server import test_release as reports
from tests.support import paper_house
from tests.support.houses import opened

HOUR = 3_600_000_000
FAR = "2027-12-31"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        yield made


def add(house: House, then: str, part: str = "report", **more: Any) -> int:
    if then in ("named", "asking"):
        more.setdefault("until", FAR)
    if then == "after":
        more.setdefault("hours", 24)
    wanted = Wanted(part, then, reason="a test", **more)
    return int(release_table.add(house, "home", wanted, now=clock.now())["row"])


def final(house: House) -> None:
    reports.send(house, reports.oru("F", 1, *reports.LINES))


def seen(house: House, actor: str = "patient", at: int = 0, type_: str = "DiagnosticReport") -> Any:
    """What an actor reads at a time: the type, or the status of the refusal."""
    answer = reports.read(house, asked(house, actor, at), type_)
    return answer if isinstance(answer, int) else answer["resourceType"]


def issued(house: House) -> int:
    """When the report says that it was issued; this sender has told no time zone: when it came."""
    return int(reports.one(house, "DiagnosticReport").issued)


def asked(house: House, actor: str = "patient", at: int = 0) -> Grant:
    grant = reports.of_patient(house)
    return replace(grant, asker=access.asking(actor, at or clock.now()))


@pytest.mark.parametrize("type_", ["DiagnosticReport", "Observation", "Binary"])
def test_hours_run_from_the_time_of_issue_and_nothing_has_to_happen_at_their_end(
    house: House, type_: str
) -> None:
    final(house)
    add(house, "after", hours=24)
    refused = 403 if type_ == "DiagnosticReport" else 404
    end = issued(house) + 24 * HOUR
    assert seen(house, at=end - 1, type_=type_) == refused
    assert seen(house, at=end, type_=type_) == type_
    assert reports.read(house, reports.of_staff(house), type_)["resourceType"] == type_


def test_a_search_counts_nothing_of_what_is_held_and_all_of_it_afterwards(house: House) -> None:
    final(house)
    add(house, "after", hours=24)
    for type_ in ("DiagnosticReport", "Observation"):
        early, late = (asked(house, at=issued(house) + hours * HOUR) for hours in (23, 24))
        assert reports.found(house, early, type_) == 0
        assert reports.found(house, late, type_) == 1


def test_who_asks_without_a_time_is_held_by_every_row(house: House) -> None:
    final(house)
    add(house, "after", hours=1)
    grant = replace(reports.of_patient(house), asker=NOBODY)
    assert reports.read(house, grant, "DiagnosticReport") == 403


def test_the_row_that_describes_most_counts_and_of_equals_the_one_that_holds_longer(
    house: House,
) -> None:
    final(house)
    assert seen(house) == "DiagnosticReport"
    add(house, "named")
    assert seen(house) == 403
    add(house, "at-once", kind="MR-HEAD")
    assert seen(house) == "DiagnosticReport"
    add(house, "asking", status="final")
    assert seen(house) == 403
    add(house, "at-once", kind="mr-head", status="final")
    assert seen(house) == "DiagnosticReport"
    add(house, "named", kind="LEG", status="final", actor="patient")
    assert seen(house) == "DiagnosticReport"


def test_a_row_for_one_actor_is_not_for_others(house: House) -> None:
    final(house)
    add(house, "named", actor="proxy")
    assert [seen(house, actor) for actor in ("patient", "link", "proxy")] == [
        "DiagnosticReport",
        "DiagnosticReport",
        403,
    ]


def test_the_age_is_that_of_the_day_of_asking(house: House) -> None:
    """Born 1980-01-01 (PID of the builder): the row ends the day before the birthday after."""
    final(house)
    born = _born(house)
    add(house, "named", ages="40-49", until="2027-12-31")
    day = f"{(born // 10_000) + 50}-{born % 10_000 // 100:02}-{born % 100:02}"
    birthday = search_range(day)[0]
    with house.database.write() as connection:
        connection.exec_driver_sql("update release_rule set until = 0")
    assert seen(house, at=birthday - 1) == 403
    assert seen(house, at=birthday) == "DiagnosticReport"


def _born(house: House) -> int:
    with house.database.read() as connection:
        return int(connection.exec_driver_sql("select born from patient").scalar() or 0)


def test_of_whom_the_age_is_unknown_a_hold_counts_and_an_exception_does_not(house: House) -> None:
    final(house)
    with house.database.write() as connection:
        connection.exec_driver_sql("update patient set born = 0")
    add(house, "at-once", ages="0-150", kind="MR-HEAD")
    add(house, "named", ages="12-17")
    assert seen(house) == 403


def test_a_row_ends_on_its_day(house: House) -> None:
    final(house)
    add(house, "named", until=FAR)
    end = search_range(FAR)[0]
    assert [seen(house, at=end - 1), seen(house, at=end)] == [403, "DiagnosticReport"]


def test_no_row_gives_what_is_not_final(house: House) -> None:
    reports.send(house, reports.oru("P", 1, *reports.LINES))
    add(house, "at-once")
    assert seen(house) == 404
    item = f"DiagnosticReport/{reports.one(house, 'DiagnosticReport').id}"
    with pytest.raises(Conflict):
        release_table.release(house, "home", item, "talked", now=clock.now())
    assert seen(house) == 404


def test_what_a_row_hides_is_told_to_nobody(house: House) -> None:
    final(house)
    add(house, "named", secret=True)
    assert seen(house) == 404
    assert reports.found(house, asked(house), "Provenance") == 0
    assert reports.found(house, reports.of_staff(house), "Provenance") > 0


def test_a_named_release_goes_before_rows_and_a_named_hold_before_both(house: House) -> None:
    final(house)
    row = add(house, "named")
    item = f"DiagnosticReport/{reports.one(house, 'DiagnosticReport').id}"
    release_table.release(house, "home", item, "talked today", now=clock.now())
    for type_ in ("DiagnosticReport", "Observation", "Binary"):
        assert seen(house, type_=type_) == type_
    now = clock.now()
    release_table.hold(house, "home", item, "2027-01-31", "the visit is then", now=now)
    release_table.remove(house, "home", row)
    end = search_range("2027-01-31")[0]
    assert [seen(house), seen(house, at=end)] == [403, "DiagnosticReport"]
    told = list(release_table.listing(house, "home"))
    assert [one["item"] for one in told] == [item]


def test_pictures_wait_by_their_own_row_at_every_door(house: House) -> None:
    paper_house.store(house, paper_house.told())
    add(house, "after", "pictures", hours=48)
    (images,) = paper_house.graph(house)["ImagingStudy"]
    patient = images["subject"]["reference"].removeprefix("Patient/")
    grant = paper_house.granted(house, "patient/*.rs", patient)
    late = replace(grant, asker=access.asking("patient", clock.now() + 49 * HOUR))
    assert paper_house.read(house, grant, "ImagingStudy", images["id"]) == 403
    assert paper_house.read(house, late, "ImagingStudy", images["id"])["id"] == images["id"]
    assert [_qido(house, one) for one in (grant, late)] == [0, 1]
    with pytest.raises(Missing):
        query.search(house, grant, "series", [], study=paper_house.UID)


def _qido(house: House, grant: Grant) -> int:
    answer = query.search(house, grant, "study", [])
    answer.reading.end()
    return len(answer.items)


@pytest.mark.parametrize(
    "wrong",
    [
        {"then": "after"},
        {"then": "after", "hours": 0},
        {"then": "named", "until": ""},
        {"then": "named", "until": "2020-01-01"},
        {"then": "named", "until": "2999-01-01"},
        {"then": "named", "until": "soon"},
        {"then": "named", "until": FAR, "reason": " "},
        {"then": "at-once", "secret": True},
        {"then": "at-once", "hours": 3},
        {"then": "at-once", "ages": "17-12"},
        {"then": "at-once", "ages": "-"},
        {"then": "at-once", "kind": "a|b"},
        {"then": "at-once", "part": "pictures", "status": "final"},
    ],
)
def test_a_row_without_a_reason_or_an_end_is_not_taken(house: House, wrong: dict[str, Any]) -> None:
    given = {"part": "report", "reason": "a test"} | wrong
    with pytest.raises(Invalid):
        release_table.add(house, "home", Wanted(**given), now=clock.now())


def test_two_rows_are_never_about_the_same(house: House) -> None:
    add(house, "named", kind="MR")
    with pytest.raises(Conflict):
        add(house, "at-once", kind="mr")
    with pytest.raises(Fault):
        release_table.remove(house, "home", 4711)


def test_the_commands_print_what_they_keep_and_the_audit_has_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_DATA", str(tmp_path))
    final(house)
    added = _run("add", "report", "--kind", "pat", "--then", "after", "--hours", "72")
    assert added.exit_code != 0, "a hold needs a reason"
    added = _run("add", "report", "--then", "named", "--until", FAR, "--reason", "a law", "--hide")
    row = json.loads(added.stdout)
    assert (row["then"], row["hides"], row["until"][:10]) == ("named", True, FAR)
    item = f"DiagnosticReport/{reports.one(house, 'DiagnosticReport').id}"
    for words in (("hold", item, "--until", FAR), ("now", item)):
        assert _run(*words, "--reason", "they talked").exit_code == 0
    told = [json.loads(line) for line in _run("list").stdout.splitlines()]
    assert told == [row, {"item": item, "then": "at-once", "reason": "they talked"}]
    assert seen(house) == "DiagnosticReport"
    assert _run("remove", str(row["row"])).exit_code == 0
    with house.database.read() as connection:
        details = connection.execute(select(audit.c.detail)).scalars().all()
    kept = [one for one in details if one.startswith((item, "release "))]
    assert len(kept) == 4, "add, hold, now, remove"


def _run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["release", *words])
