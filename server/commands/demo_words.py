"""The HL7 messages of the sample hospital, and what its reports say."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from dicom.phantom import Person, Study
from server.commands.demo_page import page

# Systems as HL7 writes them (HD) and as FHIR does.
AUTHORITY = "DEMO&2.25.7771&ISO"
SYSTEM = "urn:oid:2.25.7771"
_STAFF = "DEMO-STAFF&2.25.7773&ISO"
RADIOLOGIST = f"77^Roca^Marta^^^Dr^^^{_STAFF}"
_DOCTOR = f"12^Bosch^Pere^^^Dr^^^{_STAFF}"
_HEADINGS = {
    "Indication": "18785-6",
    "Technique": "55111-9",
    "Comparison": "18834-2",
    "Findings": "59776-5",
    "Impression": "19005-8",
    "Addendum": "55107-7",
}
Sections = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Patient:
    """A made-up person with what only the admission desk knows of them."""

    person: Person
    address: str
    phone: str
    language: str

    @property
    def pid(self) -> str:
        """PID (HL7 2.5.1 ch. 3.4.2)."""
        one = self.person
        number = f"{one.number}^^^{AUTHORITY}^MR"
        home = f"{self.address}||^PRN^PH^^^^^^^^^{self.phone}||{self.language}"
        return f"PID|1||{number}||{one.name}||{one.birth_date}|{one.sex}|||{home}"

    @property
    def name(self) -> str:
        """The name as people say it."""
        family, _, given = self.person.name.partition("^")
        return f"{given} {family}"


@dataclass(frozen=True, slots=True)
class Report:
    """One version of a report. `status` is that of OBR-25; `code` a coded impression."""

    at: str
    status: str
    sections: Sections
    code: str = ""
    document: bool = False


def message(kind: str, at: str, *segments: str) -> bytes:
    """A message of the sample hospital; its control id is made of its time and kind."""
    control = f"{at}-{kind.partition('^')[2][:3]}"
    head = (
        f"MSH|^~\\&|RIS|DEMO|TRIPTYCH|DEMO|{at}+0100||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    )
    return "".join(f"{line}\r" for line in (head, *segments)).encode()


def admission(patient: Patient, at: str) -> bytes:
    """The patient comes (ADT^A04)."""
    return message("ADT^A04^ADT_A01", at, f"EVN||{at}+0100", patient.pid, _visit(patient, at))


def _visit(patient: Patient, at: str) -> str:
    number = f"V-{patient.person.number[-4:]}-{at[:8]}^^^{AUTHORITY}^VN"
    return f"PV1|1|O|RAD|||||{_DOCTOR}|||||||||||{number}"


def merge(survivor: Patient, other: Patient, at: str) -> bytes:
    """Two records turn out to be one person's (ADT^A40)."""
    prior = f"MRG|{other.person.number}^^^{AUTHORITY}^MR"
    return message("ADT^A40^ADT_A39", at, f"EVN||{at}+0100", survivor.pid, prior)


def order(patient: Patient, study: Study, at: str, why: str) -> bytes:
    """An examination is asked for (ORM^O01)."""
    common = f"ORC|NW|{_placer(study)}|{_filler(study)}|||||{at}+0100|{at}+0100|||{_DOCTOR}"
    asked = _obr(study, {16: _DOCTOR, 31: f"^{why}"})
    uid = f"ZDS|{study.uid}^^Application^DICOM"
    return message("ORM^O01^ORM_O01", at, patient.pid, _visit(patient, at), common, asked, uid)


def result(patient: Patient, study: Study, report: Report) -> bytes:
    """A version of a report (ORU^R01)."""
    done = f"{study.date}{study.time[:4]}+0100"
    fields = {
        7: done,
        22: f"{report.at}+0100",
        25: report.status,
        32: RADIOLOGIST.replace("^", "&"),
    }
    rows = []
    for name, text in report.sections:
        rows.append(f"TX|{_HEADINGS[name]}^{name}^LN||{text}||||||{report.status}")
        if name == "Impression" and report.code:
            rows.append(f"CWE|&IMP||{report.code}||||||{report.status}")
    if report.document:
        coded = base64.b64encode(document(patient, study, report)).decode()
        rows.append(
            f"ED|PDF^Report as a document^L||^application^pdf^Base64^{coded}||||||{report.status}"
        )
    rows.append(f"ST|110180^Study Instance UID^DCM||{study.uid}||||||{report.status}")
    numbered = [f"OBX|{number}|{row}" for number, row in enumerate(rows, 1)]
    return message("ORU^R01^ORU_R01", report.at, patient.pid, _obr(study, fields), *numbered)


def document(patient: Patient, study: Study, report: Report) -> bytes:
    """The report as a page to print."""
    day = f"{study.date[:4]}-{study.date[4:6]}-{study.date[6:]}"
    head = (f"{patient.name}, {patient.person.number}", f"{study.description}, {day}")
    return page("Triptych Demo Hospital", head, report.sections)


def _obr(study: Study, more: dict[int, str]) -> str:
    code = f"{study.name.upper()}^{study.description}^L"
    kind = {"head": "CT", "ches": "DX", "knee": "MR", "abdo": "US"}[study.body_part.lower()[:4]]
    fields = {1: "1", 2: _placer(study), 3: _filler(study), 4: code, 18: study.accession, 24: kind}
    fields |= more
    return "OBR|" + "|".join(fields.get(number, "") for number in range(1, max(fields) + 1))


def _placer(study: Study) -> str:
    return f"ORD-{study.accession}"


def _filler(study: Study) -> str:
    return f"FIL-{study.accession}"
