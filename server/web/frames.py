"""Pages of ours inside another's frame: which may stand there, whose, and with what cookies.

What protects a page is `frame-ancestors`: the browser itself shows it in frames of these origins and
no others. What the browser says of a request (Fetch Metadata) is asked beside it: a page that is for
no frame is refused before it is made, and a decision in a frame is taken from a real click alone.
"""

from collections.abc import Sequence

from flask import Response, request

from server.errors import Denied
from server.flows import launches
from server.flows.asking import Pending
from server.flows.sites import House

_FRAMES = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})


def framed() -> bool:
    """Whether the answer is to stand in a frame, by the browser's own word (Fetch Metadata)."""
    return request.headers.get("Sec-Fetch-Dest", "") in _FRAMES


def place() -> str:
    """Where sessions of this request are good: one that began in a frame is none elsewhere."""
    return "frame|" if framed() else ""


def ancestors(house: House, pending: Pending | None) -> Sequence[str]:
    """The origins that may show a page of a request that waits. Raises Denied in any other frame."""
    found = launches.shown_in(house, pending.launch) if pending is not None else ()
    return allowed(found)


def allowed(origins: Sequence[str]) -> Sequence[str]:
    """These origins. Raises Denied where there are none, and the page would stand in a frame."""
    if framed() and not origins:
        raise Denied("this page is not shown inside another: open it in a window of its own")
    return origins


def directive(origins: Sequence[str]) -> str:
    """`frame-ancestors` of a page (CSP 3 6.4.2.1)."""
    return "frame-ancestors " + " ".join(origins or ("'none'",))


def pressed() -> None:
    """Raise Denied for a decision in a frame that no click or key of the user's led to."""
    if framed() and request.headers.get("Sec-Fetch-User") != "?1":
        raise Denied("this needs a click of yours on the page itself")


def secure(house: House) -> bool:
    """Whether this server is reached by https."""
    return house.config.base.startswith("https://")


def name(house: House, word: str) -> str:
    """A cookie's name. `__Host-` needs https, which plain loopback has not."""
    return f"__Host-{word}" if secure(house) else word


def give(house: House, response: Response, word: str, secret: str, seconds: int = 0) -> None:
    """Give the browser a cookie that is kept for the page around the frame (CHIPS), unseen by scripts.

    Plain loopback has none such: there a frame of another port is no other site.
    """
    apart = secure(house)
    response.set_cookie(
        name(house, word),
        secret,
        max_age=seconds or None,
        secure=apart,
        httponly=True,
        samesite="None" if apart else "Lax",
        partitioned=apart,
        path="/",
    )


def take(house: House, response: Response, word: str) -> None:
    """Take such a cookie back."""
    apart = secure(house)
    response.delete_cookie(
        name(house, word),
        secure=apart,
        httponly=True,
        samesite="None" if apart else "Lax",
        partitioned=apart,
        path="/",
    )
