"""An app's authorization request, from its address to its user's decision (RFC 6749 4.1, RFC 7636).

A request waits as a row while its user logs in, picks and decides; the browser holds its name, a
secret. What is wrong with it is told to the app by a redirect, once the address of the app is sure.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fhir import scopes
from server.errors import Fault, Invalid
from server.flows import clients, grants
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.clients import Client
from server.flows.consent import Offer, offer
from server.flows.sessions import Session
from server.flows.sites import House
from server.store import approvals

LIFETIME = 3600 * 1_000_000
_SECOND = 1_000_000
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


class Turned(Fault):
    """A refusal that the app is told by a redirect; `code` is one of RFC 6749 4.1.2.1 or OpenID's."""

    answer = Invalid.answer

    def __init__(self, code: str, message: str, redirect_uri: str, state: str) -> None:
        super().__init__(message)
        self.code = code
        self.redirect_uri = redirect_uri
        self.state = state


@dataclass(frozen=True, slots=True)
class Ask:
    """What an app asks. `max_age` is -1 when the app does not mind how long ago the login was."""

    redirect_uri: str
    scope: str
    state: str
    challenge: str
    nonce: str
    prompt: str
    max_age: int

    def turned(self, code: str, message: str) -> Turned:
        """The refusal to send back."""
        return Turned(code, message, self.redirect_uri, self.state)


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for its user. `launch` is a launch's row, None in a standalone launch.

    `encounter` is None while nobody picked one; an empty one is "none of them".
    """

    id: str
    client: Client
    ask: Ask
    launch: Any
    session: str
    patient: str
    encounter: str | None
    asked: int

    def offer(self, account: Account) -> Offer:
        """What may be granted to this app for this user."""
        return offer(self.ask.scope, self.client, account)


def begin(house: House, params: Mapping[str, str], *, now: int, own: bool = False) -> str:
    """Keep an app's request; gives the secret name by which the browser goes on.

    Nobody but this server (`own`) asks for its viewer. Raises Invalid while it is not sure who asks and where the answer goes, then Turned.
    """
    client = clients.find(house, params.get("client_id", ""))
    if client is None or client.kind == "backend" or own != (client.kind == clients.VIEWER):
        raise Invalid("no app is registered under this client_id", expression="client_id")
    redirect_uri = params.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise Invalid(_astray(client, redirect_uri), expression="redirect_uri")
    ask = _ask(params, redirect_uri)
    _check(house, ask, params, client)
    launch = _launch(house, ask, client, params.get("launch", ""), now)
    name = grants.draw()
    values = {
        "hash": grants.digest(name),
        "client": client.id,
        "body": json.dumps(asdict(ask)),
        "launch": launch,
        "encounter": "?",
        "asked": now,
        "expires": now + LIFETIME,
    }
    house.database.apply(lambda connection: approvals.add_asking(connection, values))
    return name


def _astray(client: Client, redirect_uri: str) -> str:
    """Why nobody is sent to an address: for the page, which shows that address to nobody."""
    asked = "an address that is not registered for it" if redirect_uri else "no address at all"
    return (
        f"the app {client.name} asks for the answer to go to {asked}, so it goes nowhere; whoever "
        "makes the app sends one of its registered redirect_uri, to the letter, or has this one "
        "registered"
    )


def _ask(params: Mapping[str, str], redirect_uri: str) -> Ask:
    age = params.get("max_age", "")
    return Ask(
        redirect_uri=redirect_uri,
        scope=params.get("scope", ""),
        state=params.get("state", ""),
        challenge=params.get("code_challenge", ""),
        nonce=params.get("nonce", ""),
        prompt=params.get("prompt", ""),
        max_age=int(age) if age.isascii() and age.isdecimal() and len(age) < 10 else -1,
    )


def _check(house: House, ask: Ask, params: Mapping[str, str], client: Client) -> None:
    """Refuse what can be seen to be wrong before anybody logs in."""
    if params.get("response_type") != "code":
        raise ask.turned("unsupported_response_type", "response_type must be code")
    if "request" in params or "request_uri" in params:
        raise ask.turned("request_not_supported", "send the parameters themselves")
    if params.get("aud", "").removesuffix("/") != house.config.fhir_base:
        raise ask.turned("invalid_request", f"aud must be {house.config.fhir_base}")
    if params.get("code_challenge_method") != "S256":
        raise ask.turned("invalid_request", "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(ask.challenge):
        raise ask.turned("invalid_request", "code_challenge must be a SHA-256 in base64url")
    if not PROMPTS.issuperset(ask.prompt.split()):
        raise ask.turned("invalid_request", "prompt is none, login, consent or select_account")
    found, words = scopes.split(ask.scope)
    known, more = scopes.split(client.scope)
    if not scopes.intersect(found, known) and not set(words) & set(more):
        raise ask.turned("invalid_scope", "this app may have none of the scopes that it asks for")


def _launch(house: House, ask: Ask, client: Client, value: str, now: int) -> str:
    """The digest of the launch that the request belongs to, empty for a standalone launch."""
    words = ask.scope.split()
    if not value and "launch" not in words:
        return ""
    if not value or "launch" not in words:
        raise ask.turned("invalid_request", "the scope launch and the parameter launch go together")
    hash_ = grants.digest(value)
    with house.database.read() as connection:
        row = approvals.launch_row(connection, hash_, now=now)
    if row is None or row.client != client.id:
        raise ask.turned(
            "invalid_request", "this launch is unknown, used, too old, or another app's"
        )
    return hash_


def find(house: House, name: str, *, now: int) -> Pending:
    """The request that waits under a name. Raises Invalid when there is none any more."""
    hash_ = grants.digest(name)
    with house.database.read() as connection:
        row = approvals.asking_row(connection, hash_, now=now)
        launch = approvals.launch_row(connection, row.launch, now=now) if row else None
    client = clients.find(house, row.client) if row else None
    if row is None or client is None:
        raise Invalid("this request was answered already or is too old: start again from the app")
    ask = Ask(**json.loads(row.body))
    if row.launch and launch is None:
        raise ask.turned("invalid_request", "this launch was used already, or is too old")
    encounter = None if row.encounter == "?" else row.encounter
    return Pending(hash_, client, ask, launch, row.session, row.patient, encounter, row.asked)


def must_login(pending: Pending, session: Session | None, *, now: int) -> bool:
    """Whether the user has to log in first. Raises Turned where the app wants no page for that."""
    ask = pending.ask
    again = session is None
    if session is not None:
        forced = {"login", "select_account"} & set(ask.prompt.split())
        again = bool(forced) and session.authenticated < pending.asked
        if ask.max_age >= 0:
            oldest = pending.asked - ask.max_age * _SECOND
            again = again or session.authenticated < oldest
    if again and "none" in ask.prompt.split():
        raise ask.turned("login_required", "the user must log in, and the app asked for no page")
    return again


def may_show(pending: Pending) -> None:
    """Raise Turned where the user has to be asked, and the app wants no page shown."""
    if "none" in pending.ask.prompt.split():
        raise pending.ask.turned(
            "consent_required", "the user must answer, and the app asked for no page"
        )


def admit(house: House, pending: Pending, session: Session, *, now: int) -> Pending:
    """The request as the user of a session may answer it: what is in context already is picked.

    Raises Turned when this user cannot grant it at all.
    """
    account, offered = session.account, pending.offer(session.account)
    _check_user(pending, account)
    if not offered.words and not offered.scopes:
        raise pending.ask.turned("access_denied", "this user may grant none of what is asked")
    patient, encounter = pending.patient, pending.encounter
    if pending.session != session.id:  # what somebody else picked is not theirs
        patient, encounter = "", None
    if pending.launch is not None:
        patient = pending.launch.patient
        encounter = pending.launch.encounter or encounter
    elif not patient and len(account.patients) == 1:
        patient = account.patients[0]
    if not offered.needs_patient and pending.launch is None:
        patient = ""
    return Pending(
        pending.id,
        pending.client,
        pending.ask,
        pending.launch,
        session.id,
        patient,
        encounter,
        pending.asked,
    )


def _check_user(pending: Pending, account: Account) -> None:
    """Refuse a user of another organisation, or one whom the launch was not made for."""
    refuse = pending.ask.turned
    if account.organisation != pending.client.organisation:
        raise refuse("access_denied", "this app belongs to another organisation")
    launch = pending.launch
    if launch is None:
        return
    if launch.account and launch.account != account.id:
        raise refuse("access_denied", "this launch was made for another user")
    if not account.staff and launch.patient not in account.patients:
        raise refuse("access_denied", "this user does not reach the patient of the launch")


def pick(
    house: House, pending: Pending, session: Session, patient: str, encounter: str | None
) -> None:
    """Keep what the user picked, which was checked."""
    chosen = "?" if encounter is None else encounter
    values = {"session": session.id, "patient": patient, "encounter": chosen}
    house.database.apply(lambda connection: approvals.pick(connection, pending.id, values))


def refused(house: House, refusal: Turned, client: str, owner: int, address: str) -> None:
    """Record what an app was refused."""
    house.auditor.note(
        Event(
            owner,
            "login",
            "refuse",
            outcome="4",
            client=client,
            address=address,
            detail=f"authorize: {refusal.code}: {refusal}",
        )
    )
