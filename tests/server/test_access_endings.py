"""How access ends: revoked, taken back, signed out, too old, merged away; then no door opens again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from server import clock
from server.flows import curating, links
from server.flows.grants import digest
from server.store.tables import client, token
from tests.support import holder
from tests.support.backend import Backend, post
from tests.support.clinic import Clinic, clinic
from tests.support.scenes import ROOT, instance
from tests.support.smart_app import App, Person, forms
from tests.support.waiting import until
from tests.support.web import Web

pytestmark = pytest.mark.slow

_AT = "/dicomweb/studies/{study}"
_CT = _AT + "/series/{study}.1/instances/{study}.1.1"
# A door of each kind. Those of links are opened by their cookie alone.
DOORS = (
    "/fhir/Patient/{patient}",
    "/fhir/Patient/{patient}/_history",
    "/fhir/Patient/{patient}/_history/1",
    "/fhir/ImagingStudy?patient={patient}",
    "/fhir/ImagingStudy?patient.identifier=x&_include=ImagingStudy:patient",
    "/fhir/Patient?_has:ImagingStudy:patient:status=available&_revinclude=ImagingStudy:patient",
    "/fhir/Patient/{patient}/ImagingStudy",
    "/dicomweb/studies",
    _AT,
    f"{_AT}/metadata",
    f"{_AT}/thumbnail",
    _CT,
    f"{_CT}/frames/1",
    f"{_CT}/rendered",
    f"{_CT}/bulkdata/7FE00010",
)
PAGES = ("/s/open", "/s/pictures", "/s/reports", "/s/bundle", "/s/link", "/s/disc", "/s/alive")
LASTING, WIDE = "patient/*.rs offline_access", "user/*.rs offline_access"


DORAS = f"{ROOT}.8"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with clinic(tmp_path_factory.mktemp("endings")) as made:
        staff = Web(made.server.base + "/dicomweb", made.keys.token("system/*.cruds"))
        assert staff.store(instance("CT_small.dcm", 1, "DORA", DORAS)).status_code == 200
        dora = until(lambda: _named(made, "DORA"), "Dora's record")
        made.patients["Dora"] = dora
        made.keys.user("dora", "patient", dora)
        yield made


def _named(made: Clinic, number: str) -> str:
    """The id of the patient with a number, "" while there is none."""
    body = made.get(f"/fhir/Patient?identifier={number}", made.keys.token("system/*.rs")).json()
    return next((entry["resource"]["id"] for entry in body.get("entry", [])), "")


def refusals(made: Clinic) -> int:
    return len(made.events(action="refuse"))


def paths(patient: str, study: str, *more: str) -> list[str]:
    return [one.format(patient=patient, study=study) for one in (*DOORS, *more)]


def assert_opens(caller: Web, study: str) -> None:
    assert caller.get(f"/dicomweb/studies/{study}/metadata").status_code == 200


def assert_is_shut(house: Clinic, caller: Web, patient: str, study: str) -> None:
    """401 on every door, in one sentence, and in the audit."""
    doors = paths(patient, study, *(PAGES if caller.link else ()))
    before = refusals(house)
    for path in doors:
        answer = caller.get(path)
        assert answer.status_code == 401, path
        if caller.token:
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], path
    assert refusals(house) == before + len(doors), "every refusal is in the audit, once"


def assert_is_over(app: App, given: dict[str, Any]) -> None:
    """The refresh token renews nothing."""
    answer = app.refresh(given["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


# Ways in which an app's access ends.

End = Callable[[Clinic, App, Person, dict[str, Any]], Any]


def _revoked(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    for name in ("access_token", "refresh_token"):
        assert app.post("/oauth/revoke", {"token": given[name]}).status_code == 200


def _refresh_revoked(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    assert app.post("/oauth/revoke", {"token": given["refresh_token"]}).status_code == 200


def _taken_back(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    page = person.open(house.server.base + "/oauth/apps")
    form = next(one for one in forms(page) if one.values("approval"))
    url = house.server.base + form.action
    assert person.open(url, data=form.filled(), timeout=60).status_code == 200


def _replayed(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    assert app.refresh(given["refresh_token"]).status_code == 200
    assert app.refresh(given["refresh_token"]).status_code == 400


def _retired(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    with house.keys.house.database.write() as connection:
        gone = update(client).where(client.c.id == app.id)
        connection.execute(gone.values(retired=clock.now()))


def _expired(house: Clinic, app: App, person: Person, given: dict[str, Any]) -> None:
    with house.keys.house.database.write() as connection:
        for name in ("access_token", "refresh_token"):
            old = update(token).where(token.c.hash == digest(given[name]))
            connection.execute(old.values(expires=1))


ENDINGS: dict[str, End] = {
    "the app revokes both": _revoked,
    "the app revokes what renews": _refresh_revoked,
    "the patient takes it back": _taken_back,
    "what renews came twice": _replayed,
    "the app's entry ended": _retired,
    "too old": _expired,
}


@pytest.mark.parametrize("how", ENDINGS)
def test_what_ended_opens_no_door_and_is_not_renewed(house: Clinic, how: str) -> None:
    person, app = house.person("dora"), house.app()
    given = app.tokens(person, scope=LASTING)
    caller = Web(house.server.base, given["access_token"])
    assert_opens(caller, DORAS)
    ENDINGS[how](house, app, person, given)
    assert_is_shut(house, caller, house.patients["Dora"], DORAS)
    answer = app.refresh(given["refresh_token"])
    code = "invalid_client" if how == "the app's entry ended" else "invalid_grant"
    assert answer.json()["error"] == code
    asked = post(house.server, "/oauth/introspect", house.ehr.proof() | {"token": caller.token})
    assert asked.json() == {"active": False}


def test_who_signs_out_ends_what_was_allowed_for_that_long_and_no_more(house: Clinic) -> None:
    person, app = house.stranger("dora"), house.app()
    lasting = app.tokens(person, scope=LASTING)
    passing = app.tokens(person, scope="patient/*.rs online_access")
    page = person.open(house.server.base + "/oauth/apps")
    form = next(one for one in forms(page) if one.action == "/oauth/logout")
    person.open(house.server.base + form.action, data=form.filled(), timeout=60)
    shut = Web(house.server.base, passing["access_token"])
    assert_is_shut(house, shut, house.patients["Dora"], DORAS)
    assert_is_over(app, passing)
    assert_opens(Web(house.server.base, lasting["access_token"]), DORAS)


# A merge, and its undoing.


@dataclass(slots=True)
class Access:
    """Everybody who reaches a record: tokens, what renews some of them, and a link that is open."""

    app: App
    callers: list[Web]
    renewed: list[dict[str, Any]]
    link: links.Made
    browser: holder.Holder


def everybody(house: Clinic, app: App, patient: str, backends: list[Backend]) -> Access:
    """The patient, a proxy in both ways, a doctor, services, a script, the holder of a link."""
    asked = {"scope": LASTING, "patient": patient}
    given = [app.tokens(house.person(name), **asked) for name in ("dora", "pia", "drew")]
    given.append(app.tokens(house.person("pia"), scope=WIDE))
    tokens = [*(one["access_token"] for one in given), *(one.token() for one in backends)]
    tokens.append(house.keys.token("patient/*.rs", patient))
    callers = [Web(house.server.base, one) for one in tokens]
    for caller in callers:
        assert_opens(caller, DORAS)
    link, browser = holder.link(house.keys, patient, "pin"), holder.Holder(house.server.base)
    assert browser.open(link).status_code == 303
    return Access(app, callers, given, link, browser)


def assert_all_ended(house: Clinic, access: Access) -> None:
    for caller in access.callers:
        assert_is_shut(house, caller, house.patients["Dora"], DORAS)
    for given in access.renewed:
        assert_is_over(access.app, given)
    assert_link_is_closed(access.browser, access.link)


def test_a_merge_ends_all_access_to_the_record_that_was_merged_away_for_good(
    house: Clinic,
) -> None:
    dora, alice = house.patients["Dora"], house.patients["Alice"]
    keys, app, base = house.keys, house.app(), house.server.base
    keys.user("pia", "proxy", dora, alice)
    keys.group("both", dora, alice)
    one, both = keys.backend(f"patient:{dora}"), keys.backend("group:both")
    access = everybody(house, app, dora, [one, both])
    early = app.tokens(house.person("alice"), scope=LASTING)

    curating.merge(keys.house, "home", dora, alice, "registered twice", now=clock.now())
    assert_all_ended(house, access)
    assert one.ask().json()["error"] == "unauthorized_client"
    # What reached the survivor gains nothing, not by being renewed either.
    renewed = app.refresh(early["refresh_token"]).json()["access_token"]
    for token_ in (early["access_token"], renewed):
        caller = Web(base, token_)
        assert caller.get(f"/dicomweb/studies/{DORAS}/metadata").status_code == 403
        assert DORAS not in caller.get("/dicomweb/studies").text
    # What is granted now reaches all of the survivor.
    later = Web(base, app.tokens(house.person("pia"), scope=WIDE)["access_token"])
    for caller in (later, Web(base, both.token())):
        assert_opens(caller, DORAS)

    curating.unmerge(keys.house, "home", dora, "two people", now=clock.now())
    assert_all_ended(house, access)
    assert later.get(f"/dicomweb/studies/{DORAS}/metadata").status_code == 401
    for again in (app.tokens(house.person("dora"), scope=LASTING)["access_token"], one.token()):
        assert_opens(Web(base, again), DORAS)


def assert_link_is_closed(browser: holder.Holder, link: Any) -> None:
    """To the browser that had opened it, and to whoever has link and answer."""
    for path in PAGES:
        assert browser.get(path).status_code == 401, path
    for path in ("/fhir/ImagingStudy", f"/dicomweb/studies/{DORAS}/thumbnail"):
        assert browser.read(path).status_code == 401, path
    assert browser.open(link).status_code == 403
