"""DiagnosticReport.status by OBR-25 and by what is held already (mapping 2.3, 2.6).

A higher state is never replaced by a lower one, and of two equal ones the older loses, so that
the same messages lead to the same report in whatever order they come.
"""

from dataclasses import dataclass

from fhir.report_text import change, plain, sections_of
from hl7.report_facts import ReportFacts

# Table 0123. Y and Z answer queries: no report has them.
STATUS = {
    **dict.fromkeys(("O", "S", "I", "N"), "registered"),
    **dict.fromkeys(("A", "R"), "partial"),
    **dict.fromkeys(("P", "M"), "preliminary"),
    "F": "final",
    "C": "corrected",
    "X": "cancelled",
}
_RANK = {
    "": -1,
    "cancelled": 0,
    "registered": 0,
    "partial": 1,
    "preliminary": 1,
    "final": 2,
    **dict.fromkeys(("corrected", "amended", "appended"), 3),
    "entered-in-error": 4,
}
_FINAL = _RANK["final"]
_WRONG = _RANK["entered-in-error"]


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a report: its status and text, when that was issued and sent (microseconds).

    `alone` says that it is an addendum whose report has not come. `sent` is None where the
    messages come from different applications, whose clocks say nothing about each other.
    """

    status: str = ""
    text: str = ""
    issued: int | None = None
    sent: int | None = None
    alone: bool = False


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class Decision:
    """The next status, whether the content of the message counts, and what a person should see.

    `alone` says that the report is an addendum without its report.
    """

    status: str
    applies: bool = True
    remark: str = ""
    alone: bool = False


def next_status(
    held: Held, report: ReportFacts, *, issued: int | None = None, sent: int | None = None
) -> Decision:
    """What becomes of a report by a message that was issued (OBR-22) and sent (MSH-7) then."""
    text = plain(sections_of(report))
    rank = _RANK[held.status]
    if rank == _WRONG:
        return Decision(held.status, False, "a report came after it had been withdrawn")
    completes = held.alone and not report.addendum_only
    if not completes and _older(issued, held.issued, sent, held.sent):
        return Decision(_reconsidered(held, report, text), applies=False, alone=held.alone)
    if _withdrawn(report):
        return Decision("entered-in-error", False, "the sender withdrew the report")
    wanted = STATUS.get(report.status, "registered")
    if wanted == "cancelled":
        return _cancelled(rank)
    if report.addendum_only and (rank < _FINAL or held.alone):
        return _early_addendum(held)
    if rank >= _FINAL and _RANK[wanted] >= _FINAL:
        return Decision(_revised(held, report, text))
    if _RANK[wanted] < rank:
        return Decision(held.status, applies=False)
    return Decision("appended" if completes and wanted == "final" else wanted)


def _older(issued: int | None, known: int | None, sent: int | None, seen: int | None) -> bool:
    """Whether a message is older than what is held: by OBR-22, then by MSH-7."""
    if issued is not None and known is not None and issued != known:
        return issued < known
    return sent is not None and seen is not None and sent < seen


def _withdrawn(report: ReportFacts) -> bool:
    """Whether OBX-11 takes results back (D, W) and nothing else is told."""
    marked = any(mark.status in ("D", "W") for mark in report.marks)
    return marked and not (report.lines or report.attachments or report.pointers)


def _cancelled(rank: int) -> Decision:
    if rank >= _FINAL:
        return Decision("entered-in-error", False, "a final report was cancelled")
    return Decision("cancelled", applies=False)


def _early_addendum(held: Held) -> Decision:
    """An addendum to nothing is shown as a part until its report comes."""
    if held.text and not held.alone:
        return Decision(held.status, remark="an addendum came for a report that is not final")
    return Decision("partial", remark="an addendum came without its report", alone=True)


def _revised(held: Held, report: ReportFacts, text: str) -> str:
    """The status of a final report that is sent again as final or corrected (R4 distinguishes)."""
    if report.addendum_only:
        return "appended"
    how = change(held.text, text) if text else "same"
    if how == "grown":
        return "appended"
    if report.status == "C":
        return "corrected"
    return held.status if how == "same" else "amended"


def _reconsidered(held: Held, report: ReportFacts, text: str) -> str:
    """The status of what is held once an older final report shows what it was made from."""
    known = held.status in ("final", "corrected")
    if not known or STATUS.get(report.status) not in ("final", "corrected") or not text:
        return held.status
    how = change(text, held.text)
    if how == "grown":
        return "appended"
    return "amended" if how == "changed" and held.status == "final" else held.status
