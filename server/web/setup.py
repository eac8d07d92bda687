"""The page on which the first operator of a new server chooses a name and a password."""

from flask import Response

from server import clock
from server.errors import Conflict, Gone, Invalid
from server.flows import first_operator, passwords
from server.flows.first_operator import PATH
from server.web import browser, guard, login, pages
from server.web.browser import Visit
from server.web.routes import Call, Public, Route


def ask(call: Call) -> Response:
    """The page; looking at it uses nothing up."""
    visit, secret = browser.visit(call.house), call.path["secret"]
    try:
        first_operator.check(call.house, secret, caller=guard.address(), now=clock.now())
    except Gone:
        return _ended(call, visit)
    return _page(call, visit)


def make(call: Call) -> Response:
    """Make the operator, who is signed in then."""
    visit, fields = browser.form(call.house)
    name, password = browser.one(fields, "username"), browser.one(fields, "password")
    wrong = new_password(fields)
    if wrong:
        return _page(call, visit, name, wrong)
    try:
        made = first_operator.make(
            call.house,
            call.path["secret"],
            name,
            password,
            caller=guard.address(),
            now=clock.now(),
        )
    except Gone:
        return _ended(call, visit)
    except (Invalid, Conflict):
        return _page(call, visit, name, "new.name")
    return login.proceed(call.house, visit, made)


def new_password(fields: dict[str, list[str]]) -> str:
    """What is wrong with a new password that was typed twice, as the name of a sentence."""
    password = browser.one(fields, "password")
    if password != browser.one(fields, "again"):
        return "new.differ"
    good = passwords.SHORTEST <= len(password) <= passwords.LONGEST
    return "" if good else "new.short"


def _page(call: Call, visit: Visit, name: str = "", wrong: str = "") -> Response:
    values = {"username": name[:64], "wrong": wrong, "here": PATH + call.path["secret"]}
    return pages.page(call.house, "setup.html", visit, values, status=400 if wrong else 200)


def _ended(call: Call, visit: Visit) -> Response:
    return pages.page(call.house, "setup_ended.html", visit, {}, status=410)


_WHY = "the address is a secret that `serve` prints once, while there is no operator"
ROUTES = (
    Route(f"{PATH}<secret>", ("GET",), "login", Public(_WHY), ask, "Page of the first operator"),
    Route(f"{PATH}<secret>", ("POST",), "login", Public(_WHY), make, "Make the first operator"),
)
