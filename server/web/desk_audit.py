"""The desk's audit: who saw whom, by which door, when."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlencode

from flask import Response

from server.flows import inbox, oversight
from server.flows.oversight import Seen, Wanted
from server.web.desk import BY_STAFF, Seat, seat, shown, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route

AT = f"{HOME}audit"
_WORDS = ("patient", "person", "door", "since", "before")


def listing(call: Call) -> Response:
    """Events by patient, person, door and time, the newest first."""
    here = seat(call)
    words = {name: word(name) for name in _WORDS}
    wanted, lost = _wanted(here, words)
    found, next_ = (
        ([], "") if lost else oversight.page(call.house, here.grant, wanted, word("after"))
    )
    more = urlencode(words | {"after": next_})
    values = {
        "found": _events(here, found),
        "more": f"{AT}?{more}" if next_ else "",
        "words": words,
        "doors": oversight.DOORS,
        "lost": lost,
    }
    about = [wanted.patient] if wanted.patient else []
    return shown(here, "desk_audit.html", values, what="audit", patients=about)


def _wanted(here: Seat, words: dict[str, str]) -> tuple[Wanted, bool]:
    """What is looked for, and whether it names a patient whom nobody knows."""
    wanted = Wanted(
        person=words["person"],
        door=words["door"],
        since=here.micros("since"),
        before=here.micros("before"),
    )
    if not words["patient"]:
        return wanted, False
    record = inbox.record_of(here.house, here.grant, words["patient"])
    return replace(wanted, patient=record), not record


def _events(here: Seat, found: Iterable[Seen]) -> Table:
    t = here.t
    rows = [
        (
            here.when(one.at),
            Cell(one.who or "-", lines=tuple(filter(None, (one.app,)))),
            here.said("door", one.door),
            Cell(here.said("action", one.action), mark=t("refused") if one.refused else ""),
            Cell(lines=tuple(filter(None, (one.detail, one.study)))),
            one.address,
        )
        for one in found
    ]
    heads = (t("time"), t("person"), t("door"), t("what"), t("detail"), t("address"))
    return table(t("audit"), heads, rows, t("audit.none"))


ROUTES = (Route(AT, ("GET",), "desk", BY_STAFF, listing, "Who saw whom"),)
