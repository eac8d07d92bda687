"""/openapi.json says all that the route table says, and every reference in it leads somewhere."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from server.app import ROUTES
from server.web.openapi import document
from server.web.routes import Public, Route, Scoped, Signed

BASE = "https://triptych.example"
HTTP = {"get", "put", "post", "delete", "patch", "options", "head"}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(ROUTES, BASE)))
    return found


def operations(told: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def address(route: Route) -> str:
    return re.sub(r"<(\w+:)?(\w+)>", r"{\2}", route.rule)


def test_the_description_names_every_address_method_and_scope(told: dict[str, Any]) -> None:
    rows = {(address(row), method.lower()): row for row in ROUTES for method in row.methods}
    assert {(path, method) for path, method, _ in operations(told)} == set(rows)
    for path, method, operation in operations(told):
        row = rows[path, method]
        asked = {scope for one in operation["security"] for scope in one.get("smart", ())}
        match row.access:
            case Public():
                assert operation["security"] == []
            case Scoped(type_, letter):
                assert f"system/{type_}.{letter}" in asked
            case Signed(roles):
                assert operation["security"] == [{"login": list(roles)}]
        assert operation["summary"] == row.summary


def test_what_openapi_demands_of_a_description_holds(told: dict[str, Any]) -> None:
    """OpenAPI 3.1: operations named once, every path variable declared, required and known."""
    assert told["openapi"] == "3.1.0"
    assert set(told["info"]) >= {"title", "version"}
    names = [operation["operationId"] for _, _, operation in operations(told)]
    assert len(names) == len(set(names))
    scopes = told["components"]["securitySchemes"]["smart"]["flows"]["authorizationCode"]["scopes"]
    for path, method, operation in operations(told):
        assert method in HTTP
        declared = [one for one in operation.get("parameters", ()) if one["in"] == "path"]
        assert [one["name"] for one in declared] == re.findall(r"\{(\w+)\}", path)
        assert all(one["required"] for one in declared)
        assert operation["responses"]
        for one in operation["security"]:
            assert set(one) <= set(told["components"]["securitySchemes"])
            assert set(one.get("smart", ())) <= set(scopes)


def test_every_error_of_an_operation_is_described(told: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/responses/(\w+)"', json.dumps(told)))
    assert named
    assert named <= set(told["components"]["responses"])
    for _, _, operation in operations(told):
        guarded = any(operation["security"])
        assert not guarded or {"401", "403"} <= set(operation["responses"])
