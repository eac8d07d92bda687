"""The desk's review queue: what waits for a person, its evidence side by side, and the decision."""

from urllib.parse import urlencode

from flask import Response

from server import clock
from server.errors import Invalid
from server.flows import queue, reviewing
from server.flows.desk import OPERATOR
from server.flows.queue import Asked
from server.web import pages
from server.web.desk import BY_OPERATOR, BY_STAFF, Seat, day, field, seat, shown, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route

AT = f"{HOME}review"


def listing(call: Call) -> Response:
    """Items of a state and a kind, the oldest first."""
    here = seat(call)
    state, kind = word("state") or queue.STATES[0], word("kind")
    found, next_ = queue.page(call.house, here.grant, state=state, kind=kind, after=word("after"))
    words = {"state": state, "kind": kind, "after": next_}
    rows = [
        (
            Cell(here.said("review", one.kind), f"{AT}/{one.id}"),
            one.rule,
            here.when(one.created),
            here.said("state", one.state),
        )
        for one in found
    ]
    heads = (here.t("kind"), here.t("rule"), here.t("since"), here.t("state"))
    values = {
        "found": table(here.t("review"), heads, rows, here.t("review.none")),
        "more": f"{AT}?{urlencode(words)}" if next_ else "",
        "states": queue.STATES,
        "kinds": queue.kinds(),
        "chosen": words,
    }
    return shown(here, "desk_reviews.html", values, what="review queue")


def item(call: Call) -> Response:
    """One item, with what it is about side by side."""
    here = seat(call)
    asked = queue.item(call.house, here.grant, call.path["id"])
    values = {
        "asked": asked,
        "at": f"{AT}/{asked.item.id}",
        "since": here.when(asked.item.created),
        "studies": _studies(here, asked),
        "decides": here.grant.role == OPERATOR,
    }
    about = [one.who.id for one in asked.records]
    return shown(here, "desk_review.html", values, what="review item", patients=about)


def _studies(here: Seat, asked: Asked) -> Table:
    names = {one.who.id: one.who.name for one in asked.records}
    rows = [
        (
            names.get(subject, subject),
            day(date),
            modalities.replace(",", "/"),
            here.t("images", count=count),
        )
        for subject, date, modalities, count in asked.studies
    ]
    heads = (here.t("patient"), here.t("date"), here.t("modality"), here.t("count"))
    return table(here.t("studies"), heads, rows, here.t("studies.none"))


def decide(call: Call) -> Response:
    """Accept, refuse, or take a decision back, with a reason."""
    here, id_, act = seat(call), call.path["id"], field("act")
    name, reason, now = here.organisation, field("reason"), clock.now()
    if act == "accept":
        into = field("into")
        reviewing.accept(call.house, name, id_, reason, into, now=now, by=here.by)
    elif act == "refuse":
        reviewing.refuse(call.house, name, id_, reason, now=now, by=here.by)
    elif act == "undo":
        reviewing.undo(call.house, name, id_, reason, now=now, by=here.by)
    else:
        raise Invalid("act is accept, refuse or undo")
    return pages.see(f"{AT}/{id_}?done={act}")


ROUTES = (
    Route(AT, ("GET",), "desk", BY_STAFF, listing, "What waits for a decision"),
    Route(f"{AT}/<id>", ("GET",), "desk", BY_STAFF, item, "One item with its evidence"),
    Route(f"{AT}/<id>", ("POST",), "desk", BY_OPERATOR, decide, "Accept, refuse or undo"),
)
