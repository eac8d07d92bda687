"""Create, update and delete over HTTP (conformance row A11): versions, the gate, who may."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import logs
from tests.support.library import refusal
from tests.support.outside import complaints
from tests.support.scribe import Scribe, letter, number, order, report, result, scribe
from tests.support.smart_app import App, Person

KINDS = ("ServiceRequest", "DiagnosticReport", "Observation", "DocumentReference")


@pytest.fixture(scope="module")
def pen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scribe]:
    with scribe(tmp_path_factory.mktemp("scribe")) as made:
        yield made


@pytest.fixture
def alice(pen: Scribe) -> str:
    return pen.patients["Alice"]


def bodies(patient: str) -> list[dict[str, Any]]:
    return [order(patient), report(patient), result(patient), letter(patient)]


def test_a11_what_is_created_has_an_id_version_and_time_of_the_server(
    pen: Scribe, alice: str
) -> None:
    people: list[dict[str, Any]] = [
        {"resourceType": "Practitioner", "name": [{"family": "Who"}]},
        {"resourceType": "Organization", "name": "Clinic"},
    ]
    for body in (*bodies(alice), *people):
        own = {"id": "mine", "meta": {"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z"}}
        answer = pen.ask("POST", body["resourceType"], {**body, **own})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["id"] != "mine"
        assert made["meta"]["versionId"] == "1"
        assert answer.headers["ETag"] == 'W/"1"'
        assert answer.headers["Last-Modified"].endswith("GMT")
        place = f"{body['resourceType']}/{made['id']}"
        assert answer.headers["Location"] == f"{pen.server.base}/fhir/{place}/_history/1"
        assert {key: made[key] for key in body} == body
        assert pen.ask("GET", place).json() == made
        assert complaints(made) == []
    found = pen.ask("GET", f"Observation?patient={alice}&_revinclude=Provenance:target").json()
    assert "Provenance" in [entry["resource"]["resourceType"] for entry in found["entry"]]


def test_a11_numbers_stay_as_they_were_spelled(pen: Scribe, alice: str) -> None:
    subject = f'"subject":{{"reference":"Patient/{alice}"}}'
    value = '"valueQuantity":{"value":72.50,"unit":"mm"}'
    head = '"resourceType":"Observation","status":"final","code":{"text":"width"}'
    answer = pen.ask("POST", "Observation", f"{{{head},{subject},{value}}}")
    assert answer.status_code == 201
    assert '"value":72.50' in pen.ask("GET", f"Observation/{answer.json()['id']}").text


def test_a11_everything_that_is_wrong_is_told_at_once_and_where(pen: Scribe, alice: str) -> None:
    bad = order(alice, priority="soonish", intent="", nonsense=1)
    answer = pen.ask("POST", "ServiceRequest", bad)
    assert answer.status_code == 422
    told = {one["expression"][0] for one in answer.json()["issue"]}
    assert {"ServiceRequest", "ServiceRequest.priority", "ServiceRequest.intent"} <= told
    assert "soonish" not in answer.text


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        ("{", "application/fhir+json", 400),
        ("[]", "application/fhir+json", 400),
        ('{"resourceType":"Patient"}', "application/fhir+json", 400),
        ('{"resourceType":"ServiceRequest"}', "application/json", 422),
        ("<ServiceRequest/>", "application/fhir+xml", 415),
        ("{}", "", 415),
    ],
)
def test_a11_a_body_that_cannot_be_read_is_refused(
    pen: Scribe, data: str, kind: str, status: int
) -> None:
    refusal(pen.ask("POST", "ServiceRequest", data, Content_Type=kind), status)


def test_a11_a_body_beyond_the_limit_is_413(pen: Scribe) -> None:
    refusal(pen.ask("POST", "Observation", b" " * ((16 << 20) + 1)), 413)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"subject": {"display": "somebody"}}, "subject"),
        ({"subject": {"reference": "Patient/nobody"}}, "subject"),
        ({"subject": {"reference": "https://elsewhere.example/fhir/Patient/1"}}, "subject"),
        ({"performer": [{"reference": "Practitioner/nobody"}]}, "performer[0].reference"),
        ({"hasMember": [{"reference": "urn:uuid:x"}]}, "hasMember[0].reference"),
        ({"meta": {"tag": [{"code": "SUBSETTED"}]}}, "meta.tag"),
    ],
)
def test_a11_a_reference_leads_somewhere_and_a_part_is_no_resource(
    pen: Scribe, alice: str, changes: dict[str, Any], where: str
) -> None:
    issue = refusal(pen.ask("POST", "Observation", {**result(alice), **changes}), 422)
    assert issue["expression"] == [f"Observation.{where}"]


def test_a11_nothing_refers_to_another_patients_record(pen: Scribe, alice: str) -> None:
    bobs = pen.made(order(pen.patients["Bob"]))
    body = report(alice, basedOn=[{"reference": f"ServiceRequest/{bobs['id']}"}])
    issue = refusal(pen.ask("POST", "DiagnosticReport", body), 422)
    assert issue["expression"] == ["DiagnosticReport.basedOn[0].reference"]
    body = result(pen.patients["Wilma"])
    refusal(pen.ask("POST", "Observation", body), 422)


def test_a11_an_update_writes_the_next_version_and_an_equal_one_none(
    pen: Scribe, alice: str
) -> None:
    made = pen.made(order(alice))
    place = f"ServiceRequest/{made['id']}"
    same = pen.ask("PUT", place, made)
    assert (same.status_code, same.headers["ETag"]) == (200, 'W/"1"')
    answer = pen.ask("PUT", place, {**made, "status": "on-hold"}, If_Match='W/"1"')
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    refusal(pen.ask("PUT", place, {**made, "status": "active"}, If_Match='W/"1"'), 412)
    refusal(pen.ask("PUT", place, made, If_Match="two"), 400)
    refusal(pen.ask("PUT", place, made, If_None_Match="*"), 412)
    history = pen.ask("GET", f"{place}/_history").json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["PUT", "POST"]
    refusal(pen.ask("PUT", place, {**made, "id": "other"}), 400)
    refusal(pen.ask("PUT", place, order(alice)), 400)
    bobs = {"reference": f"Patient/{pen.patients['Bob']}"}
    assert refusal(pen.ask("PUT", place, {**made, "subject": bobs}), 422)["expression"] == [
        "ServiceRequest.subject"
    ]


def test_a11_ids_are_made_by_the_server_alone(pen: Scribe, alice: str) -> None:
    body = {**order(alice), "id": "of-my-own"}
    answer = pen.ask("PUT", "ServiceRequest/of-my-own", body)
    refusal(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_a11_what_is_deleted_is_gone_and_stays_in_the_history(pen: Scribe, alice: str) -> None:
    made = pen.made(result(alice))
    place = f"Observation/{made['id']}"
    refusal(pen.ask("DELETE", place, If_Match='W/"9"'), 412)
    answer = pen.ask("DELETE", place)
    assert (answer.status_code, answer.content) == (204, b"")
    refusal(pen.ask("GET", place), 410)
    refusal(pen.ask("GET", f"{place}/_history/2"), 410)
    assert pen.ask("GET", f"{place}/_history/1").status_code == 200
    assert pen.ask("GET", f"Observation?_id={made['id']}").json()["total"] == 0
    assert pen.ask("DELETE", place).status_code == 204
    assert pen.ask("DELETE", "Observation/never-seen").status_code == 204
    refusal(pen.ask("PUT", place, made), 410)


def test_a11_what_others_refer_to_is_not_deleted(pen: Scribe, alice: str) -> None:
    one = pen.made(result(alice))
    whole = pen.made(report(alice, result=[{"reference": f"Observation/{one['id']}"}]))
    refusal(pen.ask("DELETE", f"Observation/{one['id']}"), 409)
    assert pen.ask("DELETE", f"DiagnosticReport/{whole['id']}").status_code == 204
    assert pen.ask("DELETE", f"Observation/{one['id']}").status_code == 204


@pytest.mark.parametrize("kind", ["Patient", "ImagingStudy", "Endpoint", "Provenance", "Binary"])
def test_a11_what_the_server_makes_nobody_writes(pen: Scribe, kind: str) -> None:
    for method, path in (("POST", kind), ("PUT", f"{kind}/x"), ("DELETE", f"{kind}/x")):
        refusal(pen.ask(method, path, {"resourceType": kind, "id": "x"}), 405)


def test_a11_prefer_says_what_comes_back(pen: Scribe, alice: str) -> None:
    minimal = pen.ask("POST", "ServiceRequest", order(alice), Prefer="return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["ETag"] == 'W/"1"'
    told = pen.ask("POST", "ServiceRequest", order(alice), Prefer="return=OperationOutcome")
    assert told.json()["resourceType"] == "OperationOutcome"
    whole = pen.ask("POST", "ServiceRequest", order(alice), Prefer="return=representation")
    assert whole.json()["resourceType"] == "ServiceRequest"


def test_a4_scope_letters_and_patients_tokens_and_organisations(pen: Scribe, alice: str) -> None:
    """Each letter opens its own method; a patient's own token writes nothing."""
    made = pen.made(order(alice))
    place, keys = f"ServiceRequest/{made['id']}", pen.keys
    asks: dict[str, tuple[str, str, Any]] = {
        "c": ("POST", "ServiceRequest", order(alice)),
        "u": ("PUT", place, {**made, "status": "on-hold"}),
        "d": ("DELETE", place, None),
    }
    for letter_, (method, path, body) in asks.items():
        others = "".join(one for one in "cruds" if one != letter_)
        before = len(pen.events("refuse"))
        for token in (
            keys.token(f"system/ServiceRequest.{others}"),
            keys.token("system/Observation.cruds"),
            keys.token("patient/*.cruds", alice),
            keys.token("patient/*.cruds", pen.patients["Bob"]),
        ):
            refusal(pen.ask(method, path, body, token=token), 403)
        assert len(pen.events("refuse")) == before + 4
    west = keys.token("system/*.cruds", organisation="west")
    refusal(pen.ask("POST", "ServiceRequest", order(alice), token=west), 422)
    refusal(pen.ask("PUT", place, made, token=west), 405)
    assert pen.ask("DELETE", place, token=west).status_code == 204
    assert pen.ask("GET", place).json() == made


def test_a4_a_clinician_writes_through_an_app_that_may_and_is_named_as_the_author(
    pen: Scribe, alice: str
) -> None:
    keys = pen.keys
    scope = "openid fhirUser launch/patient patient/*.cruds user/*.cruds"
    app = App(pen.server, keys.app(scope=scope)[0])
    keys.user("a clinician", "clinician")
    keys.user("a patient", "patient", alice)
    asked = {"scope": "openid fhirUser user/*.cruds", "patient": alice}
    doctor = app.tokens(Person(pen.server, "a clinician"), **asked)["access_token"]
    answer = pen.ask("POST", "Observation", result(alice), token=doctor)
    assert answer.status_code == 201, answer.text
    target = {"reference": f"Observation/{answer.json()['id']}/_history/1"}
    found = pen.ask("GET", "Provenance?_count=1000").json()["entry"]
    (origin,) = (e["resource"] for e in found if target in e["resource"]["target"])
    assert origin["agent"][0]["who"]["reference"].startswith("Practitioner/")
    for scope in ("user/*.cruds", "patient/*.cruds"):
        person = Person(pen.server, "a patient")
        own = app.tokens(person, scope=scope, patient=alice)["access_token"]
        refusal(pen.ask("POST", "Observation", result(alice), token=own), 403)
        made = pen.made(result(alice))
        refusal(pen.ask("DELETE", f"Observation/{made['id']}", token=own), 403)


def test_a4_a_client_for_one_patient_writes_into_that_record_alone(pen: Scribe, alice: str) -> None:
    client = pen.keys.backend(f"patient:{alice}", "system/*.cruds")
    token = logs.keep_out(client.token(scope="system/*.cruds"))
    bob = pen.patients["Bob"]
    mine = pen.ask("POST", "Observation", result(alice), token=token)
    assert mine.status_code == 201, mine.text
    refusal(pen.ask("POST", "Observation", result(bob), token=token), 403)
    bobs = pen.made(result(bob))
    place = f"Observation/{bobs['id']}"
    refusal(pen.ask("PUT", place, {**bobs, "status": "amended"}, token=token), 403)
    refusal(pen.ask("DELETE", place, token=token), 403)
    who = {"resourceType": "Practitioner", "name": [{"family": "X"}]}
    refusal(pen.ask("POST", "Practitioner", who, token=token), 403)
    early = report(alice) | {"status": "preliminary"}
    refusal(pen.ask("POST", "DiagnosticReport", early, token=token), 403)


def test_what_is_not_released_is_not_for_the_patient_and_an_error_leaves_a_tombstone(
    pen: Scribe, alice: str
) -> None:
    own = pen.keys.token("patient/*.rs", alice)
    made = pen.made(report(alice, conclusion="a secret") | {"status": "preliminary"})
    place = f"DiagnosticReport/{made['id']}"
    refusal(pen.ask("GET", place, token=own), 404)
    final = pen.ask("PUT", place, {**made, "status": "final"}).json()
    assert pen.ask("GET", place, token=own).json()["conclusion"] == "a secret"
    assert pen.ask("PUT", place, {**final, "status": "entered-in-error"}).status_code == 200
    assert "a secret" not in pen.ask("GET", place, token=own).text
    assert "a secret" not in pen.ask("GET", f"{place}/_history", token=own).text
    assert "a secret" in pen.ask("GET", place).text


def test_each_write_is_audited_and_has_its_provenance(pen: Scribe, alice: str) -> None:
    made = pen.made(order(alice))
    place = f"ServiceRequest/{made['id']}"
    pen.ask("PUT", place, {**made, "status": "on-hold"})
    pen.ask("DELETE", place)
    for action, version in (("create", 1), ("update", 2), ("delete", 3)):
        event = pen.events(action)[-1]
        assert (event.detail, event.client, event.outcome) == (place, "cli", "0")
        assert event.person
        found = pen.ask("GET", "Provenance?_count=1000").json()["entry"]
        target = {"reference": f"{place}/_history/{version}"}
        assert [e for e in found if target in e["resource"]["target"]]


def test_a_report_is_joined_with_the_order_of_its_number(pen: Scribe, alice: str) -> None:
    request = pen.made(order(alice, identifier=[number("J1")]))
    based = {"reference": f"ServiceRequest/{request['id']}"}
    other = pen.made(order(alice))
    named = {"reference": f"ServiceRequest/{other['id']}"}
    answer = pen.ask(
        "POST", "DiagnosticReport", report(alice, identifier=[number("J1")], basedOn=[named])
    )
    made = answer.json()
    assert made["basedOn"] == [named, based], "what its author named stays"
    place = f"DiagnosticReport/{made['id']}"
    version = answer.headers["ETag"]
    assert pen.ask("PUT", place, made).headers["ETag"] == version
    bare = {key: value for key, value in made.items() if key != "basedOn"}
    assert pen.ask("PUT", place, bare).json()["basedOn"] == [based]
    refusal(pen.ask("DELETE", based["reference"]), 409)


def test_a_number_of_a_practitioner_stands_once(pen: Scribe) -> None:
    body = {
        "resourceType": "Practitioner",
        "identifier": [{"system": "https://hospital.example/staff", "value": "D1"}],
    }
    made = pen.made(body)
    refusal(pen.ask("POST", "Practitioner", body), 409)
    found = pen.ask("POST", "Practitioner", body, If_None_Exist="identifier=D1")
    assert (found.status_code, found.json()) == (200, made)


def test_of_writers_at_once_with_one_version_one_wins(pen: Scribe, alice: str) -> None:
    made = pen.made(result(alice))
    place = f"Observation/{made['id']}"

    def put(n: int) -> int:
        body = {**made, "valueString": str(n)}
        return pen.ask("PUT", place, body, If_Match='W/"1"').status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(16))) == [200, *[412] * 15]
    assert pen.ask("GET", place).headers["ETag"] == 'W/"2"'


def test_a11_hostile_bodies_break_nothing(pen: Scribe, alice: str) -> None:
    """Each is refused as the caller's fault, or kept as the harmless text that it is."""
    deep: Any = "x"
    for _ in range(3000):
        deep = f'{{"extension":[{deep}]}}'
    hostile = [
        deep,
        '{"resourceType":"Observation","resourceType":"Observation"}',
        '{"resourceType":"Observation","status":NaN}',
        '{"resourceType":["Observation"]}',
        '{"resourceType":"Observation","meta":[],"identifier":{},"subject":7}',
        '{"resourceType":"Observation","subject":{"reference":{"reference":"x"}}}',
        b"\xff\xfe{",
        '{"resourceType":"Observation","status":"\\ud800"}',
    ]
    for body in hostile:
        assert pen.ask("POST", "Observation", body).status_code in (400, 422)
    spiteful = "'; DROP TABLE resource; -- <script>alert(1)</script> ../../etc ${7*7}"
    made = pen.made(result(alice) | {"valueString": spiteful})
    assert pen.ask("GET", f"Observation/{made['id']}").json()["valueString"] == spiteful
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>'
    scripted = result(alice, text={"status": "generated", "div": div})
    refusal(pen.ask("POST", "Observation", scripted), 422)
    refusal(pen.ask("POST", f"{'Observation' * 20}", result(alice)), 404)
    refusal(pen.ask("PUT", f"Observation/{'x' * 65}", result(alice) | {"id": "x" * 65}), 422)
