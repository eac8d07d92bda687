"""The cookie of a browser that opened a Magic Link: what it opens, and how it is given and taken."""

from flask import Response, request

from server import clock
from server.flows import opening
from server.flows.opening import Opened
from server.flows.sites import House
from server.web import browser


def name(house: House) -> str:
    """The cookie's name. `__Host-` needs https, which plain loopback has not."""
    return "__Host-triptych-link" if _secure(house) else "triptych-link"


def _secure(house: House) -> bool:
    return house.config.base.startswith("https://")


def shows(house: House) -> bool:
    """Whether a request to a door of data is that of a page of ours, in a link holder's browser.

    It reads, and comes from this site by the browser's own word (Fetch Metadata); one that
    carries a token is judged by the token alone.
    """
    return (
        request.method in ("GET", "HEAD")
        and "Authorization" not in request.headers
        and request.headers.get("Sec-Fetch-Site") == "same-origin"
        and name(house) in request.cookies
    )


def holder(house: House, address: str) -> Opened:
    """The link that this browser opened. Raises Unauthenticated."""
    secret = request.cookies.get(name(house), "")
    return opening.authenticate(house, secret, address=address, now=clock.now())


def token(house: House) -> str:
    """What the forms of this browser carry (CSRF)."""
    return browser.form_token(request.cookies.get(name(house), ""))


def form(house: House) -> dict[str, str]:
    """A form of the holder's pages. Raises Denied unless a page of ours made it for this browser."""
    found = browser.fields(request.cookies.get(name(house), ""))
    return {field: values[0] for field, values in found.items()}


def give(house: House, response: Response, secret: str) -> Response:
    """Give the browser its cookie: for this host alone, unseen by scripts, until it closes."""
    response.set_cookie(
        name(house), secret, secure=_secure(house), httponly=True, samesite="Lax", path="/"
    )
    return response


def take(house: House, response: Response) -> Response:
    """Take the cookie back."""
    response.delete_cookie(name(house), secure=_secure(house), httponly=True, samesite="Lax")
    return response
