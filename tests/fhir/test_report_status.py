"""A report's status only ever rises, and of two equal messages the older loses (mapping 2.3, 2.6)."""

from itertools import permutations

import pytest

from fhir.report_status import NOTHING_HELD, Decision, Held, next_status
from fhir.report_text import change, contains, plain, sections_of
from hl7.report_facts import ReportFacts
from tests.support.hl7_builder import PID, obr, obx
from tests.support.hl7_fhir import Json, report_of, reports

TEXT = "The lungs are clear."


def facts(status: str, text: str = TEXT, part: str = "&GDT", mark: str = "F") -> ReportFacts:
    lines = [obx("TX", f"{part}^Text", text, mark)] if text or mark != "F" else []
    message = reports(PID, obr(f3="F1", f25=status), *lines)
    return message.patients[0].reports[0]


def held(
    status: str, text: str = TEXT, *, issued: int | None = None, sent: int | None = None
) -> Held:
    words = plain(sections_of(facts("F", text))) if text else ""
    return Held(status, words, issued, sent)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *(("O", "registered"), ("S", "registered"), ("I", "registered"), ("N", "registered")),
        *(("A", "partial"), ("R", "partial"), ("P", "preliminary"), ("M", "preliminary")),
        *(("F", "final"), ("C", "corrected"), ("X", "cancelled")),
    ],
)
def test_obr_25_tells_the_status_of_a_new_report(code: str, status: str) -> None:
    assert next_status(NOTHING_HELD, facts(code)).status == status


@pytest.mark.parametrize(
    ("old", "code"),
    [("final", "P"), ("final", "S"), ("corrected", "A"), ("amended", "R"), ("partial", "I")],
)
def test_a_lower_state_never_replaces_a_higher_one(old: str, code: str) -> None:
    assert next_status(held(old), facts(code)) == Decision(old, applies=False)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("F", TEXT, "final"),
        ("F", f" {TEXT}~~", "final"),
        ("F", f"{TEXT}~And the heart is small.", "appended"),
        ("F", "The lungs are not clear.", "amended"),
        ("C", "The lungs are not clear.", "corrected"),
        ("C", TEXT, "corrected"),
        ("C", f"{TEXT}~And the heart is small.", "appended"),
        ("F", "", "final"),
    ],
)
def test_a_final_report_that_comes_again_is_what_its_text_says(
    code: str, text: str, status: str
) -> None:
    decision = next_status(held("final"), facts(code, text))
    assert (decision.status, decision.applies) == (status, True)


def test_an_addendum_is_appended() -> None:
    assert next_status(held("final"), facts("F", "Seen again.", "&ADT")).status == "appended"


def test_an_addendum_without_its_report_is_a_part_and_is_remarked() -> None:
    decision = next_status(NOTHING_HELD, facts("F", "Seen again.", "&ADT"))
    assert (decision.status, decision.alone) == ("partial", True)
    assert decision.remark


def test_an_addendum_to_what_is_not_final_does_not_make_it_final() -> None:
    decision = next_status(held("preliminary"), facts("F", "Seen again.", "&ADT"))
    assert (decision.status, decision.applies, decision.alone) == ("preliminary", True, False)
    assert decision.remark


def test_the_older_of_two_finals_loses_by_obr_22_and_then_by_msh_7() -> None:
    newer = held("final", "New words.", issued=20, sent=200)
    old_issue = next_status(newer, facts("F"), issued=10, sent=300)
    assert (old_issue.status, old_issue.applies) == ("amended", False)
    late = next_status(newer, facts("F"), issued=20, sent=100)
    assert not late.applies
    assert next_status(newer, facts("F"), issued=20, sent=300).applies
    assert next_status(newer, facts("F")).applies


@pytest.mark.parametrize("code", ["F", "C"])
def test_two_versions_lead_to_one_report_in_either_order(code: str) -> None:
    def message(status: str, hour: str, text: str) -> Json:
        return {"status": status, "hour": hour, "text": text}

    def after(versions: tuple[Json, ...]) -> Json:
        current: Json | None = None
        sent = 0
        for one in versions:
            told = reports(
                PID,
                obr(f3="F1", f7="20260905", f22=f"202609051{one['hour']}00", f25=one["status"]),
                obx("TX", "&GDT^Text", one["text"]),
                sent=f"202609051{one['hour']}05",
            )
            current = report_of(told, current, sent=sent or None)
        assert current
        return {key: value for key, value in current.items() if key != "meta"}

    for second in ("The lungs are clear.~The heart too.", "The lungs are not clear."):
        versions = (
            message("P", "0", "Draft."),
            message("F", "1", "The lungs are clear."),
            message(code, "2", second),
        )
        outcomes = [after(order) for order in permutations(versions)]
        assert all(outcome == outcomes[0] for outcome in outcomes)
        assert outcomes[0]["status"] in ("appended", "amended" if code == "F" else "corrected")


def test_a_cancelled_report_was_wrong_only_if_it_had_been_final() -> None:
    for old in ("", "registered", "preliminary"):
        assert next_status(held(old), facts("X")).status == "cancelled"
    for old in ("final", "corrected", "appended"):
        decision = next_status(held(old), facts("X"))
        assert decision.status == "entered-in-error"
        assert decision.remark
        assert not decision.applies


def test_results_that_are_taken_back_withdraw_the_report() -> None:
    for mark in ("D", "W"):
        decision = next_status(held("final"), facts("C", TEXT, mark=mark))
        assert (decision.status, decision.applies) == ("entered-in-error", False)
        assert decision.remark


def test_a_withdrawn_report_stays_withdrawn() -> None:
    decision = next_status(held("entered-in-error"), facts("F"))
    assert (decision.status, decision.applies) == ("entered-in-error", False)
    assert decision.remark


def test_a_report_may_come_after_its_order_was_cancelled() -> None:
    assert next_status(held("cancelled", ""), facts("F")).status == "final"


def test_texts_are_compared_by_their_words() -> None:
    assert change("a  b\n\nc", "a b\nc ") == "same"
    assert change("a", "a\nb") == "grown"
    assert change("", "a") == "changed"
    assert contains("x\na\nb\ny", "a\n b")
    assert not contains("a\nx\nb", "a\nb")
