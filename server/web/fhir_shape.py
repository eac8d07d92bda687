"""The form of a FHIR answer: is JSON wanted, all of it or a summary, compact or pretty."""

import json

from flask import request

from fhir import shape
from fhir.wire import read, write
from server.errors import Invalid, NotAcceptable

_SPOKEN = ("application/fhir+json", "application/json", "text/json")
_FORMATS = frozenset({*_SPOKEN, "json"})
_SUMMARIES = ("true", "text", "data", "false")


def negotiate() -> None:
    """Raise NotAcceptable unless the caller takes JSON; `_format` wins over Accept (R4 3.1.0.1.11)."""
    wanted = request.args.get("_format")
    if wanted is not None:
        taken = wanted.split(";")[0].strip().replace(" ", "+").lower() in _FORMATS
    else:
        accept = request.accept_mimetypes
        taken = not accept or any(accept[kind] > 0 for kind in _SPOKEN)
    if not taken:
        raise NotAcceptable("this server speaks FHIR as JSON: ask for application/fhir+json")


def of_search(text: str, summary: str, elements: tuple[str, ...]) -> str:
    """A resource in the form that a search asked for; untouched when it asked for no other."""
    if summary in ("", "false") and not elements:
        return text
    return write(shape.shape(read(text), summary=summary, elements=elements))


def of_read(text: str) -> str:
    """A resource in the form that the address of a read asks for."""
    summary = request.args.get("_summary", "")
    elements = tuple(e for e in request.args.get("_elements", "").split(",") if e)
    if summary and summary not in _SUMMARIES:
        raise Invalid(f"expected one of {', '.join(_SUMMARIES)}", expression="_summary")
    if summary not in ("", "false") and elements:
        raise Invalid("_summary and _elements exclude each other", expression="_elements")
    shaped = of_search(text, summary, elements)
    return json.dumps(json.loads(shaped), indent=2, ensure_ascii=False) if _pretty() else shaped


def _pretty() -> bool:
    wanted = request.args.get("_pretty", "false")
    if wanted not in ("true", "false"):
        raise Invalid("_pretty is true or false", expression="_pretty")
    return wanted == "true"
