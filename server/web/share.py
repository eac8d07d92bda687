"""The way in by a Magic Link: its page, and the answer that opens it.

Looking reveals and uses up nothing: the page is the same for a link that is there and one that is
not, and a form that says nothing is no attempt. So mail scanners and previews neither open nor
burn a link.
"""

from flask import Response, request

from server import clock
from server.errors import Busy, Denied, Invalid, Unauthenticated
from server.flows import factors, notices, opening
from server.flows.opening import Handle
from server.flows.sessions import Session
from server.web import browser, cookies, guard, pages, share_pages
from server.web.routes import Call, Public, Route

_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 16 << 10
_LONGEST = 128


def ask(call: Call) -> Response:
    """The page of a link, or of a spoken code: it asks who opens it."""
    return _page(call, 200)


def code(call: Call) -> Response:
    """Mail a fresh one-time code to the address on file; the page says the same whatever happens."""
    _fields()
    try:
        notices.ask_code(call.house, call.path["token"], address=guard.address(), now=clock.now())
    except Busy as busy:
        response = _page(call, 429, "busy")
        response.headers["Retry-After"] = str(busy.retry)
        return response
    return _page(call, 200, sent=True)


def _page(call: Call, status: int, wrong: str = "", *, sent: bool = False) -> Response:
    token = call.path.get("token", "")
    factor = factors.asked_by(token) if token else ""
    visit = browser.visit(call.house) if factor == factors.NAMED else None
    login = visit.session if visit is not None else None
    values = {
        "factor": factor,
        "user": login.account.name if login is not None else "",
        "csrf": visit.token if visit is not None and login is not None else "",
        "by_code": not token,
        "wrong": wrong,
        "sent": sent,
        "mails": bool(call.house.config.smtp_url) and bool(token),
        "token": token,
        "phone": call.house.config.link_phone,
    }
    return share_pages.page("link_ask.html", values, status=status)


def answer(call: Call) -> Response:
    """Judge an answer: the holder's page if it fits; if not, this page again, the same for all."""
    fields = _fields()
    token, said = call.path.get("token", ""), fields.get("factor", "").strip()
    code = "" if token else factors.digits(fields.get("code", ""))
    if factors.asked_by(token) == factors.NAMED:
        return _signed_in(call, Handle(token))
    if not said or not (token or code):
        return _page(call, 200, "empty")
    return _judged(call, Handle(token, code), said)


def _signed_in(call: Call, handle: Handle) -> Response:
    """Open a link for who is signed in in this browser, by a form that a page of ours made for it."""
    login = browser.visit(call.house).session
    if login is None:
        return _page(call, 200)
    browser.form(call.house)
    return _judged(call, handle, "", login)


def _judged(call: Call, handle: Handle, said: str, login: Session | None = None) -> Response:
    try:
        secret = opening.open_link(
            call.house, handle, said, login=login, address=guard.address(), now=clock.now()
        )
    except Unauthenticated:
        return _page(call, 403, "no")
    except Busy as busy:
        response = _page(call, 429 if busy.retry > 60 else 503, "busy")
        response.headers["Retry-After"] = str(busy.retry)
        return response
    response = pages.see("/s/open")
    return cookies.give(call.house, response, secret)


def _fields() -> dict[str, str]:
    """The form. It opens nothing but by its own answer, and needs no token of ours (CSRF)."""
    request.max_content_length = _MOST_BYTES
    if request.mimetype not in (_FORM, "") or (not request.mimetype and request.content_length):
        raise Invalid("this address takes the form of its page")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Denied("this form is not from a page of ours")
    return {name: value[:_LONGEST] for name, value in request.form.items()}


_WHY = "who has a link has no account: the answer on its page says who may"
ROUTES = (
    Route("/s/", ("GET",), "link", Public(_WHY), ask, "Page for a spoken code"),
    Route("/s/", ("POST",), "link", Public(_WHY), answer, "Open a link by its spoken code"),
    Route("/s/<token>", ("GET",), "link", Public(_WHY), ask, "Page of a Magic Link"),
    Route("/s/<token>", ("POST",), "link", Public(_WHY), answer, "Open a Magic Link"),
    Route("/s/<token>/code", ("POST",), "link", Public(_WHY), code, "Mail a one-time code"),
)
