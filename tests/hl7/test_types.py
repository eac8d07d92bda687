"""Data types become facts: nothing guessed, nothing rounded, null and absence are both empty."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7 import types
from hl7.message import Value, parse
from hl7.moments import Moment


def value(text: str) -> Value:
    return parse(f"MSH|^~\\&|A\rPID|{text}".encode()).first("PID").field(1)


MOMENTS = [
    ("2026", "2026", "", ""),
    ("202601", "202601", "", ""),
    ("20260131", "20260131", "", ""),
    ("2026013109", "20260131", "09", ""),
    ("202601310915", "20260131", "0915", ""),
    ("20260131091530", "20260131", "091530", ""),
    ("20260131091530.1234+0530", "20260131", "091530.1234", "+0530"),
    ("20010501141500.0000", "20010501", "141500.0000", ""),
    ("19500131T143414", "19500131", "143414", ""),
    ("202601310915-0500", "20260131", "0915", "-0500"),
    ("20260131+1400", "20260131", "", "+1400"),
    ("20240229", "20240229", "", ""),
]


@pytest.mark.parametrize(("raw", "date", "clock", "offset"), MOMENTS)
def test_a_time_is_as_precise_as_it_was_sent(raw: str, date: str, clock: str, offset: str) -> None:
    assert Moment.of(raw) == Moment(raw, date, clock, offset)


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        ("20230229", ""),
        ("00000000", ""),
        ("20261301", ""),
        ("yesterday", ""),
        ("2026-01-31", ""),
        ("2026013124", "20260131"),
        ("202601310960", "20260131"),
        ("20260131091560", "20260131"),
        ("202601310915+1430", "20260131"),
        ("202601310915+0060", "20260131"),
        ("٢٠٢٦", ""),
    ],
)
def test_a_time_that_does_not_exist_is_flawed(raw: str, date: str) -> None:
    assert Moment.of(raw) == Moment(raw, date, flawed=True)


@settings(deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"\d{4,14}(\.\d+)?([+-]\d{4})?"))
def test_no_text_breaks_the_reader_of_times(raw: str) -> None:
    moment = Moment.of(raw)
    assert moment.raw == raw
    assert bool(moment) == bool(moment.date)


def test_the_precision_beside_an_old_time_stamp_is_not_the_time() -> None:
    assert Moment.read(value("20260131^D")).date == "20260131"


def test_a_patient_number_has_its_authority_type_and_period() -> None:
    read = types.Identifier.read(value("12345^5^M11^HOSP&1.2.3&ISO^MR^FAC^20200101^20301231"))
    assert read.value == "12345"
    assert (read.check_digit, read.check_scheme) == ("5", "M11")
    assert read.authority == types.Authority("HOSP", "1.2.3", "ISO")
    assert (read.kind, read.facility.namespace) == ("MR", "FAC")
    assert (read.start.date, read.end.date) == ("20200101", "20301231")


def test_an_order_number_is_an_entity_identifier_or_a_plain_string() -> None:
    full = types.OrderNumber.read(value("A1^RIS^1.2.3^ISO"))
    assert full == types.OrderNumber("A1", types.Authority("RIS", "1.2.3", "ISO"))
    assert types.OrderNumber.read(value("A1")) == types.OrderNumber("A1")


def test_a_coded_element_has_up_to_three_codings_and_the_senders_words() -> None:
    read = types.Concept.read(value("1^one^LN^2^two^L^v1^v2^said^3^three^SCT^v3"))
    assert [(one.code, one.text, one.system, one.version) for one in read.codings] == [
        ("1", "one", "LN", "v1"),
        ("2", "two", "L", "v2"),
        ("3", "three", "SCT", "v3"),
    ]
    assert read.text == "said"
    assert types.Concept.read(value("1^one^LN")).text == "one"
    assert types.Concept.read(value("11502-2^^LN^^Laboratory Report")).text == "Laboratory Report"
    assert types.Concept.read(value("^only words")).code == ""
    assert types.Concept.read(value("71020&IMP^Chest")).suffix == "IMP"
    assert types.Concept.read(value("&IMP^Impression")).code == ""


def test_a_name_keeps_its_parts() -> None:
    read = types.PersonName.read(value("van Dyck&van&Dyck^Jan^Pieter^Jr^Dr^MD^L"))
    assert read == types.PersonName("van Dyck", "Jan", "Pieter", "Jr", "Dr", "MD", "L")
    assert types.PersonName.read(value("&van&Dyck^Jan")).family == "van Dyck"


def test_a_professional_has_number_and_name() -> None:
    read = types.Person.read(value("1001^SAMPLE^ANN^A^^DR^MD^^PRV&1.2&ISO^L^7^M10^NPI^FAC"))
    assert read.number.value == "1001"
    assert read.number.authority == types.Authority("PRV", "1.2", "ISO")
    assert (read.number.kind, read.number.check_digit) == ("NPI", "7")
    assert (read.name.family, read.name.given, read.name.prefix) == ("SAMPLE", "ANN", "DR")
    assert read.name.kind == "L"
    assert not types.Person.read(value("^^^^^^^^PRV"))


@pytest.mark.parametrize(
    "text",
    [
        "2002&READER&RACHEL&B&&DR&MD&&PRV&1.2&ISO",
        "2002&READER&RACHEL&B&&DR&MD&&PRV&1.2&ISO^20260101^20260102",
        "2002^READER^RACHEL^B^^DR^MD^^PRV&1.2&ISO",
    ],
)
def test_an_interpreter_is_read_in_either_spelling(text: str) -> None:
    read = types.Person.read_interpreter(value(text))
    assert read.number.value == "2002"
    assert read.number.authority == types.Authority("PRV", "1.2", "ISO")
    assert read.name == types.PersonName("READER", "RACHEL", "B", "", "DR", "MD", read.name.kind)


def test_an_interpreter_may_lack_a_number_or_a_name() -> None:
    assert types.Person.read_interpreter(value("&Observer&Ann")).name.family == "Observer"
    assert types.Person.read_interpreter(value("R7^20260101")).number.value == "R7"
    assert types.Person.read_interpreter(value("R7^20260101")).name == types.NAMELESS


def test_an_organisation_has_its_number_in_the_new_or_the_old_place() -> None:
    new = types.Organisation.read(value("Clinic^L^^^^ISS&1.2&ISO^XX^^^77"))
    assert (new.name, new.number.value, new.number.kind) == ("Clinic", "77", "XX")
    assert types.Organisation.read(value("Clinic^^66")).number.value == "66"


def test_a_place_is_read_down_to_the_bed() -> None:
    read = types.Place.read(value("RAD^CT1^01^HOSP&1.2&ISO^^^Main^2^Ward"))
    hospital = types.Authority("HOSP", "1.2", "ISO")
    assert read == types.Place("RAD", "CT1", "01", hospital, "Main", "2", "Ward")


def test_an_address_has_a_street_however_it_is_split() -> None:
    read = types.Address.read(value("100 Example St^Apt 4^Sampleton^TX^78000^USA^H^^Bexar"))
    assert (read.street, read.other, read.city) == ("100 Example St", "Apt 4", "Sampleton")
    assert (read.postcode, read.kind, read.district) == ("78000", "H", "Bexar")
    assert types.Address.read(value("&Example St&100")).street == "100 Example St"
    assert types.Address.read(value("100&Example St^Apt 4")).street == "100 Example St"
    assert types.Address.read(value("Example St 100&Example St&100")).street == "Example St 100"
    assert not types.Address.read(value("^^^^^^BDL"))


@pytest.mark.parametrize(
    ("text", "number", "email"),
    [
        ("(111)111-1111^PRN^PH", "(111)111-1111", ""),
        ("^PRN^PH^^1^210^5550100^7", "+1 210 5550100 x7", ""),
        ("^PRN^CP^^^^^^^^^+3360708091", "+3360708091", ""),
        ("^NET^Internet^jose@example.org", "", "jose@example.org"),
        ("jose@example.org^NET^Internet", "", "jose@example.org"),
        ("^PRN^PH^^1", "", ""),
    ],
)
def test_a_contact_is_a_number_or_an_address(text: str, number: str, email: str) -> None:
    read = types.Contact.read(value(text))
    assert (read.number, read.email) == (number, email)


@pytest.mark.parametrize(
    "kind",
    [
        types.Identifier,
        types.OrderNumber,
        types.Concept,
        types.PersonName,
        types.Person,
        types.Organisation,
        types.Place,
        types.Address,
        types.Contact,
        types.Authority,
        Moment,
    ],
)
def test_null_and_nothing_are_the_empty_fact(kind: type) -> None:
    for text in ("", '""', '""^""^""'):
        read = kind.read(value(text))  # type: ignore[attr-defined]
        assert read == kind()
        assert not read
