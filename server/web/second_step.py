"""The second step of signing in: the page that asks for a code, and the one that sets codes up."""

from flask import Response, request
from markupsafe import Markup

from server import clock
from server.errors import Busy, Unauthenticated
from server.flows import qr, second_factor, totp
from server.flows.accounts import Account
from server.flows.asking import Pending
from server.flows.second_factor import Half
from server.flows.sites import House
from server.web import browser, guard, login, pages
from server.web.browser import Visit
from server.web.login import CODE
from server.web.routes import Call, Public, Route
from server.web.texts import language, text


def ask(call: Call) -> Response:
    """The page for a code, or for setting codes up where the site wants them."""
    visit = browser.visit(call.house)
    return _page(call.house, visit, request.args.get("request", ""), request.args.get("to", ""))


def _page(house: House, visit: Visit, name: str, to: str, wrong: str = "") -> Response:
    who, pending = second_factor.half(house, visit.secret, now=clock.now()), None
    to = login.safe(to)
    if who is None:
        return login.login_page(
            house, visit, name, login.waiting(house, name), to=to, wrong="login.over"
        )
    values: dict[str, object] = {"name": name, "to": to, "wrong": wrong, "action": CODE}
    template = "code.html"
    if second_factor.next_step(house, who.account) == "enrol":
        template = "enrol.html"
        values |= offered(house, who.account, who.id) | {"must": True}
    pending = login.waiting(house, name)
    status = 401 if wrong else 200
    return pages.page(house, template, visit, values, status=status, pending=pending)


def offered(house: House, account: Account, browser_id: str) -> dict[str, object]:
    """What a page needs that sets codes up: picture, key and address of the offered secret."""
    secret = second_factor.candidate(house, account, browser_id)
    uri, spelled = second_factor.address(house, account, secret), totp.spelled(secret)
    picture = qr.svg(uri, text(language(), "enrol.key"))
    return {
        "qr": Markup(picture),  # noqa: S704 - our own picture of our own address
        "uri": uri,
        "key": " ".join(spelled[at : at + 4] for at in range(0, len(spelled), 4)),
    }


def answer(call: Call) -> Response:
    """Judge a code; who is half signed in is in then."""
    visit, fields = browser.form(call.house)
    house, now = call.house, clock.now()
    name, to = browser.one(fields, "request"), login.safe(browser.one(fields, "to"))
    who, said = second_factor.half(house, visit.secret, now=now), browser.one(fields, "code")
    if who is None:
        return _page(house, visit, name, to)
    if second_factor.next_step(house, who.account) == "enrol":
        return _enrol(house, visit, who, said, name, to)
    try:
        second_factor.prove(house, who.account, said, address=guard.address(), now=now)
        second_factor.finish(house, who, now=now)
    except Unauthenticated:
        return _page(house, visit, name, to, "code.wrong")
    except Busy as busy:
        return login.later(_page(house, visit, name, to, "login.busy"), busy)
    return login.begin(house, visit, who.account, pages.see(login.onward(who.account, name, to)))


def _enrol(house: House, visit: Visit, who: Half, said: str, name: str, to: str) -> Response:
    """Set codes up at the login, show the recovery codes, and let the person in."""
    now = clock.now()
    try:
        codes = second_factor.enrol(
            house, who.account, who.id, said, address=guard.address(), now=now
        )
        second_factor.finish(house, who, now=now)
    except Unauthenticated:
        return _page(house, visit, name, to, "enrol.wrong")
    there, pending = login.onward(who.account, name, to), login.waiting(house, name)
    shown = recovery_page(house, visit, codes, there, pending)
    return login.begin(house, visit, who.account, shown)


def recovery_page(
    house: House, visit: Visit, codes: list[str], there: str, pending: Pending | None = None
) -> Response:
    """The recovery codes, shown this once, and the way on."""
    values = {"codes": codes, "there": there}
    return pages.page(house, "recovery.html", visit, values, pending=pending)


_WHY = "whoever comes has said a password; the cookie says whose"
ROUTES = (
    Route(CODE, ("GET",), "login", Public(_WHY), ask, "Page of the second step", frames=True),
    Route(CODE, ("POST",), "login", Public(_WHY), answer, "Second step of signing in", frames=True),
)
