"""Pages for people: plain HTML from templates, with the headers that keep them from being misused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fhir import scopes
from fhir.errors import BadScope
from fhir.scopes import Scope
from server.errors import Fault
from server.flows import consent
from server.flows.consent import Offer
from server.flows.resources import TYPES
from server.flows.sites import House
from server.web import browser
from server.web.browser import Visit
from server.web.texts import TEXTS, text

_HERE = Path(__file__).parent
STYLE = "/oauth/pages.css"


@lru_cache(maxsize=1)
def templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["t"] = text
    made.globals["style"] = STYLE
    return made


def page(
    house: House,
    template: str,
    visit: Visit,
    values: Mapping[str, object],
    *,
    status: int = 200,
    leads_to: str = "",
) -> Response:
    """A page. `leads_to` is the app's address to which its form may lead in the end (CSP)."""
    body = templates().get_template(template).render(csrf=visit.token, lang="en", **values)
    response = Response(body, status, content_type="text/html; charset=utf-8")
    protect(response, leads_to)
    return browser.remember(house, response, visit.secret) if visit.fresh else response


def protect(response: Response, leads_to: str = "", *, more: str = "") -> None:
    """No script, no frame, no other site: forms come back here, or go where the app waits.

    `more` are further sources that a page needs, as directives of its policy.
    """
    parts = urlsplit(leads_to)
    target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    forms = f"'self' {target}" if leads_to else "'self'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; {more}form-action {forms}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"


def error(fault: Fault) -> Response:
    """A refusal for a person: what happened in plain words, and for whoever mends it the reason."""
    body = (
        templates()
        .get_template("error.html")
        .render(lang="en", plain=fault.answer.patient, reason=str(fault))
    )
    response = Response(body, fault.answer.http, content_type="text/html; charset=utf-8")
    protect(response)
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
    return TEXTS["en"].get(f"{kind}.{name}", name)


def describe(scope: Scope) -> str:
    """A scope of resources in words; what only reads goes without saying, what is not here does not."""
    known, which = _said("type", scope.type), _categories(scope)
    what = f"{known} ({which})" if which else known
    if scope.type not in ("*", *TYPES):
        return text("type.none", what=what)
    deeds = list(dict.fromkeys(text(f"letters.{letter}") for letter in scope.letters))
    return what if deeds == [text("letters.r")] else f"{what}: {', '.join(deeds)}"


def described(scope: str) -> Sequence[str]:
    """The words of a whole scope parameter, one for each scope."""
    return [_word(word) for word in scope.split()]


def _word(word: str) -> str:
    try:
        scope = scopes.parse(word)
    except BadScope:
        return _said("scope", word)
    return f"{describe(scope)} {text(f'context.{scope.context}')}"
