"""The viewer as an EHR launches it: the launch ends here, and the browser gets a cookie for one view.

A page of a view says in a field of its requests which view it is, and then the cookie of that view alone
counts: not a login in the same browser, not a link, not another view of another patient.
"""

from urllib.parse import urlencode

from flask import Response, request

from server import clock
from server.errors import Denied, Invalid
from server.flows import views
from server.flows.clients import VIEWER_BACK, VIEWER_LAUNCH
from server.flows.sites import House
from server.flows.views import Started
from server.web import guard, pages, viewer, viewing
from server.web.login import CONTINUE
from server.web.routes import Call, Public, Route

ALIVE = f"{viewer.ADDRESS}alive"


def launch(call: Call) -> Response:
    """Take a launch of an EHR's: to the view at once, or to the pages where its user signs in."""
    iss, value = _only("iss"), _only("launch")
    started = views.start(call.house, iss, value, address=guard.address(), now=clock.now())
    if not started.request:
        return _shown(call.house, started)
    there = f"{CONTINUE}?{urlencode({'request': started.request})}"
    return viewing.give(call.house, pages.see(there), started)


def _only(name: str) -> str:
    found = request.args.getlist(name)
    if len(found) != 1:
        raise Invalid(f"an EHR launches the viewer with one {name}", expression=name)
    return found[0]


def launched(call: Call) -> Response:
    """Come back from signing in: what waits in this browser's cookie redeems the code."""
    id_, code, house = request.args.get("state", ""), request.args.get("code", ""), call.house
    if not code:
        raise Denied(request.args.get("error_description", "")[:200] or "this was not allowed")
    verifier, now = viewing.secret(house, id_), clock.now()
    return _shown(house, views.finish(house, id_, verifier, code, address=guard.address(), now=now))


def _shown(house: House, view: Started) -> Response:
    words = {"view": view.id} | ({"study": view.study} if view.study else {})
    return viewing.give(house, pages.see(f"{viewer.ADDRESS}?{urlencode(words)}"), view)


def alive(call: Call) -> Response:
    """Whether the view still stands: 204, or 401."""
    viewing.holder(call.house, guard.address())
    return Response(status=204)


_LAUNCH = Public("an EHR's launch says who comes, and what for")
_BACK = Public("the code and this browser's cookie say what was allowed")
_WATCH = Public("the view's own cookie says whose it is")
ROUTES: tuple[Route, ...] = (
    Route(VIEWER_LAUNCH, ("GET",), "login", _LAUNCH, launch, "Launch of the viewer", frames=True),
    Route(VIEWER_BACK, ("GET",), "login", _BACK, launched, "Back from signing in", frames=True),
    Route(ALIVE, ("GET",), "apps", _WATCH, alive, "Whether a view still stands"),
)
