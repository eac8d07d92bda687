"""The page on which people see what they have allowed, take it back, and sign out."""

from flask import Response

from server import clock
from server.flows import allowed, sessions
from server.web import browser, guard, pages
from server.web.browser import Visit, session_of
from server.web.login import login_page
from server.web.routes import Call, Public, Route

APPS = "/oauth/apps"


def apps(call: Call) -> Response:
    """The apps that the user allowed; the login page for whoever is not logged in."""
    visit = browser.visit(call.house)
    if visit.session is None:
        return login_page(call.house, visit, "", None)
    return _list(call, visit, ended=False)


def _list(call: Call, visit: Visit, *, ended: bool) -> Response:
    account = session_of(visit).account
    found = [
        {
            "id": one.id,
            "app": one.app,
            "day": one.day,
            "words": pages.described(one.scope),
            "remembered": one.remembered,
        }
        for one in allowed.of(call.house, account, now=clock.now())
    ]
    return pages.page(call.house, "apps.html", visit, {"apps": found, "ended": ended})


def end(call: Call) -> Response:
    """Take back what an app was allowed."""
    visit, fields = browser.form(call.house)
    account = session_of(visit).account
    id_ = fields.get("approval", [""])[0]
    allowed.end(call.house, account, id_, address=guard.address(), now=clock.now())
    return _list(call, visit, ended=True)


def logout(call: Call) -> Response:
    """End the session, and with it what was allowed for its length."""
    visit, _ = browser.form(call.house)
    if visit.session is not None:
        sessions.end(call.house, visit.session, address=guard.address(), now=clock.now())
    return pages.page(call.house, "logout.html", visit, {})


_WHY = "the page's own session says whose apps they are"
ROUTES = (
    Route(APPS, ("GET",), "login", Public(_WHY), apps, "Apps that a user allowed"),
    Route(APPS, ("POST",), "login", Public(_WHY), end, "Take back what an app was allowed"),
    Route("/oauth/logout", ("POST",), "login", Public(_WHY), logout, "Log out"),
)
