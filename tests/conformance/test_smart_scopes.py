"""What scopes open and what they keep shut: versions 1 and 2, questions, contexts (rows A4)."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.support.clinic import CATEGORY, Clinic
from tests.support.smart_app import REDIRECT

LAB = f"patient/Observation.rs?category={CATEGORY}|laboratory"
IMAGING = f"patient/Observation.rs?category={CATEGORY}|imaging"


def token(smart: Clinic, scope: str, name: str = "alice", patient: str = "Alice") -> str:
    """The access token for these scopes, all of them granted."""
    body = smart.public.tokens(smart.person(name), scope=scope, patient=smart.patients[patient])
    assert sorted(body["scope"].split()) == sorted(scope.split())
    return str(body["access_token"])


def found(smart: Clinic, token: str, path: str) -> list[str]:
    """The ids that a search finds, included ones too."""
    answer = smart.get(path, token)
    assert answer.status_code == 200, answer.text
    return sorted(one["resource"]["id"] for one in answer.json().get("entry", []))


@pytest.mark.parametrize(
    ("scope", "read", "search"),
    [
        ("patient/ImagingStudy.read", 200, 200),
        ("patient/ImagingStudy.rs", 200, 200),
        ("patient/ImagingStudy.r", 200, 403),
        ("patient/ImagingStudy.s", 403, 200),
        ("patient/Observation.rs", 403, 403),
    ],
)
def test_a4_both_versions_mean_what_they_say_and_are_echoed_as_asked(
    smart: Clinic, scope: str, read: int, search: int
) -> None:
    access = token(smart, scope)
    path = f"/fhir/ImagingStudy/{smart.study}"
    for one in (path, f"{path}/_history", f"{path}/_history/1"):
        assert smart.get(one, access).status_code == read
    assert smart.get("/fhir/ImagingStudy", access).status_code == search


def test_a4_granted_is_never_more_than_the_role_may_have(smart: Clinic) -> None:
    app = smart.app(scope="patient/*.cruds patient/*.cruds user/*.cruds launch/patient")
    asked = "patient/Patient.cruds patient/Observation.* user/ImagingStudy.cud"
    body = app.tokens(smart.person("alice"), scope=asked)
    assert sorted(body["scope"].split()) == ["patient/Observation.read", "patient/Patient.rs"]
    assert smart.get("/fhir/Observation", body["access_token"]).status_code == 200


def test_a4_letters_out_of_order_are_never_widened(smart: Clinic) -> None:
    body = smart.public.tokens(
        smart.person("alice"), scope="patient/Patient.sr patient/Observation.rs"
    )
    assert body["scope"] == "patient/Observation.rs"


def test_a4_a_denied_type_is_403_and_no_empty_bundle(smart: Clinic) -> None:
    access = token(smart, "patient/Patient.rs")
    for path in ("/fhir/ImagingStudy", f"/fhir/ImagingStudy?patient={smart.patients['Alice']}"):
        answer = smart.get(path, access)
        assert answer.status_code == 403
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_a4_no_token_is_401(smart: Clinic) -> None:
    for path in ("/fhir/Patient", f"/fhir/Patient/{smart.patients['Alice']}"):
        assert smart.get(path).status_code == 401
        assert smart.get(path, "made-up").status_code == 401


# Questions: `?category=…`.


def test_a4_a_question_finds_exactly_what_meets_it(smart: Clinic) -> None:
    lab, both = token(smart, LAB), token(smart, f"{LAB} {IMAGING}")
    asked = f"/fhir/Observation?patient={smart.patients['Alice']}"
    assert found(smart, lab, asked) == ["obs-laboratory"]
    assert found(smart, both, asked) == ["obs-imaging", "obs-laboratory"]
    assert found(smart, token(smart, "patient/Observation.rs"), asked) == [
        "alices-measure",
        "obs-imaging",
        "obs-laboratory",
    ]


def test_a4_a_question_joins_with_the_searchs_own(smart: Clinic) -> None:
    lab = token(smart, LAB)
    for value, ids in (
        (f"{CATEGORY}|laboratory", ["obs-laboratory"]),
        ("laboratory,imaging", ["obs-laboratory"]),
        (f"{CATEGORY}|imaging", []),
    ):
        assert found(smart, lab, f"/fhir/Observation?{urlencode({'category': value})}") == ids
    count = smart.get("/fhir/Observation?_total=accurate&_count=0", lab).json()
    assert count["total"] == 1


def test_a4_a_question_holds_for_reads_versions_and_history(smart: Clinic) -> None:
    lab = token(smart, LAB)
    for id_, status in (("obs-laboratory", 200), ("obs-imaging", 403), ("alices-measure", 403)):
        for more in ("", "/_history", "/_history/1"):
            assert smart.get(f"/fhir/Observation/{id_}{more}", lab).status_code == status


def test_a4_of_what_changed_its_category_older_versions_are_not_shown(smart: Clinic) -> None:
    body: dict[str, Any] = {"resourceType": "Observation", "id": "obs-moved", "status": "final"}
    body |= {"code": {"text": "moved"}}
    body |= {"subject": {"reference": f"Patient/{smart.patients['Bob']}"}}
    for code in ("imaging", "laboratory"):
        smart.put("Bob", body | {"category": [{"coding": [{"system": CATEGORY, "code": code}]}]})
    lab = token(smart, LAB, "bob")
    assert smart.get("/fhir/Observation/obs-moved", lab).status_code == 200
    assert smart.get("/fhir/Observation/obs-moved/_history/1", lab).status_code == 404
    history = smart.get("/fhir/Observation/obs-moved/_history", lab).json()
    assert [one["resource"]["meta"]["versionId"] for one in history["entry"]] == ["2"]
    assert history["total"] == 1


def test_a4_a_question_holds_for_chains_and_includes(smart: Clinic) -> None:
    access = token(smart, f"{LAB} patient/Patient.rs")
    path = "/fhir/Patient?_revinclude=Observation:subject"
    assert "obs-laboratory" in found(smart, access, path)
    assert "obs-imaging" not in found(smart, access, path)
    for value, ids in (("laboratory", [smart.patients["Alice"]]), ("imaging", [])):
        assert (
            found(smart, access, f"/fhir/Patient?_has:Observation:subject:category={value}") == ids
        )
    every = found(smart, access, "/fhir/Observation?_include=*&_include:iterate=*")
    assert "obs-imaging" not in every


@pytest.mark.parametrize(
    "question",
    ["code=1234-5", "category:not=x|y", "patient.name=x", "category=a|b&code=c", "_filter=x"],
)
def test_a4_a_question_that_cannot_be_kept_is_not_granted(smart: Clinic, question: str) -> None:
    scope = f"patient/Observation.rs?{question}"
    body = smart.public.tokens(smart.person("alice"), scope=f"{scope} patient/Patient.rs")
    assert body["scope"] == "patient/Patient.rs"


# Contexts: a patient's, and a user's.


def test_a4_a_clinicians_user_scopes_reach_the_organisation_and_patient_scopes_the_patient(
    smart: Clinic,
) -> None:
    wide = token(smart, "user/Patient.rs user/ImagingStudy.rs", "drew")
    narrow = token(smart, "patient/Patient.rs patient/ImagingStudy.rs", "drew")
    both = [smart.patients["Alice"], smart.patients["Bob"]]
    assert found(smart, wide, "/fhir/Patient") == sorted(both)
    assert found(smart, narrow, "/fhir/Patient") == [smart.patients["Alice"]]
    assert smart.get(f"/fhir/Patient/{smart.patients['Bob']}", narrow).status_code == 403


def test_a4_scopes_of_one_context_never_borrow_the_reach_of_the_other(smart: Clinic) -> None:
    """SMART Imaging Access 8."""
    mixed = token(smart, "patient/ImagingStudy.rs user/Patient.rs", "drew")
    bob = smart.patients["Bob"]
    assert smart.get(f"/fhir/Patient/{bob}", mixed).status_code == 200
    assert smart.get(f"/fhir/ImagingStudy?patient={bob}", mixed).status_code == 403
    assert found(smart, mixed, "/fhir/ImagingStudy") == [smart.study]
    assert smart.get("/fhir/ImagingStudy?patient.name=Cratchit", mixed).status_code == 403
    studies = smart.get("/dicomweb/studies", mixed).json()
    assert len(studies) == 1


def test_a4_a_users_scopes_of_a_patient_and_a_proxy_reach_their_own(smart: Clinic) -> None:
    alice, bob = smart.patients["Alice"], smart.patients["Bob"]
    assert found(smart, token(smart, "user/Patient.rs", "bob"), "/fhir/Patient") == [bob]
    pats = token(smart, "user/Patient.rs", "pat")
    assert found(smart, pats, "/fhir/Patient") == sorted([alice, bob])
    chosen = token(smart, "user/Patient.rs patient/Patient.rs", "pat")
    assert found(smart, chosen, "/fhir/Patient") == [alice]


def test_a4_what_is_held_back_from_patients_is_shown_to_staff(smart: Clinic) -> None:
    body = {"resourceType": "Observation", "id": "obs-held", "status": "final"}
    subject = {"reference": f"Patient/{smart.patients['Bob']}"}
    smart.put("Bob", body | {"code": {"text": "held"}, "subject": subject})
    smart.hide("Observation", "obs-held")
    path = f"/fhir/Observation?patient={smart.patients['Bob']}"
    for name, status in (("bob", 404), ("pat", 404), ("drew", 200)):
        access = token(smart, "patient/Observation.rs", name, "Bob")
        assert smart.get("/fhir/Observation/obs-held", access).status_code == status
        assert ("obs-held" in found(smart, access, path)) == (status == 200)


def test_a4_shared_records_are_read_only_where_a_permitted_one_refers_to_them(
    smart: Clinic,
) -> None:
    """Rules: trusted issuers, last line."""
    practitioner = smart.accounts["drew"].fhir_user()
    body: dict[str, Any] = {"resourceType": "DiagnosticReport", "id": "signed", "status": "final"}
    body |= {"subject": {"reference": f"Patient/{smart.patients['Bob']}"}, "code": {"text": "x"}}
    smart.put("Bob", body | {"performer": [{"reference": practitioner}]})
    for name, scope, status in (
        ("bob", "patient/*.rs", 200),
        ("alice", "patient/*.rs", 403),
        ("bob", "patient/Practitioner.rs patient/Observation.rs", 403),
        ("bob", "patient/Practitioner.rs patient/DiagnosticReport.rs", 200),
        ("drew", "user/Practitioner.rs", 200),
    ):
        access = token(smart, scope, name, "Bob")
        assert smart.get(f"/fhir/{practitioner}", access).status_code == status, (name, scope)


def test_a4_tokens_stay_short_however_many_scopes_they_have(smart: Clinic) -> None:
    scope = " ".join(f"patient/{one}.rs" for one in ("Patient", "ImagingStudy", "Observation"))
    assert len(token(smart, scope)) < 100


def test_a4_one_token_opens_the_record_and_the_pictures(smart: Clinic) -> None:
    """SMART Imaging Access 5, 11, 15 and 17, with the token of a launch."""
    access = token(smart, "patient/ImagingStudy.rs")
    alice, bob = smart.patients["Alice"], smart.patients["Bob"]
    words = f"patient={alice}&_include=ImagingStudy:endpoint"
    entries = smart.get(f"/fhir/ImagingStudy?{words}", access).json()["entry"]
    kinds = {one["resource"]["resourceType"]: one["resource"] for one in entries}
    uid = kinds["ImagingStudy"]["identifier"][0]["value"].removeprefix("urn:oid:")
    address = f"{kinds['Endpoint']['address']}/studies/{quote(uid)}".removeprefix(smart.server.base)
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert smart.get(address, access, Accept=accept).status_code == 200
    assert smart.get(f"/fhir/ImagingStudy?patient={bob}", access).status_code == 403
    bobs = token(smart, "patient/ImagingStudy.rs", "bob", "Bob")
    assert smart.get(address, bobs, Accept=accept).status_code == 403


def test_a4_an_app_with_a_narrow_ceiling_stays_below_it(smart: Clinic) -> None:
    app = smart.app(scope="openid launch/patient patient/ImagingStudy.rs")
    body = app.tokens(smart.person("alice"), scope="openid fhirUser offline_access patient/*.read")
    assert body["scope"] == "openid patient/ImagingStudy.read"
    assert "refresh_token" not in body
    assert app.redirect == REDIRECT
