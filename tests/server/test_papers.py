"""Reports and documents that arrive as DICOM, beside those that messages bring, in any order."""

import base64
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from server import clock
from server.flows import curating
from server.flows.sites import House
from server.store.tables import review
from tests.support.dicom_objects import DEFLATED, EXPLICIT
from tests.support.dicom_papers import (
    COMPREHENSIVE,
    FINDING,
    content,
    dose,
    pdf,
    report,
    request,
)
from tests.support.examination import bodies, drain, send
from tests.support.hl7_builder import obx, packed
from tests.support.houses import SYSTEM, opened
from tests.support.outside import complaints
from tests.support.paper_house import (
    ADT,
    DOCUMENT,
    ORDER,
    PID,
    UID,
    granted,
    graph,
    hide,
    oru,
    person,
    read,
    store,
    told,
    versions,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0", ISSUER=SYSTEM) as made:
        yield made


def test_a_verified_report_is_final_with_its_text_conclusion_and_reader(house: House) -> None:
    store(house, told())
    (made,) = bodies(house)["DiagnosticReport"]
    assert complaints(made) == []
    assert made["status"] == "final"
    assert made["conclusion"] == "Benign."
    assert made["conclusionCode"][0]["coding"][0]["code"] == "40930008"
    assert made["resultsInterpreter"] == [{"type": "Practitioner", "display": "Rosa Reader"}]
    assert made["issued"] == "2026-09-05T12:30:00+00:00"
    html, plain = (base64.b64decode(form["data"]).decode() for form in made["presentedForm"])
    assert "<h2>Impressions</h2><p>Benign.<br/>Impression: Hypothyroidism</p>" in html
    assert plain.startswith("Findings\nA lesion.\n\nImpressions\nBenign.\n")
    (pictures,) = bodies(house)["ImagingStudy"]
    assert made["imagingStudy"] == [{"reference": f"ImagingStudy/{pictures['id']}"}]


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({"VerificationFlag": "UNVERIFIED"}, "preliminary"),
        ({"CompletionFlag": "PARTIAL"}, "partial"),
        ({"PreliminaryFlag": "PRELIMINARY"}, "preliminary"),
    ],
)
def test_what_is_not_signed_is_not_for_the_patient(
    house: House, flags: dict[str, str], status: str
) -> None:
    made = told()
    for name, value in flags.items():
        setattr(made, name, value)
    store(house, made)
    found = bodies(house)
    (one,), (patient,) = found["DiagnosticReport"], found["Patient"]
    assert one["status"] == status
    assert "not verified" in base64.b64decode(one["presentedForm"][0]["data"]).decode()
    mine = granted(house, "patient/*.rs", patient["id"])
    assert read(house, mine, "DiagnosticReport", one["id"]) == 404
    store(house, told("1.2.3.10", predecessor="1.2.3.9"))
    assert read(house, mine, "DiagnosticReport", one["id"])["status"] == "amended"


def test_what_documents_made_is_told_once_with_the_objects_it_was_made_of(house: House) -> None:
    store(house, told(InstitutionName="General"))
    found = bodies(house)
    made = {}
    for one in found["Provenance"]:
        assert complaints(one) == []
        assert one["agent"][0]["who"] == {"type": "Organization", "display": "General"}
        (target,), (entity,) = one["target"], one["entity"]
        made[target["reference"]] = entity["what"]["identifier"]["value"]
    (report_,), (order,) = found["DiagnosticReport"], found["ServiceRequest"]
    assert made == {
        f"DiagnosticReport/{report_['id']}/_history/1": "urn:oid:1.2.3.9",
        f"ServiceRequest/{order['id']}/_history/1": f"urn:oid:{UID}",
    }
    store(house, told(InstitutionName="General"))
    assert bodies(house)["Provenance"] == found["Provenance"], "nothing changed, nothing to tell"


def test_what_tells_of_a_report_that_is_held_back_is_held_back_too(house: House) -> None:
    made = told(requests=[])
    made.VerificationFlag = "UNVERIFIED"
    store(house, made)
    (patient,), (first,) = bodies(house)["Patient"], bodies(house)["Provenance"]
    mine = granted(house, "patient/*.rs", patient["id"])
    assert read(house, mine, "Provenance", first["id"]) == 404
    assert read(house, granted(house, "system/*.rs"), "Provenance", first["id"]) == first
    send(house, ADT)
    send(house, oru("P"))
    hidden = [
        one for one in bodies(house)["Provenance"] if "DiagnosticReport" in str(one["target"])
    ]
    assert len(hidden) == 2
    assert {read(house, mine, "Provenance", one["id"]) for one in hidden} == {404}
    (shown,) = (one for one in bodies(house)["Provenance"] if "Patient/" in str(one["target"]))
    assert read(house, mine, "Provenance", shown["id"]) == shown


def test_a_hostile_report_is_escaped_and_bounded(house: House) -> None:
    script = '<script>alert("x")</script>&amp; "quoted"'
    items = [content("TEXT", FINDING, script)]
    items += [content("TEXT", ("1", "L", "<b>Name</b>"), f"line {n}") for n in range(50)]
    items += [content("TEXT", FINDING, "x" * 200_000) for _ in range(3)]
    store(house, told(), report("1.2.3.11", items, **person()))
    (made,) = [x for x in bodies(house)["DiagnosticReport"] if "1.2.3.11" in str(x["identifier"])]
    assert complaints(made) == []
    html, plain = (base64.b64decode(form["data"]).decode() for form in made["presentedForm"])
    assert "<script" not in html
    assert "<b>" not in html
    assert script in plain
    assert "longer than what is shown" in plain
    assert len(plain) < 1_000_000


def test_a_report_nested_without_end_is_refused_and_the_next_one_is_kept(house: House) -> None:
    item = content("TEXT", FINDING, "deep")
    for _ in range(200):
        item = content("CONTAINER", FINDING, None, item)
    with pytest.raises(Exception, match="nested deeper"):
        store(house, report("1.2.3.12", [item], **person()))
    store(house, told())
    assert len(bodies(house)["DiagnosticReport"]) == 1


def test_message_and_document_of_one_report_are_one_resource_whatever_comes_first(
    tmp_path: Path,
) -> None:
    steps: dict[str, Any] = {"order": ORDER, "message": oru("F"), "document": told()}
    empty, graphs = tmp_path / "empty", {}
    with opened(empty, ISSUER=SYSTEM):
        pass  # copies of it share the install key, and so the ids of what they derive
    for number, arrival in enumerate(itertools.permutations(steps)):
        folder = Path(shutil.copytree(empty, tmp_path / str(number)))
        with opened(folder, SETTLE_SECONDS="0", ISSUER=SYSTEM) as house:
            for step in (steps[name] for name in arrival):
                send(house, step) if isinstance(step, bytes) else store(house, step)
            send(house, ADT)
            graphs[arrival] = graph(house)
    first = graphs[tuple(steps)]
    (made,), (order,) = first["DiagnosticReport"], first["ServiceRequest"]
    assert {one["value"] for one in made["identifier"]} >= {"FIL-1", "urn:oid:1.2.3.9"}
    assert made["conclusion"] == "Nothing acute."
    assert made["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    for arrival, found in graphs.items():
        assert found == first, arrival


def test_a_signed_document_raises_a_preliminary_message_in_the_same_resource(house: House) -> None:
    send(house, oru("P"))
    (before,) = bodies(house)["DiagnosticReport"]
    store(house, told())
    (after,) = bodies(house)["DiagnosticReport"]
    assert after["id"] == before["id"]
    assert (before["status"], after["status"]) == ("preliminary", "final")
    send(house, oru("C", 5))
    (last,) = bodies(house)["DiagnosticReport"]
    assert (last["id"], last["status"]) == (before["id"], "corrected")
    assert last["conclusion"] == "Nothing acute."


def test_a_message_that_withdraws_a_report_withdraws_its_document_too(house: House) -> None:
    store(house, told(), pdf("1.2.3.21", DOCUMENT, verification="VERIFIED", **person()))
    found = bodies(house)
    (patient,) = found["Patient"]
    mine = granted(house, "patient/*.rs", patient["id"])
    send(house, oru("F", 1))
    send(house, oru("F", 2, obx("TX", "&IMP", "Nothing acute.", status="W")))
    drain(house)
    wrong = [x for x in bodies(house)["DiagnosticReport"] if x["status"] == "entered-in-error"]
    (one,) = wrong
    shown = read(house, mine, "DiagnosticReport", one["id"])
    assert set(shown) == {"resourceType", "id", "meta", "status", "subject", "code"}


def test_a_letter_without_a_flag_is_a_document_and_its_bytes_lie_in_its_object(
    house: House,
) -> None:
    for syntax, uid in ((EXPLICIT, "1.2.3.20"), (DEFLATED, "1.2.3.22")):
        store(house, pdf(uid, DOCUMENT + uid.encode(), **person()), syntax=syntax)
    staff = granted(house)
    assert "DiagnosticReport" not in bodies(house)
    for made in bodies(house)["DocumentReference"]:
        assert complaints(made) == []
        assert made["type"] == {"text": "Letter"}
        form = made["content"][0]["attachment"]
        uid = made["masterIdentifier"]["value"].removeprefix("urn:oid:")
        data = read(house, staff, "Binary", form["url"].removeprefix("Binary/"))
        assert data == DOCUMENT + uid.encode()
        assert form["size"] == len(data)
    for text in bodies(house)["Binary"]:
        assert "data" not in text


def test_a_rejected_report_leaves_a_tombstone_and_its_document_is_gone(house: House) -> None:
    store(house, pdf("1.2.3.21", DOCUMENT, verification="VERIFIED", **person()))
    store(house, pdf("1.2.3.20", DOCUMENT, **person()), told("1.2.3.9"))
    found = bodies(house)
    (patient,) = found["Patient"]
    mine, staff = granted(house, "patient/*.rs", patient["id"]), granted(house)
    documents = [one["id"] for one in found["Binary"]]
    assert all(read(house, mine, "Binary", id_) == DOCUMENT for id_ in documents)
    for uid in ("1.2.3.20", "1.2.3.21"):
        hide(house, uid)
    assert [read(house, mine, "Binary", id_) for id_ in documents] == [410, 410]
    assert [read(house, staff, "Binary", id_) for id_ in documents] == [DOCUMENT] * 2
    (letter,) = bodies(house)["DocumentReference"]
    shown = read(house, mine, "DocumentReference", letter["id"])
    assert complaints(shown) == []
    assert set(shown) == {"resourceType", "id", "meta", "status", "subject", "content"}
    statuses = sorted(one["status"] for one in bodies(house)["DiagnosticReport"])
    assert statuses == ["entered-in-error", "final"]


def test_dose_is_told_as_the_report_tells_it_and_belongs_to_the_study(house: House) -> None:
    store(house, dose("1.2.3.30", ["1.2.3.31", "1.2.3.32"], **person()))
    found = bodies(house)
    made = {one["code"]["coding"][0]["code"]: one for one in found["Observation"]}
    assert all(complaints(one) == [] for one in found["Observation"])
    assert len(found["Observation"]) == 3
    summary = made["73569-6"]
    assert summary["status"] == "final"
    assert summary["component"][0]["valueQuantity"] == {
        "value": 0.00027902,
        "unit": "Gym2",
        "system": "http://unitsofmeasure.org",
        "code": "Gy.m2",
    }
    assert len(summary["hasMember"]) == 2
    (pictures,) = found["ImagingStudy"]
    for one in found["Observation"]:
        assert one["derivedFrom"] == [{"reference": f"ImagingStudy/{pictures['id']}"}]
    assert "DiagnosticReport" not in found


def test_measurements_are_results_of_their_report(house: House) -> None:
    group = content(
        "CONTAINER",
        ("125007", "DCM", "Measurement Group"),
        None,
        content("TEXT", ("112039", "DCM", "Tracking Identifier"), "Nodule 1"),
        content("CODE", ("363698007", "SCT", "Finding Site"), ("39607008", "SCT", "Lung")),
        content("NUM", ("81827009", "SCT", "Diameter"), ("10.0", "mm")),
    )
    whole = content("CONTAINER", ("126010", "DCM", "Imaging Measurements"), None, group)
    title = ("126000", "DCM", "Imaging Measurement Report")
    store(house, report("1.2.3.40", [whole], title=title, sop_class=COMPREHENSIVE, **person()))
    (made,) = bodies(house)["DiagnosticReport"]
    results = {f"Observation/{one['id']}": one for one in bodies(house)["Observation"]}
    assert {one["reference"] for one in made["result"]} == set(results)
    (top,) = [one for one in results.values() if "hasMember" in one]
    measured = results[top["hasMember"][0]["reference"]]
    assert measured["valueQuantity"]["code"] == "mm"
    assert measured["bodySite"]["coding"][0]["code"] == "39607008"


def test_images_tell_of_their_order_until_a_message_does(house: House) -> None:
    store(house, told())
    (order,) = bodies(house)["ServiceRequest"]
    assert complaints(order) == []
    assert order["status"] == "completed"
    (pictures,) = bodies(house)["ImagingStudy"]
    assert pictures["basedOn"][0]["reference"] == f"ServiceRequest/{order['id']}"
    send(house, ORDER)
    (adopted,) = bodies(house)["ServiceRequest"]
    assert (adopted["id"], adopted["status"]) == (order["id"], "active")


def test_settling_again_and_replaying_write_no_version(house: House) -> None:
    store(house, told(), pdf("1.2.3.20", DOCUMENT, **person()), dose("1.2.3.30", ["1.2.3.31"]))
    send(house, ORDER)
    send(house, oru())
    before = versions(house)
    hide(house, "1.2.3.99")
    assert versions(house) == before


def test_documents_follow_a_merge_and_its_undoing_brings_back_what_was(house: House) -> None:
    """A message of one record and a document of another are one report while the records are one."""
    new = PID.replace("P1^", "P2^")
    send(house, ADT)
    send(house, packed("ADT^A04^ADT_A01", new, control="A2"))
    send(house, oru().replace(PID.encode(), new.encode()))
    store(house, told(), pdf("1.2.3.20", DOCUMENT, **person()), dose("1.2.3.30", ["1.2.3.31"]))
    before = graph(house)
    assert len(before["DiagnosticReport"]) == 2
    send(house, packed("ADT^A40^ADT_A39", new, f"MRG|P1^^^&{SYSTEM}&URI^MR", control="M1"))
    merged = graph(house)
    (made,) = merged["DiagnosticReport"]
    assert "1.2.3.9" in str(made["identifier"])
    (heir,) = [one["id"] for one in merged["Patient"] if one.get("active", True)]
    for type_ in ("DiagnosticReport", "DocumentReference", "Observation", "ServiceRequest"):
        for one in merged[type_]:
            assert one["subject"]["reference"] == f"Patient/{heir}", type_
    (gone,) = [one["id"] for one in merged["Patient"] if one["id"] != heir]
    curating.unmerge(house, "home", gone, "two people", now=clock.now())
    drain(house)
    assert graph(house) == before


def test_a_report_number_that_is_another_patients_stays_apart(house: House) -> None:
    other = {"PatientID": "P2", "PatientName": "Roe^Eve", "StudyInstanceUID": "1.2.4"}
    asked = request("1.2.4", filler="FIL-1", placer="ORD-1", code="HEAD")
    send(house, oru())
    store(house, told("1.2.4.9", requests=[asked], SeriesInstanceUID="1.2.4.0", **other))
    made = bodies(house)["DiagnosticReport"]
    assert len({one["subject"]["reference"] for one in made}) == len(made) == 2
    with house.database.read() as connection:
        rules = [json.loads(x.evidence)["rule"] for x in connection.execute(select(review))]
    assert any("another patient" in rule for rule in rules)
