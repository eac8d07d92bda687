"""The search parameters that are answered, one row each: grammar, index and CapabilityStatement.

A path is what R4 writes as FHIRPath, in the little that these need: member names, `|` between
alternatives, `[x]` for any form of a choice, `(system=phone)` after a name to pick members, and
`$this` for the resource itself.
A reference parameter only sees references to its targets, which is R4's `where(resolve() is …)`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["token", "string", "date", "reference", "uri", "quantity", "composite"]
Answer = Literal["index", "column", "instance", "series"]


@dataclass(frozen=True, slots=True)
class Param:
    """One search parameter of one type.

    `answer` says where its matches are looked up: in the index rows made by `fhir.extract`, in a
    column of the resource row, or by a join with the DICOM instance or series table. `flavour`
    tells how a token or string is made into what is compared. `parts` are the two of a composite:
    what they look at stands within one and the same element that `path` leads to.
    """

    code: str
    kind: Kind
    path: str
    targets: tuple[str, ...] = ()
    answer: Answer = "index"
    flavour: Literal["", "identifier", "contact", "exists", "phonetic", "exact"] = ""
    parts: tuple["Param", ...] = ()

    @property
    def sortable(self) -> bool:
        """Whether `_sort` by this parameter has an order to go by."""
        looked_up = self.answer in ("index", "column") and not self.flavour
        return (looked_up and self.kind in ("date", "string", "token")) or self.code == "_id"


def _pair(code: str, path: str, first: Param, second: Param) -> Param:
    """A composite: two values of one element, spelled `first$second` (R4 3.1.1.4.17)."""
    return Param(code, "composite", path, parts=(first, second))


_PEOPLE = ("Practitioner", "PractitionerRole")
_ORDERS = ("Appointment", "AppointmentResponse", "CarePlan", "ServiceRequest", "Task")
_PERFORMERS = ("CareTeam", "Device", "Organization", "Patient", *_PEOPLE, "RelatedPerson")
_AGENTS = ("Device", "Organization", "Patient", *_PEOPLE, "RelatedPerson")
_READERS = ("CareTeam", "Organization", *_PEOPLE)
_REQUESTS = ("CarePlan", "MedicationRequest", "ServiceRequest")
_RESULTS = ("MolecularSequence", "Observation", "QuestionnaireResponse")
_SUBJECTS = ("Device", "Group", "Location", "Patient")
_VISITS = ("Encounter", "EpisodeOfCare")

COMMON = (
    Param("_id", "token", "id", answer="column", flavour="exact"),
    Param("_lastUpdated", "date", "meta.lastUpdated", answer="column"),
    Param("_profile", "uri", "meta.profile"),
    Param("_security", "token", "meta.security"),
    Param("_source", "uri", "meta.source"),
    Param("_tag", "token", "meta.tag"),
)

_PLACE = (
    Param("address", "string", "address"),
    Param("address-city", "string", "address.city"),
    Param("address-country", "string", "address.country"),
    Param("address-postalcode", "string", "address.postalCode"),
    Param("address-state", "string", "address.state"),
    Param("address-use", "token", "address.use"),
)

PATIENT = (
    Param("active", "token", "active"),
    *_PLACE,
    Param("birthdate", "date", "birthDate"),
    Param("death-date", "date", "deceasedDateTime"),
    Param("deceased", "token", "deceased[x]", flavour="exists"),
    Param("email", "token", "telecom(system=email)", flavour="contact"),
    Param("family", "string", "name.family"),
    Param("gender", "token", "gender"),
    Param("general-practitioner", "reference", "generalPractitioner", ("Organization", *_PEOPLE)),
    Param("given", "string", "name.given"),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("language", "token", "communication.language"),
    Param("link", "reference", "link.other", ("Patient", "RelatedPerson")),
    Param("name", "string", "name"),
    Param("organization", "reference", "managingOrganization", ("Organization",)),
    Param("phone", "token", "telecom(system=phone)", flavour="contact"),
    Param("phonetic", "string", "name", flavour="phonetic"),
    Param("telecom", "token", "telecom", flavour="contact"),
)

IMAGING_STUDY = (
    Param("basedon", "reference", "basedOn", _ORDERS),
    Param("bodysite", "token", "series.bodySite"),
    Param("dicom-class", "token", "series.instance.sopClass", answer="instance"),
    Param("encounter", "reference", "encounter", ("Encounter",)),
    Param("endpoint", "reference", "endpoint | series.endpoint", ("Endpoint",)),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("instance", "token", "series.instance.uid", answer="instance"),
    Param("interpreter", "reference", "interpreter", _PEOPLE),
    Param("modality", "token", "series.modality"),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("performer", "reference", "series.performer.actor", _PERFORMERS),
    Param("reason", "token", "reasonCode"),
    Param("referrer", "reference", "referrer", _PEOPLE),
    Param("series", "token", "series.uid", answer="series"),
    Param("started", "date", "started"),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", ("Device", "Group", "Patient")),
)

ENDPOINT = (
    Param("connection-type", "token", "connectionType"),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("name", "string", "name"),
    Param("organization", "reference", "managingOrganization", ("Organization",)),
    Param("payload-type", "token", "payloadType"),
    Param("status", "token", "status"),
)

ENCOUNTER = (
    Param("account", "reference", "account", ("Account",)),
    Param("appointment", "reference", "appointment", ("Appointment",)),
    Param("based-on", "reference", "basedOn", ("ServiceRequest",)),
    Param("class", "token", "class"),
    Param("date", "date", "period"),
    Param("diagnosis", "reference", "diagnosis.condition", ("Condition", "Procedure")),
    Param("episode-of-care", "reference", "episodeOfCare", ("EpisodeOfCare",)),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("length", "quantity", "length"),
    Param("location", "reference", "location.location", ("Location",)),
    Param("location-period", "date", "location.period"),
    Param("part-of", "reference", "partOf", ("Encounter",)),
    Param("participant", "reference", "participant.individual", (*_PEOPLE, "RelatedPerson")),
    Param("participant-type", "token", "participant.type"),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("practitioner", "reference", "participant.individual", ("Practitioner",)),
    Param("reason-code", "token", "reasonCode"),
    Param(
        "reason-reference",
        "reference",
        "reasonReference",
        ("Condition", "ImmunizationRecommendation", "Observation", "Procedure"),
    ),
    Param("service-provider", "reference", "serviceProvider", ("Organization",)),
    Param("special-arrangement", "token", "hospitalization.specialArrangement"),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", ("Group", "Patient")),
    Param("type", "token", "type"),
)

SERVICE_REQUEST = (
    Param("authored", "date", "authoredOn"),
    Param("based-on", "reference", "basedOn", ("CarePlan", "MedicationRequest", "ServiceRequest")),
    Param("body-site", "token", "bodySite"),
    Param("category", "token", "category"),
    Param("code", "token", "code"),
    Param("encounter", "reference", "encounter", _VISITS),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param(
        "instantiates-canonical",
        "reference",
        "instantiatesCanonical",
        ("ActivityDefinition", "PlanDefinition"),
    ),
    Param("instantiates-uri", "uri", "instantiatesUri"),
    Param("intent", "token", "intent"),
    Param("occurrence", "date", "occurrence[x]"),
    Param("order-detail", "token", "orderDetail"),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("performer", "reference", "performer", ("HealthcareService", *_PERFORMERS)),
    Param("performer-type", "token", "performerType"),
    Param("priority", "token", "priority"),
    Param("replaces", "reference", "replaces", ("ServiceRequest",)),
    Param("requester", "reference", "requester", _AGENTS),
    Param("requisition", "token", "requisition", flavour="identifier"),
    Param("specimen", "reference", "specimen", ("Specimen",)),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", _SUBJECTS),
)

DIAGNOSTIC_REPORT = (
    Param(
        "based-on",
        "reference",
        "basedOn",
        ("ImmunizationRecommendation", "NutritionOrder", *_REQUESTS),
    ),
    Param("category", "token", "category"),
    Param("code", "token", "code"),
    Param("conclusion", "token", "conclusionCode"),
    Param("date", "date", "effective[x]"),
    Param("encounter", "reference", "encounter", _VISITS),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("issued", "date", "issued"),
    Param("media", "reference", "media.link", ("Media",)),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("performer", "reference", "performer", _READERS),
    Param("result", "reference", "result", ("Observation",)),
    Param("results-interpreter", "reference", "resultsInterpreter", _READERS),
    Param("specimen", "reference", "specimen", ("Specimen",)),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", _SUBJECTS),
)

_CODE = Param("code", "token", "code")
_CODED = _CODE, Param("value-concept", "token", "valueCodeableConcept")
_MEASURED = _CODE, Param("value-quantity", "quantity", "valueQuantity")

OBSERVATION = (
    Param(
        "based-on",
        "reference",
        "basedOn",
        ("DeviceRequest", "ImmunizationRecommendation", "NutritionOrder", *_REQUESTS),
    ),
    Param("category", "token", "category"),
    _CODE,
    _pair("code-value-concept", "$this", *_CODED),
    _pair("code-value-date", "$this", _CODE, Param("", "date", "valueDateTime | valuePeriod")),
    _pair("code-value-quantity", "$this", *_MEASURED),
    _pair("code-value-string", "$this", _CODE, Param("", "string", "valueString")),
    Param("combo-code", "token", "code | component.code"),
    _pair("combo-code-value-concept", "$this | component", *_CODED),
    _pair("combo-code-value-quantity", "$this | component", *_MEASURED),
    Param("combo-data-absent-reason", "token", "dataAbsentReason | component.dataAbsentReason"),
    Param("combo-value-concept", "token", "valueCodeableConcept | component.valueCodeableConcept"),
    Param("combo-value-quantity", "quantity", "valueQuantity | component.valueQuantity"),
    Param("component-code", "token", "component.code"),
    _pair("component-code-value-concept", "component", *_CODED),
    _pair("component-code-value-quantity", "component", *_MEASURED),
    Param("component-data-absent-reason", "token", "component.dataAbsentReason"),
    Param("component-value-concept", "token", "component.valueCodeableConcept"),
    Param("component-value-quantity", "quantity", "component.valueQuantity"),
    Param("data-absent-reason", "token", "dataAbsentReason"),
    Param("date", "date", "effective[x]"),
    Param(
        "derived-from",
        "reference",
        "derivedFrom",
        ("DocumentReference", "ImagingStudy", "Media", *_RESULTS),
    ),
    Param("device", "reference", "device", ("Device", "DeviceMetric")),
    Param("encounter", "reference", "encounter", _VISITS),
    Param("focus", "reference", "focus"),
    Param("has-member", "reference", "hasMember", _RESULTS),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("method", "token", "method"),
    Param(
        "part-of",
        "reference",
        "partOf",
        (
            *("ImagingStudy", "Immunization", "MedicationAdministration", "MedicationDispense"),
            *("MedicationStatement", "Procedure"),
        ),
    ),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("performer", "reference", "performer", ("Patient", "RelatedPerson", *_READERS)),
    Param("specimen", "reference", "specimen", ("Specimen",)),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", _SUBJECTS),
    Param("value-concept", "token", "valueCodeableConcept"),
    Param("value-date", "date", "valueDateTime | valuePeriod"),
    Param("value-quantity", "quantity", "valueQuantity"),
    Param("value-string", "string", "valueString | valueCodeableConcept.text"),
)

DOCUMENT_REFERENCE = (
    Param("authenticator", "reference", "authenticator", ("Organization", *_PEOPLE)),
    Param("author", "reference", "author", _AGENTS),
    Param("category", "token", "category"),
    Param("contenttype", "token", "content.attachment.contentType"),
    Param("custodian", "reference", "custodian", ("Organization",)),
    Param("date", "date", "date"),
    Param("description", "string", "description"),
    Param("encounter", "reference", "context.encounter", _VISITS),
    Param("event", "token", "context.event"),
    Param("facility", "token", "context.facilityType"),
    Param("format", "token", "content.format"),
    Param("identifier", "token", "masterIdentifier | identifier", flavour="identifier"),
    Param("language", "token", "content.attachment.language"),
    Param("location", "uri", "content.attachment.url"),
    Param("patient", "reference", "subject", ("Patient",)),
    Param("period", "date", "context.period"),
    Param("related", "reference", "context.related"),
    Param("relatesto", "reference", "relatesTo.target", ("DocumentReference",)),
    Param("relation", "token", "relatesTo.code"),
    # R4 gives the two their expressions the wrong way round; their order is that of its definitions.
    _pair(
        "relationship",
        "relatesTo",
        Param("relatesto", "reference", "target", ("DocumentReference",)),
        Param("relation", "token", "code"),
    ),
    Param("security-label", "token", "securityLabel"),
    Param("setting", "token", "context.practiceSetting"),
    Param("status", "token", "status"),
    Param("subject", "reference", "subject", ("Device", "Group", "Patient", "Practitioner")),
    Param("type", "token", "type"),
)

PRACTITIONER = (
    *_PLACE,
    Param("active", "token", "active"),
    Param("communication", "token", "communication"),
    Param("email", "token", "telecom(system=email)", flavour="contact"),
    Param("family", "string", "name.family"),
    Param("gender", "token", "gender"),
    Param("given", "string", "name.given"),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("name", "string", "name"),
    Param("phone", "token", "telecom(system=phone)", flavour="contact"),
    Param("phonetic", "string", "name", flavour="phonetic"),
    Param("telecom", "token", "telecom", flavour="contact"),
)

ORGANIZATION = (
    *_PLACE,
    Param("active", "token", "active"),
    Param("endpoint", "reference", "endpoint", ("Endpoint",)),
    Param("identifier", "token", "identifier", flavour="identifier"),
    Param("name", "string", "name | alias"),
    Param("partof", "reference", "partOf", ("Organization",)),
    Param("phonetic", "string", "name", flavour="phonetic"),
    Param("type", "token", "type"),
)

PROVENANCE = (
    Param("agent", "reference", "agent.who", _AGENTS),
    Param("agent-role", "token", "agent.role"),
    Param("agent-type", "token", "agent.type"),
    Param("entity", "reference", "entity.what"),
    Param("location", "reference", "location", ("Location",)),
    Param("patient", "reference", "target", ("Patient",)),
    Param("recorded", "date", "recorded"),
    Param("signature-type", "token", "signature.type"),
    Param("target", "reference", "target"),
    Param("when", "date", "occurredDateTime"),
)

Table = Mapping[str, Mapping[str, Param]]

TABLE: Table = {
    name: {param.code: param for param in (*COMMON, *params)}
    for name, params in (
        ("Patient", PATIENT),
        ("ImagingStudy", IMAGING_STUDY),
        ("Endpoint", ENDPOINT),
        ("Encounter", ENCOUNTER),
        ("ServiceRequest", SERVICE_REQUEST),
        ("DiagnosticReport", DIAGNOSTIC_REPORT),
        ("Observation", OBSERVATION),
        ("DocumentReference", DOCUMENT_REFERENCE),
        ("Practitioner", PRACTITIONER),
        ("Organization", ORGANIZATION),
        ("Provenance", PROVENANCE),
    )
}


def only(types: Iterable[str]) -> Table:
    """The rows of the types that a server serves: all others are as if they did not exist."""
    return {name: TABLE[name] for name in types}
