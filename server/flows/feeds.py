"""HL7 feeds: who sends messages, what its numbers mean, and what it may merge."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Connection

from fhir import identifiers
from hl7.facts import Header
from hl7.types import Authority
from server.errors import Invalid
from server.flows import parties
from server.flows.addresses import unmapped
from server.flows.patients import Site
from server.flows.sites import HOME, House
from server.store import feeds

PROCESSING = ("P", "T", "D")


@dataclass(frozen=True, slots=True)
class Feed:
    """A sender of messages. `owns` are the systems whose numbers it may merge and move.

    `network` (CIDR), `application` (MSH-3) and `facility` (MSH-4) tell its messages from others;
    what is empty matches anything. `issuer` is the system of its bare numbers, `charset` that of
    messages which declare none, `processing` the values of MSH-11 that it may send.
    """

    organisation: int
    name: str
    application: str = ""
    facility: str = ""
    network: str = ""
    owns: frozenset[str] = frozenset()
    issuer: str = ""
    zone: str = ""
    charset: str = ""
    processing: frozenset[str] = field(default=frozenset(PROCESSING))


LOOPBACK = Feed(HOME, "loopback")


def put_feed(house: House, feed: Feed, organisation: str, *, now: int) -> None:
    """Register a feed, in place of the one of the same name. Raises Invalid, Conflict, Missing."""
    parties.check_name(feed.name)
    _check(feed)
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        for system in sorted(feed.owns | ({feed.issuer} if feed.issuer else frozenset())):
            parties.own(connection, owner, system, now)
        feeds.put(connection, _values(feed, owner, now))
        parties.record(house, connection, owner, f"feed add: {feed.name}")


def _check(feed: Feed) -> None:
    if not (feed.application or feed.facility or feed.network):
        raise Invalid("tell the feed's messages from others: --app, --facility or --from")
    if feed.name == LOOPBACK.name:
        raise Invalid("the name loopback is that of the built-in feed")
    if feed.network:
        try:
            ip_network(feed.network)
        except ValueError as bad:
            raise Invalid(f"{feed.network}: give an address or network as 10.1.2.0/24") from bad
    parties.check_zone(feed.zone)
    for system in (*feed.owns, *([feed.issuer] if feed.issuer else [])):
        parties.check_system(system)
    if not feed.processing or feed.processing - set(PROCESSING):
        raise Invalid(f"--processing takes some of {','.join(PROCESSING)}")


def _values(feed: Feed, owner: int, now: int) -> dict[str, Any]:
    return {
        "organisation": owner,
        "name": feed.name,
        "application": feed.application,
        "facility": feed.facility,
        "network": feed.network,
        "owns": json.dumps(sorted(feed.owns)),
        "issuer": feed.issuer,
        "zone": feed.zone,
        "charset": feed.charset,
        "processing": ",".join(sorted(feed.processing)),
        "created": now,
    }


def _feed(row: Any) -> Feed:
    return Feed(
        organisation=row.organisation,
        name=row.name,
        application=row.application,
        facility=row.facility,
        network=row.network,
        owns=frozenset(json.loads(row.owns)),
        issuer=row.issuer,
        zone=row.zone,
        charset=row.charset,
        processing=frozenset(row.processing.split(",")),
    )


def load(connection: Connection, organisation: int, name: str) -> Feed:
    """A feed by its name, to apply what it sent."""
    if name == LOOPBACK.name and organisation == HOME:
        return LOOPBACK
    row = feeds.named(connection, organisation, name)
    if row is None:
        raise Invalid(f"there is no feed {name} any more")
    return _feed(row)


def owns(connection: Connection, feed: Feed, system: str) -> bool:
    """Whether a feed may merge and move numbers of a system; `loopback` those that no other owns."""
    if feed != LOOPBACK:
        return system in feed.owns
    return not any(system in _feed(row).owns for row in feeds.every(connection))


def mapping(site: Site, feed: Feed) -> identifiers.Site:
    """The organisation's mapping of numbers and times, with what the feed says of its own."""
    return replace(
        site.mapping,
        default=feed.issuer or site.mapping.default,
        zone=feed.zone or site.mapping.zone,
    )


def calling(house: House, address: str) -> list[Feed]:
    """The feeds that may call from an address; none means that the caller is a stranger."""
    with house.database.read() as connection:
        known = [_feed(row) for row in feeds.every(connection)]
    here = unmapped(address)
    found = [one for one in known if not one.network or here in ip_network(one.network)]
    if house.config.doors_open and here.is_loopback:
        found.append(LOOPBACK)
    return found


def choose(candidates: Sequence[Feed], header: Header) -> Feed | None:
    """The feed of a message: by the caller's address first, then by MSH-3 and MSH-4.

    None when no feed fits, or two fit equally well.
    """
    fitting = [one for one in candidates if _fits(one, header)]
    ranked = sorted(fitting, key=_closeness, reverse=True)
    if not ranked or (len(ranked) > 1 and _closeness(ranked[0]) == _closeness(ranked[1])):
        return None
    return ranked[0]


def _fits(feed: Feed, header: Header) -> bool:
    return _is(feed.application, header.application) and _is(feed.facility, header.facility)


def _is(wanted: str, authority: Authority) -> bool:
    return not wanted or wanted in (authority.namespace, authority.universal_id)


def _closeness(feed: Feed) -> tuple[int, int]:
    """How closely a feed is described: a narrow network counts before names."""
    prefix = ip_network(feed.network).prefixlen + 1 if feed.network else 0
    return prefix, bool(feed.application) + bool(feed.facility)


def organisation_of(house: House, name: str) -> int:
    """The id of an organisation by name. Raises Missing."""
    with house.database.read() as connection:
        return parties.named(connection, name)
