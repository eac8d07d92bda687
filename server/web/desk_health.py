"""The desk's jobs and health: what waits or was parked, arrivals, disk, versions, settings in force."""

from urllib.parse import urlencode

from flask import Response

from server import clock
from server.flows import condition, operate
from server.flows.condition import Arrivals
from server.web import pages, plots
from server.web.desk import BY_OPERATOR, Seat, field, seat, shown, whole, word
from server.web.desk_pages import HOME
from server.web.desk_tables import Act, Cell, Table, table
from server.web.plots import Bar
from server.web.routes import Call, Route

JOBS = f"{HOME}jobs"
_PAGE = 50
_GIGA = 1e9


def jobs(call: Call) -> Response:
    """Jobs of a state with the reason of each that failed, those that are due first."""
    here, state = seat(call), word("state") or operate.JOB_STATES[-1]
    at, _, id_ = word("after").partition("-")
    after = (whole(at, "after"), whole(id_, "after"))
    rows = operate.job_page(call.house, here.grant, state, after, _PAGE)
    last = rows[_PAGE - 1] if len(rows) > _PAGE else None
    words = {"state": state, "after": f"{last.run_at}-{last.id}"} if last else {}
    t = here.t
    shown_rows = [
        (
            Cell(here.said("job", row.kind), lines=(str(row.id),)),
            here.when(row.run_at),
            str(row.attempts),
            row.error,
            Cell(act=Act(f"{JOBS}/retry", t("retry"), "job", str(row.id)))
            if state == "parked"
            else Cell("-"),
        )
        for row in rows[:_PAGE]
    ]
    heads = (t("kind"), t("due"), t("attempts"), t("reason-shown"), t("what"))
    values = {
        "found": table(t("jobs"), heads, shown_rows, t("jobs.none")),
        "more": f"{JOBS}?{urlencode(words)}" if words else "",
        "states": operate.JOB_STATES,
        "state": state,
        "retry": f"{JOBS}/retry" if state == "parked" and rows else "",
    }
    return shown(here, "desk_jobs.html", values, what="jobs")


def retry(call: Call) -> Response:
    """Make one parked job due again, or all."""
    here = seat(call)
    operate.retry_own_jobs(call.house, here.grant, whole(field("job"), "job") or None)
    return pages.see(f"{JOBS}?done=retried")


def health(call: Call) -> Response:
    """Arrivals and what waits; for who runs the server also disk, versions and settings."""
    here = seat(call)
    came = condition.arrivals(call.house, here.grant, clock.now())
    waiting = condition.waiting(call.house, here.grant)
    depths = [Bar(here.said("job", kind), sum(states.values())) for kind, states in waiting]
    values: dict[str, object] = {
        "messages_plot": plots.bars(here.t("arrivals.messages"), _hours(here, came, "messages")),
        "studies_plot": plots.bars(here.t("arrivals.studies"), _hours(here, came, "studies")),
        "arrivals": _arrivals(here, came),
        "depth_plot": plots.bars(here.t("waiting"), depths) if depths else "",
        "waiting": _waiting(here, waiting),
        "runs": condition.runs_it(here.grant),
    }
    if condition.runs_it(here.grant):
        values |= _machine(here)
    return shown(here, "desk_health.html", values, what="health")


def _hours(here: Seat, came: list[Arrivals], name: str) -> list[Bar]:
    """A bar for each hour; every sixth says which it is."""
    labels = [here.when(one.at)[11:16] if index % 6 == 0 else "" for index, one in enumerate(came)]
    return [Bar(label, getattr(one, name)) for label, one in zip(labels, came, strict=True)]


def _arrivals(here: Seat, came: list[Arrivals]) -> Table:
    t = here.t
    rows = [
        (here.when(one.at), str(one.messages), str(one.studies))
        for one in reversed(came)
        if one.messages or one.studies
    ]
    heads = (t("hour"), t("messages"), t("studies"))
    return table(t("arrivals"), heads, rows, t("arrivals.none"))


def _waiting(here: Seat, waiting: list[tuple[str, dict[str, int]]]) -> Table:
    rows = [
        (here.said("job", kind), *(str(states.get(one, 0)) for one in operate.JOB_STATES))
        for kind, states in waiting
    ]
    heads = (here.t("kind"), *(here.said("jobs-state", one) for one in operate.JOB_STATES))
    return table(here.t("waiting"), heads, rows, here.t("jobs.none"))


def _machine(here: Seat) -> dict[str, object]:
    t, disk = here.t, condition.disk(here.house)
    sizes = {"used": disk.used / _GIGA, "free": disk.free / _GIGA, "spare": disk.spare / _GIGA}
    told = t("disk.told", **{name: f"{size:.1f}" for name, size in sizes.items()})
    settings = [
        (
            Cell(one.name, mark="" if one.usual else t("setting.changed")),
            one.value,
            Cell(lines=(one.help,)),
        )
        for one in condition.settings(here.house)
    ]
    return {
        "disk_plot": plots.share(told, disk.used, disk.used + disk.free),
        "disk": told,
        "full": disk.free < 2 * disk.spare,
        "versions": condition.versions(here.house),
        "settings": table(
            t("settings"), (t("setting"), t("value"), t("detail")), settings, t("settings")
        ),
    }


ROUTES = (
    Route(JOBS, ("GET",), "desk", BY_OPERATOR, jobs, "Jobs"),
    Route(f"{JOBS}/retry", ("POST",), "desk", BY_OPERATOR, retry, "Retry parked jobs"),
    Route(f"{HOME}health", ("GET",), "desk", BY_OPERATOR, health, "How the server is"),
)
