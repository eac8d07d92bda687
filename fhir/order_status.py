"""ServiceRequest.status by what order messages, reports and images say of an order (mapping 2.3)."""

from dataclasses import dataclass

ACTIVE, COMPLETED, REVOKED, ON_HOLD = "active", "completed", "revoked", "on-hold"

# ORC-5 (table 0038).
_BY_STATUS = {
    "A": ACTIVE,
    "IP": ACTIVE,
    "SC": ACTIVE,
    "CM": COMPLETED,
    "CA": REVOKED,
    "DC": REVOKED,
    "RP": REVOKED,
    "HD": ON_HOLD,
}
# ORC-1 (table 0119), which counts where ORC-5 is empty.
_BY_CONTROL = {
    **dict.fromkeys(("NW", "OK", "RL", "XO", "XX", "RO", "PR"), ACTIVE),
    **dict.fromkeys(("HR", "OH", "HD"), ON_HOLD),
    **dict.fromkeys(("UA", "DF"), REVOKED),
}
# What ends an order, whatever a stale ORC-5 says; the replacement is an order of its own.
_ENDS = frozenset({"CA", "CR", "OC", "DC", "DR", "OD", "RP", "RQ", "RU"})
# The filler will not cancel: what was asked for is undone.
REFUSALS = frozenset({"UC", "UD"})
_ODD = {
    "UX": "the filler could not change the order",
    "DE": "the filler found errors in the order",
}
_RESULTED = frozenset({"final", "amended", "corrected", "appended"})


@dataclass(frozen=True, slots=True)
class Step:
    """A status, and a remark where a person should look at how it came about."""

    status: str
    remark: str = ""


def next_status(old: str, control: str, order_status: str = "", *, before: str = "") -> Step:
    """The status after an order message with this ORC-1 and ORC-5.

    `old` is "" for a new order, and for one that was only inferred from images; `before` is what
    the order was before it was revoked, to which a refused cancellation returns.
    """
    if control in REFUSALS:
        refused = old == REVOKED
        remark = "the filler refused to cancel: the order stands again" if refused else ""
        return Step((before or ACTIVE) if refused else old or ACTIVE, remark)
    if order_status == "ER":
        return Step(old or ACTIVE, "the filler does not know the order")
    wanted = _wanted(control, order_status)
    if not wanted:
        return Step(old or ACTIVE, _ODD.get(control, ""))
    if old == REVOKED and wanted == COMPLETED:
        return Step(REVOKED, "the order was performed although it had been revoked")
    if old == "entered-in-error" or (old in (COMPLETED, REVOKED) and wanted != REVOKED):
        return Step(old)
    return Step(wanted)


def _wanted(control: str, order_status: str) -> str:
    if control in _ENDS:
        return REVOKED
    if order_status:
        return _BY_STATUS.get(order_status, "")
    return _BY_CONTROL.get(control, "")


def after_report(old: str, report_status: str) -> Step:
    """The status once a report of this DiagnosticReport.status answers the order."""
    reopened = "a report came for a revoked order" if old == REVOKED else ""
    if old == "entered-in-error" or report_status == "entered-in-error":
        return Step(old or COMPLETED)
    if report_status in _RESULTED:
        return Step(COMPLETED, reopened)
    if report_status == "cancelled":
        return Step(old if old == COMPLETED else REVOKED)
    if old == REVOKED and report_status in ("partial", "preliminary"):
        return Step(ACTIVE, reopened)
    return Step(old or ACTIVE)


def after_images(old: str) -> Step:
    """The status once images name the order; one that only they name was carried out."""
    if old == REVOKED:
        return Step(ACTIVE, "images came for a revoked order")
    return Step(old or COMPLETED)
