"""The desk's audit: who saw whom, by which door, when; and recalls, with who saw it meanwhile."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlencode

from flask import Response

from server.flows import exposures, inbox, oversight
from server.flows.exposures import Recalled
from server.flows.oversight import Seen, Wanted
from server.web.desk import BY_STAFF, Seat, seat, shown, whole, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route

AT = f"{HOME}audit"
RECALLS = f"{HOME}recalls"
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


def recalled(call: Call) -> Response:
    """What was shown as another patient's until a merge was undone, and to whom."""
    here, t = seat(call), seat(call).t
    found, next_ = exposures.page(call.house, here.grant, whole(word("before"), "before"))
    rows = [
        (
            here.when(one.until),
            Cell(one.who.name, _seen(here, one.who.id, one)),
            Cell(one.shown_as.name, _seen(here, one.shown_as.id, one)),
            here.when(one.since),
            str(one.ended),
        )
        for one in found
    ]
    heads = (t("undone"), t("patient"), t("recalls.as"), t("since"), t("recalls.ended"))
    values = {
        "found": table(t("recalls"), heads, rows, t("recalls.none")),
        "more": f"{RECALLS}?{urlencode({'before': next_})}" if next_ else "",
    }
    return shown(here, "desk_recalls.html", values, what="recalls")


def _seen(here: Seat, patient: str, one: Recalled) -> str:
    """Where the audit tells who saw a patient while it was shown as another."""
    span = {"since": here.minute(one.since), "before": here.minute(one.until, after=True)}
    return f"{AT}?{urlencode({'patient': patient, **span})}"


ROUTES = (
    Route(AT, ("GET",), "desk", BY_STAFF, listing, "Who saw whom"),
    Route(RECALLS, ("GET",), "desk", BY_STAFF, recalled, "What was shown as another's"),
)
