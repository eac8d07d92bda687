"""Notices about Magic Links that are owed: a job in the transaction of what they tell of."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from server.errors import Conflict
from server.flows.factors import DAY
from server.flows.sites import House
from server.store import contacts, jobs, shares

KIND = "mail"
LINK, CODE, OPENED, NEWS, DOUBT = "link", "code", "opened", "news", "doubt"
CODE_LIVES = 15 * 60 * 1_000_000
_OTHERS_LIVE = 3 * DAY


def check(house: House, connection: Connection, owner: int, patient: str) -> None:
    """Raise Conflict where a link cannot be mailed: there is no server, or no checked address."""
    if not house.config.smtp_url:
        raise Conflict("there is no mail server: set TRIPTYCH_SMTP_URL")
    if contacts.of(connection, owner, patient) is None:
        raise Conflict("no address of this patient was checked: `contact set` keeps one")


def owe_link(connection: Connection, row: Mapping[str, Any], token: str) -> None:
    """Owe the mail that brings a link that is being made."""
    now = int(row["created"])
    told = {"token": token, "until": int(row["expires"])}
    owe(connection, row["organisation"], LINK, row["id"], now, told)


def owe_opened(connection: Connection, row: Any, now: int) -> None:
    """Owe the holder of the first link the word that one passed on was opened."""
    first = shares.by_id(connection, row.parent)
    if first is not None and first.mailed:
        owe(connection, row.organisation, OPENED, first.id, now, {})


def owe_doubt(house: House, connection: Connection, owner: int, link: str, now: int) -> None:
    """Owe the staff the word that somebody says: this is not me."""
    if house.config.staff_mail:
        owe(connection, owner, DOUBT, link, now, {})


def owe(
    connection: Connection, owner: int, kind: str, link: str, now: int, told: dict[str, Any]
) -> None:
    """Owe a notice of a kind about a link. Its id makes it one mail, however often it is sent."""
    id_ = uuid4().hex
    given = {"kind": kind, "link": link, "at": now, "until": now + _OTHERS_LIVE}
    jobs.add(connection, owner, KIND, id_, now=now, run_at=now, payload=given | told)
