"""Programs that may ask for tokens: how they are registered, found, and known by their keys."""

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from fhir import scopes
from fhir.errors import BadScope
from server.errors import Invalid, Missing
from server.flows import addresses, keys, parties, questions
from server.flows.keys import Jwk
from server.flows.sites import House
from server.store import people
from server.store.install import authored_id

LONGEST_FORMER = 30 * 24
_HOUR = 3600 * 1_000_000
# `viewer` is this server's own viewer as a client of itself: a launch of it ends on the server.
VIEWER = "viewer"
KINDS = ("public", "confidential", "backend", VIEWER)
VIEWER_LAUNCH, VIEWER_BACK = "/apps/viewer/launch", "/apps/viewer/launched"
VIEWER_SCOPES = (
    "launch patient/Patient.rs patient/ImagingStudy.rs patient/DiagnosticReport.rs "
    "patient/Binary.r patient/Endpoint.rs"
)
# Rights of a backend that is an EHR: to start apps, to say who is signed in there, to make links.
_EHR_WORDS = frozenset({"launch", "vouch", "share"})
# What an app for people may ask for, unless its registration says otherwise.
APP_SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter offline_access online_access "
    "patient/*.rs user/*.rs"
)
_PLAIN_SCOPES = frozenset(APP_SCOPES.split()[:7])
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+", re.ASCII)
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. `scope` is the most it may be granted.

    `jwks` is a pasted key set, `jwks_uri` the address of one. `reach` says whom a backend client
    may reach: all, group:NAME, patient:ID, or nobody when it is empty. `former_hash` is of the secret
    before this one, which is good until `former_until`. `frame_origins` are those of an EHR's pages
    that may show ours in a frame during a launch which it made.
    """

    id: str
    organisation: int
    name: str
    kind: str
    scope: str
    reach: str = ""
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str = ""
    frame_origins: tuple[str, ...] = ()
    jwks: str = ""
    jwks_uri: str = ""
    secret_hash: str = ""
    former_hash: str = ""
    former_until: int = 0
    self_registered: bool = False

    @property
    def has_keys(self) -> bool:
        """Whether the client can prove itself with a signature."""
        return bool(self.jwks or self.jwks_uri)


def find(house: House, id_: str) -> Client | None:
    """The client with an id, None if there is none or it is retired."""
    if not (id_.isascii() and id_.isprintable()):  # what a database might choke on
        return None
    with house.database.read() as connection:
        row = people.client_row(connection, id_)
    return None if row is None else from_row(row)


def from_row(row: Any) -> Client:
    """A client from its row."""
    return Client(
        id=row.id,
        organisation=row.organisation,
        name=row.name,
        kind=row.kind,
        scope=row.scope,
        reach=row.reach,
        redirect_uris=tuple(json.loads(row.redirect_uris)),
        launch_uri=row.launch_uri,
        frame_origins=tuple(json.loads(row.frame_origins or "[]")),
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        secret_hash=row.secret_hash,
        former_hash=row.former_hash,
        former_until=row.former_until,
        self_registered=bool(row.self_registered),
    )


def key(house: House, client: Client, kid: str, algorithm: str, *, now: int) -> Jwk | None:
    """The client's public key with a kid, None when it has none such. Raises Unauthenticated."""
    if client.jwks:
        return keys.choose(keys.parse(client.jwks), kid, algorithm)
    return house.keys.behind(
        client.jwks_uri, kid, algorithm, now=now, public=client.self_registered
    )


def add(house: House, wanted: Client, organisation: str, *, now: int) -> tuple[Client, str]:
    """Register a client; gives it back with its id, and its secret if it has one.

    The secret is not kept: only its digest is. Raises Invalid for what cannot work.
    """
    check(wanted)
    secret = ""
    if wanted.kind == "confidential" and not wanted.has_keys:
        secret = new_secret()
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        made = replace(
            wanted,
            id=authored_id(),
            organisation=owner,
            reach=_settle_reach(connection, owner, wanted.reach),
        )
        people.add_client(connection, row(made, secret, now))
        parties.record(house, connection, owner, f"client add: {made.id} {made.kind}")
    return made, secret


def row(client: Client, secret: str, now: int) -> dict[str, object]:
    """The columns of a client; of its secret the digest alone."""
    return {
        "id": client.id,
        "organisation": client.organisation,
        "name": client.name,
        "kind": client.kind,
        "secret_hash": digest(secret) if secret else "",
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "scope": client.scope,
        "reach": client.reach,
        "redirect_uris": json.dumps(client.redirect_uris),
        "launch_uri": client.launch_uri,
        "frame_origins": json.dumps(client.frame_origins),
        "created": now,
    }


def new_secret() -> str:
    """A fresh secret: 256 bits, so that an unsalted digest gives nothing away."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def has_secret(client: Client, secret: str, *, now: int) -> bool:
    """Whether a secret is the client's: the latest, or for its last time the one before."""
    shown = digest(secret)
    good = [client.secret_hash, client.former_hash if now < client.former_until else ""]
    return any(bool(kept) and hmac.compare_digest(kept, shown) for kept in good)


def renew_secret(house: House, id_: str, hours: int, *, now: int) -> tuple[str, int]:
    """Give a client another secret; the one that it has is good for some hours more.

    Gives the secret, once, and when the other one ends. Raises Missing, Invalid.
    """
    if not 0 <= hours <= LONGEST_FORMER:
        raise Invalid(f"--keep: the former secret lives 0 to {LONGEST_FORMER} hours, not {hours}")
    client = find(house, id_)
    if client is None:
        raise Missing("there is no client of this id: `client add` printed it")
    if not client.secret_hash:
        raise Invalid("this client has no secret: it is public, or proves itself with its keys")
    secret, until = new_secret(), now + hours * _HOUR
    values = {"secret_hash": digest(secret), "former_hash": client.secret_hash}
    with house.database.write() as connection:
        people.change_client(connection, id_, values | {"former_until": until})
        detail = f"client secret: {id_}, the former one for {hours} h"
        parties.record(house, connection, client.organisation, detail)
    return secret, until


def check(wanted: Client) -> None:
    """Refuse a registration that could never work, or that would be unsafe."""
    parties.check_name(wanted.name)
    _check_keys(wanted)
    for word in wanted.scope.split():
        _check_scope(word, wanted.kind)
    for origin in wanted.frame_origins:
        _check_origin(origin, wanted)
    if wanted.kind == VIEWER:
        _check_viewer(wanted)
        return
    if wanted.kind == "backend":
        _check_backend(wanted)
    elif wanted.reach:
        raise Invalid("--reach is for backend clients: an app reaches what its user chooses")
    elif not wanted.redirect_uris:
        raise Invalid(f"a {wanted.kind} client needs a --redirect-uri")
    for uri in wanted.redirect_uris:
        check_redirect(uri)
    if wanted.launch_uri:
        addresses.check(wanted.launch_uri)


def viewer(name: str) -> Client:
    """The viewer as a client of this server, with addresses of its own."""
    back = (VIEWER_BACK,)
    return Client("", 0, name, VIEWER, VIEWER_SCOPES, redirect_uris=back, launch_uri=VIEWER_LAUNCH)


def _check_viewer(wanted: Client) -> None:
    if wanted != viewer(wanted.name):
        raise Invalid("a viewer has addresses and scopes of its own")


def _check_origin(origin: str, wanted: Client) -> None:
    """An origin as browsers write it (RFC 6454 6.2), of a client that may launch."""
    if wanted.kind != "backend" or "launch" not in wanted.scope.split():
        raise Invalid("--frame-origin is for an EHR: a backend client whose --scope has launch")
    parts = addresses.check(origin)
    plain = f"{parts.scheme}://{parts.netloc}".lower()
    if origin != plain or not _ORIGIN.fullmatch(origin):
        raise Invalid(f"{origin}: give an origin alone, as https://ehr.example or with :8443")


def _check_backend(wanted: Client) -> None:
    if not wanted.has_keys:
        raise Invalid("a backend client proves itself with a key: give --jwks or --jwks-uri")
    if wanted.redirect_uris or wanted.launch_uri:
        raise Invalid("a backend client is never redirected or launched: leave the URIs out")


def _check_keys(wanted: Client) -> None:
    if wanted.jwks and wanted.jwks_uri:
        raise Invalid("give either --jwks or --jwks-uri")
    if wanted.has_keys and wanted.kind == "public":
        raise Invalid("a public client has no key: register it as confidential")
    if wanted.jwks:
        keys.parse(wanted.jwks)
        if keys.holds_private(wanted.jwks):
            raise Invalid("the key set gives away a private key: register its public part only")
    if wanted.jwks_uri:
        addresses.check(wanted.jwks_uri)


def _check_scope(word: str, kind: str) -> None:
    """A ceiling holds scopes that SMART knows and that this kind of client can use."""
    if word in (_PLAIN_SCOPES if kind != "backend" else _EHR_WORDS):
        return
    try:
        scope = scopes.parse(word)
    except BadScope as bad:
        raise Invalid(f"{word}: {bad}, as in patient/*.rs") from bad
    if not questions.served(scope):
        raise Invalid(f"{word}: scopes with a question are served for a category alone")
    if (scope.context == "system") != (kind == "backend"):
        raise Invalid(f"{word}: system/ scopes are for backend clients, and they have no others")


def check_redirect(uri: str) -> None:
    """https, http on loopback, or an app's own reversed-domain scheme (RFC 8252 7.1)."""
    if "*" in uri:
        raise Invalid(f"{uri}: a redirect URI is matched as it stands, without *")
    if not _PRIVATE_SCHEME.fullmatch(urlsplit(uri).scheme):
        addresses.check(uri)


def _settle_reach(connection: Connection, owner: int, reach: str) -> str:
    """The reach as it is kept: a group that exists, a patient by id."""
    kind, _, name = reach.partition(":")
    if reach in ("", "all"):
        return reach
    if kind == "group":
        if not people.members(connection, owner, name):
            raise Missing(f"there is no group {name}: `group add` makes one")
        return reach
    if kind == "patient":
        return f"patient:{parties.patient(connection, owner, name)}"
    raise Invalid(f"{reach}: --reach takes all, group:NAME or patient:ID")


def origins(house: House) -> set[str]:
    """The web origins of registered apps: browsers there may call the doors (CORS)."""
    with house.database.read() as connection:
        texts = people.redirect_uris(connection)
    parts = [urlsplit(uri) for text in texts for uri in json.loads(text)]
    return {f"{part.scheme}://{part.netloc}" for part in parts if part.scheme in ("http", "https")}
