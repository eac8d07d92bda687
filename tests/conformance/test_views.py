"""The viewer launched by an EHR, with the token on the server: what it opens, in whose frame, until when."""

import threading
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from sqlalchemy import select, update

from server import clock
from server.flows import accounts, people
from server.store.login_tables import session, view
from server.store.tables import client as client_table
from server.store.tables import token
from tests.support import houses
from tests.support.backend import Backend, post
from tests.support.clinic import Clinic
from tests.support.scenes import ALICES, BOBS
from tests.support.smart_app import PASSWORD, forms
from tests.support.views import (
    EHR_SCOPE,
    INSIDE,
    ORIGIN,
    SCRIPT,
    Screen,
    ancestors,
    launched,
    signed_in,
)

STUDIES = "/dicomweb/studies"


@pytest.fixture(scope="module")
def viewer(smart: Clinic) -> str:
    smart.accounts["sage"] = smart.keys.user("sage", "clinician")
    return smart.keys.viewer()


@pytest.fixture(scope="module")
def ehr(smart: Clinic) -> Backend:
    """An EHR whose pages show ours, and which says who is signed in there."""
    return smart.keys.backend("all", EHR_SCOPE, ORIGIN)


def opened(smart: Clinic, ehr: Backend, viewer: str, patient: str = "Alice", **more: str) -> Screen:
    """A view of Drew's, opened without a login."""
    screen = Screen(smart.server)
    made = launched(ehr, viewer, smart.patients[patient], **{"user": "drew"} | more)
    assert screen.open(made["url"]).status_code == 200
    assert screen.read("/apps/viewer/alive").status_code == 204
    return screen


def rows(smart: Clinic, query: Any) -> list[Any]:
    with smart.keys.house.database.read() as connection:
        return list(connection.execute(query))


# ---------------------------------------------------------------- what a view opens


def test_who_is_signed_in_at_the_ehr_looks_without_another_login(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    """The launch is done on the server: what the browser gets is no token, and opens one patient."""
    before = {row.hash for row in rows(smart, select(token))}
    screen = Screen(smart.server)
    context = f"ImagingStudy/{smart.study}"
    made = launched(ehr, viewer, smart.patients["Alice"], user="drew", context=context)
    page = screen.open(made["url"])
    assert (page.status_code, page.history) == (200, [])
    assert page.url.endswith(f"?view={screen.view}&study={ALICES}")
    assert ancestors(page) == ORIGIN
    assert "no-store" in page.headers["Cache-Control"]
    assert [one["0020000D"]["Value"] for one in screen.read(STUDIES).json()] == [[ALICES]]
    for path in (f"/fhir/Patient/{smart.patients['Alice']}", f"{STUDIES}/{ALICES}/metadata"):
        assert screen.read(path).status_code == 200
    assert screen.read("/fhir/DiagnosticReport").json()["total"] == 1
    kept = [row for row in rows(smart, select(token)) if row.hash not in before]
    assert len(kept) == 1, "the token is a row of the server's"
    secret = next(one.value for one in screen.http.cookies if one.name.endswith(screen.view))
    answer = smart.get(STUDIES, secret or "")
    assert answer.status_code == 401, "what is in the cookie is no token"
    assert smart.events(door="login", action="login")[-1].detail.endswith(f"says {ehr.id}")


def test_a_view_reads_its_patient_and_does_nothing_else(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    screen = opened(smart, ehr, viewer)
    for path in (f"{STUDIES}/{BOBS}", f"/fhir/Patient/{smart.patients['Bob']}"):
        assert screen.read(path).status_code == 403
    assert screen.read("/fhir/Observation").status_code == 403, "beyond the viewer's scopes"
    assert smart.patients["Bob"] not in screen.read("/fhir/Patient").text
    assert screen.read(STUDIES, "POST").status_code == 401
    for headers in (
        {"Triptych_View": ""},  # no cookie of a view counts where no page says which
        {"Triptych_View": "0" * 16},
        {"Triptych_View": "../"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": ""},
    ):
        assert screen.read(STUDIES, **headers).status_code == 401, headers


def test_two_views_in_one_browser_never_show_each_others_patient(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    screen = opened(smart, ehr, viewer)
    first = screen.view
    made = launched(ehr, viewer, smart.patients["Bob"], user="drew")
    screen.open(made["url"])
    for id_, uid in ((first, ALICES), (screen.view, BOBS)):
        found = screen.read(STUDIES, Triptych_View=id_).json()
        assert [one["0020000D"]["Value"] for one in found] == [[uid]]


def test_a_login_in_the_same_browser_adds_nothing_to_a_view(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    """In a frame of the same site the browser sends the cookie of a clinician's own login as well."""
    screen = opened(smart, ehr, viewer, user="sage")
    smart.keys.user("dana", "clinician")
    dana = smart.stranger("dana")
    dana.log_in(dana.open(f"{smart.server.base}/oauth/apps"))
    screen.http.cookies.update(dana.http.cookies)
    assert screen.read(STUDIES, Triptych_View="").json()[1:], "the login alone reaches everyone"
    assert screen.read(f"{STUDIES}/{BOBS}").status_code == 403
    ends(smart, screen, "session", ehr, viewer)
    assert screen.read(STUDIES).status_code == 401


# ---------------------------------------------------------------- how it is entered


def test_a_launch_opens_one_view_even_when_it_comes_twice_at_once(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    made = launched(ehr, viewer, smart.patients["Alice"], user="drew")
    screens, together = [Screen(smart.server) for _ in range(4)], threading.Barrier(4)
    statuses, began = list[int](), clock.now()

    def race(screen: Screen) -> None:
        together.wait()
        statuses.append(screen.open(made["url"], {}).status_code)

    threads = [threading.Thread(target=race, args=(one,)) for one in screens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 400, 400, 400]
    assert sum(bool(one.view) for one in screens) == 1
    late = [row for row in rows(smart, select(session)) if row.authenticated > began]
    assert sum(not row.ended for row in late) == 1, "who came too late is signed in nowhere"


def test_who_is_not_named_signs_in_inside_the_frame_and_nothing_else_is_asked(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    """The login's cookie is one for frames: it opens no data, no desk, and no page of its own window."""
    screen = Screen(smart.server)
    page = screen.open(launched(ehr, viewer, smart.patients["Alice"])["url"])
    assert "password" in page.text
    assert ancestors(page) == ORIGIN
    assert "X-Frame-Options" not in page.headers
    shown = signed_in(screen, page, "drew")
    assert "/apps/viewer/?view=" in shown.url
    assert screen.read(STUDIES).status_code == 200
    names = {one.name for one in screen.http.cookies}
    assert names == {"triptych-frame", f"triptych-view-{screen.view}"}
    secret = screen.http.cookies["triptych-frame"]
    moved = {"Cookie": f"triptych={secret}"}
    apps = requests.get(f"{smart.server.base}/oauth/apps", headers=moved, timeout=60)
    assert "password" in apps.text, "in a window of its own it is nobody's session"
    answer = requests.get(smart.server.base + STUDIES, headers=SCRIPT | moved, timeout=60)
    assert answer.status_code == 401
    for path in ("/desk/", "/oauth/apps", "/oauth/account"):
        assert screen.open(path).status_code == 403


def test_whoever_signs_in_must_reach_the_patient_and_be_the_one_named(
    smart: Clinic, viewer: str
) -> None:
    plain = smart.keys.backend("all", "launch", ORIGIN)  # without vouch its word is no login
    for name, named in (("bob", ""), ("wes", ""), ("alice", "drew")):
        screen = Screen(smart.server)
        more = {"user": named} if named else {}
        page = screen.open(launched(plain, viewer, smart.patients["Alice"], **more)["url"])
        assert "password" in page.text
        assert signed_in(screen, page, name).status_code == 403
        assert not screen.view


def test_a_code_opens_a_view_in_the_browser_that_asked_and_in_no_other(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    screen = Screen(smart.server)
    page = screen.open(launched(ehr, viewer, smart.patients["Alice"])["url"])
    form = forms(page)[-1].filled(username="drew", password=PASSWORD)
    there = urljoin(page.url, forms(page)[-1].action)
    answer = screen.http.post(there, data=form, headers=INSIDE, allow_redirects=False, timeout=60)
    onward = urljoin(answer.url, answer.headers["Location"])
    answer = screen.http.get(onward, headers=INSIDE, allow_redirects=False, timeout=60)
    back = urljoin(answer.url, answer.headers["Location"])
    assert "/apps/viewer/launched?" in back
    assert Screen(smart.server).open(back).status_code == 400
    asked = {"grant_type": "authorization_code", "code": back.partition("code=")[2].split("&")[0]}
    asked |= {
        "redirect_uri": "/apps/viewer/launched",
        "client_id": viewer,
        "code_verifier": "x" * 43,
    }
    assert post(smart.server, "/oauth/token", asked).status_code == 401
    assert screen.open(back).status_code == 200


def test_a_launch_that_is_not_for_this_viewer_is_refused(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    base = smart.server.base
    other = launched(smart.ehr, smart.public.id, smart.patients["Alice"], user="drew")["launch"]
    mine = launched(ehr, viewer, smart.patients["Alice"], user="drew")["launch"]
    for words in (
        f"iss=https://elsewhere.example/fhir&launch={mine}",
        f"iss={base}/fhir&launch={other}",
        f"iss={base}/fhir&launch=made-up",
        f"iss={base}/fhir",
        f"launch={mine}",
        f"iss={base}/fhir&launch={mine}&launch={mine}",
    ):
        answer = Screen(smart.server).open(f"/apps/viewer/launch?{words}", {})
        assert answer.status_code == 400, words
        assert ancestors(answer) == "'none'"
    back = "/apps/viewer/launched"
    answer = smart.public.ask(smart.stranger(), client_id=viewer, redirect_uri=back)
    assert answer.status_code == 400, "nobody but the server asks for its viewer"


def test_an_ehr_vouches_only_for_patients_whom_it_reaches_and_never_beyond_its_organisation(
    smart: Clinic, viewer: str
) -> None:
    narrow = smart.keys.backend(f"patient:{smart.patients['Bob']}", EHR_SCOPE, ORIGIN)
    form = {"client": viewer, "patient": smart.patients["Alice"], "user": "drew"}
    assert post(smart.server, "/oauth/launch", narrow.proof() | form).status_code == 400
    form["client"] = smart.keys.viewer("west")
    wide = smart.keys.backend("all", EHR_SCOPE, ORIGIN)
    assert post(smart.server, "/oauth/launch", wide.proof() | form).status_code == 400
    # A patient who is named signs in: the word of an EHR counts for staff.
    made = launched(wide, viewer, smart.patients["Alice"], user="alice")
    assert "password" in Screen(smart.server).open(made["url"]).text


# ---------------------------------------------------------------- until when


def ends(smart: Clinic, screen: Screen, what: str, ehr: Backend, viewer: str) -> None:
    """Take away one of the things by which a view stands."""
    (row,) = rows(smart, select(view).where(view.c.id == screen.view))
    now = clock.now()
    changes = {
        "hours": update(token).where(token.c.hash == row.token).values(expires=now),
        "token": update(token).where(token.c.hash == row.token).values(revoked=now),
        "ehr": update(client_table).where(client_table.c.id == ehr.id).values(retired=now),
        "viewer": update(client_table).where(client_table.c.id == viewer).values(retired=now),
    }
    with smart.keys.house.database.write() as connection:
        if what in changes:
            connection.execute(changes[what])
        else:
            accounts.sign_out(connection, smart.accounts["sage"].id, now=now)


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize("what", ["hours", "token", "ehr", "viewer", "session"])
def test_a_view_ends_with_whatever_it_stands_by(smart: Clinic, what: str) -> None:
    ehr, viewer = smart.keys.backend("all", EHR_SCOPE, ORIGIN), smart.keys.viewer()
    screen = opened(smart, ehr, viewer, user="sage")
    ends(smart, screen, what, ehr, viewer)
    for path in (STUDIES, f"{STUDIES}/{ALICES}/metadata", "/fhir/Patient", "/apps/viewer/alive"):
        assert screen.read(path).status_code == 401, path


def test_an_ehr_ends_the_view_that_came_of_its_launch_and_no_others(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    screen = Screen(smart.server)
    made = launched(ehr, viewer, smart.patients["Alice"], user="drew")
    screen.open(made["url"])
    other = smart.keys.backend("all", EHR_SCOPE, ORIGIN)
    told = post(smart.server, "/oauth/introspect", ehr.proof() | {"token": made["launch"]})
    assert told.json() == {"active": False}, "a launch is no token"
    for one, status in ((other, 204), (ehr, 401)):
        form = {"token": made["launch"]}
        post(smart.server, "/oauth/revoke", one.proof() | form)
        assert screen.read("/apps/viewer/alive").status_code == status
    assert smart.events(client=ehr.id, action="delete")[-1].detail == "launch revoked"


def test_a_view_ends_with_its_user(smart: Clinic, ehr: Backend, viewer: str) -> None:
    smart.keys.user("dora", "clinician")
    screen = opened(smart, ehr, viewer, user="dora")
    people.end(smart.keys.house, "dora", now=clock.now())
    assert screen.read(STUDIES).status_code == 401


def test_a_view_ends_when_its_patients_record_is_merged_away(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    smart.patients["Vera"] = houses.add_patient(smart.keys.house, "VIEWED")
    screen = opened(smart, ehr, viewer, "Vera")
    houses.retire(smart.keys.house, smart.patients["Vera"], smart.patients["Alice"])
    assert screen.read(STUDIES).status_code == 401


def test_a_user_sees_a_view_among_what_they_allowed_and_ends_it(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    smart.keys.user("delia", "clinician")
    screen = opened(smart, ehr, viewer, user="delia")
    delia = smart.stranger("delia")
    page = delia.log_in(delia.open(f"{smart.server.base}/oauth/apps"))
    assert "Viewer" in page.text
    mine = next(form for form in forms(page) if form.values("approval"))
    delia.open(urljoin(page.url, mine.action), data=mine.filled(), timeout=60)
    assert screen.read(STUDIES).status_code == 401


def test_a_browser_keeps_the_cookies_of_views_that_stand_and_not_of_many(
    smart: Clinic, ehr: Backend, viewer: str
) -> None:
    screen = opened(smart, ehr, viewer)
    first = screen.view
    for _ in range(12):
        screen.open(launched(ehr, viewer, smart.patients["Alice"], user="drew")["url"])
    names = {one.name for one in screen.http.cookies}
    assert f"triptych-view-{first}" not in names
    assert len(names) == 12
