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
from server.flows.sites import House
from server.web import browser
from server.web.browser import Visit
from server.web.texts import TEXTS, text

_HERE = Path(__file__).parent
STYLE = "/oauth/pages.css"


@lru_cache(maxsize=1)
def _templates() -> Environment:
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
    body = _templates().get_template(template).render(csrf=visit.token, lang="en", **values)
    response = Response(body, status, content_type="text/html; charset=utf-8")
    _protect(response, leads_to)
    return browser.remember(house, response, visit.secret) if visit.fresh else response


def _protect(response: Response, leads_to: str) -> None:
    """No script, no frame, no other site: forms come back here, or go where the app waits."""
    parts = urlsplit(leads_to)
    target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    forms = f"'self' {target}" if leads_to else "'self'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; form-action {forms}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"


def error(fault: Fault) -> Response:
    """A refusal for a person: what happened in plain words, and for whoever mends it the reason."""
    body = (
        _templates()
        .get_template("error.html")
        .render(lang="en", plain=fault.answer.patient, reason=str(fault))
    )
    response = Response(body, fault.answer.http, content_type="text/html; charset=utf-8")
    _protect(response, "")
    return response


def style() -> Response:
    """The one style sheet."""
    response = Response((_HERE / "static" / "pages.css").read_text(encoding="utf-8"))
    response.content_type = "text/css; charset=utf-8"
    response.headers["Cache-Control"] = "max-age=3600"
    return response


# The lines of the consent page.


@dataclass(frozen=True, slots=True)
class Line:
    """One tick box: a scope, in words for a person, and the parts that may be had instead."""

    scope: str
    words: str
    parts: tuple["Line", ...] = ()


def lines(offered: Offer) -> Sequence[Line]:
    """A line for each scope of an offer, those of resources first."""
    found = [
        Line(str(one), describe(one), tuple(Line(str(part), describe(part)) for part in parts))
        for one in offered.scopes
        for parts in (consent.narrower(one),)
    ]
    return [*found, *(Line(word, text(f"scope.{word}")) for word in offered.words)]


def describe(scope: Scope) -> str:
    """A scope of resources in words."""
    known = TEXTS["en"].get(f"type.{scope.type}", scope.type)
    which = "".join(
        f" ({code})" for _, value in scope.params for code in [value.rpartition("|")[2]]
    )
    letters = ", ".join(text(f"letters.{letter}") for letter in scope.letters)
    return f"{known}{which}: {letters}, {text(f'context.{scope.context}')}"


def described(scope: str) -> str:
    """A whole scope parameter in words."""
    return "; ".join(_word(word) for word in scope.split())


def _word(word: str) -> str:
    try:
        return describe(scopes.parse(word))
    except BadScope:
        return TEXTS["en"].get(f"scope.{word}", word)
