"""The cookie of a view that an EHR launched: one for each view, so that two patients never mix."""

import re

from flask import Response, request

from server import clock
from server.errors import Unauthenticated
from server.flows import redeeming, views
from server.flows.access import Grant
from server.flows.sites import House
from server.flows.views import Started
from server.web import frames

# What every request of a view's page says: which view it is.
FIELD = "Triptych-View"
_COOKIE = "triptych-view-"
LONGEST_LOGIN = 3600
_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


def shows(house: House) -> bool:
    """Whether a request is that of a view's page. No other cookie counts for it then."""
    return FIELD in request.headers and "Authorization" not in request.headers


def holder(house: House, address: str) -> Grant:
    """What the view reaches whose page asks. Raises Unauthenticated.

    It reads, and comes from this site by the browser's own word (Fetch Metadata).
    """
    id_ = request.headers.get(FIELD, "")
    reads = request.method in ("GET", "HEAD")
    if not reads or request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise Unauthenticated("the page of a view reads, and does no more")
    return views.authenticate(house, id_, secret(house, id_), address=address, now=clock.now())


def secret(house: House, id_: str) -> str:
    """What this browser holds for a view, empty for nothing."""
    return request.cookies.get(frames.name(house, _COOKIE + id_), "") if _ID.fullmatch(id_) else ""


def give(house: House, response: Response, view: Started) -> Response:
    """Give the cookie of a view, and take back those of views that are over."""
    held, seconds = _held(house), LONGEST_LOGIN if view.request else redeeming.VIEW_LIFETIME
    for id_ in views.over(house, held - {view.id}, now=clock.now()):
        frames.take(house, response, _COOKIE + id_)
    frames.give(house, response, _COOKIE + view.id, view.secret, seconds)
    return response


def _held(house: House) -> set[str]:
    """The views whose cookies this browser holds."""
    prefix = frames.name(house, _COOKIE)
    ids = {name.removeprefix(prefix) for name in request.cookies if name.startswith(prefix)}
    return {id_ for id_ in ids if _ID.fullmatch(id_)}
