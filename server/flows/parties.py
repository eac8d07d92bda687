"""Who takes part: organisations, groups of patients, DICOM peers, and how each is found again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from dicom.sink import Peer
from hl7.charset import codec_of
from server.errors import Conflict, Invalid, Missing
from server.flows.addresses import Resolve, resolve, unmapped
from server.flows.audit import Event
from server.flows.sites import HOME, House
from server.store import people
from server.store.blobs import safe_name

SERVICES = ("echo", "store", "commit", "find", "get", "move", "worklist", "mpps")
# Every query of its clients carries all of them.
LARGEST_GROUP = 10_000
LOOPBACK = Peer("loopback", HOME, frozenset({"echo", "store"}))

_NAME = re.compile(r"[^\s:|/][^\x00-\x1f\x7f:|/]{0,63}")
_AE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)
_REALM = re.compile(r"[a-z]{2}", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """A DICOM peer as it is registered. `issuer` is the system of its bare patient numbers."""

    ae: str
    host: str
    port: int
    organisation: str
    issuer: str
    may: tuple[str, ...]


def named(connection: Connection, organisation: str) -> int:
    """The id of an organisation. Raises Missing."""
    found = people.organisation_id(connection, organisation)
    if found is None:
        raise Missing(f"there is no organisation {organisation}: `organisation add` makes one")
    return found


def check_name(name: str) -> str:
    """A name that can stand in listings and in `kind:name`. Raises Invalid."""
    if not _NAME.fullmatch(name):
        raise Invalid("a name has 1 to 64 characters and none of : | /")
    return name


def check_system(system: str) -> str:
    """A system URI (R4 Identifier.system). Raises Invalid."""
    if not _URI.fullmatch(system):
        raise Invalid(f"{system}: give a URI, as https://hospital.example/mrn or urn:oid:1.2.3")
    return system


def add_organisation(
    house: House,
    name: str,
    *,
    issuer: str,
    issuers: dict[str, str],
    zone: str,
    now: int,
    charset: str = "",
    realm: str = "",
) -> int:
    """Make an organisation with its own numbers. Raises Conflict for what another one has.

    `issuer` is the system of numbers that arrive without one, `issuers` maps namespaces to systems.
    `charset` is that of its HL7 messages which declare none, `realm` the country whose profiles
    count.
    """
    check_name(name)
    check_zone(zone)
    check_charset(charset)
    if realm and not _REALM.fullmatch(realm):
        raise Invalid(f"{realm}: give a country by its two letters, as us")
    settings = {"issuer": issuer, "zone": zone, "charset": charset, "realm": realm}
    systems = [check_system(system) for system in [issuer, *issuers.values()] if system]
    with house.database.write() as connection:
        if people.organisation_id(connection, name) is not None:
            raise Conflict(f"there is an organisation {name} already")
        made = people.add_organisation(connection, name, now=now, **settings)
        for namespace, system in issuers.items():
            people.add_issuer(connection, made, namespace, system)
        for system in systems:
            own(connection, made, system, now)
        record(house, connection, made, f"organisation add: {made}")
    return made


def own(connection: Connection, organisation: int, system: str, now: int) -> None:
    """Let an organisation own the numbers of a system. Raises Conflict if another one does."""
    if people.own_system(connection, organisation, system, now=now) != organisation:
        raise Conflict(f"the numbers of {system} belong to another organisation")


def check_zone(zone: str) -> None:
    """Raise Invalid unless there is such a time zone; empty is none."""
    try:
        _ = zone and ZoneInfo(zone)
    except (ValueError, ZoneInfoNotFoundError) as bad:
        raise Invalid(f"{zone}: there is no such time zone; give one as Europe/Madrid") from bad


def check_charset(charset: str) -> None:
    """Raise Invalid unless it is a character set of HL7 table 0211; empty is none."""
    if charset and not codec_of(charset):
        raise Invalid(f"{charset}: give a character set of HL7 table 0211, as 8859/1")


def add_group(
    house: House, name: str, organisation: str, patients: Sequence[str], *, now: int
) -> list[str]:
    """Put patients (ids, or system|value) into a group, made if new; returns all its members."""
    check_name(name)
    if not patients:
        raise Invalid("a group needs at least one --patient")
    with house.database.write() as connection:
        owner = named(connection, organisation)
        ids = [patient(connection, owner, text) for text in patients]
        people.add_members(connection, owner, name, ids, now=now)
        members = people.members(connection, owner, name)
        if len(members) > LARGEST_GROUP:
            raise Invalid(f"a group holds at most {LARGEST_GROUP} patients: make two")
        record(house, connection, owner, f"group add: {len(ids)} patients")
        return members


def patient(connection: Connection, owner: int, text: str) -> str:
    """The id of an active Patient, from its id or a number as system|value. Raises Missing.

    The message does not repeat the number: it identifies a person.
    """
    system, bar, value = text.rpartition("|")
    id_ = people.patient_with(connection, owner, system, value) if bar else text
    row = people.patient_row(connection, owner, id_) if id_ else None
    if row is None:
        raise Missing("there is no such patient: give a Patient id, or a number as system|value")
    if row.state != "active":
        heir = f"; {row.replaced_by} took its place" if row.replaced_by else ""
        raise Missing(f"the patient {row.id} is retired{heir}")
    return str(row.id)


def put_peer(house: House, entry: PeerEntry, *, now: int) -> None:
    """Register a DICOM peer, in place of the one with the same AE title and host."""
    _check_peer(entry)
    with house.database.write() as connection:
        owner = named(connection, entry.organisation)
        if entry.issuer:
            own(connection, owner, entry.issuer, now)
        people.put_peer(
            connection,
            {
                "ae": entry.ae,
                "host": entry.host,
                "organisation": owner,
                "port": entry.port,
                "issuer": entry.issuer,
                "may": ",".join(entry.may),
                "created": now,
            },
        )
        record(house, connection, owner, f"peer add: {entry.ae} {entry.host}")


def _check_peer(entry: PeerEntry) -> None:
    if not _AE.fullmatch(entry.ae) or entry.ae != entry.ae.strip():
        raise Invalid(f"{entry.ae}: an AE title has 1 to 16 characters, no backslash (PS3.5 6.2)")
    if not _is_address(entry.host) and not _HOST.fullmatch(entry.host):
        raise Invalid(f"{entry.host}: give a host name or an IP address")
    if not 0 < entry.port < 65536:
        raise Invalid(f"{entry.port}: a port lies between 1 and 65535")
    if entry.issuer:
        check_system(entry.issuer)
    unknown = set(entry.may) - set(SERVICES)
    if unknown or not entry.may:
        raise Invalid(f"--may takes some of {','.join(SERVICES)}")


def _is_address(host: str) -> bool:
    try:
        unmapped(host)
    except ValueError:
        return False
    return True


def identify(
    house: House, calling_ae: str, address: str, resolve: Resolve = resolve
) -> Peer | None:
    """Who calls on the DICOM door: the peer with that AE title at that address, or None.

    A stranger from loopback is the built-in peer `loopback` while the doors are open to such.
    """
    with house.database.read() as connection:
        rows = people.peers(connection, calling_ae)
    for row in rows:
        if _is_at(row.host, address, resolve):
            return _peer(row)
    if house.config.doors_open and unmapped(address).is_loopback:
        return LOOPBACK
    return None


def _peer(row: Any) -> Peer:
    name, may = f"{row.ae}@{row.host}", frozenset(row.may.split(","))
    return Peer(name, row.organisation, may, row.issuer)


def _is_at(host: str, address: str, resolve: Resolve) -> bool:
    """Whether a registered host has an address; a name that cannot be resolved has none."""
    try:
        known = [host] if _is_address(host) else resolve(host)
    except OSError:
        return False
    return unmapped(address) in [unmapped(one) for one in known]


def source_of(house: House, organisation: int, source: str) -> Peer:
    """The peer whose objects have `source` in their blob keys, to file what a crash left."""
    with house.database.read() as connection:
        rows = people.peers_of(connection, organisation)
    found = [peer for peer in map(_peer, rows) if safe_name(peer.name) == source]
    return found[0] if found else Peer(source, organisation, frozenset({"store"}))


def record(house: House, connection: Connection, organisation: int, detail: str) -> None:
    """Audit what an operator set up, in the transaction that sets it up."""
    event = Event(organisation, "command", "create", client="cli", detail=detail)
    house.auditor.append(connection, event)
