"""Apps that register themselves (RFC 7591) and look after their entry (RFC 7592).

Anybody may come, so an entry gives nothing by itself: it can ask people for what they may allow,
and the page that asks says that nobody here has looked at it. Addresses must be https and public
while we are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from fhir import scopes
from server.errors import Busy, Fault, Invalid, Unauthenticated
from server.flows import addresses, clients
from server.flows.audit import Event
from server.flows.clients import APP_SCOPES, Client
from server.flows.sites import HOME, House
from server.store import approvals, people
from server.store.install import authored_id

METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
GRANTS = ("authorization_code", "refresh_token")
_HOUR = 3600 * 1_000_000
_MOST_AN_HOUR = 200
_MOST_URIS = 20


class BadMetadata(Fault):
    """What is wrong with a registration (RFC 7591 3.2.2)."""

    answer = Invalid.answer

    def __init__(self, message: str, code: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Registered:
    """An entry with its secrets, which are told once: the app's own, and the one to manage it."""

    client: Client
    method: str
    secret: str
    management: str
    made: int


def register(house: House, told: Mapping[str, Any], *, address: str, now: int) -> Registered:
    """Make an entry. Raises BadMetadata, Busy when very many come."""
    client, method = _read(house, told)
    client = replace(client, id=authored_id(), organisation=HOME)
    secret = clients.new_secret() if method.startswith("client_secret") else ""
    management = clients.new_secret()
    values = clients.row(client, secret, now)
    values |= {"registration_hash": clients.digest(management), "self_registered": True}
    with house.database.write() as connection:
        if people.registered_since(connection, now - _HOUR) >= _MOST_AN_HOUR:
            raise Busy("too many apps register at this moment", retry=600)
        people.add_client(connection, values)
        house.auditor.append(connection, _event("create", client, address))
    return Registered(client, method, secret, management, now)


def find(house: House, id_: str, management: str) -> Client:
    """The entry that a registration token manages. Raises Unauthenticated."""
    client = clients.find(house, id_)
    with house.database.read() as connection:
        known = people.registration_hash(connection, id_) if client else ""
    if client is None or not known or known != clients.digest(management):
        raise Unauthenticated("this token manages no such entry")
    return client


def change(
    house: House, client: Client, told: Mapping[str, Any], *, address: str, now: int
) -> tuple[Client, str]:
    """Replace an entry by another; its id stays, and so does its way to prove itself."""
    if told.get("client_id", client.id) != client.id:
        raise BadMetadata("client_id is another client's")
    made, method = _read(house, told)
    if method != method_of(client) and {method, method_of(client)} - set(METHODS[1:3]):
        raise BadMetadata("token_endpoint_auth_method cannot be changed: register anew")
    made = replace(
        made, id=client.id, organisation=client.organisation, secret_hash=client.secret_hash
    )
    values = clients.row(made, "", now) | {"secret_hash": client.secret_hash}
    del values["created"]
    with house.database.write() as connection:
        people.change_client(connection, client.id, values)
        house.auditor.append(connection, _event("update", made, address))
    return replace(made, self_registered=True), method


def remove(house: House, client: Client, *, address: str, now: int) -> None:
    """End an entry with everything that was allowed to it."""
    with house.database.write() as connection:
        people.change_client(connection, client.id, {"retired": now})
        approvals.end_of_client(connection, client.id, now=now)
        house.auditor.append(connection, _event("delete", client, address))


def method_of(client: Client) -> str:
    """How a client proves itself."""
    if client.has_keys:
        return METHODS[3]
    return METHODS[1] if client.secret_hash else METHODS[0]


def _read(house: House, told: Mapping[str, Any]) -> tuple[Client, str]:
    """The client that a registration describes."""
    method = told.get("token_endpoint_auth_method", METHODS[1])
    if method not in METHODS:
        raise BadMetadata(f"token_endpoint_auth_method is one of {', '.join(METHODS)}")
    if set(_words(told, "grant_types", GRANTS[:1])) - set(GRANTS):
        raise BadMetadata(f"grant_types are some of {', '.join(GRANTS)}")
    if set(_words(told, "response_types", ("code",))) != {"code"}:
        raise BadMetadata("response_types is code")
    uris = tuple(_words(told, "redirect_uris", ()))
    for uri in uris:
        _check_redirect(house, uri)
    if not 0 < len(uris) <= _MOST_URIS:
        raise BadMetadata(f"give 1 to {_MOST_URIS} redirect_uris", "invalid_redirect_uri")
    wanted = Client(
        id="",
        organisation=HOME,
        name=_text(told, "client_name", "An app without a name"),
        kind="public" if method == METHODS[0] else "confidential",
        scope=_scope(_text(told, "scope", APP_SCOPES)),
        redirect_uris=uris,
        launch_uri=_address(house, told, "initiate_login_uri"),
        jwks=json.dumps(told["jwks"]) if method == METHODS[3] and "jwks" in told else "",
        jwks_uri=_address(house, told, "jwks_uri") if method == METHODS[3] else "",
        self_registered=True,
    )
    if (method == METHODS[3]) != wanted.has_keys:
        raise BadMetadata("private_key_jwt needs jwks or jwks_uri")
    try:
        clients.check(wanted)
    except Invalid as error:
        raise BadMetadata(str(error)) from error
    return wanted, str(method)


def _words(told: Mapping[str, Any], name: str, default: tuple[str, ...]) -> list[str]:
    found = told.get(name, list(default))
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadMetadata(f"{name} is a list of texts")
    return found


def _text(told: Mapping[str, Any], name: str, default: str) -> str:
    found = told.get(name, default)
    if not isinstance(found, str) or len(found) > 4096:
        raise BadMetadata(f"{name} is a text")
    return found or default


def _scope(asked: str) -> str:
    """The ceiling: the part of what it asks that an app may have at all."""
    found, words = scopes.split(asked)
    limits, known = scopes.split(APP_SCOPES)
    return scopes.text(scopes.intersect(found, limits), [word for word in words if word in known])


def _address(house: House, told: Mapping[str, Any], name: str) -> str:
    uri = _text(told, name, "")
    if uri:
        _check_public(house, uri, "invalid_client_metadata")
    return uri


def _check_redirect(house: House, uri: str) -> None:
    """As an operator's, and beyond loopback https alone: an app's own scheme could be anybody's."""
    try:
        clients.check_redirect(uri)
    except Invalid as error:
        raise BadMetadata(str(error), "invalid_redirect_uri") from error
    _check_public(house, uri, "invalid_redirect_uri")


def _check_public(house: House, uri: str, code: str) -> None:
    parts = urlsplit(uri)
    if parts.hostname and addresses.is_loopback(parts.hostname):
        if addresses.is_loopback(urlsplit(house.config.base).hostname or ""):
            return
        raise BadMetadata("this server is public: loopback addresses are not taken", code)
    if parts.scheme != "https" or not _is_public(parts.hostname or ""):
        raise BadMetadata("addresses are https, of a public host", code)


def _is_public(host: str) -> bool:
    """Whether a host may be anybody's. A name is judged when it is dialled, a literal here."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


def _event(action: str, client: Client, address: str) -> Event:
    return Event(
        client.organisation,
        "oauth",
        action,
        client=client.id,
        address=address,
        detail=f"self-registered {client.kind}",
    )
