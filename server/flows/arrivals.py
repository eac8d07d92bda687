"""What the index keeps of an object that has arrived, as columns of its tables."""

import json
from dataclasses import dataclass
from typing import Any

from dicom.facts import InstanceFacts
from dicom.facts_json import dump
from dicom.files import Header
from dicom.sink import StoreRequest
from server.flows.patients import Filing, Site
from server.store.index import StudyKey
from server.store.install import derived_id


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object that is to be indexed. `row` has the columns that do not depend on the index."""

    request: StoreRequest
    header: Header
    blob: str
    size: int
    sha256: str
    row: dict[str, Any]


def number(text: str) -> int | None:
    """An IS value as a 32-bit integer, None when it is not one."""
    try:
        found = int(text)
    except ValueError:
        return None
    return found if -(1 << 31) <= found < 1 << 31 else None


def arrive(request: StoreRequest, header: Header, blob: str, size: int, sha256: str) -> Arrival:
    """What is known of an object before the index is asked: nobody waits while this is made."""
    facts = header.facts
    row = {
        "uid": facts.uid,
        "study": facts.study.uid,
        "series": facts.series.uid,
        "number": number(facts.number),
        "sop_class": facts.sop_class,
        "transfer_syntax": facts.transfer_syntax,
        "blob": blob,
        "size": size,
        "dataset_offset": header.dataset_offset,
        "preamble_clean": header.preamble_clean,
        "deflated": header.deflated,
        "sha256": sha256,
        "frames": facts.pixels.frames,
        "rows": facts.pixels.rows,
        "columns": facts.pixels.columns,
        "facts": dump(facts),
        "bulk": json.dumps([[b.path, b.vr, b.offset, b.length] for b in header.bulk]),
        "frame_index": header.frames,
        "door": request.door,
        "peer": request.peer.name,
    }
    return Arrival(request, header, blob, size, sha256, row)


def instance_row(arrival: Arrival, key: StudyKey, copy: int, now: int) -> dict[str, Any]:
    """The row of an instance. A second content belongs to the study of the first."""
    place = {"organisation": key.organisation, "study": key.uid, "claim": key.claim, "copy": copy}
    return arrival.row | place | {"arrived": now}


def series_row(facts: InstanceFacts) -> dict[str, Any]:
    """What a series keeps of its first instance."""
    return {
        "modality": facts.series.modality,
        "number": number(facts.series.number),
        "description": facts.series.description,
        "body_part": facts.series.body_part,
        "date": facts.series.date,
    }


def study_row(
    site: Site, key: StudyKey, facts: InstanceFacts, filing: Filing, now: int
) -> dict[str, Any]:
    """A new study row. A claim after the first is held until somebody decides."""
    person, issuer = facts.patient, facts.patient.number.issuer
    natural = f"{key.organisation}|{key.uid}|{key.claim}"
    return {
        "id": derived_id(site.key, "ImagingStudy", natural),
        "subject": filing.subject or filing.patient,
        "filed_under": filing.patient,
        "held": key.claim > 0,
        "unconfirmed": filing.unconfirmed or key.claim > 0,
        "patient_number": person.number.value,
        "patient_issuer": json.dumps(
            [issuer.namespace, issuer.universal_id, issuer.universal_type]
        ),
        "patient_name": person.name,
        "patient_birth_date": person.birth_date,
        "patient_sex": person.sex,
        "date": facts.study.date,
        "time": facts.study.time,
        "accession": facts.study.accession.value,
        "number": facts.study.number,
        "description": facts.study.description,
        "referrer": facts.study.referrer.name,
        "modalities": facts.series.modality,
        "arrived": now,
        "changed": now,
    }
