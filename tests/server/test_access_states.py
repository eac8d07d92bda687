"""What each caller gets of a report that is final, not final yet, restricted, withdrawn, or held by
the site's release table: every door, every actor, one table.
"""

import re
from collections.abc import Iterator

import pytest
import requests

from tests.support.states import PATIENTS, STAFF, STATES, Case, Ward, ward

pytestmark = pytest.mark.slow

CONTENT, TOMBSTONE, SILENT = "content", "tombstone", "silent"
STATES_IN_ORDER = tuple(STATES.values())[:4]
# What the site's table holds is told like what is not final, what it let go like what is.
HELD = {"held for hours": PATIENTS, "held from proxies": ("a proxy",), "hidden": PATIENTS}
_ONE = "/dicomweb/studies/{study}/series/{sr}/instances/{sr}.1"
_REPORT = "/fhir/DiagnosticReport/"
_CT = "/dicomweb/studies/{study}/series/{ct}/instances/{ct}.1"

# What a patient, a proxy, a group's client and the holder of a link get of a report that is final,
# preliminary, restricted, withdrawn. `content`: what was reported. `tombstone`: that there was a
# report. `silent`: 200, and nothing of it.
TABLE: dict[str, tuple[str, str, str, str]] = {
    # The report by its address: current, a version, all versions.
    "/fhir/DiagnosticReport/{diagnosticreport}": (CONTENT, "404", "404", TOMBSTONE),
    "/fhir/DiagnosticReport/{diagnosticreport}/_history/1": (CONTENT, "404", "404", "404"),
    "/fhir/DiagnosticReport/{diagnosticreport}/_history": (CONTENT, "404", "404", TOMBSTONE),
    "/fhir/Observation/{observation}": (CONTENT, "404", "404", TOMBSTONE),
    "/fhir/Binary/{binary}": (CONTENT, "404", "404", "410"),
    # Searches by what a tombstone holds, and by what it does not.
    "/fhir/DiagnosticReport?_id={diagnosticreport}": (CONTENT, SILENT, SILENT, TOMBSTONE),
    "/fhir/DiagnosticReport?patient={patient}": (CONTENT, SILENT, SILENT, TOMBSTONE),
    "/fhir/DiagnosticReport?patient={patient}&_sort=-date": (CONTENT, SILENT, SILENT, TOMBSTONE),
    "/fhir/DiagnosticReport?code=HEAD": (CONTENT, SILENT, SILENT, SILENT),
    "/fhir/DiagnosticReport?code:not=LEG": (CONTENT, SILENT, SILENT, SILENT),
    "/fhir/DiagnosticReport?issued=ge2020": (CONTENT, SILENT, SILENT, SILENT),
    "/fhir/DiagnosticReport?_id={diagnosticreport}&result.status=entered-in-error": (SILENT,) * 4,
    "/fhir/Observation?patient={patient}": (CONTENT, SILENT, SILENT, TOMBSTONE),
    "/fhir/Observation?code=8302-2": (CONTENT, SILENT, SILENT, SILENT),
    # Includes, both ways, and chains from elsewhere.
    "/fhir/DiagnosticReport?_id={diagnosticreport}&_include=DiagnosticReport:result": (
        *(CONTENT, SILENT, SILENT, TOMBSTONE),
    ),
    "/fhir/Patient?_id={patient}&_revinclude=DiagnosticReport:subject": (
        *(CONTENT, SILENT, SILENT, TOMBSTONE),
    ),
    "/fhir/ServiceRequest?_id={servicerequest}&_revinclude=DiagnosticReport:based-on": (
        *(CONTENT, SILENT, SILENT, SILENT),
    ),
    # The order, which its sender restricts with the report.
    "/fhir/ServiceRequest/{servicerequest}": (SILENT, SILENT, "404", SILENT),
    # The same report as a DICOM object, alone, with its study, and in searches.
    _ONE: (CONTENT, "404", "404", "410"),
    f"{_ONE}/metadata": (CONTENT, "404", "404", "410"),
    "/dicomweb/studies/{study}/series/{sr}": (CONTENT, "404", "404", "410"),
    "/dicomweb/studies/{study}": (CONTENT, SILENT, SILENT, SILENT),
    "/dicomweb/studies/{study}/metadata": (CONTENT, SILENT, SILENT, SILENT),
    "/dicomweb/studies/{study}/instances?includefield=all": (CONTENT, SILENT, SILENT, SILENT),
    "/dicomweb/instances?includefield=all": (CONTENT, SILENT, SILENT, SILENT),
    "/dicomweb/series?includefield=all": (SILENT,) * 4,
    "/dicomweb/studies?includefield=all": (SILENT,) * 4,
    # The pictures have a row of their own: they are the patient's at once.
    "/fhir/ImagingStudy/{imagingstudy}": (SILENT,) * 4,
    f"{_CT}/rendered": (SILENT,) * 4,
    f"{_CT}/thumbnail": (SILENT,) * 4,
    f"{_CT}/frames/1": (SILENT,) * 4,
    f"{_CT}/frames/1/rendered": (SILENT,) * 4,
    "/dicomweb/studies/{study}/thumbnail": (SILENT,) * 4,
}
# What staff get is the content, but for these: pictures and orders tell nothing of a report, and of a
# result that its sender called wrong the older versions alone hold the value.
TO_STAFF = {
    "/fhir/Observation/{observation}": {"withdrawn": TOMBSTONE},
    "/fhir/Observation?patient={patient}": {"withdrawn": TOMBSTONE},
    "/fhir/Observation?code=8302-2": {"withdrawn": TOMBSTONE},
    "/fhir/DiagnosticReport?_id={diagnosticreport}&result.status=entered-in-error": dict.fromkeys(
        STATES_IN_ORDER[:3], SILENT
    ),
} | {
    pattern: dict.fromkeys(STATES_IN_ORDER, SILENT)
    for pattern, row in TABLE.items()
    if CONTENT not in row and "result." not in pattern
}
# The pages of a link, which nobody else sees.
PAGES: dict[str, tuple[str, str, str, str]] = {
    "/s/reports": (CONTENT, SILENT, SILENT, SILENT),
    "/s/reports/{diagnosticreport}": (CONTENT, "404", "404", SILENT),
    "/s/reports/{diagnosticreport}/text": (CONTENT, "404", "404", "404"),
    "/s/documents/{binary}": (CONTENT, "404", "404", "410"),
    "/s/bundle": (CONTENT, SILENT, SILENT, TOMBSTONE),
    "/s/disc": (CONTENT, SILENT, SILENT, SILENT),
    "/s/pictures": (SILENT,) * 4,
}
# Types of which the holder of a link reads nothing, and documents, which are not searched.
_BEYOND_LINKS = ("/fhir/Observation", "/fhir/Patient", "/fhir/ServiceRequest")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ward(tmp_path_factory.mktemp("ward")) as made:
        yield made


def told(answer: requests.Response, case: Case) -> str:
    """What an answer tells of a patient's report."""
    if answer.status_code != 200:
        return str(answer.status_code)
    said = answer.content.replace(b"\0", b"").decode(errors="replace")
    words = ("seen in", "Impression of", "%PDF-1.4 of")
    marks = (case.size, *(f"{word} {case.number}" for word in words))
    if any(mark in said for mark in marks):
        return CONTENT
    return TOMBSTONE if "entered-in-error" in said.replace("=entered-in-error", "") else SILENT


def alike(actor: str, state: str) -> str:
    """The state of the table that a state is like for an actor."""
    if state in STATES_IN_ORDER:
        return state
    return "preliminary" if actor in HELD.get(state, ()) else "final"


def of_actor(actor: str, state: str, pattern: str) -> str:
    """What the table says; but that it waits is told to whom it belongs, unless a row hides it."""
    said = TABLE[pattern][STATES_IN_ORDER.index(alike(actor, state))]
    told = state in ("held for hours", "held from proxies") and actor in HELD[state]
    if told and actor != "the holder of a link" and pattern.startswith(_REPORT):
        return "403"
    return said


def expected(actor: str, state: str, pattern: str) -> set[str]:
    """What an actor is to get of the report in a state."""
    of_patients = of_actor(actor, state, pattern)
    owned = "?" not in pattern or "/{study}/" in pattern
    if actor in STAFF:
        return {TO_STAFF.get(pattern, {}).get(alike(actor, state), CONTENT)}
    if actor == "the holder of a link" and (
        pattern.startswith(_BEYOND_LINKS) or "result." in pattern
    ):
        return {"403"}
    if actor in PATIENTS:
        return {of_patients}
    if actor == "a clinician elsewhere":
        return {"404"} if owned else {SILENT}
    if actor == "another patient" and state in HELD:
        of_patients = "404"
    # Of what is held nobody learns whose it is.
    named = owned or "{patient}" in pattern
    return ({"403", "404"} if of_patients == "404" else {"403"}) if named else {SILENT}


@pytest.mark.parametrize("pattern", TABLE)
def test_a_door_tells_each_caller_of_a_report_what_the_table_says(
    house: Ward, pattern: str
) -> None:
    before, refused, wrong = house.refusals(), 0, []
    for state, case in house.cases.items():
        for actor, caller in case.callers.items():
            answer = caller.get(case.path(pattern))
            got, right = told(answer, case), expected(actor, state, pattern)
            refused += got in ("401", "403", "404", "410")
            if got not in right:
                wrong.append(f"{state}, {actor}: {got}, not {right}")
    assert wrong == []
    assert house.refusals() == before + refused, "every refusal is in the audit, once"


@pytest.mark.parametrize("pattern", PAGES)
def test_a_page_of_a_link_tells_of_a_report_what_the_table_says(house: Ward, pattern: str) -> None:
    before, refused = house.refusals(), 0
    for state, case in house.cases.items():
        right = PAGES[pattern][STATES_IN_ORDER.index(alike("the holder of a link", state))]
        answer = case.callers["the holder of a link"].get(case.path(pattern))
        assert told(answer, case) == right, state
        refused += right in ("404", "410")
    assert house.refusals() == before + refused, "every refusal is in the audit, once"


def test_every_actor_of_the_table_is_there(house: Ward) -> None:
    for case in map(house.cases.__getitem__, STATES_IN_ORDER):
        assert {*PATIENTS, *STAFF} < set(case.callers)


def test_what_a_withdrawn_report_referred_to_is_not_read_for_its_sake(house: Ward) -> None:
    """But the tombstone itself is complete: id, meta, status, subject, and a masked code."""
    case = house.cases["withdrawn"]
    patient = case.callers["the patient"]
    body = patient.get(case.path("/fhir/DiagnosticReport/{diagnosticreport}")).json()
    assert set(body) == {"resourceType", "id", "meta", "status", "subject", "code"}
    assert body["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert body["code"]["extension"][0]["valueCode"] == "masked"
    order = case.path("/fhir/ServiceRequest?_id={servicerequest}")
    words = f"{order}&_has:DiagnosticReport:based-on:status=entered-in-error"
    assert patient.get(words).json()["total"] == 0
    assert case.callers["a clinician"].get(words).json()["total"] == 1


def test_the_holder_of_a_link_reads_from_when_on_unless_a_row_hides_it(house: Ward) -> None:
    said = {}
    for state in ("held for hours", "hidden"):
        page = house.cases[state].callers["the holder of a link"].get("/s/reports").text
        said[state] = "A report exists. You can read it from " in page
    assert said == {"held for hours": True, "hidden": False}


def test_a_patient_is_told_the_day_on_which_a_report_can_be_read(house: Ward) -> None:
    case = house.cases["held for hours"]
    path = case.path("/fhir/DiagnosticReport/{diagnosticreport}")
    told = case.callers["the patient"].get(path).json()["issue"][0]["diagnostics"]
    assert re.search(r"you can read it from \d{4}-\d\d-\d\dT", told)


@pytest.mark.parametrize("state", ["final", "preliminary", "restricted", "hidden", "withdrawn"])
def test_no_count_and_no_gap_tells_of_a_document_that_is_held(house: Ward, state: str) -> None:
    """Rule 9: in QIDO and in the ImagingStudy, at every level."""
    case = house.cases[state]
    for actor in ("the patient", "the holder of a link", "a clinician"):
        caller, all_ = case.callers[actor], actor == "a clinician" or state == "final"
        modalities = ["CT", "SR"] if all_ else ["CT"]
        rows = caller.get(f"/dicomweb/studies?StudyInstanceUID={case.study}").json()
        counts = [rows[0][tag]["Value"] for tag in ("00201206", "00201208", "00080061")]
        assert counts == [[len(modalities)], [len(modalities)], modalities], actor
        series = caller.get(f"/dicomweb/studies/{case.study}/series").json()
        assert sorted(one["00080060"]["Value"][0] for one in series) == modalities
        assert {one["00201209"]["Value"][0] for one in series} == {1}
        body = caller.get(case.path("/fhir/ImagingStudy/{imagingstudy}")).json()
        assert sorted(one["modality"]["code"] for one in body["series"]) == modalities
        assert (body["numberOfSeries"], body["numberOfInstances"]) == (len(modalities),) * 2
        assert sorted(one["code"] for one in body["modality"]) == modalities
