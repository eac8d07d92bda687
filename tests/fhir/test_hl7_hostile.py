"""Whatever a message says, what is made of it is good FHIR, and saying it twice changes nothing."""

from typing import Any

from hypothesis import given, settings

from fhir.gate import problems
from fhir.wire import write
from hl7.errors import Hl7Error
from hl7.events import event_of
from hl7.message import parse
from tests.support.hl7_builder import obr, obx, packed, segment
from tests.support.hl7_fhir import adt, patient_of, report_of, reports
from tests.support.hl7_generator import mutants
from tests.support.hl7_graph import graph

PID = segment(
    "PID",
    f3="100^4^M11^HOSP^MR~7^^^EMPI^PI",
    f5="Sample^Ann^B^JR^DR^MD^L~Annie^^^^^^N",
    f7="197001011015",
    f8="F",
    f11="1 Road&1^Flat 2^Town^ST^12345^US^H",
    f13="^PRN^PH^^1^555^1234~^NET^Internet^a@b.example",
    f15="en^English",
    f16="M^Married^HL70002",
    f25="2",
    f29="20200101",
)
PV1 = segment(
    "PV1",
    f2="I",
    f3="4W^401^A^HOSP",
    f7="1^Doc^Dora^^^DR^^^HOSP",
    f19="V1^^^HOSP^VN",
    f44="202609010800",
    f45="202609020800",
)
ORDER = (
    segment("ORC", f1="NW", f2="P1^HIS", f3="F1^RIS", f7="^^^202609051000^^S", f9="20260905"),
    obr(f4="MRH^MR head^L^24590-2^MR^LN", f13="Pain", f18="A1", f24="MR", f31="R51^^I10"),
    segment("IPC", f1="A2^RIS", f2="RP^RIS", f3="1.2.3", f5="MR^^DCM", f6="P^Protocol^L"),
)
REPORT = (
    obr(f2="P1", f3="F1", f7="202609051000", f22="202609051200", f24="CT", f25="F", f32="1&A&B"),
    obx("FT", "&GDT^Findings", r"Nodule\.br\\H\here\N\."),
    obx("TX", "&IMP^Impression", "Benign."),
    obx("SN", "DIA^Diameter^L", "<^6.0", units="mm"),
    obx("CWE", "L^Lung-RADS^L", "2^Lung-RADS 2^L"),
    obx("ED", "PDF^Report^L", "^Application^PDF^Base64^JVBERi0xLjc="),
    obx("TS", "WHEN^When^L", "202609051000"),
)
SOURCES = [
    packed("ADT^A08", "EVN|A08|20260905", PID, PV1, "NK1|1|Kin^Ken|SPO|1 Road|555"),
    packed("OMI^O23", PID, PV1, *ORDER),
    packed("ORU^R01", PID, PV1, *REPORT),
]


@given(mutants(SOURCES))
@settings(max_examples=150)
def test_what_is_made_of_any_message_is_good_fhir(raw: bytes) -> None:
    try:
        message = parse(raw)
    except Hl7Error:
        return
    if event_of(message) is None:
        return
    for resource in graph(message):
        assert problems(resource) == []
        assert write(resource)


@given(mutants([PID.encode()]))
@settings(max_examples=150)
def test_a_patient_that_is_told_twice_is_the_same_patient(raw: bytes) -> None:
    message = adt(raw.decode("utf-8", "replace").replace("\r", " ").replace("\n", " "))
    if message.patient is None:
        return
    once: dict[str, Any] = patient_of(message)
    assert patient_of(message, once) == once


@given(mutants(["\r".join(REPORT[1:]).encode()]))
@settings(max_examples=150)
def test_a_report_that_is_told_twice_is_the_same_report(raw: bytes) -> None:
    lines = raw.decode("utf-8", "replace").replace("\n", " ").split("\r")
    message = reports(PID, REPORT[0], *lines)
    if [len(patient.reports) for patient in message.patients] != [1]:
        return
    once: dict[str, Any] = report_of(message)
    assert report_of(message, once) == once
