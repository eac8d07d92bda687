"""Patient administration messages become facts: who, which visit, which records are one person."""

import pytest

from hl7 import events
from hl7.adt import read_adt
from hl7.facts import AdtFacts
from hl7.message import parse
from hl7.moments import Moment
from hl7.types import Authority, Identifier
from tests.support.hl7_builder import PID, built, segment
from tests.support.hl7_samples import hl7_sample

HOSP = Authority("HOSP")


def read(kind: str, *segments: str) -> AdtFacts:
    facts = events.read(built(kind, *segments))
    assert isinstance(facts, AdtFacts)
    return facts


def sample(folder: str, name: str) -> AdtFacts:
    facts = events.read(parse(hl7_sample(folder, name)))
    assert isinstance(facts, AdtFacts)
    return facts


def test_a_registration_names_patient_and_visit() -> None:
    facts = sample("hl7v2-fhir-bridge", "adt_a04_register")
    assert facts.header.kind == "ADT^A04"
    assert facts.recorded.date == "20260915"
    patient, visit = facts.patient, facts.visit
    assert patient is not None
    assert visit is not None
    assert [(one.value, one.authority.namespace, one.kind) for one in patient.identifiers] == [
        ("SYN100234", "SYNTH_HOSP", "MR"),
        ("E77120", "SYNTH_EMPI", "PI"),
    ]
    assert (patient.names[0].family, patient.names[0].given) == ("NÚÑEZ", "JOSÉ")
    assert (patient.birth.date, patient.sex) == ("19680412", "M")
    assert patient.addresses[0].city == "Sampleton"
    assert [(one.number, one.email) for one in patient.home_phones] == [
        ("+1 210 5550100", ""),
        ("", "jose.nunez@example.org"),
    ]
    assert visit.number == Identifier("V900001", Authority("SYNTH_HOSP"), "VN")
    assert (visit.patient_class.code, visit.location.point_of_care) == ("O", "RAD")
    assert visit.attending[0].number.value == "1001"


def test_an_old_latin_1_registration_reads_its_accents() -> None:
    facts = sample("hl7v2-fhir-bridge", "adt_a04_v23_latin1")
    assert facts.patient is not None
    assert facts.patient.names[0].family == "MUÑOZ"
    assert facts.patient.nulls == {"PID-13"}
    assert facts.patient.home_phones == ()


def test_a_merge_pairs_the_surviving_record_with_the_other() -> None:
    facts = sample("hl7v2-fhir-bridge", "adt_a40_merge")
    (merge,) = facts.merges
    assert merge.patient.identifiers[0].value == "SYN100234"
    assert merge.prior.identifiers == (Identifier("SYN100999", Authority("SYNTH_HOSP"), "MR"),)
    assert merge.prior.names[0].family == "NUNEZ"


def test_several_merges_in_one_message_stay_pairs() -> None:
    facts = sample("microsoft-FHIR-Converter", "ADT-A40-02")
    pairs = [
        (merge.patient.identifiers[0].value, merge.prior.identifiers[0].value)
        for merge in facts.merges
    ]
    assert pairs == [("12345", "56789"), ("145", "569")]


def test_a_changed_number_is_told_with_the_old_one() -> None:
    """Shaped like dcm4che's A47 sample: a note stands between PID and MRG."""
    facts = read(
        "ADT^A47^ADT_A30",
        "PID|||NEW_1^^^ADT1||Smith^Lucy^Mark||20141014|F|||Street",
        "NTE|||a comment",
        "MRG|OLD_1^^^ADT1||||||Smith^Lucy^Mark",
    )
    (merge,) = facts.merges
    assert merge.patient.identifiers == (Identifier("NEW_1", Authority("ADT1")),)
    assert merge.prior.identifiers == (Identifier("OLD_1", Authority("ADT1")),)


def test_an_event_that_moves_visits_keeps_them_with_their_pair() -> None:
    message = built(
        "ADT^A45^ADT_A45",
        "PID|1||100^^^HOSP",
        "MRG|200^^^HOSP||||V1",
        "PV1|1|O|||||||||||||||||V1^^^HOSP",
        "MRG|200^^^HOSP||||V2",
        "PV1|2|O|||||||||||||||||V2^^^HOSP",
    )
    merges = read_adt(message).merges
    assert [(one.prior.visit.value, one.visit and one.visit.number.value) for one in merges] == [
        ("V1", "V1"),
        ("V2", "V2"),
    ]


def test_every_number_of_a_patient_is_kept_with_its_place() -> None:
    facts = read("ADT^A31^ADT_A05", "PID||CHIP^^^ADT1|1^^^HOSP^MR~2^^^X^PI|TATTOO^^^ADT1")
    assert facts.patient is not None
    assert [one.value for one in facts.patient.identifiers] == ["1", "2"]
    assert [one.value for one in facts.patient.named_by] == ["1", "2", "CHIP", "TATTOO"]


def test_null_says_delete_and_empty_says_nothing() -> None:
    facts = read("ADT^A08^ADT_A01", 'PID|1||1^^^HOSP||Sample^""||""|F|||""||||""', 'PD1||||""')
    patient = facts.patient
    assert patient is not None
    assert patient.nulls == {"PID-7", "PID-11", "PID-15", "PD1-4"}
    assert patient.names[0].given == ""
    assert patient.birth == Moment()


def test_a_birth_date_that_does_not_exist_is_flawed_and_kept() -> None:
    facts = read("ADT^A08", "PID|1||1^^^HOSP||Sample||19700231|F")
    assert facts.patient is not None
    assert facts.patient.birth == Moment("19700231", flawed=True)


def test_an_animal_a_newborn_and_the_dead_are_told_as_such() -> None:
    pid = segment(
        "PID",
        f3="1^^^HOSP",
        f5="Smith^Lucy",
        f8="F^",
        f21="77^^^HOSP^MR",
        f24="Y",
        f25="2",
        f29="202601020304",
        f30="Y",
        f31="Y",
        f32="US",
        f33="20260102",
        f35="388490000^Canis^SCT",
        f36="25243005^Toy poodle dog breed^SCT",
    )
    patient = read("ADT^A31", pid).patient
    assert patient is not None
    assert (patient.sex, patient.species.text, patient.breed.code) == ("F", "Canis", "25243005")
    assert patient.mothers == (Identifier("77", HOSP, "MR"),)
    assert (patient.multiple_birth, patient.birth_order) == ("Y", "2")
    assert (patient.dead, patient.death.clock, patient.identity_unknown) == ("Y", "0304", "Y")
    assert (patient.reliability, patient.updated.date) == (("US",), "20260102")


def test_carers_and_contacts_belong_to_the_one_patient_of_the_message() -> None:
    pd1 = segment("PD1", f3="Practice^^2222", f4="77^Doctor^Family", f12="Y")
    nk1 = "NK1|1|Sample^John|FTH^Father|Street|555-1|555-2|EC^Emergency"
    patient = read("ADT^A04", PID, pd1, nk1).patient
    assert patient is not None
    assert patient.care_organisations[0].number.value == "2222"
    assert patient.care_providers[0].name.family == "Doctor"
    assert patient.protection == "Y"
    contact = patient.contacts[0]
    assert (contact.names[0].given, contact.relationship.code) == ("John", "FTH")
    assert [phone.number for phone in contact.phones] == ["555-1", "555-2"]
    assert contact.role.code == "EC"


def test_a_visit_has_its_people_places_and_times() -> None:
    pv1 = segment(
        "PV1",
        f2="I",
        f3="W1^R1^B1^HOSP",
        f4="R",
        f6="W0",
        f7="1^A~2^B",
        f8="3^R",
        f9="4^C",
        f10="RAD",
        f16="VIP",
        f17="5^D",
        f19="V1^^^HOSP^VN",
        f36="01",
        f44="20260101",
        f45="20260102",
        f50="ALT1",
    )
    visit = read("ADT^A03", PID, pv1, "PV2|||^Chest pain|||||20260101").visit
    assert visit is not None
    assert (visit.location.bed, visit.prior_location.point_of_care) == ("B1", "W0")
    people = (visit.attending, visit.referring, visit.consulting, visit.admitting)
    assert [[one.number.value for one in group] for group in people] == [
        ["1", "2"],
        ["3"],
        ["4"],
        ["5"],
    ]
    assert (visit.service.code, visit.vip.code, visit.admission_type.code) == ("RAD", "VIP", "R")
    assert (visit.admitted.date, visit.discharged.date) == ("20260101", "20260102")
    assert (visit.reason.text, visit.expected.date) == ("Chest pain", "20260101")
    assert (visit.alternate.value, visit.disposition.code) == ("ALT1", "01")


def test_an_event_that_msh_9_leaves_out_is_that_of_evn() -> None:
    assert read("ADT", "EVN|A04|20260101", PID).header.kind == "ADT^A04"
    assert read("ADT^A01", "EVN|A04|20260101", PID).header.kind == "ADT^A01"


@pytest.mark.parametrize("kind", ["ADT^A45", "ADT^A60", "MDM^T02", "SIU^S12", "CUSTOM^PAT", "ACK"])
def test_other_events_have_no_facts(kind: str) -> None:
    assert events.read(built(kind, PID)) is None
