"""The pages of Magic Links: the reader's language, dates as read there, and strict headers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from flask import Response

from server.clock import moment
from server.errors import Fault, Unauthenticated
from server.web import pages
from server.web.routes import Call
from server.web.share_texts import LANGUAGES, spoken, texts
from server.web.texts import language, remember

_HERE = Path(__file__).parent
# Pictures, and the script that ends a page, come from here; nothing else is loaded or run.
_SOURCES = "img-src 'self'; script-src 'self'; connect-src 'self'; "


def amount(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{max(1, round(size / 1e6))} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _clock(micros: int) -> str:
    """The time of day of a moment, in UTC."""
    return moment(micros).strftime("%H:%M UTC")


def page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """A page in the reader's language; what was chosen by `?lang=` is remembered."""
    chosen = language()
    shown = spoken(chosen) | {
        "clock": _clock,
        "languages": [(one, texts(one)["name"]) for one in LANGUAGES],
        "today": datetime.now(UTC).strftime("%Y%m%d"),
        "csrf": "",
        "phone": "",
    }
    body = pages.templates().get_template(template).render(shown | dict(values))
    response = Response(body, status, content_type="text/html; charset=utf-8")
    pages.protect(response, more=_SOURCES)
    remember(response)
    return response


def error(fault: Fault) -> Response:
    """A refusal for a person. A link that has ended says so, and nothing else."""
    closed = isinstance(fault, Unauthenticated)
    return page("link_error.html", {"closed": closed}, status=fault.answer.http)


def style(_call: Call) -> Response:
    """The style sheet of these pages, beside that of all pages."""
    return _file("link.css", "text/css")


def script(_call: Call) -> Response:
    """The script that ends an open page when its link has ended."""
    return _file("watch.js", "text/javascript")


def icon(_call: Call) -> Response:
    """The sign of these pages in a browser's tabs."""
    return _file("icon.svg", "image/svg+xml")


def _file(name: str, kind: str) -> Response:
    body = (_HERE / "static" / name).read_text(encoding="utf-8")
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    response.headers["Cache-Control"] = "max-age=3600"
    return response
