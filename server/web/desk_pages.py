"""The pages of the desk: their frame, the reader's language, their style, and refusals."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from flask import Response, request

from server.errors import Fault
from server.web import pages, share_texts
from server.web.desk_texts import spoken, text, texts
from server.web.routes import Call, Public, Route
from server.web.share_texts import LANGUAGES
from server.web.texts import language, remember

_HERE = Path(__file__).parent
HOME = "/desk/"
STYLE = "/desk/desk.css"
_TOLD = (400, 401, 403, 404, 409, 503)


def page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """A page in the reader's language; what was chosen by `?lang=` is remembered."""
    chosen = language()
    shown = spoken(chosen) | {
        "desk_style": STYLE,
        "home": HOME,
        "here": request.path,
        "languages": _languages(),
        "nav": (),
        "who": "",
        "csrf": "",
        "find": "",
        "done": _done(chosen),
    }
    body = pages.templates().get_template(template).render(shown | dict(values))
    response = Response(body, status, content_type="text/html; charset=utf-8")
    pages.protect(response, more="img-src 'self'; ")
    remember(response)
    return response


def _languages() -> list[tuple[str, str, str]]:
    """Each language with its own name, and the address of this page in it; none after a form."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return [
        (one, share_texts.texts(one)["name"], urlencode([*kept, ("lang", one)]))
        for one in LANGUAGES
        if request.method == "GET"
    ]


def _done(chosen: str) -> str:
    """What was done on the page before, where the address says so in one of our own words."""
    name = f"done.{request.args.get('done', '')}"
    return text(chosen, name) if name in texts(chosen) else ""


def error(fault: Fault) -> Response:
    """A refusal: in words, and for whoever has to mend it the reason."""
    status = fault.answer.http
    values = {"kind": status if status in _TOLD else 500, "reason": str(fault), "languages": ()}
    return page("desk_error.html", values, status=status)


def _style(_call: Call) -> Response:
    """The style sheet of the desk, beside that of all pages."""
    body = (_HERE / "static" / "desk.css").read_text(encoding="utf-8")
    response = Response(body, content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = "max-age=3600"
    return response


ROUTES = (
    Route(STYLE, ("GET",), "desk", Public("it holds nothing of anybody"), _style, "Style sheet"),
)
