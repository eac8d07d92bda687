"""What the holder of a Magic Link sees: a page that asks, pictures, reports, copies to keep.

Every page is read with the cookie of the browser that opened the link, through the one gate, and
covered by an open event before it leaves. Nothing here needs a script; the one there is ends an
open page when its link ends.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from flask import Response, request

from server import clock
from server.errors import Missing
from server.flows import disc as disc_of
from server.flows import holding, opening, passing
from server.flows.opening import Opened
from server.web import cookies, fhir_api, guard, pages, rendered, share_pages, share_texts
from server.web.replies import closing_on_error, covered
from server.web.routes import Call, Linked, Public, Route
from server.web.share_disc import DiscPages
from server.web.texts import language

_LARGEST = 10_000
_LINES = 100


def opened(call: Call) -> Opened:
    """The link that this browser opened."""
    return cookies.holder(call.house, guard.address())


def shown(
    call: Call,
    template: str,
    values: Mapping[str, object],
    *,
    what: str = "page",
    study: str = "",
) -> Response:
    """A page of the holder's, covered by an event. `what` is told in the link's log."""
    link = opened(call)
    seen = holding.reading(call.house, link, what, study)
    with closing_on_error(seen):
        common = {
            "csrf": cookies.token(call.house),
            "link": link,
            "person": holding.person(call.house, link),
            "phone": call.house.config.link_phone,
        }
        return covered(seen, share_pages.page(template, common | dict(values)), count=0)


def start(call: Call) -> Response:
    """Ask what is to be shown, before anything is."""
    count = len(holding.studies(call.house, call.who))
    count += len(holding.pictures_waiting(call.house, call.who))
    return shown(call, "link_open.html", {"count": count})


def later(call: Call) -> Response:
    """Nothing now: the browser forgets the link, which stays good."""
    link = opened(call)
    cookies.form(call.house)
    opening.close(call.house, link, now=clock.now())
    response = share_pages.page("link_later.html", {"until": link.expires})
    return cookies.take(call.house, response)


def pictures(call: Call) -> Response:
    """The studies, each with a small picture of every series."""
    waiting = holding.pictures_waiting(call.house, call.who)
    values = {"studies": holding.studies(call.house, call.who), "waiting": waiting}
    return shown(call, "link_pictures.html", values, what="pictures")


def picture(call: Call) -> Response:
    """One picture of a series with links to its neighbours; the middle one first."""
    study, series = call.path["study"], call.path["series"]
    number = _number(request.args.get("n", "0"))
    found = holding.picture(call.house, call.who, study, series, number)
    described = next(one for one in holding.studies(call.house, call.who) if one.uid == study)
    of_series = next(one for one in described.series if one.uid == series)
    values = {"picture": found, "study": described, "series": of_series}
    return shown(call, "link_picture.html", values, what="pictures", study=study)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > _LARGEST:
        raise Missing("the series has no such picture")
    return int(text)


def reports(call: Call) -> Response:
    """The reports, conclusions first."""
    values = {"reports": holding.reports(call.house, call.who)}
    return shown(call, "link_reports.html", values, what="report")


def report(call: Call) -> Response:
    """One report in full."""
    found = holding.report(call.house, call.who, call.path["id"])
    return shown(call, "link_report.html", {"report": found}, what="report")


def plain(call: Call) -> Response:
    """The text of a report, to keep."""
    found = holding.report(call.house, call.who, call.path["id"])
    if not found.text:
        raise Missing("this report has no text of its own")
    return _saved(call, found.text.encode(), "text/plain; charset=utf-8", "report.txt")


def document(call: Call) -> Response:
    """A document of a report: the same Binary, through the same gate, as /fhir serves."""
    return fhir_api.read(replace(call, path={"type": "Binary", "id": call.path["id"]}))


def bundle(call: Call) -> Response:
    """Everything but the pictures, as a FHIR Bundle to keep (R4 bundle, type collection)."""
    body = holding.bundle(call.house, opened(call))
    return _saved(call, body.encode(), "application/fhir+json", "health-record.json")


def disc(call: Call) -> Response:
    """Pictures and reports as a disc in a ZIP, streamed."""
    link, pages = opened(call), DiscPages(language(), clock.now())
    seen = holding.reading(call.house, link, "download")
    with closing_on_error(seen):
        words = share_texts.in_every_language("intended", "disc.readme")
        person = holding.person(call.house, link)
        cover = disc_of.Cover(f"2.25.{uuid4().int}", words, person, pages)
        body = disc_of.stream(call.house, call.who, cover, seen)
        response = Response(body, content_type="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="pictures.zip"'
    response.call_on_close(seen.end)
    return response


def _saved(call: Call, body: bytes, kind: str, name: str) -> Response:
    """A file to keep. Its name says nothing of the person or the examination."""
    seen = holding.reading(call.house, opened(call), "download")
    with closing_on_error(seen):
        response = Response(body, content_type=kind)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return covered(seen, response, count=1)


def about(call: Call) -> Response:
    """The link itself: how long it is good, copies to keep, who used it, whom it was passed to."""
    size = disc_of.size(call.house, call.who)
    return shown(call, "link_about.html", _about(call) | {"size": share_pages.amount(size)})


def _about(call: Call) -> dict[str, object]:
    link, house = opened(call), call.house
    if not link.own:
        return {"first": False, "log": (), "passed": (), "spans": ()}
    now = clock.now()
    return {
        "first": True,
        "log": passing.log(house, link)[:_LINES],
        "passed": passing.passed(house, link, now=now),
        "spans": passing.SPANS,
    }


def pass_on(call: Call) -> Response:
    """Make a link for somebody whom the holder trusts, and show its secrets this once."""
    link, fields = opened(call), cookies.form(call.house)
    days, label = _number(fields.get("days", "")), fields.get("label", "")
    made = passing.pass_on(call.house, link, days, label, now=clock.now())
    return shown(call, "link_passed.html", {"made": made})


def end_passed(call: Call) -> Response:
    """End a link that was passed on."""
    link, fields = opened(call), cookies.form(call.house)
    passing.end(call.house, link, fields.get("link", ""), now=clock.now())
    return pages.see("/s/link")


def doubt(call: Call) -> Response:
    """Ask once more, before a link is closed for everybody."""
    return shown(call, "link_not_me.html", {"done": False})


def not_me(call: Call) -> Response:
    """Close the link for everybody, and tell the hospital."""
    link = opened(call)
    cookies.form(call.house)
    passing.not_me(call.house, link, now=clock.now())
    values = {"done": True, "phone": call.house.config.link_phone}
    return cookies.take(call.house, share_pages.page("link_not_me.html", values))


def alive(_call: Call) -> Response:
    """Whether the link still stands: 204, or 401 from the guard."""
    return Response(status=204)


_PICTURE = Linked("ImagingStudy", "r")
_REPORT = Linked("DiagnosticReport", "r")
_FILES = Public("a style sheet or a script holds nothing of anybody")
_AT = "/s/pictures/<study>/<series>"

ROUTES = (
    Route("/s/open", ("GET",), "link", _PICTURE, start, "Holder's first page, which asks"),
    Route("/s/later", ("POST",), "link", _PICTURE, later, "Holder has done"),
    Route("/s/pictures", ("GET",), "link", _PICTURE, pictures, "Holder's studies"),
    Route(_AT, ("GET",), "link", _PICTURE, picture, "One picture of a series, without script"),
    Route(f"{_AT}/thumbnail", ("GET",), "dicomweb", _PICTURE, rendered.thumbnail, "Small picture"),
    Route(
        f"{_AT}/<instance>/<frames>", ("GET",), "dicomweb", _PICTURE, rendered.rendered, "Picture"
    ),
    Route("/s/reports", ("GET",), "link", _REPORT, reports, "Holder's reports"),
    Route("/s/reports/<id>", ("GET",), "link", _REPORT, report, "One report"),
    Route("/s/reports/<id>/text", ("GET",), "link", _REPORT, plain, "Text of a report"),
    Route("/s/documents/<id>", ("GET",), "fhir", Linked("Binary", "r"), document, "Document"),
    Route("/s/bundle", ("GET",), "link", _REPORT, bundle, "FHIR Bundle of the link"),
    Route("/s/link", ("GET",), "link", _PICTURE, about, "The link itself, and its log"),
    Route("/s/pass-on", ("POST",), "link", _PICTURE, pass_on, "Pass a link on"),
    Route("/s/pass-on/end", ("POST",), "link", _PICTURE, end_passed, "End a link passed on"),
    Route("/s/not-me", ("GET",), "link", _PICTURE, doubt, "Asks once more"),
    Route("/s/not-me", ("POST",), "link", _PICTURE, not_me, "Close a link: this is not me"),
    Route("/s/disc", ("GET",), "link", _PICTURE, disc, "Pictures and reports as a disc in a ZIP"),
    Route("/s/alive", ("GET",), "link", _PICTURE, alive, "Whether the link still stands"),
    Route("/s/link.css", ("GET",), "link", _FILES, share_pages.style, "Style sheet"),
    Route("/s/icon.svg", ("GET",), "link", _FILES, share_pages.icon, "Icon"),
    Route("/s/watch.js", ("GET",), "link", _FILES, share_pages.script, "Ends an open page"),
)
