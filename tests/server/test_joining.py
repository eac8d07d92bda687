"""Order, report and images of one examination find each other, whatever comes first."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import clock
from server.errors import Denied
from server.flows import grants, resources
from server.flows.sites import House
from tests.support.examination import (
    ADT,
    NUMBERS,
    ORDER,
    ORU,
    PID,
    SAME,
    TEXT,
    UID,
    ZDS,
    bodies,
    graph,
    report,
    reviews,
    send,
    store,
    token_for,
)
from tests.support.hl7_builder import obr, obx, packed
from tests.support.houses import opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        yield made


def test_one_examination_is_one_patient_order_study_and_report_linked_both_ways(
    house: House,
) -> None:
    for raw in (ADT, ORDER, ORU):
        send(house, raw)
    store(house)
    found = bodies(house)
    for type_ in ("Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"):
        assert len(found[type_]) == 1, type_
    (patient,), (order,) = found["Patient"], found["ServiceRequest"]
    (study,), (told,) = found["ImagingStudy"], found["DiagnosticReport"]
    assert study["status"] == "available"
    assert [x["reference"] for x in study["basedOn"]] == [f"ServiceRequest/{order['id']}"]
    assert [x["reference"] for x in told["basedOn"]] == [f"ServiceRequest/{order['id']}"]
    assert [x["reference"] for x in told["imagingStudy"]] == [f"ImagingStudy/{study['id']}"]
    for body in (order, study, told):
        assert body["subject"]["reference"] == f"Patient/{patient['id']}"
    assert order["status"] == "completed"
    assert reviews(house) == []


def test_all_orders_of_arrival_lead_to_the_same_graph(tmp_path: Path) -> None:
    steps = {"adt": ADT, "order": ORDER, "report": ORU, "images": b""}
    graphs = {}
    empty = tmp_path / "empty"
    with opened(empty):
        pass  # copies of it share the install key, and so the ids of what they derive
    for number, arrival in enumerate(itertools.permutations(steps)):
        folder = Path(shutil.copytree(empty, tmp_path / str(number)))
        with opened(folder, SETTLE_SECONDS="0") as house:
            for name in arrival:
                store(house) if name == "images" else send(house, steps[name])
            graphs[arrival] = graph(house)
            assert reviews(house) == []
    first = graphs[tuple(steps)]
    for arrival, found in graphs.items():
        assert found == first, arrival


def test_a_report_of_another_patient_with_the_same_study_is_reviewed_and_not_joined(
    house: House,
) -> None:
    send(house, ADT)
    store(house)
    send(house, ORDER)
    other = PID.replace("4MR1", "9ZZ9").replace("CompressedSamples^MR1", "Other^Ann")
    numbers = NUMBERS | {"f2": "ORD-2", "f3": "FIL-2", "f18": "ACC-2", "f25": "F"}
    send(house, packed("ORU^R01^ORU_R01", other, obr(**numbers), TEXT, SAME, control="R9"))
    (told,) = bodies(house)["DiagnosticReport"]
    assert "imagingStudy" not in told
    (study,) = bodies(house)["ImagingStudy"]
    assert len(study["basedOn"]) == 1
    found = [one for one in reviews(house) if f"DiagnosticReport/{told['id']}" in one["resources"]]
    assert {one["rule"] for one in found} == {"the same Study Instance UID, another patient"}
    assert f"ImagingStudy/{study['id']}" in {x for one in found for x in one["resources"]}


def test_a_report_number_of_another_patient_holds_the_message_and_withdraws_nothing(
    house: House,
) -> None:
    send(house, ORU)
    before = bodies(house)
    other = PID.replace("4MR1", "9ZZ9").replace("CompressedSamples^MR1", "Other^Ann")
    send(house, report(TEXT, pid=other, control="R2"))
    after = bodies(house)
    assert after["DiagnosticReport"] == before["DiagnosticReport"]
    assert after["ServiceRequest"] == before["ServiceRequest"]
    (one,) = reviews(house)
    assert one["rule"] == "the report of this number is another patient's"


def test_an_admission_that_contradicts_the_record_of_its_number_is_held(house: House) -> None:
    send(house, ORDER)
    before = bodies(house)["Patient"]
    send(house, ADT.replace(b"19700101", b"19800808"))
    assert bodies(house)["Patient"] == before
    (one,) = reviews(house)
    assert "birthDate" in one["rule"]


def test_a_feed_corrects_one_thing_that_it_said_itself(house: House) -> None:
    send(house, ADT)
    update_ = packed("ADT^A08^ADT_A01", PID.replace("19700101", "19700102"), control="A2")
    send(house, update_)
    (patient,) = bodies(house)["Patient"]
    assert patient["birthDate"] == "1970-01-02"
    assert reviews(house) == []


def test_carriers_that_disagree_are_reviewed_and_the_stronger_one_counts(house: House) -> None:
    odd = obx("ST", "110180^Study Instance UID^DCM", "1.2.3.4")
    send(house, ORDER + odd.encode() + b"\r")
    (study,) = bodies(house)["ImagingStudy"]
    assert study["status"] == "registered"
    assert study["identifier"][0]["value"] == f"urn:oid:{UID}"
    (one,) = reviews(house)
    assert one["rule"] == "the carriers of the Study Instance UID disagree"


def test_an_order_without_a_uid_makes_no_study_up(house: House) -> None:
    send(house, ORDER.replace(ZDS.encode() + b"\r", b""))
    assert "ImagingStudy" not in bodies(house)


@pytest.mark.parametrize("images_first", [True, False])
def test_images_without_issuer_join_the_record_that_a_message_names_with_study_and_number(
    house: House, images_first: bool
) -> None:
    if images_first:
        store(house)
        (alone,) = bodies(house)["Patient"]
        assert "system" not in alone["identifier"][0]
    send(house, ORDER)
    if not images_first:
        store(house)
    (patient,) = bodies(house)["Patient"]
    (study,) = bodies(house)["ImagingStudy"]
    assert study["subject"]["reference"] == f"Patient/{patient['id']}"
    (one,) = reviews(house, "noted")
    assert (one["rule"], one["became part of"]) == ("uid+number", patient["id"])


def test_another_number_does_not_join_images_by_their_uid_alone(house: House) -> None:
    store(house)
    send(house, ORDER.replace(b"4MR1", b"7XX7"))
    assert len(bodies(house)["Patient"]) == 2
    (study,) = bodies(house)["ImagingStudy"]
    assert "ServiceRequest" not in {r.get("reference", "")[:14] for r in study.get("basedOn", [])}
    assert [one["rule"] for one in reviews(house)] == [
        "the same Study Instance UID, another patient"
    ]


def test_a_token_gains_nothing_by_a_later_join_and_the_next_one_has_all(house: House) -> None:
    send(house, ADT)
    (patient,) = bodies(house)["Patient"]
    early = token_for(house, patient["id"])
    store(house)
    send(house, ORDER)
    late = token_for(house, patient["id"])
    (study,) = bodies(house)["ImagingStudy"]
    reach = {}
    for name, token in (("early", early), ("late", late)):
        grant = grants.authenticate(house, token, address="", now=clock.now())
        try:
            resources.read(house, grant, "ImagingStudy", study["id"])[1].end()
            reach[name] = True
        except Denied:
            reach[name] = False
    assert reach == {"early": False, "late": True}
