"""The desk's patients: finding one, the chart with the reason for each join, merging and parting."""

from collections.abc import Iterable
from urllib.parse import urlencode

from flask import Response

from server import clock
from server.errors import Invalid
from server.flows import chart, curating, queue, roster
from server.flows.chart import Chart, Record, Report, Study, Why, Written
from server.flows.desk import OPERATOR
from server.flows.roster import Line
from server.web import pages
from server.web.desk import (
    BY_OPERATOR,
    BY_STAFF,
    Seat,
    answered,
    day,
    field,
    seat,
    shown,
    word,
)
from server.web.desk_pages import HOME
from server.web.desk_tables import Cell, Table, table
from server.web.routes import Call, Route

_AT = f"{HOME}patients/"


def start(call: Call) -> Response:
    """Patients whom the search box means; without a search what waits for somebody."""
    here = seat(call)
    if here.grant.role != OPERATOR:
        return pages.see(f"{HOME}audit")
    text, after = word("find"), word("after")
    if not text:
        return shown(
            here,
            "desk_start.html",
            {"waiting": queue.waiting(call.house, here.grant)},
            what="start",
        )
    lines, next_, reading = roster.find(call.house, here.grant, text, after)
    more = f"{HOME}?{urlencode({'find': text, 'after': next_})}" if next_ else ""
    values = {"find": text, "found": _found(here, lines), "more": more}
    return answered(here, "desk_found.html", values, [reading])


def _found(here: Seat, lines: Iterable[Line]) -> Table:
    t = here.t
    rows = [
        (
            Cell(one.name, f"{_AT}{one.id}", mark="" if one.active else t("retired")),
            one.birth_date,
            here.said("sex", one.gender),
            Cell(lines=tuple(f"{number.value} {number.system}" for number in one.numbers)),
        )
        for one in lines
    ]
    heads = (t("name"), t("born"), t("sex"), t("numbers"))
    return table(t("patients"), heads, rows, t("find.none"))


def patient(call: Call) -> Response:
    """The chart of a patient."""
    here = seat(call)
    found = chart.of(call.house, here.grant, call.path["id"])
    names = _names(here, found)
    values = {
        "chart": found,
        "at": _at(found.record),
        "numbers": _numbers(here, found),
        "joins": _joins(here, found),
        "studies": _studies(here, found, names),
        "reports": _reports(here, found, names),
        "orders": _orders(here, found),
        "cut": here.t("cut", count=chart.MOST) if found.cut else "",
    }
    return shown(here, "desk_patient.html", values, what="chart", patients=[found.record.who.id])


def _at(record: Record) -> str:
    return f"{_AT}{record.who.id}"


def _names(here: Seat, found: Chart) -> dict[str, str]:
    """What the things of a chart are called, by reference."""
    names = {f"{chart.IMAGES}/{one.id}": _called(here, one) for one in found.studies}
    names |= {
        f"{chart.REPORT}/{one.id}": f"{here.t('report')} {one.title}".strip()
        for one in found.reports
    }
    return names | {
        f"{chart.ORDER}/{one.id}": f"{here.t('order')} {one.title}".strip() for one in found.orders
    }


def _called(here: Seat, one: Study) -> str:
    return " ".join(filter(None, (day(one.date), "/".join(one.modalities)))) or here.t("study")


def _why(here: Seat, reasons: Iterable[Why], names: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        here.t(
            "why", what=names.get(one.to, one.to), key=here.said("key", one.kind), value=one.value
        )
        for one in reasons
    )


def _numbers(here: Seat, found: Chart) -> Table:
    t = here.t
    rows = [
        (number.value, number.system, here.said("rule", rule), here.when(at))
        for record in (found.record, *found.parts)
        for number, rule, at in record.rules
    ]
    heads = (t("number"), t("system"), t("rule"), t("since"))
    return table(t("numbers"), heads, rows, t("numbers.none"))


def _joins(here: Seat, found: Chart) -> Table:
    t = here.t
    rows = [
        (
            Cell(one.patient, f"{_AT}{one.patient}"),
            Cell(one.heir, f"{_AT}{one.heir}"),
            Cell(here.said("rule", one.rule), lines=tuple(filter(None, (one.reason,)))),
            message_cell(here, one.message),
            here.when(one.made),
            Cell(here.when(one.ended)) if one.ended else _undoing(here, one),
        )
        for one in found.joins
    ]
    heads = (t("record"), t("part-of"), t("rule"), t("message"), t("made"), t("undone"))
    return table(t("joins"), heads, rows, t("joins.none"))


def _undoing(here: Seat, one: chart.Join) -> Cell:
    """The way to take a join back: the review item of one that the server made, or parting."""
    if one.item:
        return Cell(here.t("refuse"), f"{HOME}review/{one.item}")
    return Cell(here.t("part"), f"{_AT}{one.patient}/part")


def message_cell(here: Seat, message: int) -> Cell:
    """A cell that leads to a message, empty for none."""
    return Cell(str(message), f"{HOME}messages/{message}") if message else Cell("-")


def _studies(here: Seat, found: Chart, names: dict[str, str]) -> Table:
    t = here.t
    rows = [
        (
            Cell(day(one.date) or "-", mark=_mark(here, one)),
            "/".join(one.modalities),
            one.description,
            t("images", count=one.instances),
            one.accession,
            Cell(lines=(_filed(here, found, one), *_why(here, one.why, names))),
        )
        for one in found.studies
    ]
    heads = (t("date"), t("modality"), t("study"), t("count"), t("accession"), t("joined"))
    return table(t("studies"), heads, rows, t("studies.none"))


def _mark(here: Seat, one: Study) -> str:
    if one.held:
        return here.t("study.held")
    return here.t("study.unconfirmed") if one.unconfirmed else ""


def _filed(here: Seat, found: Chart, one: Study) -> str:
    """Why a study is this patient's: the number of its header, by way of a join where there is one."""
    record = next(
        (part for part in (found.record, *found.parts) if part.who.id == one.record), found.record
    )
    number = next((number.value for number, _, _ in record.rules), "")
    if record is not found.record:
        rule = next((j.rule for j in found.joins if j.patient == one.record and not j.ended), "")
        return here.t("filed.joined", rule=here.said("rule", rule))
    return here.t("filed.number", number=number) if number else here.t("filed.apart")


def _reports(here: Seat, found: Chart, names: dict[str, str]) -> Table:
    t = here.t
    rows = [
        (
            Cell(one.title or t("report"), mark=t("report.held") if one.held else ""),
            here.said("status", one.status),
            day(one.issued),
            Cell(lines=_why(here, one.why, names) or (t("why.none"),)),
            Cell(lines=_versions(here, one)),
        )
        for one in found.reports
    ]
    heads = (t("report"), t("status"), t("issued"), t("joined"), t("versions"))
    return table(t("reports"), heads, rows, t("reports.none"))


def _versions(here: Seat, one: Report) -> tuple[str | tuple[str, str], ...]:
    """Each version of a report; one that a message brought leads to it."""
    return tuple(_version(here, each) for each in one.versions)


def _version(here: Seat, one: Written) -> str | tuple[str, str]:
    said = here.t("version", number=one.version, at=here.when(one.at), why=one.why)
    if not one.message:
        return said
    brought = here.t("version.message", message=one.message)
    return said + brought, f"{HOME}messages/{one.message}"


def _orders(here: Seat, found: Chart) -> Table:
    t = here.t
    rows = [
        (
            one.title or t("order"),
            here.said("status", one.status),
            day(one.when),
            Cell(lines=one.numbers),
        )
        for one in found.orders
    ]
    return table(
        t("orders"), (t("order"), t("status"), t("date"), t("numbers")), rows, t("orders.none")
    )


# Merging and parting: both sides first, then the act.


def ask_merge(call: Call) -> Response:
    """Two records side by side, before one becomes part of the other."""
    here, text = seat(call), word("into")
    mine = chart.record(call.house, here.grant, call.path["id"])
    other = chart.named(call.house, here.grant, text) if text else None
    values = {"one": mine, "other": other, "at": _at(mine), "into": text}
    ids = [mine.who.id, *([other.who.id] if other else [])]
    return shown(here, "desk_merge.html", values, what="merge", patients=ids)


def merge(call: Call) -> Response:
    """Let a record become part of another."""
    here, id_, into = seat(call), call.path["id"], field("into")
    if not into:
        raise Invalid("name the record that stays")
    done = curating.merge(
        call.house, here.organisation, id_, into, field("reason"), now=clock.now(), by=here.by
    )
    return pages.see(f"{_AT}{done['replaced_by']}?done=merged")


def ask_part(call: Call) -> Response:
    """A record and what it is part of, before it is taken out again."""
    here = seat(call)
    mine = chart.record(call.house, here.grant, call.path["id"])
    other = chart.record(call.house, here.grant, mine.part_of) if mine.part_of else None
    ids = [mine.who.id, *([other.who.id] if other else [])]
    values = {"one": mine, "other": other, "at": _at(mine)}
    return shown(here, "desk_part.html", values, what="part", patients=ids)


def part(call: Call) -> Response:
    """Take a record out of what it is part of."""
    here, id_ = seat(call), call.path["id"]
    done = curating.unmerge(
        call.house, here.organisation, id_, field("reason"), now=clock.now(), by=here.by
    )
    return pages.see(f"{_AT}{done['patient']}?done=parted")


_ID = f"{_AT}<id>"
ROUTES = (
    Route(HOME, ("GET",), "desk", BY_STAFF, start, "The desk: find a patient"),
    Route(
        _ID,
        ("GET",),
        "desk",
        BY_OPERATOR,
        patient,
        "A patient's chart, with the reason of each join",
    ),
    Route(f"{_ID}/merge", ("GET",), "desk", BY_OPERATOR, ask_merge, "Two records side by side"),
    Route(f"{_ID}/merge", ("POST",), "desk", BY_OPERATOR, merge, "Merge a record into another"),
    Route(
        f"{_ID}/part", ("GET",), "desk", BY_OPERATOR, ask_part, "A record and what it is part of"
    ),
    Route(f"{_ID}/part", ("POST",), "desk", BY_OPERATOR, part, "Undo a merge"),
)
