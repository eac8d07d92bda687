"""Signing in: the page for a name and a password, for an app's request or for a page of our own."""

import re
from urllib.parse import urlencode

from flask import Response, current_app, request

from server import clock
from server.errors import Busy, Fault, Unauthenticated
from server.flows import accounts, asking, second_factor, sessions
from server.flows.accounts import Account
from server.flows.asking import Pending
from server.flows.sites import House
from server.web import browser, cookies, frames, guard, pages
from server.web.browser import Visit
from server.web.routes import Call, Public, Route

LOGIN = "/oauth/login"
CODE = "/oauth/code"
CONTINUE = "/oauth/continue"
APPS = "/oauth/apps"
ACCOUNT = "/oauth/account"
DESK = "/desk/"
# Where somebody may be sent on to: a page of staff, that of a link, and no other site.
_OURS = re.compile(r"/desk/[A-Za-z0-9/._~%?=&+-]*|/s/[A-Za-z0-9_-]+", re.ASCII)
_DESKS = ("operator", "privacy")


def login_page(
    house: House,
    visit: Visit,
    name: str,
    pending: Pending | None,
    *,
    to: str = "",
    wrong: str = "",
) -> Response:
    """The form for a name and a password.

    `name` is that of the request that waits, if one does; `to` a page of ours that asked for it.
    """
    values = {"name": name, "app": pending.client.name if pending else "", "wrong": wrong, "to": to}
    status = 401 if wrong else 200
    return pages.page(house, "login.html", visit, values, status=status, pending=pending)


def ask(call: Call) -> Response:
    """The page itself, for whoever came by a link of ours, or chose another language."""
    name, visit = request.args.get("request", ""), browser.visit(call.house)
    to = safe(request.args.get("to", ""))
    return login_page(call.house, visit, name, waiting(call.house, name), to=to)


def login(call: Call) -> Response:
    """Check a name and a password; the session that begins has a secret of its own."""
    visit, fields = browser.form(call.house)
    name, to = browser.one(fields, "request"), safe(browser.one(fields, "to"))
    house, now = call.house, clock.now()
    try:
        account = accounts.authenticate(
            house,
            browser.one(fields, "username"),
            browser.one(fields, "password"),
            address=guard.address(),
            now=now,
        )
    except Unauthenticated:
        pending = waiting(house, name)
        return login_page(house, visit, name, pending, to=to, wrong="login.wrong")
    except Busy as busy:
        pending = waiting(house, name)
        response = login_page(house, visit, name, pending, to=to, wrong="login.busy")
        return later(response, busy)
    return proceed(house, visit, account, name, to)


def later(response: Response, busy: Busy) -> Response:
    """Say on a page that asks again that it may be answered later (RFC 6585 4)."""
    response.status_code = 429 if busy.retry > 60 else 503
    response.headers["Retry-After"] = str(busy.retry)
    return response


def proceed(house: House, visit: Visit, account: Account, name: str = "", to: str = "") -> Response:
    """Lead somebody on whose password was right: in, or to the second step."""
    if not second_factor.next_step(house, account):
        there = onward(account, name, to)
        return begin(house, visit, account, pages.see(there))
    _forget(house, visit)
    secret = second_factor.halfway(house, account, now=clock.now())
    words = {field: value for field, value in (("request", name), ("to", to)) if value}
    there = f"{CODE}?{urlencode(words)}" if words else CODE
    return browser.remember(house, pages.see(there), secret)


def begin(house: House, visit: Visit, account: Account, response: Response) -> Response:
    """Sign somebody in who has proved to be it; the answer gets the cookie.

    What this browser was before, another's session or the holder of a link, it is no more.
    """
    _forget(house, visit)
    address, now, place = guard.address(), clock.now(), frames.place()
    secret = sessions.begin(house, account, address=address, now=now, place=place)
    return cookies.take(house, browser.remember(house, response, secret))


def _forget(house: House, visit: Visit) -> None:
    if visit.session is not None:
        sessions.end(house, visit.session, address=guard.address(), now=clock.now())


def onward(account: Account, name: str, to: str) -> str:
    """Where somebody goes on who is signed in: to the request that waits, or a page of ours."""
    return f"{CONTINUE}?{urlencode({'request': name})}" if name else to or _home(account)


def _home(account: Account) -> str:
    """Where somebody lands who did not come for anything: the desk, or the apps they allowed."""
    rules = {rule.rule for rule in current_app.url_map.iter_rules()}
    return DESK if account.role in _DESKS and DESK in rules else APPS


def safe(to: str) -> str:
    """A page of ours that somebody may be sent on to; nothing for any other address."""
    return to if to == ACCOUNT or _OURS.fullmatch(to) else ""


def sign_in_first() -> Response:
    """Send the reader of a page of staff to the login page, from where they come back."""
    here = safe(request.full_path.removesuffix("?")) if request.method == "GET" else ""
    return pages.see(f"{LOGIN}?{urlencode({'to': here})}" if here else LOGIN)


def waiting(house: House, name: str) -> Pending | None:
    """The request that waits, for its app's name: what is wrong with it shows on the next page."""
    if not name:
        return None
    try:
        return asking.find(house, name, now=clock.now())
    except Fault:
        return None


_WHY = "people come here to say who they are"
ROUTES = (
    Route(
        LOGIN, ("GET",), "login", Public(_WHY), ask, "Page that asks who somebody is", frames=True
    ),
    Route(LOGIN, ("POST",), "login", Public(_WHY), login, "Log in", frames=True),
)
