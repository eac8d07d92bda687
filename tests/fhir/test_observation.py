"""A discrete result becomes an Observation, its value as precise as it was sent (mapping 2.3, 2.4)."""

from decimal import Decimal
from typing import Any

import pytest

from fhir.observation import ObservationView, build, marked, place
from fhir.wire import write
from hl7.facts import ObservationFacts
from hl7.report_facts import Mark
from tests.support.hl7_builder import PID, obr, obx, segment
from tests.support.hl7_fhir import SITE, Json, context, reports
from tests.support.outside import complaints

HEAD = obr(f3="F1", f7="202609051000", f22="20260905120000", f25="F")


def results(*segments: str) -> tuple[ObservationFacts, ...]:
    return reports(PID, HEAD, *segments).patients[0].reports[0].observations


def observation(*segments: str, **options: Any) -> Json | None:
    message = reports(PID, HEAD, *segments)
    report = message.patients[0].reports[0]
    view = ObservationView(
        "o1", "Patient/p1", started=report.started, issued=report.issued, **options
    )
    return build(report.observations[0], view, context(message))


def value(kind: str, text: str, units: str = "") -> Json:
    made = observation(obx(kind, "Q^Question^L", text, units=units))
    assert made
    assert complaints(made) == []
    return {key: member for key, member in made.items() if key.startswith(("value", "component"))}


FULL = segment(
    "OBX",
    f1="1",
    f2="NM",
    f3="DIA^Diameter^L",
    f4="1",
    f5="6.0",
    f6="mm^millimeter^UCUM",
    f7="<6",
    f8="H",
    f11="F",
    f14="202609051010",
    f16="1001^Sample^Olga^^^^^^HOSP",
    f17="CAL^Caliper^L",
    f18="DEV1^WS",
    f20="39607008^Lung^SCT",
    f21="OBS1^RIS",
    f23="Rad Lab^^7^^^LABS^XX",
)


def test_a_full_result_becomes_a_full_observation() -> None:
    made = observation(
        FULL,
        "NTE|1||Measured twice.",
        based_on=("ServiceRequest/s1",),
        studies=("ImagingStudy/i1",),
        encounter="Encounter/e1",
    )
    assert made
    assert complaints(made) == []
    assert made["valueQuantity"] == {
        "value": Decimal("6.0"),
        "unit": "millimeter",
        "system": "http://unitsofmeasure.org",
        "code": "mm",
    }
    assert '"value":6.0,' in write(made)
    assert made["effectiveDateTime"] == "2026-09-05T10:10:00+02:00"
    assert made["issued"] == "2026-09-05T12:00:00+02:00"
    assert made["interpretation"][0]["coding"][0]["system"].endswith("v3-ObservationInterpretation")
    assert made["referenceRange"] == [{"text": "<6"}]
    assert made["bodySite"]["coding"][0]["code"] == "39607008"
    assert made["method"]["text"] == "Caliper"
    assert made["device"]["identifier"]["value"] == "DEV1"
    assert made["identifier"][0]["value"] == "OBS1"
    assert [one["type"] for one in made["performer"]] == ["Practitioner", "Organization"]
    assert made["note"] == [{"text": "Measured twice."}]
    assert made["derivedFrom"] == [{"reference": "ImagingStudy/i1"}]
    assert made["category"][0]["coding"][0]["code"] == "imaging"


@pytest.mark.parametrize(
    ("kind", "text", "units", "expected"),
    [
        ("NM", "42", "", {"valueQuantity": {"value": 42}}),
        ("NM", "-.5", "HU", {"valueQuantity": {"value": Decimal("-0.5"), "unit": "HU"}}),
        ("SN", "<^0.8", "mm", {"valueQuantity": {"value": Decimal("0.8"), "comparator": "<"}}),
        ("SN", "=^3", "", {"valueQuantity": {"value": 3}}),
        ("SN", "^1^-^5", "mm", {"valueRange": {"low": {"value": 1}, "high": {"value": 5}}}),
        (
            *("SN", "^1^:^128", ""),
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
        ),
        ("SN", "^5^-^1", "mm", {"valueString": "5-1 mm"}),
        ("SN", "<>^5", "", {"valueString": "<>5"}),
        ("NM", "about 5", "", {"valueString": "about 5"}),
        ("CWE", "A^Alpha^L", "", {"valueCodeableConcept": {"text": "Alpha"}}),
        ("CE", "^free words", "", {"valueCodeableConcept": {"text": "free words"}}),
        ("DT", "20260905", "", {"valueDateTime": "2026-09-05"}),
        ("TS", "202609051000", "", {"valueDateTime": "2026-09-05T10:00:00+02:00"}),
        ("TM", "1530", "", {"valueTime": "15:30:00"}),
        ("TM", "about noon", "", {"valueString": "about noon"}),
    ],
)
def test_a_value_keeps_its_kind(kind: str, text: str, units: str, expected: Json) -> None:
    ((name, wanted),) = expected.items()
    found = value(kind, text, units)[name]
    if isinstance(wanted, dict):
        for key, member in wanted.items():
            inner = {k: found[key][k] for k in member} if isinstance(member, dict) else found[key]
            assert inner == member
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("units", "code"),
    [
        *(("mm", "mm"), ("ml", "mL"), ("HU", "[hnsf'U]"), ("mGy*cm", "mGy.cm"), ("mmHg", "mm[Hg]")),
        *(("blobs", None), ("ng/mL^^UCUM", "ng/mL"), ("{score}^^UCUM", "{score}")),
    ],
)
def test_a_unit_is_told_in_ucum_where_that_is_sure(units: str, code: str | None) -> None:
    quantity = value("NM", "1", units)["valueQuantity"]
    assert quantity.get("code") == code
    assert ("system" in quantity) == (code is not None)
    assert quantity["unit"] == units.split("^")[0]


def test_several_values_of_one_result_are_all_kept() -> None:
    found = value("CWE", "A^Alpha^L~B^Beta^L")
    texts = [part["valueCodeableConcept"]["text"] for part in found["component"]]
    assert texts == ["Alpha", "Beta"]
    assert found.keys() == {"component"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *(("F", "final"), ("V", "final"), ("U", "final"), ("P", "preliminary")),
        *(("R", "preliminary"), ("S", "preliminary"), ("C", "corrected"), ("A", "amended")),
        *(("B", "amended"), ("X", "cancelled"), ("I", "registered"), ("", "amended")),
    ],
)
def test_obx_11_tells_the_status_and_the_report_where_it_is_silent(code: str, status: str) -> None:
    made = observation(obx("NM", "Q", "1", code), report_status="appended")
    assert made
    assert made["status"] == status
    assert ("valueQuantity" in made) == (status != "cancelled")
    assert complaints(made) == []


def test_a_result_that_was_never_sought_is_no_observation() -> None:
    (facts,) = results(obx("NM", "Q", "1"))
    message = reports(PID, HEAD, obx("NM", "Q", "1"))
    for code in ("O", "N"):
        silent = ObservationFacts(code=facts.code, kind="NM", values=facts.values, status=code)
        view = ObservationView("o1", "Patient/p1")
        assert build(silent, view, context(message)) is None


@pytest.mark.parametrize("code", ["D", "W", "X"])
def test_what_is_taken_back_shows_no_value(code: str) -> None:
    (facts,) = results(obx("NM", "Q^Question^L", "1", sub_id="2"))
    current = observation(obx("NM", "Q^Question^L", "1", sub_id="2"))
    assert current
    mark = Mark(code, facts.code, "2")
    assert place(mark) == place(facts)
    after = marked(current, mark)
    assert "valueQuantity" not in after
    assert after["status"] == ("cancelled" if code == "X" else "entered-in-error")
    assert complaints(after) == []


def test_a_preliminary_result_becomes_final_without_being_sent_again() -> None:
    (facts,) = results(obx("NM", "Q", "1", "P"))
    current = observation(obx("NM", "Q", "1", "P"))
    assert current
    final = marked(current, Mark("U", facts.code))
    assert final == current | {"status": "final"}
    corrected = current | {"status": "corrected"}
    assert marked(corrected, Mark("U", facts.code)) == corrected


def test_labels_of_the_report_hold_for_its_results() -> None:
    label = {"system": "urn:x", "code": "R"}
    made = observation(obx("NM", "Q", "1"), labels=(label,))
    assert made
    assert made["meta"]["security"] == [label]


def test_a_flag_that_v3_does_not_know_stays_one_of_its_table() -> None:
    odd = segment("OBX", f2="NM", f3="Q", f5="1", f8="ZZ", f11="F")
    made = observation(odd)
    assert made
    assert made["interpretation"][0]["coding"][0]["system"].endswith("v2-0078")
    assert SITE.base
