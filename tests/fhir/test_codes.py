"""DICOM codes become FHIR codings in systems that FHIR knows (mapping 1.10)."""

from typing import cast

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from dicom.facts import Code
from fhir.body_sites import DISPLAY, SRT_TO_SCT
from fhir.codes import SCT, body_site, coding, concept

BASE = "https://hospital.example/codes"

# PS3.16 gave these four regions new SNOMED CT codes after the SNOMED RT table was frozen.
RECODED = {"T-D4000", "T-D3000", "T-D6000", "R-FAB57"}


@pytest.mark.parametrize(
    ("code", "system", "value"),
    [
        (Code("CT", "DCM"), "http://dicom.nema.org/resources/ontology/DCM", "CT"),
        (Code("69536005", "SCT"), SCT, "69536005"),
        (Code("T-D1100", "SRT"), SCT, "69536005"),
        (Code("T-D1100", "99SDM"), SCT, "69536005"),
        (Code("P5-08000", "SRT"), "http://terminology.hl7.org/CodeSystem/SNM3", "P5-08000"),
        (Code("24727-0", "LN"), "http://loinc.org", "24727-0"),
        (Code("X1", "99ACME", scheme_uid="1.2.3"), "urn:oid:1.2.3", "X1"),
        (Code("X1", "99ACME"), f"{BASE}/99ACME", "X1"),
        (Code("X1", "L"), f"{BASE}/L", "X1"),
    ],
)
def test_a_designator_becomes_a_system(code: Code, system: str, value: str) -> None:
    assert coding(code, base=BASE) == {"system": system, "code": value}


def test_a_meaning_without_a_code_is_a_display_without_a_system() -> None:
    assert coding(Code("", "DCM", "Something"), base=BASE) == {"display": "Something"}
    assert coding(Code(), base=BASE) is None


def test_a_concept_holds_codings_and_text_or_is_nothing() -> None:
    assert concept([], "", base=BASE) is None
    assert concept([], " Head CT ", base=BASE) == {"text": "Head CT"}
    assert concept([Code("1", "L", "One")], "one", base=BASE) == {
        "coding": [{"system": f"{BASE}/L", "code": "1", "display": "One"}],
        "text": "one",
    }


@pytest.mark.parametrize(
    ("body_part", "sct"),
    [
        ("HEAD", "69536005"),
        (" cspine ", "122494005"),
        ("C-SPINE", "122494005"),
        ("Chest", "816094009"),
    ],
)
def test_a_body_part_becomes_snomed_by_annex_l(body_part: str, sct: str) -> None:
    assert body_site([], body_part, base=BASE) == {
        "system": SCT,
        "code": sct,
        "display": DISPLAY[sct],
    }


def test_a_coded_region_wins_over_the_body_part_and_an_unknown_word_stays_a_word() -> None:
    region = [Code("T-D9700", "SRT", "Foot")]
    assert body_site(region, "HEAD", base=BASE) == {
        "system": SCT,
        "code": "56459004",
        "display": "Foot",
    }
    assert body_site([], "BIG TOENAIL", base=BASE) == {"display": "BIG TOENAIL"}
    assert body_site([], "", base=BASE) is None


def test_our_snomed_rt_table_agrees_with_pydicom() -> None:
    mine = {srt: sct for srt, sct in SRT_TO_SCT.items() if srt not in RECODED}
    assert mine == {srt: mapping["SRT"][srt] for srt in mine}


def test_every_region_code_is_known_to_pydicom() -> None:
    names = cast("dict[str, dict[str, object]]", concepts["SCT"])
    known = {code for meanings in names.values() for code in meanings}
    assert set(DISPLAY) <= known
