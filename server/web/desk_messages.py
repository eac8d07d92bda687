"""The desk's messages: searched, read as text, replayed and parked; and the feeds they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from flask import Response

from server import clock
from server.flows import inbox, message_log
from server.flows.inbox import Letter, Line, Wanted
from server.web import pages
from server.web.desk import BY_OPERATOR, Seat, field, seat, shown, whole, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route

AT = f"{HOME}messages"
_WORDS = ("feed", "kind", "state", "control", "patient", "since", "before")


def listing(call: Call) -> Response:
    """Messages by what is known of them, the newest first."""
    here = seat(call)
    words = {name: word(name) for name in _WORDS}
    wanted, lost = _wanted(here, words)
    found, go_on = ([], 0) if lost else inbox.page(call.house, here.grant, wanted)
    more = urlencode(words | {"after": go_on})
    values = {
        "found": _lines(here, found),
        "more": f"{AT}?{more}" if go_on else "",
        "words": words,
        "states": inbox.STATES,
        "lost": lost,
    }
    about = [wanted.patient] if wanted.patient else []
    return shown(here, "desk_messages.html", values, what="messages", patients=about)


def _wanted(here: Seat, words: dict[str, str]) -> tuple[Wanted, bool]:
    """What is looked for, and whether it names a patient whom nobody knows."""
    after = whole(word("after"), "after")
    wanted = Wanted(
        words["feed"],
        words["kind"],
        words["state"],
        words["control"],
        since=here.micros("since"),
        before=after or here.micros("before"),
    )
    if not words["patient"]:
        return wanted, False
    record = inbox.record_of(here.house, here.grant, words["patient"])
    return replace(wanted, patient=record), not record


def _lines(here: Seat, found: Iterable[Line]) -> Table:
    t = here.t
    rows = [
        (
            Cell(here.when(one.received), f"{AT}/{one.id}"),
            one.feed,
            one.kind,
            one.control_id,
            here.said("message", one.state),
            Cell(lines=one.notes),
        )
        for one in found
    ]
    heads = (t("received"), t("feed"), t("type"), t("control"), t("outcome"), t("notes"))
    return table(t("messages"), heads, rows, t("messages.none"))


def one(call: Call) -> Response:
    """One message as text, its answer, and what it wrote and why."""
    here, id_ = seat(call), whole(call.path["id"], "id")
    found = inbox.letter(call.house, here.grant, id_)
    answers = [
        (code, here.said("answer", state), here.when(at)) for code, state, at in found.answers
    ]
    heads = (here.t("code"), here.t("state"), here.t("made"))
    values = {
        "letter": found,
        "received": here.when(found.line.received),
        "wrote": _wrote(here, found),
        "answers": table(here.t("answers"), heads, answers, here.t("answers.none")),
        "at": f"{AT}/{id_}",
    }
    return shown(here, "desk_message.html", values, what="message", patients=found.patients)


def _wrote(here: Seat, found: Letter) -> Table:
    t = here.t
    rows = [
        (
            one.effect.type,
            Cell(one.effect.id),
            str(one.effect.version),
            one.effect.why,
            Cell(t("patient"), f"{HOME}patients/{one.patient}") if one.patient else Cell("-"),
        )
        for one in found.wrote
    ]
    heads = (t("resource"), t("id"), t("versions"), t("why.head"), t("patient"))
    return table(t("wrote"), heads, rows, t("wrote.none"))


def again(call: Call) -> Response:
    """Apply one message anew."""
    here, id_ = seat(call), whole(call.path["id"], "id")
    message_log.replay(call.house, here.organisation, [id_], by=here.by)
    return pages.see(f"{AT}/{id_}?done=replayed")


def park(call: Call) -> Response:
    """Set one message aside, so that those behind it are applied."""
    here, id_ = seat(call), whole(call.path["id"], "id")
    message_log.park(call.house, here.organisation, id_, by=here.by)
    return pages.see(f"{AT}/{id_}?done=parked")


def ask_span(call: Call) -> Response:
    """How many messages a span holds, before all of them are applied anew."""
    here = seat(call)
    since, before = here.micros("since"), here.micros("before")
    count = inbox.count(call.house, here.grant, since, before)
    values = {
        "count": count,
        "too_many": count > inbox.MOST_REPLAYED,
        "since": since,
        "before": before,
        "from_": here.when(since),
        "to": here.when(before),
    }
    return shown(here, "desk_replay.html", values, what="replay")


def span(call: Call) -> Response:
    """Apply all messages of a span anew."""
    here = seat(call)
    since, before = whole(field("since"), "since"), whole(field("before"), "before")
    inbox.count(call.house, here.grant, since, before)
    message_log.replay(call.house, here.organisation, [], since=since, before=before, by=here.by)
    return pages.see(f"{AT}?done=replayed")


def feeds(call: Call) -> Response:
    """Where messages come from: the last one of each feed, its day, its faults."""
    here, now = seat(call), clock.now()
    rows = [
        (
            Cell(feed.name, f"{AT}?{urlencode({'feed': feed.name})}"),
            Cell(here.when(told.last) or here.t("never")),
            str(told.lately),
            _faults(here, feed.name, waits, "pending"),
            _faults(here, feed.name, waits, "review"),
            _faults(here, feed.name, waits, "parked"),
            Cell(lines=tuple(sorted(feed.owns))),
        )
        for feed, told, waits in inbox.traffic(call.house, here.grant, now)
    ]
    t = here.t
    heads = (
        *(t("feed"), t("last"), t("day")),
        *(here.said("message", one) for one in ("pending", "review", "parked")),
        t("owns"),
    )
    values = {"found": table(t("feeds"), heads, rows, t("feeds.none"))}
    return shown(here, "desk_feeds.html", values, what="feeds")


def _faults(here: Seat, feed: str, states: Mapping[str, int], state: str) -> Cell:
    count = states.get(state, 0)
    words = urlencode({"feed": feed, "state": state})
    return Cell(str(count), f"{AT}?{words}" if count else "")


ROUTES = (
    Route(AT, ("GET",), "desk", BY_OPERATOR, listing, "Message search"),
    Route(f"{AT}/replay", ("GET",), "desk", BY_OPERATOR, ask_span, "Replay a span: how many"),
    Route(f"{AT}/replay", ("POST",), "desk", BY_OPERATOR, span, "Replay a span"),
    Route(f"{AT}/<id>", ("GET",), "desk", BY_OPERATOR, one, "One message"),
    Route(f"{AT}/<id>/replay", ("POST",), "desk", BY_OPERATOR, again, "Replay a message"),
    Route(f"{AT}/<id>/park", ("POST",), "desk", BY_OPERATOR, park, "Park a message"),
    Route(f"{HOME}feeds", ("GET",), "desk", BY_OPERATOR, feeds, "Feeds"),
)
