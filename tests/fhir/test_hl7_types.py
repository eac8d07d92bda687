"""Times, codes, people and the source of a message keep what HL7 v2 says and add nothing (2.9)."""

from dataclasses import replace

import pytest

from fhir import binary, organization, practitioner, provenance
from fhir.hl7_codes import concept
from fhir.hl7_context import Context, context_of, language_tag, source_of
from fhir.hl7_people import addresses, contact_points, named_in, organisation
from fhir.hl7_people import practitioner as reference_to
from fhir.hl7_times import (
    Zones,
    date_of,
    datetime_of,
    instant_of,
    period_of,
    place_in_time,
    zone_disagrees,
)
from fhir.provenance import ProvenanceView
from hl7.facts import Header
from hl7.moments import NEVER, Moment
from hl7.types import (
    Address,
    Authority,
    Coding,
    Concept,
    Contact,
    Identifier,
    Organisation,
    Person,
    PersonName,
)
from tests.support.hl7_builder import segment
from tests.support.hl7_fhir import SITE, adt, context
from tests.support.outside import complaints

PARIS = Zones("Europe/Paris", "-0500")
BARE = Zones("", "-0500")
AROUND = Context(SITE, PARIS)
DOCTOR = Person(Identifier("1001", Authority("HOSP")), PersonName("Sample", "Olga"))


@pytest.mark.parametrize(
    ("raw", "zones", "expected"),
    [
        ("2026", PARIS, "2026"),
        ("202609", PARIS, "2026-09"),
        ("20260905", PARIS, "2026-09-05"),
        ("2026090512", PARIS, "2026-09-05T12:00:00+02:00"),
        ("20260105123456.789", PARIS, "2026-01-05T12:34:56+01:00"),
        ("202609051200-0800", PARIS, "2026-09-05T12:00:00-08:00"),
        ("202609051200", BARE, "2026-09-05T12:00:00-05:00"),
        ("202609051200", Zones(), "2026-09-05"),
        ("202610250230", PARIS, "2026-10-25T02:30:00+02:00"),
        ("20260231", PARIS, ""),
        ("202609051200+1500", PARIS, "2026-09-05"),
        ("", PARIS, ""),
    ],
)
def test_a_time_is_told_in_the_zone_that_somebody_told(
    raw: str, zones: Zones, expected: str
) -> None:
    moment = Moment.of(raw)
    assert datetime_of(moment, zones) == expected
    assert instant_of(moment, zones) == (expected if "T" in expected else "")
    assert date_of(moment) == expected[:10]


def test_moments_are_ordered_across_zones() -> None:
    early = place_in_time(Moment.of("202609051200+0200"), PARIS)
    late = place_in_time(Moment.of("202609051100+0000"), PARIS)
    assert early is not None
    assert late is not None
    assert early < late
    assert place_in_time(Moment.of("20260905"), PARIS) is None


def test_an_end_before_its_start_is_no_end() -> None:
    start, end = Moment.of("20260905"), Moment.of("20260904")
    assert period_of(start, end, PARIS) == {"start": "2026-09-05"}
    assert period_of(NEVER, end, PARIS) == {"end": "2026-09-04"}
    assert period_of(NEVER, NEVER, PARIS) == {}


def test_a_feed_whose_clock_stands_elsewhere_is_noticed() -> None:
    assert zone_disagrees(Moment.of("20260905120000-0500"), "Europe/Paris")
    assert not zone_disagrees(Moment.of("20260905120000+0200"), "Europe/Paris")
    assert not zone_disagrees(Moment.of("20260905120000"), "Europe/Paris")


def test_the_source_of_a_message_is_a_uri_whatever_its_names() -> None:
    header = Header(
        application=Authority("RIS #1"), facility=Authority("", "1.2.3", "ISO"), control_id="A:1/2"
    )
    assert source_of(header) == "urn:hl7v2:RIS%20%231:1.2.3#A%3A1%2F2"
    assert source_of(Header()) == "urn:hl7v2::"


def test_a_message_stands_in_its_feed_zone_and_language() -> None:
    header = Header(sent=Moment.of("20260905120000-0500"), language="DE")
    around = context_of(header, SITE, zone="Asia/Tokyo", language="fr")
    assert around.zones == Zones("Asia/Tokyo", "-0500")
    assert around.language == "de"
    assert context_of(Header(), SITE, language="fr").language == "fr"
    assert context_of(Header(), SITE).zones.feed == "Europe/Paris"
    assert [language_tag(text) for text in ("en_us", "FRA", "ger", "nds", "English", "")] == [
        *("en-US", "fr", "de", "nds", "", "")
    ]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("LN", "http://loinc.org"),
        ("LOINC", "http://loinc.org"),
        ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
        ("1.2.3.4", "urn:oid:1.2.3.4"),
        ("I10", "http://hl7.org/fhir/sid/icd-10"),
        ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078"),
        ("99LOCAL", "https://h.example/ids/99LOCAL"),
    ],
)
def test_a_coding_system_is_told_by_its_uri(system: str, expected: str) -> None:
    told = concept(Concept((Coding("X", "Text", system),)), base=SITE.base)
    assert told == {
        "coding": [{"system": expected, "code": "X", "display": "Text"}],
        "text": "Text",
    }


def test_a_code_without_a_system_has_none_and_text_alone_is_text() -> None:
    assert concept(Concept((Coding("X  Y"),)), base=SITE.base) == {"coding": [{"code": "X Y"}]}
    assert concept(Concept((Coding("", "words"),)), base=SITE.base) == {"text": "words"}
    assert concept(Concept(), base=SITE.base) is None


def test_codes_and_text_in_the_wrong_order_are_still_understood() -> None:
    swapped = Concept((Coding("11502-2", "", "LN"), Coding("", "Laboratory Report", "")))
    assert concept(swapped, base=SITE.base) == {
        "coding": [{"system": "http://loinc.org", "code": "11502-2"}],
        "text": "Laboratory Report",
    }


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (Contact("1", equipment="FX"), ("fax", "1", "home")),
        (Contact("1", equipment="CP"), ("phone", "1", "mobile")),
        (Contact("1", use="WPN"), ("phone", "1", "work")),
        (Contact("1", use="PRS"), ("phone", "1", "mobile")),
        (Contact(email="a@b.example"), ("email", "a@b.example", "home")),
        (Contact("http://a.example", equipment="Internet"), ("url", "http://a.example", "home")),
        (Contact("1", use="WPN", equipment="BP"), ("pager", "1", "work")),
    ],
)
def test_a_way_to_reach_somebody_is_told_by_kind_and_use(
    contact: Contact, expected: tuple[str, str, str]
) -> None:
    (point,) = contact_points([contact], use="home")
    assert (point["system"], point["value"], point["use"]) == expected


@pytest.mark.parametrize(
    ("kind", "use"),
    [("H", "home"), ("B", "work"), ("O", "work"), ("C", "temp"), ("BA", "old"), ("BI", "billing")],
)
def test_an_address_has_its_use(kind: str, use: str) -> None:
    assert addresses([Address("1 Road", kind=kind)]) == [{"use": use, "line": ["1 Road"]}]


def test_a_person_is_a_resource_only_if_somebody_issued_a_number() -> None:
    known = replace(AROUND, known={("https://h.example/ids/hosp", "1001"): "Practitioner/x"})
    assert reference_to(DOCTOR, known) == {
        "type": "Practitioner",
        "reference": "Practitioner/x",
        "identifier": {"system": "https://h.example/ids/hosp", "value": "1001"},
        "display": "Olga Sample",
    }
    bare = Person(Identifier("1001"), DOCTOR.name)
    assert reference_to(bare, known) == {"type": "Practitioner", "display": "Olga Sample"}
    assert reference_to(Person(), known) is None
    assert practitioner.build(bare, known, id="x") is None
    staffed = replace(known, site=replace(SITE, staff_system="urn:staff"))
    assert practitioner.build(bare, staffed, id="x")


def test_people_and_organisations_of_a_message_become_resources() -> None:
    message = adt(
        "PID|1||1",
        segment(
            "PD1",
            f3="Clinic^^77^^^NPPES^NPI",
            f4="1234567890^Becquerel^Henri^^^DR^^^NPPES^^^^NPI",
        ),
    )
    around = replace(context(message), source="urn:x")
    (person,) = named_in(message, Person)
    (place,) = named_in(message, Organisation)
    made = [
        practitioner.build(person, around, id="x"),
        organization.build(place, around, id="y"),
    ]
    for one in made:
        assert one
        assert complaints(one) == []
        assert one["identifier"][0]["system"] == "http://hl7.org/fhir/sid/us-npi"
    assert organisation(place, around) == {
        "type": "Organization",
        "identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "77"},
        "display": "Clinic",
    }
    assert organization.build(Organisation("Clinic"), around, id="y") is None


def test_provenance_says_which_message_did_it_and_who_sent_it() -> None:
    message = adt("PID|1||1", "EVN|A08|20260905||||202609051100")
    view = ProvenanceView(
        "v1",
        ("Patient/p1/_history/2", "Encounter/e1/_history/1"),
        "2026-09-05T10:00:00Z",
        occurred=message.occurred,
    )
    made = provenance.build(message.header, view, context(message))
    assert complaints(made) == []
    assert made["entity"][0]["what"]["identifier"] == {
        "system": "urn:hl7v2:RIS:HOSP",
        "value": "MSG1",
    }
    assert made["activity"]["coding"][0]["code"] == "A08"
    assert made["occurredDateTime"] == "2026-09-05T11:00:00+02:00"
    assert [agent["type"]["coding"][0]["code"] for agent in made["agent"]] == [
        *("author", "transmitter"),
    ]
    assert {agent["who"]["display"] for agent in made["agent"]} == {"HOSP"}
    named = provenance.build(message.header, replace(view, author=DOCTOR), context(message))
    assert named["agent"][0]["onBehalfOf"]["display"] == "HOSP"
    assert complaints(named) == []


def test_a_document_says_what_it_is_and_who_may_read_it_and_its_bytes_are_elsewhere() -> None:
    made = binary.build(id="b1", content_type="application/pdf", about="DiagnosticReport/r1")
    assert complaints(made) == []
    assert "data" not in made
    assert made["securityContext"] == {"reference": "DiagnosticReport/r1"}
