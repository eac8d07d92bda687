"""The page of one's own account: password, second step, and where one is signed in."""

from collections.abc import Callable
from datetime import UTC

from flask import Response

from server import clock
from server.clock import instant, moment
from server.errors import Busy, Unauthenticated
from server.flows import people, second_factor
from server.flows.sessions import Session
from server.web import browser, guard, login, pages, second_step, setup
from server.web.browser import Visit, session_of
from server.web.login import ACCOUNT, login_page
from server.web.routes import Call, Public, Route

_PASSWORD = f"{ACCOUNT}/password"
_SESSION = f"{ACCOUNT}/session"
_SECOND = f"{ACCOUNT}/second"


def show(call: Call) -> Response:
    """The page; the login page for whoever is not signed in."""
    visit = browser.visit(call.house)
    if visit.session is None:
        return login_page(call.house, visit, "", None, to=ACCOUNT)
    return _page(call, visit)


def _page(
    call: Call, visit: Visit, *, wrong: str = "", done: str = "", status: int = 0
) -> Response:
    session = session_of(visit)
    account = session.account
    values = {
        "user": account.name,
        "since": instant(account.second_factor) if account.second_factor else "",
        "left": second_factor.left(call.house, account),
        "sessions": people.sessions_of(call.house, session, now=clock.now()),
        "moment": _said,
        "wrong": wrong,
        "done": done,
    }
    return pages.page(
        call.house, "account.html", visit, values, status=status or (400 if wrong else 200)
    )


def _said(micros: int) -> str:
    """A moment as people read it everywhere, in UTC."""
    return moment(micros).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def password(call: Call) -> Response:
    """Change the password; the old one is asked, and sessions elsewhere end."""
    visit, fields = browser.form(call.house)
    session, wrong = session_of(visit), setup.new_password(fields)

    def change() -> Response:
        people.change_password(
            call.house,
            session,
            browser.one(fields, "password"),
            address=guard.address(),
            now=clock.now(),
        )
        return _page(call, visit, done="account.changed")

    return _page(call, visit, wrong=wrong) if wrong else _sure(call, visit, fields, change)


def _sure(
    call: Call, visit: Visit, fields: dict[str, list[str]], act: Callable[[], Response]
) -> Response:
    """Do what only the person may do who knows the password, not whoever found the browser open."""
    account, old = session_of(visit).account, browser.one(fields, "old")
    try:
        people.check_password(call.house, account, old, address=guard.address(), now=clock.now())
    except Unauthenticated:
        return _page(call, visit, wrong="account.old.wrong", status=403)
    except Busy as busy:
        return login.later(_page(call, visit, wrong="login.busy"), busy)
    return act()


def end(call: Call) -> Response:
    """End one of one's own sessions."""
    visit, fields = browser.form(call.house)
    session, id_ = session_of(visit), browser.one(fields, "session")
    address = guard.address()
    people.end_session(call.house, session, id_, address=address, now=clock.now())
    if session.id.startswith(id_):
        return pages.see(ACCOUNT)
    return _page(call, visit, done="account.ended")


def second(call: Call) -> Response:
    """The page that sets codes up, for whoever is signed in."""
    visit = browser.visit(call.house)
    if visit.session is None:
        return login_page(call.house, visit, "", None, to=ACCOUNT)
    return _offer(call, visit, visit.session)


def _offer(call: Call, visit: Visit, session: Session, wrong: str = "") -> Response:
    values: dict[str, object] = {"name": "", "to": "", "wrong": wrong, "action": _SECOND}
    values |= second_step.offered(call.house, session.account, session.id) | {"must": False}
    return pages.page(call.house, "enrol.html", visit, values, status=401 if wrong else 200)


def confirm(call: Call) -> Response:
    """Set codes up, or anew on another phone; the password is asked."""
    visit, fields = browser.form(call.house)
    session = session_of(visit)

    def enrol() -> Response:
        said, address = browser.one(fields, "code"), guard.address()
        try:
            codes = second_factor.enrol(
                call.house, session.account, session.id, said, address=address, now=clock.now()
            )
        except Unauthenticated:
            return _offer(call, visit, session, "enrol.wrong")
        return second_step.recovery_page(call.house, visit, codes, ACCOUNT)

    return _sure(call, visit, fields, enrol)


_WHY = "the page's own session says whose account it is"
ROUTES = (
    Route(ACCOUNT, ("GET",), "login", Public(_WHY), show, "One's own account"),
    Route(_PASSWORD, ("POST",), "login", Public(_WHY), password, "Change one's own password"),
    Route(_SESSION, ("POST",), "login", Public(_WHY), end, "End one of one's own sessions"),
    Route(_SECOND, ("GET",), "login", Public(_WHY), second, "Page that sets a second step up"),
    Route(_SECOND, ("POST",), "login", Public(_WHY), confirm, "Set a second step up"),
)
