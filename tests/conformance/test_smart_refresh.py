"""Refresh, introspection and revocation of users' tokens (rows A6 and A7)."""

from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from server import clock
from server.store.login_tables import approval, session
from server.store.tables import token
from tests.support import houses
from tests.support.backend import post
from tests.support.clinic import Clinic
from tests.support.smart_app import EVERYTHING, App, forms

DAY = 86_400_000_000


def refused(answer: requests.Response, error: str = "invalid_grant") -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text


def test_a6_a_refreshed_token_has_the_same_scopes_and_context(smart: Clinic) -> None:
    app = smart.public
    first = app.tokens(smart.person("alice"))
    answer = app.refresh(first["refresh_token"])
    body = answer.json()
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert "no-cache" in answer.headers["Pragma"]
    assert body["scope"] == first["scope"]
    assert body["patient"] == first["patient"]
    assert body["expires_in"] == 3600
    assert body["refresh_token"] != first["refresh_token"]
    for access in (first["access_token"], body["access_token"]):
        assert smart.get(f"/fhir/Patient/{body['patient']}", access).status_code == 200
    again = app.refresh(body["refresh_token"])
    assert again.status_code == 200


def test_a6_a_refresh_may_ask_for_less_and_never_for_more(smart: Clinic) -> None:
    app = smart.public
    refresh = app.tokens(smart.person("alice"), scope="offline_access patient/*.rs")[
        "refresh_token"
    ]
    for more in ("patient/*.rs user/*.rs", "openid", "patient/*.cruds", "system/*.rs"):
        refused(app.refresh(refresh, scope=more), "invalid_scope")
    less = app.refresh(refresh, scope="patient/Patient.rs").json()
    assert less["scope"] == "patient/Patient.rs"
    assert smart.get("/fhir/ImagingStudy", less["access_token"]).status_code == 403
    whole = app.refresh(less["refresh_token"]).json()
    assert sorted(whole["scope"].split()) == ["offline_access", "patient/*.rs"]


def test_a6_what_is_no_refresh_token_is_refused(smart: Clinic) -> None:
    app = smart.public
    body = app.tokens(smart.person("alice"))
    for wrong in ("unknown", "x" * 5000, "\x00", body["access_token"]):
        refused(app.refresh(wrong))
    refused(app.post("/oauth/token", {"grant_type": "refresh_token"}), "invalid_request")


def test_a6_a_refresh_token_opens_no_door(smart: Clinic) -> None:
    refresh = smart.public.tokens(smart.person("alice"))["refresh_token"]
    assert smart.get("/fhir/Patient", refresh).status_code == 401


def test_a6_a_refresh_token_is_of_its_client(smart: Clinic) -> None:
    app = smart.public
    refresh = app.tokens(smart.person("alice"))["refresh_token"]
    for other in (smart.app(), smart.secret, smart.signed):
        refused(other.refresh(refresh))
    assert app.refresh(refresh).status_code == 200


def test_a6_a_refresh_token_that_comes_again_ends_all_that_it_gave(smart: Clinic) -> None:
    app = smart.public
    first = app.tokens(smart.person("alice"))
    second = app.refresh(first["refresh_token"]).json()
    refused(app.refresh(first["refresh_token"]))
    refused(app.refresh(second["refresh_token"]))
    for access in (first["access_token"], second["access_token"]):
        assert smart.get("/fhir/Patient", access).status_code == 401
    assert any("used twice" in row.detail for row in smart.events(client=app.id))


def test_a6_only_an_app_that_asked_for_it_gets_a_refresh_token(smart: Clinic) -> None:
    alice = smart.person("alice")
    assert "refresh_token" not in smart.public.tokens(alice, scope="launch/patient patient/*.rs")
    kept = ["launch/patient", "patient/*.rs"]
    assert "refresh_token" not in smart.public.tokens(alice, ticked=kept)


def test_a6_offline_access_lasts_three_months_from_each_use(smart: Clinic) -> None:
    app = smart.public
    body = app.refresh(app.tokens(smart.person("alice"))["refresh_token"]).json()
    held = introspected(smart, body["refresh_token"])
    assert held["exp"] - clock.now() // 1_000_000 > 90 * 86_400
    id_ = newest(smart, app)
    set_row(smart, approval, approval.c.id == id_, expires=clock.now() - 1)
    refused(app.refresh(body["refresh_token"]))


def test_a6_online_access_ends_with_the_session(smart: Clinic) -> None:
    app, alice = smart.public, smart.stranger("alice")
    body = app.tokens(alice, scope="online_access launch/patient patient/*.rs")
    body = app.refresh(body["refresh_token"]).json()
    offline = app.tokens(alice)
    page = alice.open(smart.server.base + "/oauth/apps")
    done = alice.send(page)
    assert "You are signed out" in done.text
    refused(app.refresh(body["refresh_token"]))
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 401
    assert app.refresh(offline["refresh_token"]).status_code == 200


def test_a6_online_access_ends_when_the_session_is_too_old(smart: Clinic) -> None:
    app, bob = smart.public, smart.stranger("bob")
    body = app.tokens(bob, scope="online_access launch/patient patient/*.rs")
    mine = session.c.account == smart.accounts["bob"].id
    set_row(smart, session, mine, expires=clock.now() - 1)
    refused(app.refresh(body["refresh_token"]))
    smart.people.pop("bob", None)


def test_a6_a_backend_gets_no_refresh_token(smart: Clinic) -> None:
    assert "refresh_token" not in smart.ehr.ask().json()


def test_a6_a_record_that_was_merged_away_is_neither_read_nor_refreshed(smart: Clinic) -> None:
    """Rules: organisations, sources and identity."""
    smart.patients["Zoe"] = houses.add_patient(smart.keys.house, "ZOE")
    smart.keys.user("zoe", "patient", smart.patients["Zoe"])
    body = smart.public.tokens(smart.person("zoe"))
    houses.retire(smart.keys.house, smart.patients["Zoe"], smart.patients["Bob"])
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 401
    refused(smart.public.refresh(body["refresh_token"]))


def set_row(smart: Clinic, table: Any, where: Any, **values: Any) -> None:
    with smart.keys.house.database.write() as connection:
        connection.execute(update(table).where(where).values(**values))


def newest(smart: Clinic, app: App) -> str:
    """The id of the app's latest approval."""
    query = select(approval.c.id).where(approval.c.client == app.id)
    with smart.keys.house.database.read() as connection:
        latest = connection.execute(query.order_by(approval.c.created.desc())).scalars().first()
    return str(latest)


# Introspection.


def introspected(smart: Clinic, about: str) -> dict[str, Any]:
    answer = post(smart.server, "/oauth/introspect", smart.ehr.proof() | {"token": about})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_a7_a_users_token_is_described_with_its_user_and_context(smart: Clinic) -> None:
    app = smart.public
    scope = f"{EVERYTHING} launch/encounter"
    given = app.tokens(smart.person("alice"), scope=scope, encounter="alices-visit")
    for about in (given["access_token"], given["refresh_token"]):
        body = introspected(smart, about)
        assert body["active"] is True
        assert body["client_id"] == app.id
        assert sorted(body["scope"].split()) == sorted(given["scope"].split())
        assert body["exp"] > clock.now() // 1_000_000
        assert body["patient"] == given["patient"]
        assert body["encounter"] == given["encounter"] == "alices-visit"
        assert body["iss"] == smart.server.base
        assert body["sub"] == smart.accounts["alice"].id
        assert body["fhirUser"] == f"{smart.server.base}/fhir/Patient/{smart.patients['Alice']}"


def test_a7_an_app_may_ask_about_its_own_tokens_with_its_secret_or_its_token(
    smart: Clinic,
) -> None:
    mine = smart.secret.tokens(smart.person("alice"))["access_token"]
    others = smart.public.tokens(smart.person("alice"))["access_token"]
    for about, active in ((mine, True), (others, False)):
        body = smart.secret.post("/oauth/introspect", {"token": about}).json()
        assert body["active"] is active
        assert (
            post(smart.server, "/oauth/introspect", {"token": about}, mine).json()["active"]
            is active
        )
    assert introspected(smart, "unknown") == {"active": False}


def test_a7_who_does_not_prove_who_asks_learns_nothing(smart: Clinic) -> None:
    body = smart.public.tokens(smart.person("alice"))
    asked = {"token": body["access_token"]}
    for form in (asked, asked | {"client_id": smart.public.id}, asked | {"client_id": "nobody"}):
        assert post(smart.server, "/oauth/introspect", form).status_code == 401
    assert smart.secret.post("/oauth/introspect", {}).status_code == 400


# Revocation.


@pytest.mark.parametrize("kind", ["public", "secret", "signed"])
def test_a7_an_app_ends_its_own_tokens(smart: Clinic, kind: str) -> None:
    app: App = getattr(smart, kind)
    body = app.tokens(smart.person("alice"))
    assert app.post("/oauth/revoke", {"token": body["access_token"]}).status_code == 200
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 401
    fresh = app.refresh(body["refresh_token"]).json()
    assert app.post("/oauth/revoke", {"token": fresh["refresh_token"]}).status_code == 200
    assert smart.get("/fhir/Patient", fresh["access_token"]).status_code == 401
    refused(app.refresh(fresh["refresh_token"]))


def test_a7_an_app_ends_no_other_apps_tokens(smart: Clinic) -> None:
    body = smart.public.tokens(smart.person("alice"))
    refused(smart.app().post("/oauth/revoke", {"token": body["access_token"]}))
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 200


def test_a7_a_patient_sees_what_was_allowed_and_takes_it_back_at_once(smart: Clinic) -> None:
    id_, _ = smart.keys.app()
    app, alice = App(smart.server, id_), smart.person("alice")
    body = app.tokens(alice)
    page = alice.open(smart.server.base + "/oauth/apps")
    assert "Apps that you allowed" in page.text
    assert "Everything of one patient" in page.text
    mine = newest(smart, app)
    form = next(one for one in forms(page) if mine in one.values("approval"))
    done = alice.open(smart.server.base + form.action, data=form.filled())
    assert 'role="status"' in done.text
    assert mine not in done.text
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 401
    refused(app.refresh(body["refresh_token"]))


def test_a7_nobody_takes_back_what_another_allowed(smart: Clinic) -> None:
    body = smart.public.tokens(smart.person("alice"))
    mine, bob = newest(smart, smart.public), smart.person("bob")
    smart.public.tokens(bob)
    page = bob.open(smart.server.base + "/oauth/apps")
    assert mine not in page.text
    data = forms(page)[-1].filled(approval=mine)
    assert bob.open(smart.server.base + "/oauth/apps", data=data).status_code == 404
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 200


def test_a7_whoever_is_not_logged_in_is_asked_to(smart: Clinic) -> None:
    stranger = smart.stranger("bob")
    page = stranger.open(smart.server.base + "/oauth/apps")
    assert forms(page)[-1].values("password")
    assert "Apps that you allowed" in stranger.log_in(page).text


def test_a7_what_is_kept_of_tokens_and_codes_is_their_digests_alone(smart: Clinic) -> None:
    body = smart.public.tokens(smart.person("alice"))
    files = [one for one in smart.server.data.glob("triptych.db*") if one.is_file()]
    kept = b"".join(one.read_bytes() for one in files)
    for secret in (body["access_token"], body["refresh_token"], smart.secret.secret):
        assert secret.encode() not in kept
    with smart.keys.house.database.read() as connection:
        assert connection.execute(select(token).where(token.c.kind == "refresh")).first()
