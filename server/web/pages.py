"""Pages for people: plain HTML from templates, with the headers that keep them from being misused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from flask import Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fhir import scopes
from fhir.errors import BadScope
from fhir.scopes import Scope
from server.errors import Fault
from server.flows import consent
from server.flows.asking import Pending
from server.flows.consent import Offer
from server.flows.resources import TYPES
from server.flows.sites import House
from server.web import browser, frames, share_texts
from server.web.browser import Visit
from server.web.share_texts import LANGUAGES
from server.web.texts import language, remember, speaker, text, texts

_HERE = Path(__file__).parent
STYLE = "/oauth/pages.css"
# What of a page's address another language of it keeps.
_KEPT = ("request", "to", "find")


@lru_cache(maxsize=1)
def templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = STYLE
    return made


def page(
    house: House,
    template: str,
    visit: Visit,
    values: Mapping[str, object],
    *,
    status: int = 200,
    pending: Pending | None = None,
) -> Response:
    """A page in the reader's language, as a template of `templates/` that extends people.html.

    `pending` is the app's request that waits: the page's form may lead to that app in the end, and
    the page may stand in a frame of the EHR that launched it (CSP).
    """
    shown_in = frames.ancestors(house, pending)
    more = {"csrf": visit.token, "languages": _languages(), **values}
    response = _said_in(template, more, status)
    protect(response, pending.ask.redirect_uri if pending else "", shown_in=shown_in)
    return browser.remember(house, response, visit.secret) if visit.fresh else response


def _said_in(template: str, values: Mapping[str, object], status: int) -> Response:
    """A template in the reader's language."""
    chosen = language()
    spoken = share_texts.spoken(chosen) | {"t": speaker(chosen), "languages": ()}
    body = templates().get_template(template).render(spoken | dict(values))
    response = Response(body, status, content_type="text/html; charset=utf-8")
    remember(response)
    return response


def _languages() -> Sequence[tuple[str, str, str]]:
    """Each language with its name and the query that shows this page in it, where it was read."""
    kept = {name: request.args[name] for name in _KEPT if name in request.args}
    return [
        (one, share_texts.texts(one)["name"], urlencode({**kept, "lang": one}))
        for one in LANGUAGES
        if request.method == "GET"
    ]


def protect(
    response: Response, leads_to: str = "", *, more: str = "", shown_in: Sequence[str] = ()
) -> None:
    """No script, no frame, no other site: forms come back here, or go where the app waits.

    `more` are further sources that a page needs, as directives of its policy; `shown_in` the
    origins in whose frames it may stand.
    """
    parts = urlsplit(leads_to)
    target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    forms = f"'self' {target}" if parts.scheme else "'self'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; {more}form-action {forms}; "
        f"{frames.directive(shown_in)}; base-uri 'none'"
    )
    if not shown_in:
        response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"


def error(fault: Fault) -> Response:
    """A refusal for a person: what happened in plain words, and for whoever mends it the reason."""
    status = fault.answer.http
    known = status if f"plain.{status}" in texts("en") else status // 100 * 100
    response = _said_in("error.html", {"plain": f"plain.{known}", "reason": str(fault)}, status)
    protect(response)
    return response


def see(address: str) -> Response:
    """A redirect that is always followed by GET. What it names is not to be kept or passed on."""
    response = Response(status=303)
    response.autocorrect_location_header = False
    response.headers["Location"] = address
    response.headers["Cache-Control"] = "no-store"
    return response


def style() -> Response:
    """The one style sheet."""
    response = Response((_HERE / "static" / "pages.css").read_text(encoding="utf-8"))
    response.content_type = "text/css; charset=utf-8"
    response.headers["Cache-Control"] = "max-age=3600"
    return response


# What the consent page asks.


@dataclass(frozen=True, slots=True)
class Line:
    """One tick box: a scope, in words for a person, and the parts that may be had instead."""

    scope: str
    words: str
    parts: tuple["Line", ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that are about the same records; `context` is patient, user or other."""

    context: str
    lines: tuple[Line, ...]


def groups(offered: Offer) -> Sequence[Group]:
    """A line for each scope of an offer, by whose records it is about, and what else is asked."""
    found = [
        Group(context, tuple(_line(one) for one in offered.scopes if one.context == context))
        for context in ("patient", "user")
    ]
    found.append(Group("other", tuple(Line(one, _said("scope", one)) for one in offered.words)))
    return [group for group in found if group.lines]


def _line(scope: Scope) -> Line:
    parts = (Line(str(part), _part(part)) for part in consent.narrower(scope))
    return Line(str(scope), describe(scope), tuple(parts))


def _part(scope: Scope) -> str:
    """A part beside its whole: the category, or the type."""
    return _categories(scope) or _said("type", scope.type)


def _categories(scope: Scope) -> str:
    codes = [value.rpartition("|")[2] for _, value in scope.params]
    return ", ".join(_said("category", code) for code in codes)


def _said(kind: str, name: str) -> str:
    """A word of the standard as a person would say it; itself, where nobody knows better."""
    return texts(language()).get(f"{kind}.{name}", name)


def describe(scope: Scope) -> str:
    """A scope of resources in words; what only reads goes without saying, what is not here does not."""
    known, which = _said("type", scope.type), _categories(scope)
    what = f"{known} ({which})" if which else known
    if scope.type not in ("*", *TYPES):
        return text(language(), "type.none", what=what)
    deeds = list(dict.fromkeys(_said("letters", letter) for letter in scope.letters))
    return what if deeds == [_said("letters", "r")] else f"{what}: {', '.join(deeds)}"


def described(scope: str) -> Sequence[str]:
    """The words of a whole scope parameter, one for each scope."""
    return [_word(word) for word in scope.split()]


def _word(word: str) -> str:
    try:
        scope = scopes.parse(word)
    except BadScope:
        return _said("scope", word)
    return f"{describe(scope)} {_said('context', scope.context)}"
