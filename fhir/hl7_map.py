"""Which fields of HL7 v2 become which elements of FHIR: the tables of docs/integrate/hl7.md.

A row without an element names a field that is read and not written, and says what it is for.
`hl7.fields` tells the facts in between. Tests set each field and look at what changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Row:
    """A field (PID-5, or OBX-5 of some value types) and the element that it becomes."""

    field: str
    element: str
    note: str = ""


_HEADER = (
    Row("MSH-3", "Provenance.entity", "part of meta.source"),
    Row("MSH-4", "Provenance.agent", "part of meta.source"),
    Row("MSH-5", "", "whether it is for us"),
    Row("MSH-6", "", "whether it is for us"),
    Row("MSH-7", "", "tells older from newer; its offset is the message's default"),
    Row("MSH-9", "Provenance.activity"),
    Row("MSH-10", "Provenance.entity", "part of meta.source"),
    Row("MSH-11", "", "whether it is for us"),
    Row("MSH-12", "", "kept with the message"),
    Row("MSH-15", "", "how the message is acknowledged"),
    Row("MSH-16", "", "how the message is acknowledged"),
    Row("MSH-17", "", "kept with the message"),
)
_NO_LANGUAGE = Row("MSH-19", "", "names the language of reports only")
_LANGUAGE = Row("MSH-19", "DiagnosticReport.language")
_EVENT = (
    Row("EVN-2", "", "kept with the message"),
    Row("EVN-3", "", "kept with the message"),
    Row("EVN-4", "", "kept with the message"),
    Row("EVN-5", "Provenance.agent", "the author"),
    Row("EVN-6", "Provenance.occurredDateTime"),
    *(
        Row(f"MRG-{n}", "", "names the record that is merged, moved or renamed")
        for n in range(1, 8)
    ),
)
_PATIENT = (
    Row("PID-2", "Patient.identifier", "where PID-3 does not have it"),
    Row("PID-3", "Patient.identifier", "only ever grows"),
    Row("PID-4", "Patient.identifier", "where PID-3 does not have it"),
    Row("PID-5", "Patient.name"),
    Row("PID-6", "", "kept with the message"),
    Row("PID-7", "Patient.birthDate", "a time of day as patient-birthTime"),
    Row("PID-8", "Patient.gender"),
    Row("PID-9", "Patient.name", "old, unless it says what it is"),
    Row("PID-10", "", "US Core's race, in the realm us"),
    Row("PID-11", "Patient.address", "places of birth and origin are none"),
    Row("PID-12", "Patient.address", "where PID-11 names no district"),
    Row("PID-13", "Patient.telecom", "home, unless it says otherwise"),
    Row("PID-14", "Patient.telecom", "work, unless it says otherwise"),
    Row("PID-15", "Patient.communication"),
    Row("PID-16", "Patient.maritalStatus"),
    Row("PID-17", "", "kept with the message"),
    Row("PID-18", "Encounter.identifier", "of type AN"),
    Row("PID-19", "", "written only where the site says so"),
    Row("PID-20", "Patient.identifier", "of type DL"),
    Row("PID-21", "", "kept with the message"),
    Row("PID-22", "", "US Core's ethnicity, in the realm us"),
    Row("PID-24", "Patient.multipleBirthBoolean"),
    Row("PID-25", "Patient.multipleBirthInteger"),
    Row("PID-26", "", "kept with the message"),
    Row("PID-28", "", "kept with the message"),
    Row("PID-29", "Patient.deceasedDateTime"),
    Row("PID-30", "Patient.deceasedBoolean"),
    Row("PID-31", "", "a warning to identity"),
    Row("PID-32", "", "kept with the message"),
    Row("PID-33", "", "kept with the message"),
    Row("PID-35", "Patient.extension", "patient-animal"),
    Row("PID-36", "Patient.extension", "patient-animal; needs PID-35"),
    Row("PID-37", "", "kept with the message"),
    Row("PID-40", "Patient.telecom"),
    Row("PD1-3", "Patient.generalPractitioner"),
    Row("PD1-4", "Patient.generalPractitioner"),
    Row("PD1-12", "Patient.meta", "Y: the label R, restricted"),
    Row("NK1-2", "Patient.contact"),
    Row("NK1-3", "Patient.contact"),
    Row("NK1-4", "Patient.contact"),
    Row("NK1-5", "Patient.contact"),
    Row("NK1-6", "Patient.contact"),
    Row("NK1-7", "Patient.contact"),
)
_VISIT = (
    Row("PV1-2", "Encounter.class"),
    Row("PV1-3", "Encounter.location", "its facility: serviceProvider"),
    Row("PV1-4", "Encounter.type"),
    Row("PV1-5", "Encounter.hospitalization"),
    Row("PV1-6", "Encounter.location", "not in A12"),
    Row("PV1-7", "Encounter.participant", "ATND"),
    Row("PV1-8", "Encounter.participant", "REF"),
    Row("PV1-9", "Encounter.participant", "CON"),
    Row("PV1-10", "Encounter.serviceType"),
    Row("PV1-11", "", "kept with the message"),
    Row("PV1-16", "Encounter.meta", "the label CEL"),
    Row("PV1-17", "Encounter.participant", "ADM"),
    Row("PV1-19", "Encounter.identifier", "without it no Encounter"),
    Row("PV1-36", "Encounter.hospitalization"),
    Row("PV1-44", "Encounter.period"),
    Row("PV1-45", "Encounter.period", "and the status finished"),
    Row("PV1-50", "Encounter.identifier"),
    Row("PV2-3", "Encounter.reasonCode"),
    Row("PV2-8", "", "kept with the message"),
)
_NUMBERS = (
    Row("ORC-2", "ServiceRequest.identifier", "PLAC"),
    Row("ORC-3", "ServiceRequest.identifier", "FILL"),
    Row("ORC-4", "ServiceRequest.requisition"),
    Row("ORC-33", "ServiceRequest.identifier"),
    Row("OBR-2", "ServiceRequest.identifier", "where ORC-2 is silent"),
    Row("OBR-3", "ServiceRequest.identifier", "where ORC-3 is silent"),
    Row("OBR-18", "ServiceRequest.identifier", "ACSN"),
    Row("OBR-19", "ServiceRequest.identifier"),
    Row("OBR-53", "ServiceRequest.identifier"),
)
_ASKED = (
    Row("ORC-7", "ServiceRequest.priority", "component 6"),
    Row("ORC-12", "ServiceRequest.requester"),
    Row("ORC-17", "", "kept with the message"),
    Row("ORC-21", "Organization.identifier", "if issued"),
    Row("ORC-28", "ServiceRequest.meta", "security labels"),
    Row("OBR-4", "ServiceRequest.code"),
    Row("OBR-5", "ServiceRequest.priority"),
    Row("OBR-6", "ServiceRequest.occurrenceDateTime"),
    Row("OBR-12", "", "kept with the message"),
    Row("OBR-13", "ServiceRequest.supportingInfo"),
    Row("OBR-16", "ServiceRequest.requester", "where ORC-12 is silent"),
    Row("OBR-20", "", "the accession, if the feed says so"),
    Row("OBR-21", "", "the accession, if the feed says so"),
    Row("OBR-24", "ServiceRequest.orderDetail", "where it names a modality"),
    Row("OBR-27", "ServiceRequest.occurrenceDateTime", "component 4"),
    Row("OBR-30", "ServiceRequest.orderDetail"),
    Row("OBR-31", "ServiceRequest.reasonCode"),
    Row("OBR-36", "ServiceRequest.occurrenceDateTime"),
    Row("OBR-44", "ServiceRequest.code", "a further coding"),
    Row("OBR-46", "ServiceRequest.orderDetail"),
    Row("OBR-47", "ServiceRequest.orderDetail"),
    Row("TQ1-7", "ServiceRequest.occurrenceDateTime"),
    Row("TQ1-9", "ServiceRequest.priority"),
    Row("IPC-1", "ServiceRequest.identifier", "ACSN"),
    Row("IPC-2", "ServiceRequest.identifier"),
    Row("IPC-3", "", "finds the study"),
    Row("IPC-4", "", "kept with the message"),
    Row("IPC-5", "ServiceRequest.orderDetail", "DCM"),
    Row("IPC-6", "ServiceRequest.orderDetail"),
    Row("IPC-7", "", "kept with the message"),
    Row("IPC-8", "", "kept with the message"),
    Row("IPC-9", "", "kept with the message"),
    Row("ZDS-1", "", "finds the study"),
    Row("DG1-3", "ServiceRequest.reasonCode"),
)
_RESULT = (
    Row("OBX-2", "", "how OBX-5 is read"),
    Row("OBX-3", "Observation.code"),
    Row("OBX-4", "", "tells results of one name apart"),
    Row("OBX-5 NM", "Observation.valueQuantity"),
    Row("OBX-5 SN", "Observation.valueRange", "or a Quantity or Ratio"),
    Row("OBX-5 CE, CWE", "Observation.valueCodeableConcept"),
    Row("OBX-5 DT, TS", "Observation.valueDateTime"),
    Row("OBX-5 TM", "Observation.valueTime"),
    Row("OBX-6", "Observation.valueQuantity", "in UCUM where that is sure"),
    Row("OBX-7", "Observation.referenceRange"),
    Row("OBX-8", "Observation.interpretation"),
    Row("OBX-11", "Observation.status"),
    Row("OBX-13", "Observation.meta", "a label"),
    Row("OBX-14", "Observation.effectiveDateTime", "else OBR-7"),
    Row("OBX-16", "Observation.performer"),
    Row("OBX-17", "Observation.method"),
    Row("OBX-18", "Observation.device"),
    Row("OBX-19", "", "kept with the message"),
    Row("OBX-20", "Observation.bodySite"),
    Row("OBX-21", "Observation.identifier"),
    Row("OBX-23", "Observation.performer"),
    Row("OBX-26", "Observation.meta", "a label (2.8)"),
    Row("NTE-3 of OBX", "Observation.note"),
)
_ORDERED = (
    Row("ORC-1", "ServiceRequest.status"),
    Row("ORC-5", "ServiceRequest.status", "wins over ORC-1, but for an end"),
    Row("ORC-9", "ServiceRequest.authoredOn", "of a new order (NW, RO)"),
    Row("ORC-16", "ServiceRequest.extension", "request-statusReason"),
    Row("NTE-2", "", "kept with the message"),
    Row("NTE-3", "ServiceRequest.note"),
    Row("NTE-4", "", "kept with the message"),
    Row("NTE-5", "ServiceRequest.note", "its author"),
    Row("NTE-6", "ServiceRequest.note", "its time"),
    *_RESULT,
)
_REPORTED = (
    Row("ORC-1", "", "whether this is a report or the answer to an order"),
    Row("ORC-5", "", "a report tells its own status: OBR-25"),
    Row("ORC-9", "", "kept with the message"),
    Row("ORC-16", "", "kept with the message"),
    Row("OBR-2", "DiagnosticReport.identifier", "PLAC"),
    Row("OBR-3", "DiagnosticReport.identifier", "FILL: names the report"),
    Row("OBR-4", "DiagnosticReport.code", "before LOINC 18748-4"),
    Row("OBR-7", "DiagnosticReport.effectiveDateTime"),
    Row("OBR-8", "DiagnosticReport.effectiveDateTime", "with OBR-7 a Period"),
    Row("OBR-18", "DiagnosticReport.identifier", "ACSN"),
    Row("OBR-22", "DiagnosticReport.issued", "only with a time and a zone"),
    Row("OBR-24", "DiagnosticReport.category"),
    Row("OBR-25", "DiagnosticReport.status"),
    Row("OBR-32", "DiagnosticReport.resultsInterpreter"),
    Row("OBR-33", "DiagnosticReport.resultsInterpreter"),
    Row("OBR-34", "DiagnosticReport.performer", "SPRF"),
    Row("OBR-35", "DiagnosticReport.performer", "TRANS"),
    Row("OBR-44", "DiagnosticReport.code", "a further coding"),
    Row("OBR-51", "DiagnosticReport.identifier"),
    Row("NTE-2", "", "kept with the message"),
    Row("NTE-3", "DiagnosticReport.text", "of the report: before its OBX"),
    Row("NTE-4", "", "kept with the message"),
    Row("NTE-5", "Practitioner.identifier", "if issued"),
    Row("NTE-6", "", "kept with the message"),
    Row("OBX-5 TX, FT, ST", "DiagnosticReport.text", "and presentedForm"),
    Row("OBX-5 impression", "DiagnosticReport.conclusion"),
    Row("OBX-5 scale", "DiagnosticReport.conclusionCode"),
    Row("OBX-5 ED", "DiagnosticReport.presentedForm", "and a Binary"),
    Row("OBX-5 RP", "DiagnosticReport.presentedForm", "of trusted hosts"),
    Row("OBX-5 study UID", "", "finds the study"),
    Row("OBX-5 SOP UID", "DiagnosticReport.identifier"),
    Row("OBX-5 MetaDMPMSS", "DiagnosticReport.meta", "the label R"),
    Row("OBX-11 D, W", "DiagnosticReport.status", "withdraws what it names"),
    Row("OBX-13", "DiagnosticReport.meta", "a label"),
    Row("OBX-26", "DiagnosticReport.meta", "a label (2.8)"),
)
# By message type, in the order of the segments. In orders and reports PID and PV1 only make a
# Patient or Encounter that is not known; what a report tells of its order only fills gaps.
TABLES: Mapping[str, tuple[Row, ...]] = MappingProxyType(
    {
        "ADT": (*_HEADER, _NO_LANGUAGE, *_EVENT, *_PATIENT, *_VISIT),
        "ORM, OMI, OMG": (
            *_HEADER,
            _NO_LANGUAGE,
            *_PATIENT,
            *_VISIT,
            *_NUMBERS,
            *_ASKED,
            *_ORDERED,
        ),
        "ORU": (*_HEADER, _LANGUAGE, *_PATIENT, *_VISIT, *_NUMBERS, *_ASKED, *_REPORTED, *_RESULT),
    }
)
