"""Reports and documents that arrive as DICOM, beside those that messages bring, in any order."""

import base64
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select, update

from dicom.sink import Peer, StoreRequest
from hl7.message import parse
from server import clock
from server.errors import Fault
from server.flows import grants, ingest, messages, resources
from server.flows.access import Grant
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store import jobs
from server.store.fhir_tables import resource, resource_version
from server.store.tables import instance, job, review, study
from tests.support.dicom_objects import DEFLATED, EXPLICIT, part10
from tests.support.dicom_papers import (
    COMPREHENSIVE,
    FINDING,
    content,
    dose,
    narrative,
    pdf,
    report,
    request,
)
from tests.support.hl7_builder import obr, obx, packed
from tests.support.houses import SYSTEM, opened
from tests.support.outside import complaints

UID = "1.2.3"
PID = f"PID|1||P1^^^&{SYSTEM}&URI^MR||Doe^Ann||19700101|F"
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "HEAD^Head^L", "f18": "ACC-1"}
ASKED = request(UID, placer="ORD-1", filler="FIL-1", accession="ACC-1", code="HEAD")
DOCUMENT = b"%PDF-1.4 a letter "


def person(**more: Any) -> dict[str, Any]:
    return {"PatientName": "Doe^Ann", "PatientBirthDate": "19700101", "PatientSex": "F"} | more


def told(uid: str = "1.2.3.9", finding: str = "A lesion.", **more: Any) -> Dataset:
    more = {"requests": [ASKED]} | more
    return report(uid, narrative(finding, "Benign."), **(person() | more))


def oru(status: str = "F", minute: int = 1, *lines: str) -> bytes:
    lines = lines or (obx("TX", "&IMP", "Nothing acute."),)
    group = obr(**NUMBERS, f22=f"2026090512{minute:02}00", f25=status)
    sent = f"2026090512{minute:02}30"
    return packed("ORU^R01^ORU_R01", PID, group, *lines, control=f"R{minute}", sent=sent)


ADT = packed("ADT^A04^ADT_A01", PID, control="A1")
ORDER = packed("ORM^O01^ORM_O01", PID, "ORC|NW|ORD-1|FIL-1", obr(**NUMBERS), control="O1")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0", ISSUER=SYSTEM) as made:
        yield made


def send(house: House, raw: bytes) -> None:
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    assert parse(messages.receive(house, caller, raw)).first("MSA").text(1) == "AA"
    drain(house)


def store(house: House, *objects: Dataset, syntax: str = EXPLICIT) -> None:
    for one in objects:
        sink = ingest.open_sink(
            house, StoreRequest("stow", Peer("CT1", HOME, frozenset({"store"})))
        )
        sink.write(memoryview(part10(one, syntax)))
        sink.commit()
    drain(house)


def drain(house: House) -> None:
    """Do all work, also what is asked for later."""
    worker = Worker(house)
    for _ in range(50):
        while worker.step():
            pass
        with house.database.write() as connection:
            parked = connection.execute(select(job).where(job.c.state == "parked")).all()
            assert not parked, [(one.kind, one.error) for one in parked]
            waits = connection.execute(select(job.c.id).where(job.c.state == "pending")).first()
            connection.execute(update(job).values(run_at=0))
        if waits is None:
            return
    raise AssertionError("work never ends")


def bodies(house: House) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with house.database.read() as connection:
        query = select(resource).where(resource.c.deleted.is_(False)).order_by(resource.c.id)
        for row in connection.execute(query):
            found.setdefault(row.type, []).append(json.loads(row.text))
    return found


def graph(house: House) -> dict[str, list[Any]]:
    """All resources but for versions, times, and which message came last."""
    found = bodies(house)
    found.pop("Provenance", None)
    for body in itertools.chain.from_iterable(found.values()):
        for name in ("versionId", "lastUpdated", "source"):
            body["meta"].pop(name, None)
    return found


def versions(house: House) -> int:
    with house.database.read() as connection:
        return len(connection.execute(select(resource_version)).all())


def granted(house: House, scope: str = "system/*.rs", patient: str = "") -> Grant:
    now = clock.now()
    issued = grants.for_script(house, scope, patient=patient, now=now)
    return grants.authenticate(house, issued.token, address="127.0.0.1", now=now)


def read(house: House, grant: Grant, type_: str, id_: str) -> Any:
    """The body and the document as a caller gets them, or the HTTP status of the refusal."""
    try:
        version, reading = resources.read(house, grant, type_, id_)
    except Fault as fault:
        return fault.answer.http
    reading.end()
    if version.content is not None:
        return b"".join(version.content.chunks())
    return json.loads(version.text)


def hide(house: House, uid: str) -> None:
    """Take an instance out of sight, as a rejection does, and settle its study again."""
    with house.database.write() as connection:
        where = instance.c.uid == uid
        connection.execute(update(instance).where(where).values(copy=9))
        connection.execute(update(study).values(changed=clock.now()))
        now = clock.now()
        jobs.add(connection, HOME, "settle", f"{UID}|0", now=now, run_at=now)
    drain(house)


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
