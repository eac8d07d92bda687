"""The access matrix: every address that needs a scope, walked by everybody who may come to it.

It is made from the route table. A route without a row here fails: somebody has to say what it shows.
"""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from server.app import ROUTES
from server.flows.authorship import WRITTEN
from server.flows.resources import SEARCHED, TYPES
from server.web.fhir_search import OF_PATIENT
from server.web.routes import Public, Route, Scoped
from tests.support.hospital import (
    ACTORS,
    BROWSERS,
    ENDED,
    HOLDERS,
    NOBODY,
    OTHERS,
    STRANGERS,
    UNFIT,
    UNREAD,
    VIEWS,
    WILMAS,
    Hospital,
    hospital,
)
from tests.support.nosy import NAMED, SEARCHES
from tests.support.scenes import ALICES, BOBS, alices
from tests.support.web import STOW_TYPE, multipart

pytestmark = pytest.mark.slow

# What each address shows. `owned`: something of one patient. `search`: what the caller may see of
# all. `store`: takes objects of anybody, so only a system token for all of an organisation may.
SHOWS = {
    "/fhir/<type>/<id>": "owned",
    "/fhir/<type>/<id>/_history": "owned",
    "/fhir/<type>/<id>/_history/<version>": "owned",
    "/fhir/<type>": "search",
    "/fhir/<type>/_search": "search",
    **{f"/fhir/Patient/<id>/{type_}": "named" for type_ in OF_PATIENT},
    "/dicomweb/studies": "search",
    "/dicomweb/series": "search",
    "/dicomweb/instances": "search",
    "/dicomweb/studies/<study>/series": "owned",
    "/dicomweb/studies/<study>/instances": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances": "owned",
    "/dicomweb/studies/<study>": "owned",
    "/dicomweb/studies/<study>/series/<series>": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>": "owned",
    "/dicomweb/studies/<study>/metadata": "owned",
    "/dicomweb/studies/<study>/series/<series>/metadata": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/metadata": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/bulkdata/<path:value>": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/frames/<frames>": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/rendered": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/frames/<frames>/rendered": "owned",
    "/dicomweb/studies/<study>/thumbnail": "owned",
    "/dicomweb/studies/<study>/series/<series>/thumbnail": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/thumbnail": "owned",
    "/dicomweb/studies/<study>/series/<series>/instances/<instance>/frames/<frames>/thumbnail": "owned",
}
STORES = {"/dicomweb/studies", "/dicomweb/studies/<study>"}
# What changes a record, by method and rule, with what is sent: nothing that would be kept.
ORDER = '{"resourceType":"ServiceRequest"}'
WRITES = {
    **{(method, "/fhir/<type>"): ORDER for method in ("POST", "PUT")},
    ("PUT", "/fhir/<type>/<id>"): '{"resourceType":"ServiceRequest","id":"<id>"}',
    ("PATCH", "/fhir/<type>/<id>"): "[]",
    ("DELETE", "/fhir/<type>"): "",
    ("DELETE", "/fhir/<type>/<id>"): "",
}
# Who has the scopes to write: what is sent is no order, what stands in the chart is a message's.
WRITERS = {
    "the organisation": {"POST": 422, "PUT": 422, "PATCH": 200, "DELETE": 405},
    "another organisation": {"POST": 422, "PUT": 422, "PATCH": 404, "DELETE": 204},
}
# What is open to whoever asks: each of these finds out by itself who that is.
OAUTH = (
    *("token", "introspect", "revoke", "launch", "share", "register", "jwks"),
    *("authorize", "continue", "login", "pick", "decide", "apps", "logout", "pages.css"),
    *("code", "account", "account/password", "account/session", "account/second"),
)
SCOPED = [route for route in ROUTES if isinstance(route.access, Scoped)]


def shows(route: Route) -> str:
    if route.methods == ("POST",) and route.rule in STORES:
        return "store"
    if (route.methods[0], route.rule) in WRITES:
        return "write"
    return SHOWS[route.rule]


def addresses() -> Iterator[tuple[str, str, str]]:
    """Method, rule with its type filled in, and what it shows."""
    for route in SCOPED:
        kind = shows(route)
        types = SEARCHED if kind == "search" else WRITTEN[:1] if kind == "write" else TYPES
        for type_ in types if "<type>" in route.rule else ("",):
            shared = type_ == "Endpoint" and kind == "owned"
            rule = route.rule.replace("<type>", type_)
            yield route.methods[0], rule, "shared" if shared else kind


MATRIX = list(addresses())
NAMES = [f"{method} {rule}" for method, rule, _ in MATRIX]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(tmp_path_factory.mktemp("hospital")) as made:
        yield made


def filled(world: Hospital, rule: str) -> str:
    """An address, for what is Alice's."""
    values = {
        "<id>": world.alices.get(rule.split("/")[2], ""),
        "<version>": "1",
        "<study>": ALICES,
        "<series>": f"{ALICES}.1",
        "<instance>": f"{ALICES}.1.1",
        "<frames>": "1",
        "<path:value>": "7FE00010",
    }
    for name, value in values.items():
        rule = rule.replace(name, value)
    assert "<" not in rule, f"say in this test what to put into {rule}"
    return rule


def of_link(actor: str, method: str, type_: str, kind: str) -> set[int]:
    """What the holder of a link is to get: pictures, by reading; and of reports only their own."""
    if method != "GET":
        return {401}
    if type_ not in ("ImagingStudy", "DiagnosticReport", "Endpoint", "Binary", ""):
        return {403}
    if kind == "search" or type_ == "Endpoint":
        return {403} if type_ == "Binary" else {200}
    # The report and the document in Alice's record are of none of the studies of the link.
    mine = actor == HOLDERS[0] and (type_ in ("ImagingStudy", "") or kind == "named")
    return {200} if mine else {403}


def of_view(method: str, type_: str, kind: str) -> set[int]:
    """What a view of Alice's is to get: what the viewer shows, by reading."""
    if method != "GET":
        return {401}
    shown = ("Patient", "ImagingStudy", "DiagnosticReport", "Endpoint", "Binary", "")
    return {403} if type_ not in shown or (kind == "search" and type_ == "Binary") else {200}


def expected(actor: str, method: str, rule: str, kind: str) -> set[int]:
    """The status that an actor is to get."""
    if actor in (*HOLDERS, *VIEWS):
        place = -1 if kind == "named" else 2
        named = rule.split("/")[place] if rule.startswith("/fhir/") else ""
        if actor in VIEWS:
            return of_view(method, named, kind)
        return of_link(actor, method, named, kind)
    if actor in (*NOBODY, *ENDED, *UNREAD) or (actor in BROWSERS and method != "GET"):
        return {401}
    if actor in UNFIT:
        return {403}
    if kind == "store":
        # Objects go into the caller's own organisation, whoever the caller is.
        systems = ("the organisation", "another organisation")
        return {200, 202, 409} if actor in systems else {403}
    if kind == "write":
        status = WRITERS.get(actor, {}).get(method, 403)
        return {204} if status == 405 and "<id>" not in rule else {status}
    if kind == "search":
        return {200}
    if actor in OTHERS:
        return {200} if kind == "shared" else {403}
    if actor in (*STRANGERS, BROWSERS[1]):
        return {200} if kind == "named" else {404}
    return {200}


def write(world: Hospital, actor: str, method: str, rule: str, path: str) -> requests.Response:
    body = WRITES[method, rule.replace("ServiceRequest", "<type>")]
    body = body.replace("<id>", path.rpartition("/")[2])
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    where = "" if "<id>" in rule else "?_id=nobody"
    return world.caller(actor).send(method, path + where, body, kind)


def ask(world: Hospital, actor: str, method: str, path: str) -> requests.Response:
    caller = world.caller(actor)
    if method == "GET":
        return caller.get(path)
    if "_search" in path:
        return caller.post("", "application/x-www-form-urlencoded", path, "application/json")
    known = world.wilmas if actor in STRANGERS else alices()[:1]
    return caller.post(multipart(known), STOW_TYPE, path)


def test_every_address_that_needs_a_scope_has_a_row() -> None:
    assert {r.rule for r in SCOPED if shows(r) not in ("store", "write")} == set(SHOWS)
    assert {(r.methods[0], r.rule) for r in SCOPED if shows(r) == "write"} == set(WRITES)
    assert {route.rule for route in SCOPED if shows(route) == "store"} == STORES


def test_every_address_without_a_scope_says_why() -> None:
    public = {route.rule: route.access.why for route in ROUTES if isinstance(route.access, Public)}
    assert set(public) == {
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/fhir/.well-known/smart-styles.json",
        "/.well-known/openid-configuration",
        *(f"/oauth/{name}" for name in OAUTH),
        *(
            f"/s/{name}"
            for name in ("", "<token>", "<token>/code", "icon.svg", "link.css", "watch.js")
        ),
        "/shl/<secret>",
        "/shl/<secret>/<ticket>",
        "/oauth/register/<client>",
        "/setup/<secret>",
        "/desk/desk.css",
        "/apps/viewer/",
        "/apps/viewer/<path:file>",
        *(f"/apps/viewer/{name}" for name in ("launch", "launched", "alive")),
    }
    assert all(len(why) > 10 for why in public.values())


@pytest.mark.parametrize(("method", "rule", "kind"), MATRIX, ids=NAMES)
def test_an_address_answers_each_caller_as_it_must(
    world: Hospital, method: str, rule: str, kind: str
) -> None:
    path = filled(world, rule)
    before = world.refusals()
    refused = 0
    for actor in ACTORS:
        if kind == "write":
            answer = write(world, actor, method, rule, path)
        else:
            answer = ask(world, actor, method, path)
        assert answer.status_code in expected(actor, method, rule, kind), (
            f"{actor}: {answer.text[:300]}"
        )
        refused += answer.status_code in (401, 403, 404)
        if answer.status_code in (401, 403, 404):
            assert answer.json()["resourceType"] == "OperationOutcome"
            assert not mentions(world, "Alice", answer.text.replace(path, ""))
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert world.refusals() == before + refused, "every refusal is in the audit, once"


# Leaks: what other people's answers say of Alice.

SECRETS = ("Liddell", "ALICE", "19520504", "1952-05-04", f"{ALICES}.", "of alices")


def mentions(world: Hospital, name: str, text: str) -> list[str]:
    """The things that are of one person alone and stand in an answer."""
    ids = [world.patients[name]]
    if name == "Alice":
        own = (id_ for type_, id_ in world.alices.items() if type_ != "Endpoint")
        ids += [*own, *SECRETS]
    return [word for word in ids if word in text]


@pytest.mark.parametrize("actor", [*OTHERS, *STRANGERS])
@pytest.mark.parametrize("path", SEARCHES)
def test_a4_nothing_of_a_patient_is_in_an_answer_to_another(
    world: Hospital, actor: str, path: str
) -> None:
    answer = world.caller(actor).get(path)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    if isinstance(told, dict):
        told = {key: value for key, value in told.items() if key != "link"}
        links = [one["url"] for one in answer.json()["link"] if one["relation"] != "self"]
        assert not mentions(world, "Alice", str(links))
    assert not mentions(world, "Alice", str(told))


def test_a4_what_others_do_not_find_by_number_and_in_pairs_is_there(world: Hospital) -> None:
    """Else that they find nothing would tell nothing."""
    for words, type_ in (
        ("Observation?combo-code-value-quantity=width$12.5||mm", "Observation"),
        ("Patient?_has:Observation:patient:component-value-quantity=gt12", "Patient"),
        ("Encounter?length=2", "Encounter"),
        ("DocumentReference?relationship=alices-older$replaces", "DocumentReference"),
    ):
        body = world.caller("the patient").get(f"/fhir/{words}").json()
        found = [entry["resource"]["id"] for entry in body["entry"]]
        assert found == [world.alices[type_]], words


@pytest.mark.parametrize("actor", [*OTHERS, *STRANGERS])
@pytest.mark.parametrize("type_", ["Patient", "ImagingStudy"])
def test_a4_totals_count_what_the_caller_may_see(world: Hospital, actor: str, type_: str) -> None:
    for words in ("_summary=count", "_total=accurate&_count=1", "_count=1", "_count=0"):
        assert world.caller(actor).get(f"/fhir/{type_}?{words}").json()["total"] == 1
    for words in (
        ("name=Liddell", "identifier=ALICE") if type_ == "Patient" else ("patient.name=L",)
    ):
        body = world.caller(actor).get(f"/fhir/{type_}?{words}&_total=accurate").json()
        assert body["total"] == 0
        assert "next" not in str(body["link"])


@pytest.mark.parametrize("pattern", NAMED)
def test_a4_a_patient_named_who_is_not_in_the_token_is_403_before_any_look_up(
    world: Hospital, pattern: str
) -> None:
    """SMART Imaging Access 15: 403, and no empty Bundle. Whether there is such a patient stays unsaid."""
    base = world.server.base + "/fhir"
    for id_ in (world.patients["Alice"], "nobody-at-all"):
        path = pattern.format(id=quote(id_), base=base, own=world.patients["Bob"])
        for actor in OTHERS:
            answer = world.caller(actor).get(path)
            assert answer.status_code == 403, path
            assert id_ not in answer.text


def test_a4_what_is_held_does_not_exist_for_its_claimant(world: Hospital) -> None:
    """Carol's part of Alice's study waits for a decision; hers alone is shown to nobody but staff."""
    held = world.studies[f"{ALICES}|1"]
    carol, staff = world.caller("the claimant"), world.caller("the organisation")
    assert carol.get(f"/fhir/ImagingStudy/{held}").status_code == 404
    assert carol.get(f"/fhir/ImagingStudy/{held}/_history").status_code == 404
    assert carol.get("/fhir/ImagingStudy").json()["total"] == 0
    assert carol.get("/dicomweb/studies").json() == []
    assert carol.get(f"/dicomweb/studies/{ALICES}").status_code == 403
    assert staff.get(f"/fhir/ImagingStudy/{held}").status_code == 200
    group = world.caller("a client for a group").get("/fhir/ImagingStudy").json()
    assert [e["resource"]["id"] for e in group["entry"]] == [world.studies[f"{ALICES}|0"]]


def test_a4_another_organisation_does_not_even_exist(world: Hospital) -> None:
    west, home = world.caller("another organisation"), world.caller("the organisation")
    wilmas = world.studies[f"{WILMAS}|0"]
    assert west.get(f"/fhir/ImagingStudy/{wilmas}").status_code == 200
    for path in (f"/fhir/ImagingStudy/{wilmas}", f"/dicomweb/studies/{WILMAS}"):
        assert home.get(path).status_code == 404
    for path in ("/fhir/Patient?_count=500", "/dicomweb/instances"):
        assert WILMAS not in home.get(path).text
        assert world.patients["Wilma"] not in home.get(path).text


def test_a4_an_include_adds_no_type_beyond_the_scopes(world: Hospital) -> None:
    """But the Endpoint, which SMART Imaging Access 4 and 11 give to who may read ImagingStudy."""
    alice = world.patients["Alice"]
    token = world.keys.token("patient/ImagingStudy.rs", alice)
    world.tokens["an imaging app"] = token
    app = world.caller("an imaging app")
    words = f"patient={alice}&_include=ImagingStudy:endpoint&_include=ImagingStudy:patient"
    body = app.get(f"/fhir/ImagingStudy?{words}").json()
    added = [
        e["resource"]["resourceType"] for e in body["entry"] if e["search"]["mode"] == "include"
    ]
    assert added == ["Endpoint"]
    assert app.get(f"/fhir/Patient/{alice}").status_code == 403
    assert app.get("/fhir/ImagingStudy?patient.name=Liddell").status_code == 403
    assert app.get("/fhir/Endpoint?_has:ImagingStudy:endpoint:status=available").status_code == 403


def test_a4_scopes_of_version_one_mean_what_they_meant(world: Hospital) -> None:
    alice = world.patients["Alice"]
    for scope, read, search in (
        ("patient/*.read", 200, 200),
        ("patient/ImagingStudy.read", 200, 200),
        ("patient/ImagingStudy.write", 403, 403),
        ("patient/ImagingStudy.r", 200, 403),
        ("patient/ImagingStudy.s", 403, 200),
    ):
        world.tokens["this"] = world.keys.token(scope, alice)
        caller, study = world.caller("this"), world.studies[f"{ALICES}|0"]
        assert caller.get(f"/fhir/ImagingStudy/{study}").status_code == read, scope
        assert caller.get(f"/fhir/ImagingStudy/{study}/_history").status_code == read, scope
        assert caller.get("/fhir/ImagingStudy").status_code == search, scope
        assert caller.get(f"/dicomweb/studies/{ALICES}").status_code == read, scope
        assert caller.get("/dicomweb/studies").status_code == search, scope


def test_a4_a_merge_widens_no_token_and_closes_the_old_ones(world: Hospital) -> None:
    """The token of a record that was merged away is 401, whatever the survivor holds."""
    merged = world.caller("a merged patient")
    for path in ("/fhir/ImagingStudy", f"/dicomweb/studies/{BOBS}"):
        answer = merged.get(path)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
