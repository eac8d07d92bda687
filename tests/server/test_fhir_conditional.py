"""Conditional writes and JSON Patch over HTTP (conformance row A11)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.library import refusal
from tests.support.scribe import Scribe, number, order, result, scribe

PATCH = "application/json-patch+json"


@pytest.fixture(scope="module")
def pen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scribe]:
    with scribe(tmp_path_factory.mktemp("scribe")) as made:
        yield made


@pytest.fixture
def alice(pen: Scribe) -> str:
    return pen.patients["Alice"]


def patch(pen: Scribe, place: str, *operations: Any, **headers: str) -> Any:
    return pen.ask("PATCH", place, list(operations), **{"Content_Type": PATCH, **headers})


def test_a11_conditional_create_makes_one_finds_one_and_refuses_several(
    pen: Scribe, alice: str
) -> None:
    body = order(alice, identifier=[number("C1")])
    ask = {"If_None_Exist": "identifier=C1"}
    made = pen.ask("POST", "ServiceRequest", body, **ask)
    assert made.status_code == 201
    found = pen.ask("POST", "ServiceRequest", body, **ask)
    assert found.status_code == 200
    for name in ("ETag", "Location", "Last-Modified"):
        assert found.headers[name] == made.headers[name]
    assert found.json() == made.json()
    assert pen.ask("POST", "ServiceRequest", body, Prefer="return=minimal", **ask).content == b""
    pen.made(body)
    refusal(pen.ask("POST", "ServiceRequest", body, **ask), 412)
    for bad in ("", "_count=3", "nonsense=1", "identifier"):
        refusal(pen.ask("POST", "ServiceRequest", body, If_None_Exist=bad), 400)


def test_a11_of_fifty_who_create_at_once_with_one_number_one_does(pen: Scribe, alice: str) -> None:
    body = order(alice, identifier=[number("C50")])

    def post(_: int) -> tuple[int, str]:
        answer = pen.ask("POST", "ServiceRequest", body, If_None_Exist="identifier=C50")
        return answer.status_code, answer.headers["Location"]

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(post, range(50)))
    assert sorted(status for status, _ in told) == [*[200] * 49, 201]
    assert len({place for _, place in told}) == 1
    assert pen.ask("GET", "ServiceRequest?identifier=C50").json()["total"] == 1


def test_a11_conditional_update_creates_updates_and_refuses(pen: Scribe, alice: str) -> None:
    body = order(alice, identifier=[number("U1")])
    where = "ServiceRequest?identifier=U1"
    made = pen.ask("PUT", where, body)
    assert made.status_code == 201
    held = {**body, "status": "on-hold"}
    changed = pen.ask("PUT", where, held)
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert changed.json()["id"] == made.json()["id"]
    refusal(pen.ask("PUT", where, {**held, "id": "another"}), 400)
    refusal(pen.ask("PUT", "ServiceRequest?identifier=none", {**held, "id": "another"}), 405)
    refusal(pen.ask("PUT", "ServiceRequest", held), 400)
    pen.made(body)
    refusal(pen.ask("PUT", where, held), 412)


def test_a11_conditional_delete_deletes_one_and_never_several(pen: Scribe, alice: str) -> None:
    body = result(alice, identifier=[number("D1")])
    where = "Observation?identifier=D1"
    assert pen.ask("DELETE", where).status_code == 204
    first, second = pen.made(body), pen.made(body)
    refusal(pen.ask("DELETE", where), 412)
    assert pen.ask("DELETE", f"Observation/{second['id']}").status_code == 204
    assert pen.ask("DELETE", where).status_code == 204
    refusal(pen.ask("GET", f"Observation/{first['id']}"), 410)
    refusal(pen.ask("DELETE", "Observation"), 412)


def test_a4_a_condition_needs_the_scope_to_search(pen: Scribe, alice: str) -> None:
    body = order(alice, identifier=[number("S1")])
    blind = pen.keys.token("system/ServiceRequest.cud")
    where = "ServiceRequest?identifier=S1"
    ask = {"If_None_Exist": "identifier=S1"}
    refusal(pen.ask("POST", "ServiceRequest", body, token=blind, **ask), 403)
    refusal(pen.ask("PUT", where, body, token=blind), 403)
    refusal(pen.ask("DELETE", where, token=blind), 403)
    updater = pen.keys.token("system/ServiceRequest.us")
    refusal(pen.ask("PUT", where, body, token=updater), 403)
    other = pen.keys.token("system/ServiceRequest.cs")
    assert pen.ask("POST", "ServiceRequest", body, token=other, **ask).status_code == 201
    found = pen.ask("POST", "ServiceRequest", body, token=other, **ask)
    assert (found.status_code, found.content) == (200, b""), "who may not read gets no content"
    chained = {"If_None_Exist": "patient.name=Alice"}
    refusal(pen.ask("POST", "ServiceRequest", body, token=other, **chained), 403)
    one = pen.keys.backend(f"patient:{alice}", "system/*.cruds").token(scope="system/*.cruds")
    bobs = {"If_None_Exist": f"patient={pen.patients['Bob']}"}
    refusal(pen.ask("POST", "ServiceRequest", body, token=one, **bobs), 403)


def test_a11_a_patch_changes_what_it_names_and_keeps_the_spelling(pen: Scribe, alice: str) -> None:
    made = pen.made(result(alice, note=[{"text": "one"}]))
    place = f"Observation/{made['id']}"
    answer = patch(
        pen,
        place,
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
        {"op": "add", "path": "/note/-", "value": {"text": "two"}},
        {"op": "move", "from": "/note/0", "path": "/note/1"},
        {"op": "remove", "path": "/valueString"},
        {"op": "add", "path": "/valueInteger", "value": 3},
        If_Match='W/"1"',
    )
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    body = answer.json()
    assert [one["text"] for one in body["note"]] == ["two", "one"]
    assert (body["status"], body["valueInteger"]) == ("amended", 3)
    assert "valueString" not in body


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/status", "value": "amended"}, 422),
        ({"op": "remove", "path": "/nothing"}, 422),
        ({"op": "replace", "path": "/note/7", "value": {}}, 422),
        ({"op": "replace", "path": "/id", "value": "other"}, 422),
        ({"op": "replace", "path": "/resourceType", "value": "Patient"}, 422),
        ({"op": "remove", "path": "/status"}, 422),
        ({"op": "replace", "path": "/subject/reference", "value": "Patient/nobody"}, 422),
        ({"op": "explode", "path": "/status"}, 400),
        ({"op": "add", "path": "status", "value": "x"}, 400),
        ({"op": "add", "path": "/status"}, 400),
        ({"op": ["add"], "path": 3}, 400),
        ("add", 400),
    ],
)
def test_a11_a_patch_that_fails_changes_nothing(
    pen: Scribe, alice: str, operation: Any, status: int
) -> None:
    made = pen.made(result(alice))
    place = f"Observation/{made['id']}"
    good = {"op": "replace", "path": "/valueString", "value": "changed"}
    refusal(patch(pen, place, good, operation), status)
    assert pen.ask("GET", place).json() == made


def test_a11_a_patch_is_refused_as_an_update_is(pen: Scribe, alice: str) -> None:
    made = pen.made(result(alice))
    place, same = f"Observation/{made['id']}", {"op": "test", "path": "/status", "value": "final"}
    assert patch(pen, place, same).headers["ETag"] == 'W/"1"'
    refusal(patch(pen, place, same, If_Match='W/"4"'), 412)
    refusal(patch(pen, place, same, Content_Type="application/fhir+json"), 415)
    refusal(patch(pen, "Observation/unknown", same), 404)
    refusal(pen.ask("PATCH", place, {"op": "test"}, Content_Type=PATCH), 400)
    doubling = [{"op": "copy", "from": "", "path": "/extension"}] * 60
    assert pen.ask("PATCH", place, doubling, Content_Type=PATCH).status_code in (400, 422)
    blind = pen.keys.token("system/Observation.u")
    changed = patch(
        pen, place, {"op": "replace", "path": "/status", "value": "amended"}, token=blind
    )
    assert (changed.status_code, changed.content) == (200, b"")


def test_a11_patches_at_once_without_a_condition_all_count(pen: Scribe, alice: str) -> None:
    made = pen.made(result(alice, note=[{"text": "0"}]))
    place = f"Observation/{made['id']}"

    def note(n: int) -> int:
        operation = {"op": "add", "path": "/note/-", "value": {"text": str(n)}}
        return int(patch(pen, place, operation).status_code)

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(note, range(6))) == {200}
    assert len(pen.ask("GET", place).json()["note"]) == 7
