"""What is read from the wire is written back as it was spelled, and what is not JSON is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.errors import Malformed
from fhir.wire import read, write

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('a"\\é', max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("xyz"), VALUES))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    text = write(value)
    assert read(text) == value
    assert write(read(text)) == text


@pytest.mark.parametrize("number", ["72.50", "0.1000000000000000000001", "1E+2", "-0.0"])
def test_a_decimal_keeps_its_spelling(number: str) -> None:
    assert write(read(f'{{"value":{number}}}')) == f'{{"value":{number}}}'
    assert read(f'{{"value":{number}}}')["value"] == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"Patient"',
        b'{"a":1,}',
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"// c\n{}",
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_what_is_not_one_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        read(text)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read(b'\xef\xbb\xbf{"resourceType":"Patient"}') == {"resourceType": "Patient"}
