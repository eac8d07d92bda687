"""The form of a FHIR answer: is JSON wanted, all of it or a summary, compact or pretty."""

from functools import lru_cache

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from fhir import shape
from fhir.wire import pretty, read, write
from server.errors import Invalid, NotAcceptable

_SPOKEN = ("application/fhir+json", "application/json", "text/json")
_FORMATS = frozenset({*_SPOKEN, "json"})
_TAKEN = frozenset({*_SPOKEN, "*/*", "application/*"})
_SUMMARIES = ("true", "text", "data", "false")


def negotiate(wanted: str | None = None) -> None:
    """Raise NotAcceptable unless the caller takes JSON; `_format` wins over Accept (R4 3.1.0.1.11).

    `wanted` is the `_format` of a form, where there is one.
    """
    if request.query_string:
        wanted = request.args.get("_format", wanted)
    if wanted is not None:
        taken = wanted.split(";")[0].strip().replace(" ", "+").lower() in _FORMATS
    else:
        taken = _takes_json(request.headers.get("Accept", ""))
    if not taken:
        raise NotAcceptable("this server speaks FHIR as JSON: ask for application/fhir+json")


@lru_cache(maxsize=64)
def _takes_json(header: str) -> bool:
    """Whether an Accept header, or none, takes JSON (RFC 9110 12.5.1)."""
    accept = parse_accept_header(header, MIMEAccept)
    # Parameters, such as charset and fhirVersion, do not make another type of it.
    kinds = {kind.partition(";")[0].strip().lower() for kind, quality in accept if quality > 0}
    return not accept or bool(kinds & _TAKEN)


def asked_for_fhir() -> bool:
    """Whether the caller names FHIR or JSON as what it wants, and not anything."""
    if "_format" in request.args:
        return True
    kinds = {kind.partition(";")[0].strip().lower() for kind, _ in request.accept_mimetypes}
    return bool(kinds & set(_SPOKEN))


def of_search(text: str, summary: str, elements: tuple[str, ...]) -> str:
    """A resource in the form that a search asked for; untouched when it asked for no other."""
    if summary in ("", "false") and not elements:
        return text
    return write(shape.shape(read(text), summary=summary, elements=elements))


def of_read(text: str) -> str:
    """A resource in the form that the address of a read asks for."""
    if not request.query_string:
        return text
    summary = request.args.get("_summary", "")
    elements = tuple(e for e in request.args.get("_elements", "").split(",") if e)
    if summary and summary not in _SUMMARIES:
        raise Invalid(f"expected one of {', '.join(_SUMMARIES)}", expression="_summary")
    if summary not in ("", "false") and elements:
        raise Invalid("_summary and _elements exclude each other", expression="_elements")
    return spaced(of_search(text, summary, elements), request.args.get("_pretty"))


def is_whole() -> bool:
    """Whether a read asks for all of a resource, and not for a summary or some elements."""
    return request.args.get("_summary", "false") == "false" and not request.args.get("_elements")


def spaced(text: str, wanted: str | None) -> str:
    """JSON on many lines if `_pretty` is true, as it is if it is false or was not said."""
    if wanted not in ("true", "false", None):
        raise Invalid("_pretty is true or false", expression="_pretty")
    return pretty(text) if wanted == "true" else text
