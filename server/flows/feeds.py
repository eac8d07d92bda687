"""HL7 feeds: who sends messages, what its numbers mean, and what it may merge."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from fhir import identifiers
from hl7.facts import Header
from hl7.habits import Habits
from hl7.profiles import Profile
from hl7.types import Authority
from server.errors import Invalid
from server.flows import parties
from server.flows.addresses import unmapped
from server.flows.patients import Site
from server.flows.sites import HOME, House
from server.store import feeds
from server.store.install import organisations

PROCESSING = ("P", "T", "D")
PLAIN, SECURE = "mllp", "mllps"
# Where the accession stands, if a message has no IPC-1.
ACCESSIONS = ("OBR-18", "OBR-20", "OBR-21", "OBR-3")
# What else may be agreed with a sender; see `Feed`.
STRICT_APPLY, STRICT_STATUS, LENIENT_CHARSET = "strict-apply", "strict-status", "lenient-charset"
SNAPSHOT, NOT_IMAGING = "snapshot", "not-imaging"
TRAITS = (STRICT_APPLY, STRICT_STATUS, LENIENT_CHARSET, SNAPSHOT, NOT_IMAGING)


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection: its address, the door it came to, and what names the certificate it showed."""

    address: str
    listener: str = PLAIN
    certificate: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Feed:
    """A sender of messages. `owns` are the systems whose numbers it may merge and move.

    `certificate` (a name in it, or its SHA-256), `listener` (mllp, mllps), `network` (CIDR),
    `application` (MSH-3) and `facility` (MSH-4) tell its messages from others; what is empty
    matches anything. `issuer` is the system of its bare numbers, `charset` that of messages which
    declare none, `processing` the values of MSH-11 that it may send, `accession` the field where
    its orders and reports have it. `answer_to` is where later acknowledgements go.

    Its `traits`: strict-apply (a message is applied before it is answered), strict-status (reports
    have OBR-25), lenient-charset (what MSH-18 declares may be wrong), snapshot (what an update
    leaves empty is gone), not-imaging (what names no service in OBR-24 is no imaging).
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
    certificate: str = ""
    listener: str = ""
    accession: str = ACCESSIONS[0]
    answer_to: str = ""
    traits: frozenset[str] = frozenset()


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
    told = (feed.application, feed.facility, feed.network, feed.certificate, feed.listener)
    if not any(told):
        raise Invalid(
            "tell the feed's messages from others: --certificate, --listener, --from, --app or "
            "--facility"
        )
    if feed.name == LOOPBACK.name:
        raise Invalid("the name loopback is that of the built-in feed")
    _check_sender(feed)
    for system in (*feed.owns, *([feed.issuer] if feed.issuer else [])):
        parties.check_system(system)
    _check_habits(feed)


def _check_sender(feed: Feed) -> None:
    if feed.listener not in ("", PLAIN, SECURE):
        raise Invalid(f"--listener takes {PLAIN} or {SECURE}")
    if feed.network:
        try:
            ip_network(feed.network)
        except ValueError as bad:
            raise Invalid(f"{feed.network}: give an address or network as 10.1.2.0/24") from bad


def _check_habits(feed: Feed) -> None:
    parties.check_zone(feed.zone)
    if not feed.processing or feed.processing - set(PROCESSING):
        raise Invalid(f"--processing takes some of {','.join(PROCESSING)}")
    if feed.accession not in ACCESSIONS:
        raise Invalid(f"--accession takes one of {', '.join(ACCESSIONS)}")
    parties.check_charset(feed.charset)
    if feed.answer_to:
        destination(feed.answer_to)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages of ours go."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        """As it is typed."""
        return f"{SECURE if self.secure else PLAIN}://{self.host}:{self.port}"


def destination(text: str) -> Destination:
    """The destination of mllp://host:port, or mllps:// for TLS. Raises Invalid."""
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in (PLAIN, SECURE) or not host or not port or parts.path.strip("/"):
        raise Invalid(f"{text}: give a destination as {PLAIN}://host:port or {SECURE}://host:port")
    return Destination(host, port, parts.scheme == SECURE)


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
        "certificate": feed.certificate,
        "listener": feed.listener,
        "accession": feed.accession,
        "answer_to": feed.answer_to,
        "traits": ",".join(sorted(feed.traits)),
        "created": now,
    }


def _feed(row: Any, charset: str) -> Feed:
    """A feed of a row; `charset` is that of its organisation."""
    return Feed(
        organisation=row.organisation,
        name=row.name,
        application=row.application,
        facility=row.facility,
        network=row.network,
        owns=frozenset(json.loads(row.owns)),
        issuer=row.issuer,
        zone=row.zone,
        charset=row.charset or charset,
        processing=frozenset(row.processing.split(",")),
        certificate=row.certificate,
        listener=row.listener,
        accession=row.accession,
        answer_to=row.answer_to,
        traits=frozenset(filter(None, row.traits.split(","))),
    )


def find(connection: Connection, organisation: int, name: str) -> Feed | None:
    """A feed by its name."""
    if name == LOOPBACK.name and organisation == HOME:
        return LOOPBACK
    row = feeds.named(connection, organisation, name)
    return None if row is None else _feed(row, organisations(connection)[organisation].charset)


def load(connection: Connection, organisation: int, name: str) -> Feed:
    """A feed by its name, to apply what it sent. Raises Invalid."""
    found = find(connection, organisation, name)
    if found is None:
        raise Invalid(f"there is no feed {name} any more")
    return found


def habits(feed: Feed) -> Habits:
    """What a feed's messages mean by what they say and leave out."""
    return Habits(feed.accession, SNAPSHOT in feed.traits)


def profile(feed: Feed | None, limit: int) -> Profile:
    """What the messages of a feed, or of one that is not known yet, are held to."""
    if feed is None:
        return Profile(max_message=limit)
    return Profile(
        charset=feed.charset,
        strict_charset=LENIENT_CHARSET not in feed.traits,
        strict_status=STRICT_STATUS in feed.traits,
        processing=feed.processing,
        max_message=limit,
    )


def owns(connection: Connection, feed: Feed, system: str) -> bool:
    """Whether a feed may merge and move numbers of a system; `loopback` those that no other owns."""
    if feed != LOOPBACK:
        return system in feed.owns
    return not any(system in _feed(row, charset="").owns for row in feeds.every(connection))


def mapping(site: Site, feed: Feed) -> identifiers.Site:
    """The organisation's mapping of numbers and times, with what the feed says of its own."""
    return replace(
        site.mapping,
        default=feed.issuer or site.mapping.default,
        zone=feed.zone or site.mapping.zone,
    )


def calling(house: House, calling: Connecting) -> list[Feed]:
    """The feeds that a connection may be of; none means that the caller is a stranger."""
    with house.database.read() as connection:
        owners = organisations(connection)
        known = [_feed(row, owners[row.organisation].charset) for row in feeds.every(connection)]
    found = [one for one in known if _may_call(one, calling)]
    if house.config.doors_open and unmapped(calling.address).is_loopback:
        found.append(LOOPBACK)
    return found


def _may_call(feed: Feed, calling: Connecting) -> bool:
    if feed.network and unmapped(calling.address) not in ip_network(feed.network):
        return False
    if feed.certificate and feed.certificate not in calling.certificate:
        return False
    return feed.listener in ("", calling.listener)


def choose(candidates: Sequence[Feed], header: Header) -> Feed | None:
    """The feed of a message: by certificate, listener and address, then by MSH-3 and MSH-4.

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


def _closeness(feed: Feed) -> tuple[bool, bool, int, int]:
    """How closely a feed is described: what the connection proves counts before what is said."""
    prefix = ip_network(feed.network).prefixlen + 1 if feed.network else 0
    names = bool(feed.application) + bool(feed.facility)
    return bool(feed.certificate), bool(feed.listener), prefix, names


def organisation_of(house: House, name: str) -> int:
    """The id of an organisation by name. Raises Missing."""
    with house.database.read() as connection:
        return parties.named(connection, name)


def of(house: House, organisation: int) -> list[Feed]:
    """The feeds of an organisation, the built-in one among them while it may be called."""
    with house.database.read() as connection:
        charset = organisations(connection)[organisation].charset
        rows = feeds.every(connection)
    found = [_feed(row, charset) for row in rows if row.organisation == organisation]
    built_in = [LOOPBACK] if house.config.doors_open and organisation == HOME else []
    return [*built_in, *found]
