"""Facts: every attribute the index and the mapping need, from where the standard puts it."""

import json

import pytest
from pydicom.dataset import Dataset

from dicom import facts_json, files
from dicom.facts import Code, Issuer, Number, Person, Request
from tests.support.dicom_objects import identified, image, part10
from tests.support.dicom_samples import bundled, needs_samples, shared

pytestmark = pytest.mark.filterwarnings("ignore")


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def issuer(namespace: str, uid: str) -> Dataset:
    item = Dataset()
    item.LocalNamespaceEntityID = namespace
    item.UniversalEntityID, item.UniversalEntityIDType = uid, "ISO"
    return item


def test_patient_numbers_come_with_their_issuers() -> None:
    data_set = identified()
    data_set.IssuerOfPatientID = "ACME"
    data_set.IssuerOfPatientIDQualifiersSequence = [issuer("", "1.2.9")]
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = "X9", "CITY", "TEXT"
    data_set.OtherPatientIDsSequence = [other]
    data_set.add_new(0x00101000, "LO", ["OLD1"])
    patient = files.read(part10(data_set)).facts.patient
    assert patient.number == Number("P1", Issuer("ACME", "1.2.9", "ISO"))
    assert patient.others == (
        Number("X9", Issuer("CITY"), "TEXT"),
        Number("OLD1", kind="RETIRED"),
    )


def test_orders_are_read_from_the_request_attributes() -> None:
    request = Dataset()
    request.AccessionNumber = "ACC1"
    request.IssuerOfAccessionNumberSequence = [issuer("RIS", "1.2.8")]
    request.PlacerOrderNumberImagingServiceRequest = "PL1"
    request.FillerOrderNumberImagingServiceRequest = "FI1"
    request.OrderFillerIdentifierSequence = [issuer("RIS", "1.2.8")]
    request.RequestedProcedureID = "RP1"
    request.RequestedProcedureDescription = "CT Head"
    request.RequestedProcedureCodeSequence = [code("24725-4", "LN", "CT Head")]
    request.ReasonForTheRequestedProcedure = "Fall"
    data_set = identified()
    data_set.RequestAttributesSequence = [request, Dataset()]
    ris = Issuer("RIS", "1.2.8", "ISO")
    assert files.read(part10(data_set)).facts.requests == (
        Request(
            accession=Number("ACC1", ris),
            placer=Number("PL1"),
            filler=Number("FI1", ris),
            procedure_id="RP1",
            procedure=(Code("24725-4", "LN", "CT Head"),),
            procedure_text="CT Head",
            reason_text="Fall",
        ),
    )


def test_persons_are_joined_with_their_identification_in_order() -> None:
    identification = Dataset()
    identification.PersonIdentificationCodeSequence = [code("D77", "99ACME", "Dr Gray")]
    identification.InstitutionName = "ACME Hospital"
    data_set = identified()
    data_set.PerformingPhysicianName = ["Gray^Ada", "Finn^Bo"]
    data_set.PerformingPhysicianIdentificationSequence = [identification]
    assert files.read(part10(data_set)).facts.series.performers == (
        Person("Gray^Ada", (Code("D77", "99ACME", "Dr Gray"),), "ACME Hospital"),
        Person("Finn^Bo"),
    )


def test_a_scheme_that_the_object_identifies_brings_its_uid() -> None:
    data_set = identified()
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeUID = "99ACME", "1.2.77"
    data_set.CodingSchemeIdentificationSequence = [scheme]
    data_set.ProcedureCodeSequence = [code("1", "99ACME", "Thing")]
    found = files.read(part10(data_set)).facts.study.procedures
    assert found == (Code("1", "99ACME", "Thing", "1.2.77"),)


def test_laterality_and_region_are_read_from_frames_that_agree() -> None:
    def group(side: str) -> Dataset:
        anatomy = Dataset()
        anatomy.FrameLaterality = side
        anatomy.AnatomicRegionSequence = [code("76752008", "SCT", "Breast")]
        item = Dataset()
        item.FrameAnatomySequence = [anatomy]
        return item

    data_set = identified()
    data_set.PerFrameFunctionalGroupsSequence = [group("L"), group("R"), group("L")]
    facts = files.read(part10(data_set)).facts
    assert facts.image_laterality == ("L", "R")
    assert facts.series.region == (Code("76752008", "SCT", "Breast"),)


def test_documents_have_titles_and_images_none() -> None:
    document = identified()
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    document.DocumentTitle = "Discharge letter"
    assert files.read(part10(document)).facts.title == "Discharge letter"
    note = identified()
    note.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    note.ConceptNameCodeSequence = [code("113000", "DCM", "Of Interest")]
    assert files.read(part10(note)).facts.title == "Of Interest"
    text = Dataset()
    text.ConceptNameCodeSequence = [code("113012", "DCM", "Key Object Description")]
    text.TextValue = "See slice 7"
    note.ContentSequence = [text]
    assert files.read(part10(note)).facts.title == "See slice 7"
    picture = image(2, 2, 1, bytes(4))
    picture.ConceptNameCodeSequence = [code("1", "DCM", "Nothing")]
    assert files.read(part10(picture)).facts.title == ""


def test_facts_are_kept_as_compact_json() -> None:
    facts = files.read(bundled("CT_small.dcm")).facts
    text = facts_json.dump(facts)
    assert facts_json.load(text) == facts
    assert '""' not in text
    later = json.loads(text) | {"invented": 1}
    assert facts_json.load(json.dumps(later)) == facts


@needs_samples
def test_the_mado_manifest_tells_its_issuer_and_every_request() -> None:
    facts = files.read(shared("kos-mado/MADO_KOS_B.dcm")).facts
    assert facts.patient.number.issuer.namespace == "ACME_HOSPITAL"
    assert facts.patient.number.issuer.universal_type == "ISO"
    assert len({request.accession.value for request in facts.requests}) == 2
    picture = files.read(shared("ct-series-mado-studyB/Series_B_1/I0.dcm")).facts
    assert picture.study.uid == facts.study.uid
    assert picture.study.accession.value == "8529258169397744"
    assert picture.study.procedure_text == "Contrôle qualité MN salle 1"


@needs_samples
@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("charset/chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("charset/chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("charset/chrX1.dcm", "Wang^XiaoDong=王^小東="),
        ("charset/chrGreek.dcm", "Διονυσιος"),
        ("charset-derived/latin2-ir101.dcm", "Dvořák^Žofie"),
    ],
)
def test_names_in_many_scripts_are_unicode(name: str, patient: str) -> None:
    assert files.read(shared(name)).facts.patient.name == patient
