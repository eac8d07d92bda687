"""OBR-24, the diagnostic service (table 0074): is it imaging, and which modality does it mean?"""

from fhir.codes import DCM, coded
from fhir.hl7_codes import table
from fhir.imaging_study import Json

LOINC = "http://loinc.org"

# Services of the table that make no images for this record.
_NO_IMAGING = frozenset(
    {"AU", "BG", "BLB", "CG", "CH", "CP", "GE", "HM", "ICU", "IMM", "LAB", "MB", "MCB", "MYC"}
    | {"NRS", "OSL", "OT", "PAR", "PAT", "PF", "PHR", "RC", "SP", "TX", "URN", "VR"}
)
_IMAGING = frozenset(
    {"CT", "CTH", "CUS", "IMG", "NMR", "NMS", "OUS", "RT", "RUS", "RX", "VUS", "XRC"}
)
_SAME = {"NMR": "MR", "NMS": "NM", "RUS": "US", "CUS": "US", "VUS": "US", "OUS": "US", "MRI": "MR"}
# Acquisition modalities (PS3.16 CID 29). PT is a PET scan here, not physical therapy.
MODALITIES = frozenset(
    {"AR", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "GM", "HC", "HD"}
    | {"IO", "IVOCT", "IVUS", "KER", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM"}
    | {"OPT", "OPTBSV", "OPV", "OSS", "PA", "PT", "PX", "RESP", "RF", "RG", "RTIMAGE", "SM"}
    | {"SRF", "TG", "US", "VA", "XA", "XAPROTOCOL", "XC"}
)


def is_imaging(section: str, default: bool) -> bool:
    """Whether results of a service are of imaging; `default` is for a service that is not told."""
    return section not in _NO_IMAGING if section else default


def modality(section: str) -> Json | None:
    """The modality that a service stands for; None for those that use several or none."""
    code = _SAME.get(section, section)
    return coded(DCM, code) if code in MODALITIES else None


def categories(section: str, default: bool) -> list[Json]:
    """DiagnosticReport.category: the service, RAD, and LOINC's radiology, which US Core asks for."""
    system = table("0074")
    if not is_imaging(section, default):
        return [{"coding": [coded(system, section)]}] if section else []
    own = [{"coding": [coded(system, section)]}] if section in _IMAGING else []
    radiology = {"coding": [coded(LOINC, "LP29684-5", "Radiology")]}
    return [*own, {"coding": [coded(system, "RAD", "Radiology")]}, radiology]
