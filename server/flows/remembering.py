"""Consent that a user wants remembered: the same app gets the same, or less, without a question.

For one user, app and patient, for a year, and never more than was asked and given then. Only an app
that somebody here has registered, and whose answer nobody else can receive, is remembered: one that
has a secret or keys, or waits at an https address (RFC 6749 10.2, RFC 8252 8.6).
"""

from sqlalchemy import Connection

from fhir import scopes
from server.flows.accounts import Account
from server.flows.asking import Pending
from server.flows.consent import Offer
from server.flows.sites import House
from server.store import memories
from server.store.install import authored_id

LIFETIME = 365 * 86_400 * 1_000_000


def may(pending: Pending) -> bool:
    """Whether consent to this request may be remembered at all."""
    client, known = pending.client, pending.ask.redirect_uri.startswith("https://")
    return not client.self_registered and (client.kind == "confidential" or known)


def keep(
    connection: Connection, pending: Pending, account: Account, given: Offer, *, now: int
) -> None:
    """Remember what was asked and given, in place of what was before; nothing, where it may not."""
    if not may(pending):
        return
    values = {
        "id": authored_id(),
        "account": account.id,
        "client": pending.client.id,
        "patient": pending.patient,
        "asked": pending.offer(account).text,
        "scope": given.text,
        "created": now,
        "expires": now + LIFETIME,
    }
    memories.put(connection, values)


def given(house: House, pending: Pending, account: Account, *, now: int) -> str:
    """What this app is given without a question, as a scope parameter; nothing where one is due."""
    if not may(pending) or "consent" in pending.ask.prompt.split():
        return ""
    with house.database.read() as connection:
        row = memories.row(connection, account.id, pending.client.id, pending.patient, now=now)
    if row is None or not _covers(row.asked, pending.offer(account)):
        return ""
    return str(row.scope)


def _covers(asked: str, offered: Offer) -> bool:
    """Whether everything that is on offer was asked before."""
    known, words = scopes.split(asked)
    met = scopes.intersect(offered.scopes, known)
    return set(offered.words) <= set(words) and set(met) == set(offered.scopes)
