"""An order's status follows what is said of it, in whatever order that is said (mapping 2.3)."""

from itertools import permutations

import pytest

from fhir.order_status import after_images, after_report, next_status


@pytest.mark.parametrize(
    ("order_status", "status"),
    [
        *(("A", "active"), ("IP", "active"), ("SC", "active"), ("CM", "completed")),
        *(("CA", "revoked"), ("DC", "revoked"), ("RP", "revoked"), ("HD", "on-hold")),
    ],
)
def test_orc_5_tells_the_status(order_status: str, status: str) -> None:
    assert next_status("", "SC", order_status).status == status


@pytest.mark.parametrize(
    ("controls", "status"),
    [
        ("NW OK RL XO XX RO PR", "active"),
        ("RP RQ RU CA CR OC DC DR OD DF UA", "revoked"),
        ("HR OH HD", "on-hold"),
        ("RE SC SR NA SN PA CH XR OR RR UM OE", "active"),
    ],
)
def test_orc_1_tells_the_status_of_a_new_order_where_orc_5_is_empty(
    controls: str, status: str
) -> None:
    assert {next_status("", control).status for control in controls.split()} == {status}


@pytest.mark.parametrize(
    "control", ["RE", "SC", "SR", "NA", "SN", "PA", "CH", "XR", "OR", "RR", "UM", "OE", "UX", "DE"]
)
def test_what_only_informs_changes_nothing(control: str) -> None:
    for old in ("active", "on-hold", "completed", "revoked"):
        assert next_status(old, control).status == old


@pytest.mark.parametrize("control", ["CA", "CR", "OC", "DC", "DR", "OD", "RP", "RQ", "RU"])
def test_a_cancellation_wins_over_a_stale_orc_5(control: str) -> None:
    assert next_status("active", control, "IP").status == "revoked"


def test_a_late_new_order_reopens_nothing() -> None:
    for old in ("completed", "revoked"):
        assert next_status(old, "NW", "SC").status == old


def test_an_order_and_its_final_report_lead_to_completed_in_either_order() -> None:
    steps = {
        "order": lambda old: next_status(old, "NW", "SC").status,
        "preliminary": lambda old: after_report(old, "preliminary").status,
        "final": lambda old: after_report(old, "final").status,
        "images": lambda old: after_images(old or "active").status,
    }
    for names in permutations(steps):
        status = ""
        for name in names:
            status = steps[name](status)
        assert status == "completed", names


def test_a_refused_cancellation_brings_the_order_back() -> None:
    step = next_status("revoked", "UC", before="on-hold")
    assert step.status == "on-hold"
    assert step.remark
    assert next_status("active", "UD").status == "active"


def test_what_a_person_should_see_is_remarked() -> None:
    for step in (
        next_status("active", "SC", "ER"),
        next_status("active", "UX"),
        next_status("active", "DE"),
        next_status("revoked", "SC", "CM"),
        after_report("revoked", "final"),
        after_report("revoked", "preliminary"),
        after_images("revoked"),
    ):
        assert step.remark
    assert next_status("active", "SC", "CM").remark == ""


def test_a_cancelled_report_revokes_an_order_that_was_not_carried_out() -> None:
    assert after_report("active", "cancelled").status == "revoked"
    assert after_report("completed", "cancelled").status == "completed"
    assert after_report("completed", "entered-in-error").status == "completed"


def test_an_order_that_only_images_name_was_carried_out() -> None:
    assert after_images("").status == "completed"
    assert after_images("active").status == "active"


def test_an_order_entered_in_error_stays_so() -> None:
    assert next_status("entered-in-error", "NW").status == "entered-in-error"
    assert after_report("entered-in-error", "final").status == "entered-in-error"
