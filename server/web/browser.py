"""A browser between two pages: its cookie, its session, and the token that its forms carry (CSRF)."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from flask import Response, request

from server import clock
from server.errors import Denied, Invalid, Unauthenticated
from server.flows import sessions
from server.flows.grants import draw
from server.flows.sessions import Session
from server.flows.sites import House
from server.web import frames

_PLAIN, _FRAMED = "triptych", "triptych-frame"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MOST_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser by its cookie. `session` is None while nobody is logged in.

    A secret that was there before the login is never that of a session: logging in draws another.
    """

    secret: str
    session: Session | None
    fresh: bool = False

    @property
    def token(self) -> str:
        """What every form of this browser carries; nobody who lacks the cookie can make it."""
        return form_token(self.secret)


def form_token(secret: str) -> str:
    """What the forms of a browser carry that has this secret in its cookie."""
    return hashlib.sha256(f"form|{secret}".encode()).hexdigest()


def cookie(house: House) -> str:
    """The cookie's name: a page in a frame has another than the same page in its own window."""
    return frames.name(house, _FRAMED if frames.framed() else _PLAIN)


def visit(house: House) -> Visit:
    """The browser that asks, known or new."""
    secret = request.cookies.get(cookie(house), "")
    if not _SECRET.fullmatch(secret):
        return Visit(draw(), None, fresh=True)
    return Visit(secret, sessions.find(house, secret, now=clock.now(), place=frames.place()))


def reader(house: House) -> Session | None:
    """The session of one of the staff whose page of ours reads from a door of data, if one does.

    As for the holder of a link: it reads, comes from this site by the browser's own word (Fetch
    Metadata), and has no token, which would be judged alone.
    """
    known = request.cookies.get(cookie(house), "")
    reads = request.method in ("GET", "HEAD") and "Authorization" not in request.headers
    if not known or not reads or request.headers.get("Sec-Fetch-Site") != "same-origin":
        return None
    session = visit(house).session
    return session if session is not None and session.account.staff else None


def remember(house: House, response: Response, secret: str) -> Response:
    """Give the browser its cookie: for this host alone, unseen by scripts, until it closes.

    One given in a frame is good for the pages of a login there, and opens no data.
    """
    if frames.framed():
        frames.give(house, response, _FRAMED, secret)
        return response
    response.set_cookie(
        cookie(house), secret, secure=frames.secure(house), httponly=True, samesite="Lax", path="/"
    )
    return response


def form(house: House) -> tuple[Visit, dict[str, list[str]]]:
    """The browser and its form. Raises Denied unless a page of ours made the form for it."""
    here = visit(house)
    return here, fields("" if here.fresh else here.secret)


def fields(secret: str) -> dict[str, list[str]]:
    """A form that a page of ours made for the browser with this secret. Raises Invalid, Denied."""
    request.max_content_length = _MOST_BYTES
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Invalid("this address takes the form of its page")
    found = request.form.to_dict(flat=False)
    sent, wanted = found.get("csrf", [""])[0], form_token(secret)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    fits = bool(secret) and hmac.compare_digest(sent.encode(), wanted.encode())
    if site != "same-origin" or not fits:
        raise Denied("this form is not from a page of ours, or that page is too old: load it again")
    return found


def session_of(visit: Visit) -> Session:
    """The session of a browser. Raises Unauthenticated when it has none."""
    if visit.session is None:
        raise Unauthenticated("your session has ended: go back to the app and start again")
    return visit.session


def one(fields: dict[str, list[str]], name: str) -> str:
    """The first value of a form's field, empty when it has none."""
    return fields.get(name, [""])[0]
