"""What a person decides on review items: every kind can be decided, and the decision taken back."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from server import clock
from server.errors import Conflict, Invalid, Missing
from server.flows import feeds, message_log, reviewing
from server.flows.sites import HOME, House
from server.store import index
from tests.server.test_merging import A40, MRG, NEW_ADT, NEW_PID, OLD, SYSTEM, facts, patient
from tests.support.examination import ADT, ORDER, ORU, bodies, drain, reviews, send, store
from tests.support.hl7_builder import obx, packed
from tests.support.houses import opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        yield made


def one(house: House, state: str = "open") -> Any:
    (item,) = reviewing.listing(house, state)
    assert item["accept"]
    assert item["refuse"]
    return item


def decide(house: House, act: Any, item: Any, *more: str) -> Any:
    done = act(house, "home", item["id"], "seen with the patient", *more, now=clock.now())
    drain(house)
    return done


def image(**changes: str) -> bytes:
    """pydicom's MR_small.dcm with other values."""
    path = get_testdata_file("MR_small.dcm")
    assert path is not None
    dataset, file = dcmread(path), io.BytesIO()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(file)
    return file.getvalue()


def states(house: House) -> dict[str, str]:
    return {row["control_id"]: row["state"] for row in message_log.listing(house, "home")}


def test_a_study_set_apart_joins_the_patient_of_its_number_and_leaves_it_again(
    house: House,
) -> None:
    issued = {"IssuerOfPatientID": "HOSP", "PatientSex": "O"}
    store(house, image(**issued, PatientBirthDate="19700101"))
    other = {
        "StudyInstanceUID": "1.2.9",
        "SeriesInstanceUID": "1.2.9.1",
        "SOPInstanceUID": "1.2.9.1.1",
    }
    store(house, image(**issued, **other, PatientBirthDate="19750505"))
    before, item = facts(house), one(house)
    assert item["kind"] == "identity"
    decide(house, reviewing.accept, item)
    subjects = {study["subject"]["reference"] for study in bodies(house)["ImagingStudy"]}
    assert subjects == {f"Patient/{item['evidence']['patient']}"}
    assert reviews(house) == []
    decide(house, reviewing.undo, one(house, "accepted"))
    assert facts(house) == before
    decide(house, reviewing.refuse, item)
    assert (facts(house)[0], reviews(house)) == (before[0], [])


def test_a_message_that_contradicts_the_record_is_believed_or_parked(house: House) -> None:
    send(house, ORDER)
    send(house, ADT.replace(b"19700101", b"19800808"))
    decide(house, reviewing.refuse, one(house))
    assert states(house)["A1"] == "parked"
    decide(house, reviewing.undo, one(house, "refused"))
    assert states(house)["A1"] == "review"
    decide(house, reviewing.accept, one(house))
    assert states(house)["A1"] == "applied"
    assert patient(house, OLD)["birthDate"] == "1980-08-08"
    with pytest.raises(Invalid, match="was applied"):
        decide(house, reviewing.undo, one(house, "accepted"))


def test_images_that_were_joined_by_uid_and_number_are_taken_out_and_stay_out(
    house: House,
) -> None:
    store(house)
    alone = facts(house)[0]["ImagingStudy"][0]["subject"]
    send(house, ORDER)
    item = one(house, "noted")
    decide(house, reviewing.refuse, item)
    assert bodies(house)["ImagingStudy"][0]["subject"] == alone
    send(house, ORU)
    assert bodies(house)["ImagingStudy"][0]["subject"] == alone
    decide(house, reviewing.undo, one(house, "refused"))
    assert bodies(house)["ImagingStudy"][0]["subject"] != alone
    decide(house, reviewing.accept, next(i for i in reviewing.listing(house, "noted")))
    assert one(house, "accepted")["id"] == item["id"]


def test_two_patients_of_one_study_are_merged_into_the_one_that_is_named(house: House) -> None:
    store(house)
    send(house, ORDER.replace(OLD.encode(), b"7XX7"))
    item, before = one(house), facts(house)
    assert item["kind"] == "join"
    with pytest.raises(Invalid, match="--into"):
        decide(house, reviewing.accept, item)
    stays = patient(house, "7XX7")["id"]
    decide(house, reviewing.accept, item, stays)
    (study,) = bodies(house)["ImagingStudy"]
    assert study["subject"]["reference"] == f"Patient/{stays}"
    assert len(study["basedOn"]) >= 1
    decide(house, reviewing.undo, item)
    assert facts(house) == before
    decide(house, reviewing.refuse, item)
    send(house, ORU.replace(OLD.encode(), b"7XX7"))
    assert item["id"] not in {each["id"] for each in reviewing.listing(house)}


def test_a_second_claim_to_a_study_is_shown_and_hidden_again(house: House) -> None:
    store(house)
    store(house, image(PatientID="8", SOPInstanceUID="1.2.8"))
    item = one(house)

    def held() -> list[bool]:
        with house.database.read() as connection:
            return [bool(row.held) for row in index.claims(connection, HOME, item["study"])]

    assert (item["kind"], held()) == ("second-claim", [False, True])
    decide(house, reviewing.accept, item)
    assert held() == [False, False]
    decide(house, reviewing.undo, item)
    assert held() == [False, True]
    decide(house, reviewing.refuse, item)


def test_the_content_that_came_later_is_shown_and_the_first_one_again(house: House) -> None:
    store(house)
    store(house, image(StudyDescription="corrected"))
    item = one(house)
    assert item["kind"] == "other-content"
    shown = [bodies(house)["ImagingStudy"][0].get("description")]
    for act in (reviewing.accept, reviewing.undo):
        decide(house, act, item)
        shown.append(bodies(house)["ImagingStudy"][0].get("description"))
    assert shown == [shown[0], "corrected", shown[0]]
    decide(house, reviewing.refuse, item)


def test_what_only_tells_is_closed_as_seen(house: House) -> None:
    odd = obx("ST", "110180^Study Instance UID^DCM", "1.2.3.4")
    send(house, ORDER + odd.encode() + b"\r")
    item = one(house)
    with pytest.raises(Invalid):
        decide(house, reviewing.refuse, item)
    assert decide(house, reviewing.accept, item)["state"] == "accepted"
    with pytest.raises(Conflict, match="already"):
        decide(house, reviewing.accept, item)
    decide(house, reviewing.undo, item)
    assert one(house)["id"] == item["id"]


def test_a_merge_that_the_feed_may_not_tell_is_done_on_a_persons_word(house: House) -> None:
    owner = feeds.Feed(0, "adt", application="ADT", owns=frozenset([SYSTEM]))
    feeds.put_feed(house, owner, "home", now=clock.now())
    for raw in (ADT, NEW_ADT, A40):
        send(house, raw)
    item = one(house)
    assert item["kind"] == "merge"
    decide(house, reviewing.accept, item)
    assert patient(house, OLD)["active"] is False
    assert states(house)["M1"] == "applied"


def test_a_held_order_is_tried_again_and_held_again_while_the_reason_stands(house: House) -> None:
    send(house, ORDER)
    send(house, ORDER.replace(OLD.encode(), b"7NEW7").replace(b"|O1|", b"|O2|"))
    item = next(each for each in reviewing.listing(house) if each["kind"] == "order")
    decide(house, reviewing.accept, item)
    assert item["id"] in {each["id"] for each in reviewing.listing(house)}
    send(house, packed("ADT^A40^ADT_A39", NEW_PID, MRG, control="M1"))
    assert item["id"] not in {each["id"] for each in reviewing.listing(house)}
    assert states(house)["O2"] == "applied"


def test_items_of_another_organisation_do_not_exist(house: House) -> None:
    send(house, ORDER)
    send(house, ADT.replace(b"19700101", b"19800808"))
    item = one(house)
    with pytest.raises(Missing):
        reviewing.accept(house, "elsewhere", item["id"], "x", now=clock.now())
    with pytest.raises(Missing):
        reviewing.accept(house, "home", "0" * 26, "x", now=clock.now())
    with pytest.raises(Invalid, match="reason"):
        reviewing.accept(house, "home", item["id"], " ", now=clock.now())
