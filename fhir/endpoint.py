"""Endpoint (R4) of a DICOMweb service: one for the service, not one for each study (mapping 1.6)."""

from typing import Any

from fhir.codes import DCM, coded

REQUIRES_TOKEN = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/requires-access-token"  # noqa: S105
CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
MIME_TYPES = ("application/dicom", "application/dicom+json", "image/jpeg")

Json = dict[str, Any]


def build(*, id: str, address: str, name: str, mime_types: tuple[str, ...] = MIME_TYPES) -> Json:
    """The Endpoint to whose address an app appends /studies/{uid} (SMART Imaging Access 14).

    The extension tells apps of the first Argonaut draft that the FHIR token is wanted here too.
    """
    payload = [coded(DCM, "113014", "Study"), coded(PAYLOAD_TYPE, "none", "None")]
    return {
        "resourceType": "Endpoint",
        "id": id,
        "extension": [{"url": REQUIRES_TOKEN, "valueBoolean": True}],
        "status": "active",
        "connectionType": coded(CONNECTION_TYPE, "dicom-wado-rs", "DICOM WADO-RS"),
        "name": name,
        "payloadType": [{"coding": payload, "text": "DICOM WADO-RS"}],
        "payloadMimeType": list(mime_types),
        "address": address.rstrip("/"),
    }
