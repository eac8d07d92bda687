"""The desk's Magic Links: one made in three steps, its secrets shown once; the list, log and end of each."""

from collections.abc import Iterable
from urllib.parse import urlencode

from flask import Response, request
from markupsafe import Markup

from server import clock
from server.flows import handing, links, qr
from server.flows.handing import Link, Shareable
from server.web import pages, share_texts
from server.web.desk import BY_OPERATOR, Seat, day, field, seat, shown, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route
from server.web.share_texts import LANGUAGES

AT = f"{HOME}links"
_OF_PATIENT = f"{HOME}patients/<id>/link"


def choose(call: Call) -> Response:
    """Step one: what is shared, and until when."""
    here, id_ = seat(call), call.path["id"]
    who, found = handing.shareable(call.house, here.grant, id_)
    values = {
        "person": who,
        "studies": [(one, _called(here, one)) for one in found],
        "spans": handing.SPANS,
        "usual": links.USUAL,
        "at": f"{HOME}patients/{id_}",
    }
    return shown(here, "desk_link_what.html", values, what="link", patients=[id_])


def _called(here: Seat, one: Shareable) -> str:
    """A study in a line."""
    words = (day(one.date), one.modalities, one.description, here.t("images", count=one.instances))
    return ", ".join(filter(None, words))


def prove(call: Call) -> Response:
    """Step two: what its holder will be asked for."""
    here, id_ = seat(call), call.path["id"]
    who, found = handing.shareable(call.house, here.grant, id_)
    studies, span = request.args.getlist("study"), word("span") or links.USUAL
    chosen = [one for one in found if one.uid in studies]
    offered = handing.OFFERED if span in handing.SPANS else ()
    factors = [one for one in offered if handing.fits(span, one)]
    usual = call.house.config.link_factor
    values = {
        "person": who,
        "studies": [(one, _called(here, one)) for one in chosen],
        "span": span,
        "factors": factors,
        "usual": usual if usual in factors else "pin",
        "sheets": [(one, share_texts.texts(one)["name"]) for one in LANGUAGES],
        "at": f"{HOME}patients/{id_}",
    }
    return shown(here, "desk_link_factor.html", values, what="link", patients=[id_])


def make(call: Call) -> Response:
    """Step three: the link with its secrets, this once, and a sheet to print."""
    here, id_, factor = seat(call), call.path["id"], field("factor")
    made = handing.make(
        call.house,
        here.grant,
        here.organisation,
        id_,
        studies=request.form.getlist("study"),
        factor=factor,
        span=field("span"),
        label=field("label"),
        now=clock.now(),
    )
    language = field("sheet") if field("sheet") in LANGUAGES else here.language
    values = {
        "made": made,
        "factor": factor,
        "until": here.when(made.expires),
        "sheet": share_texts.spoken(language),
        "code_address": made.url.rpartition("/")[0] + "/",
        "qr": Markup(qr.svg(made.url)),  # noqa: S704 - our own picture of our own address
        "phone": call.house.config.link_phone,
        "at": f"{HOME}patients/{id_}",
    }
    return shown(here, "desk_link_made.html", values, what="link made", patients=[id_])


def listing(call: Call) -> Response:
    """Links of the organisation, or of one patient, the newest first."""
    here, patient = seat(call), word("patient")
    found, next_ = handing.page(
        call.house, here.grant, patient=patient, before=word("before"), now=clock.now()
    )
    words = {"patient": patient, "before": next_}
    values = {
        "found": _links(here, found),
        "more": f"{AT}?{urlencode(words)}" if next_ else "",
        "patient": patient,
    }
    about = [patient] if patient else []
    return shown(here, "desk_links.html", values, what="links", patients=about)


def _links(here: Seat, found: Iterable[Link]) -> Table:
    t = here.t
    rows = [
        (
            Cell(here.when(one.created), f"{AT}/{one.id}"),
            one.who.name,
            here.said("link", one.state),
            here.said("factor", one.factor),
            here.when(one.expires),
            str(one.uses),
            one.label,
        )
        for one in found
    ]
    heads = (t("made"), t("patient"), t("state"), t("factor"), t("until"), t("opened"), t("label"))
    return table(t("links"), heads, rows, t("links.none"))


def one(call: Call) -> Response:
    """One link: how it stands, who used it, and its end."""
    here, id_ = seat(call), call.path["id"]
    now = clock.now()
    link, told = handing.one(call.house, here.grant, id_, now=now)
    heads = (here.t("time"), here.t("door"), here.t("what"), here.t("address"))
    rows = [
        (line["at"], here.said("door", line["door"]), _did(here, line), line.get("address", ""))
        for line in told
    ]
    values = {
        "link": link,
        "made": here.when(link.created),
        "until": here.when(link.expires),
        "log": table(here.t("log"), heads, rows, here.t("log.none")),
        "spans": [s for s in handing.SPANS if handing.fits(s, link.factor, now - link.created)],
        "at": f"{AT}/{id_}",
    }
    return shown(here, "desk_link.html", values, what="link", patients=[link.who.id])


def _did(here: Seat, line: dict[str, str]) -> Cell:
    detail = (line["detail"],) if "detail" in line else ()
    refused = here.t("refused") if line.get("outcome", "0") != "0" else ""
    return Cell(here.said("action", line["action"]), lines=detail, mark=refused)


def revoke(call: Call) -> Response:
    """End a link now: pages that are open go blank."""
    here, id_ = seat(call), call.path["id"]
    links.revoke(call.house, id_, owner=here.grant.organisation, by=here.by, now=clock.now())
    return pages.see(f"{AT}/{id_}?done=revoked")


def extend(call: Call) -> Response:
    """Let a link live longer; one that wrong answers locked opens again."""
    here, id_ = seat(call), call.path["id"]
    owner, span = here.grant.organisation, field("span")
    links.extend(call.house, id_, span, owner=owner, by=here.by, now=clock.now())
    return pages.see(f"{AT}/{id_}?done=extended")


ROUTES = (
    Route(_OF_PATIENT, ("GET",), "desk", BY_OPERATOR, choose, "New link: what and until when"),
    Route(f"{_OF_PATIENT}/factor", ("GET",), "desk", BY_OPERATOR, prove, "New link: what it asks"),
    Route(_OF_PATIENT, ("POST",), "desk", BY_OPERATOR, make, "New link: shown once"),
    Route(AT, ("GET",), "desk", BY_OPERATOR, listing, "Magic Links"),
    Route(f"{AT}/<id>", ("GET",), "desk", BY_OPERATOR, one, "One link and its log"),
    Route(f"{AT}/<id>/revoke", ("POST",), "desk", BY_OPERATOR, revoke, "End a link"),
    Route(f"{AT}/<id>/extend", ("POST",), "desk", BY_OPERATOR, extend, "Let a link live longer"),
)
