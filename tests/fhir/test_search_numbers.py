"""Numbers with units, and two values in one, are understood whole or refused (conformance A13)."""

import pytest

from fhir import query as q
from fhir.errors import BadSearch
from fhir.search import parse


def one(name: str, text: str, kind: str = "Observation") -> q.Criterion:
    (condition,) = parse(
        kind, [(name, text)], strict=True, base="https://h.example/fhir"
    ).conditions
    assert isinstance(condition, q.Criterion)
    return condition


def ranged(prefix: str, low: float, high: float, *unit: str | None) -> q.QuantityValue:
    system, code = unit or (None, "")
    return q.QuantityValue(prefix, low, high, system, code or "")  # type: ignore[arg-type]


UCUM = "http://unitsofmeasure.org"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.4", ranged("eq", 5.35, 5.45)),
        ("5.40", ranged("eq", 5.395, 5.405)),
        ("5.4e-3", ranged("eq", 0.00535, 0.00545)),
        ("100", ranged("eq", 99.5, 100.5)),
        ("1e2", ranged("eq", 95, 105)),
        ("ne-3", ranged("ne", -3.5, -2.5)),
        ("gt5.4", ranged("gt", 5.4, 5.4)),
        ("sa5", ranged("sa", 5, 5)),
        ("ap100", ranged("ap", 90, 110)),
        ("ap1", ranged("ap", 0.5, 1.5)),
        (f"5|{UCUM}|mg", ranged("eq", 4.5, 5.5, UCUM, "mg")),
        (f"5|{UCUM}|", ranged("eq", 4.5, 5.5, UCUM, "")),
        ("le5||mg", ranged("le", 5, 5, None, "mg")),
    ],
)
def test_a_number_is_as_wide_as_it_is_precise(text: str, value: q.QuantityValue) -> None:
    """R4 3.1.1.4.5 and 3.1.1.4.16."""
    assert one("value-quantity", text, "Observation").values == (value,)


@pytest.mark.parametrize(
    "text", ["", "x", "5.4.1", "1e9999", "9" * 50, "5|mg", "5||", "5|a|b|c", "gt"]
)
def test_what_is_no_number_with_a_unit_is_refused(text: str) -> None:
    with pytest.raises(BadSearch) as caught:
        one("value-quantity", text or "|", "Observation")
    assert caught.value.expression == "value-quantity"


def test_a_composite_is_two_values_of_one_element() -> None:
    """R4 3.1.1.4.17; what is escaped divides nothing."""
    token = q.TokenValue("http://loinc.org", "8480-6")
    pair = q.PairValue(token, ranged("gt", 120, 120, None, "mm[Hg]"))
    text = "http://loinc.org|8480-6$gt120||mm[Hg]"
    assert one("component-code-value-quantity", text, "Observation").values == (pair,)
    said = q.PairValue(q.TokenValue(None, "a$b"), q.StringValue("no$e", "No$e"))
    assert one("code-value-string", r"a\$b$No\$e", "Observation").values == (said,)
    named = q.PairValue(q.ReferenceValue("DocumentReference", "d1"), q.TokenValue(None, "replaces"))
    assert one("relationship", "d1$replaces", "DocumentReference").values == (named,)
    for text in ("8480-6", "8480-6$", "$5", "a$5$6", "8480-6$x"):
        with pytest.raises(BadSearch) as caught:
            one("code-value-quantity", text, "Observation")
        assert caught.value.expression == "code-value-quantity"
