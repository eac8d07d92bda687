"""Two records that a feed tells to be one person, and that stay two: A24, and A37 to part them.

A link gives nothing: no grant, no search and no served header knows of it. Both Patients show it
(`link` seealso), and a row says who told it. Records of different domains are never more than linked.
"""

from collections.abc import Sequence
from typing import Any

from fhir import patient_links
from server.flows.writing import Work
from server.store import identities
from server.store import patient_links as store


def link(work: Work, one: str, other: str) -> None:
    """Link two records, unless they are one by now, or this message's link was taken back since."""
    where = (work.connection, work.organisation)
    if identities.heir(*where, one) == identities.heir(*where, other):
        work.outcome.notes.append("both numbers name one patient already")
    elif store.standing(*where, (one, other)) is not None:
        work.outcome.notes.append("these patients are linked already")
    elif any(row.message == work.message for row in store.withdrawn(*where, (one, other))):
        work.outcome.notes.append("this link was taken back since, and stays so")
    else:
        evidence = {"kind": work.header.kind, "feed": work.feed.name}
        store.confirm(*where, (one, other), work.message, evidence, now=work.now)
        _show(work, one, other, linked=True)


def unlink(work: Work, ones: Sequence[str], others: Sequence[str]) -> bool:
    """Take a link between two records back; false if this message finds none, and never did."""
    for one, other in _pairs(ones, others):
        row = store.standing(work.connection, work.organisation, (one, other))
        if row is None:
            continue
        if row.message > work.message:
            work.outcome.notes.append("these patients were linked again since")
            return True
        store.withdraw(work.connection, work.organisation, row.id, work.message, now=work.now)
        _show(work, one, other, linked=False)
        return True
    return any(row.ended_by == work.message for row in _withdrawn(work, ones, others))


def were_linked(work: Work, ones: Sequence[str], others: Sequence[str]) -> bool:
    """Whether records of both sides were linked once."""
    return bool(_withdrawn(work, ones, others))


def _withdrawn(work: Work, ones: Sequence[str], others: Sequence[str]) -> list[Any]:
    where = (work.connection, work.organisation)
    return [row for pair in _pairs(ones, others) for row in store.withdrawn(*where, pair)]


def _pairs(ones: Sequence[str], others: Sequence[str]) -> list[tuple[str, str]]:
    return [(one, other) for one in ones for other in others]


def _show(work: Work, one: str, other: str, *, linked: bool) -> None:
    """Let both Patients tell of the link, or no more."""
    for mine, its in ((one, other), (other, one)):
        body = work.body("Patient", mine)
        if body is not None:
            body = patient_links.linked(body, its, linked=linked)
            work.write(body, mine, f"the link of {work.header.kind}")
    act = "link" if linked else "unlink"
    work.audit(one, f"{act} of {one} and {other}: message {work.message}")
