"""Notices by mail about Magic Links: owed in the transaction of what they tell of, sent by a job.

A notice says that there is something, and never what: neither a name nor the kind of examination,
nor the answer of a link beside its address. It goes to the address that was checked to be the
patient's, as it is when the mail leaves. What is tried again is the same mail, by its Message-ID.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from fhir import wire
from server import clock
from server.errors import Busy
from server.flows import access, factors, links, opening, owing, post, sites
from server.flows.audit import Event
from server.flows.holding import REPORT
from server.flows.post import Letter
from server.flows.reachable import Contact
from server.flows.sites import House
from server.store import contacts, people, resources, shares
from server.store.fhir_tables import resource
from server.store.jobs import Job

log = logging.getLogger(__name__)

STAFF_LANGUAGE = "en"
# A code is mailed once a minute at most: its end tells when it was.
_LATELY = owing.CODE_LIVES - 60_000_000
# Between two tries: as long as it has waited already, within these seconds.
_SOONEST, _LATEST = 30, 3600

# Subject and text of a kind of notice in a language, from what it tells.
Write = Callable[[str, str, Mapping[str, str | int]], tuple[str, str]]


# What is owed by who asks, or looks


def ask_code(house: House, token: str, *, address: str, now: int) -> None:
    """Mail a fresh code for a link that asks for one, if it stands; nobody learns whether it does.

    Asking is throttled as wrong answers are, each time by the same work. Raises Busy.
    """
    handle = opening.Handle(token)
    row = opening.throttled(house, handle, address, now)
    code = factors.draw_pin()
    kept = house.passwords.digest(code)

    def work(connection: Connection) -> None:
        opening.count_asking(connection, address, now)
        good = row is not None and row.factor == "otp" and row.mailed
        if not good or links.state(row, now) != "open" or row.answer_until > now + _LATELY:
            return
        values = {"answer": kept, "answer_until": now + owing.CODE_LIVES}
        shares.change(connection, row.id, values)
        told = {"code": code, "until": now + owing.CODE_LIVES}
        owing.owe(connection, row.organisation, owing.CODE, row.id, now, told)

    house.database.apply(work)


def look(house: House, job: Job) -> None:
    """The handler of `news` jobs: owe a notice for each link of a patient that shows a newer report.

    The job's key is the patient. What was withdrawn is news too.
    """
    now = clock.now()
    with house.database.read() as connection:
        ids = contacts.mailed(connection, job.organisation, job.key, now)
        found = [(id_, _newest(connection, shares.by_id(connection, id_), now)) for id_ in ids]
    with house.database.write() as connection:
        for id_, newest in found:
            if newest and contacts.tell(connection, id_, newest):
                owing.owe(connection, job.organisation, owing.NEWS, id_, now, {})


def _newest(connection: Connection, row: Any, now: int) -> int:
    """When the newest report that a link shows was written, 0 if it shows none."""
    grant = opening.grant_of(row, "", now)
    query = select(resource.c.updated).where(
        resource.c.organisation == row.organisation,
        resource.c.type == REPORT,
        resource.c.deleted.is_(False),
    )
    reached = access.limit(query, grant, REPORT).order_by(resource.c.updated.desc())
    return connection.execute(reached.limit(1)).scalar() or 0


# What is sent


def send(house: House, job: Job, write: Write) -> None:
    """The handler of `mail` jobs. Raises Busy while the mail server does not take it."""
    told, now = job.payload, clock.now()
    with house.database.read() as connection:
        row = shares.by_id(connection, told["link"])
        to = _recipient(house, connection, row, told, now)
    if to is None:
        return _end(house, row, f"notice {told['kind']} not sent: nobody is to have it now", "4")
    subject, text = write(told["kind"], to.language, _values(house, row, told))
    letter = Letter(job.key, told["at"], to.mail, subject, text, to.language)
    try:
        post.deliver(house.config, letter)
    except post.Refused as refused:
        log.error("notice %s: %s", job.key, refused)
        return _end(house, row, f"notice {told['kind']} not sent: {refused}", "8")
    except Busy as busy:
        waited = (now - told["at"]) // 1_000_000
        busy.retry = max(_SOONEST, min(waited, _LATEST))
        raise
    return _end(house, row, f"notice {told['kind']} sent", "0")


def _recipient(
    house: House, connection: Connection, row: Any, told: Mapping[str, Any], now: int
) -> Contact | None:
    """Who is to have a notice by now; None if it is too late, or its link stands no more."""
    if row is None or told["until"] <= now:
        return None
    if told["kind"] == owing.DOUBT:
        return Contact(house.config.staff_mail, STAFF_LANGUAGE)
    known = contacts.of(connection, row.organisation, row.patient)
    if known is None or links.state(row, now) in ("revoked", "frozen", "expired"):
        return None
    return Contact(known.mail, known.language) if _lives(connection, row) else None


def _lives(connection: Connection, row: Any) -> bool:
    """Whether a link's patient is one by now, and not dead: notices end at once with either."""
    if not people.active(connection, row.organisation, [row.patient]):
        return False
    person = resources.current(connection, row.organisation, "Patient", row.patient)
    body = wire.read(person.text) if person is not None and not person.deleted else {}
    return not (body.get("deceasedBoolean") or body.get("deceasedDateTime"))


def _values(house: House, row: Any, told: Mapping[str, Any]) -> dict[str, str | int]:
    """What the words of a notice are filled with."""
    base = sites.address(house)
    token = told.get("token", "")
    return {
        "url": f"{base}/s/{token}" if token else "",
        "code": told.get("code", ""),
        "factor": row.factor,
        "until": row.expires,
        "link": row.id,
        "phone": house.config.link_phone,
    }


def _end(house: House, row: Any, detail: str, outcome: str) -> None:
    """Record what became of a notice, in the log of its link."""
    if row is None:
        return
    house.auditor.note(
        Event(
            organisation=row.organisation,
            door="mail",
            action="execute",
            outcome=outcome,
            grant=row.id,
            client=links.CLIENT,
            patient=row.patient,
            detail=detail,
        )
    )
