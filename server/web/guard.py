"""Turns a request into a Grant, and asks the gate before any handler runs."""

from flask import request

from server import clock
from server.errors import Denied, Fault, Gone, Missing, Unauthenticated
from server.flows import access, accounts, grants, opening
from server.flows.access import Grant
from server.flows.audit import Event
from server.flows.sites import HOME, House
from server.web import browser, cookies, frames, viewing
from server.web.routes import Linked, Public, Route, Scoped, Signed


def admit(house: House, route: Route, path: dict[str, str]) -> Grant | None:
    """The caller's grant for a route, or the refusal that the caller has earned."""
    if frames.framed() and not route.frames:
        raise Denied("this page is not shown inside another: open it in a window of its own")
    if isinstance(route.access, Public):
        return None
    if isinstance(route.access, Signed):
        return _signed(house, route.access)
    if isinstance(route.access, Scoped) and viewing.shows(house):
        grant = viewing.holder(house, address())
    elif isinstance(route.access, Linked) or cookies.shows(house):
        grant = cookies.holder(house, address()).grant
    elif (reader := browser.reader(house)) is not None:
        grant = accounts.grant(reader.account, reader.id, address=address(), now=clock.now())
    else:
        grant = _of_token(house, bearer())
    resource_type = path["type"] if route.access.type == "*" else route.access.type
    letter = route.access.letter
    grant = access.facing(grant, resource_type, letter)
    if letter != "r" or not access.is_person(grant, resource_type, path.get("id", "")):
        access.may(grant, resource_type, letter)
    return grant


def _signed(house: House, wanted: Signed) -> Grant:
    """The grant of somebody who is signed in, whose forms are from a page of ours."""
    session = browser.visit(house).session
    if session is None:
        raise Unauthenticated("sign in first")
    grant = accounts.grant(session.account, session.id, address=address(), now=clock.now())
    access.in_role(grant, *wanted.roles)
    if request.method not in ("GET", "HEAD"):
        browser.form(house)
    return grant


def _of_token(house: House, token: str) -> Grant:
    """The grant of a token, or of one that a SMART Health Link gave."""
    if token.startswith(opening.BEARER):
        kind = opening.ACCESS
        return opening.authenticate(house, token, kind, address=address(), now=clock.now()).grant
    return grants.authenticate(house, token, address=address(), now=clock.now())


def bearer() -> str:
    """The token of the Authorization header (RFC 6750 section 2.1)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send a token: Authorization: Bearer …")
    return token.strip()


def address() -> str:
    """Where the request came from."""
    return request.remote_addr or ""


def refused(house: House, route: Route, grant: Grant | None, error: Fault) -> None:
    """Record a refusal. Who could not even be recognised belongs to the organisation `home`."""
    if not isinstance(error, Denied | Unauthenticated) and not (
        grant is not None and isinstance(error, Gone | Missing)
    ):
        return
    grant = grant or _reader(house, route)
    house.auditor.note(
        Event(
            organisation=grant.organisation if grant else HOME,
            door=route.door,
            action="refuse",
            outcome="4",
            grant=grant.id if grant else "",
            client=(grant.account or grant.client) if grant else "",
            purpose=grant.purpose if grant else "",
            address=address(),
            detail=f"{request.method} {route.rule}: {error}",
        )
    )


def _reader(house: House, route: Route) -> Grant | None:
    """Who was refused a page of staff for lack of the role."""
    session = browser.visit(house).session if isinstance(route.access, Signed) else None
    return (
        accounts.grant(session.account, session.id, address=address(), now=clock.now())
        if session
        else None
    )
