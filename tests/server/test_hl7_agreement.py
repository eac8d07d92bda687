"""What the page beside other converters says is measured, and every difference has its reason."""

from docs import agreement_page
from tests.support import agreement


def test_what_is_counted_is_what_the_server_makes() -> None:
    told = agreement.as_text(agreement.measured())
    assert told == agreement_page.COUNTS.read_text(), "python -m tests.support.agreement"


def test_no_difference_is_without_a_reason_and_no_reason_without_a_difference() -> None:
    found = set(agreement_page.differing())
    assert {element for element in found if not agreement_page.key_of(element)} == set()
    assert {agreement_page.key_of(element) for element in found} == set(agreement_page.REASONS)
