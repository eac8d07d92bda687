"""The second step of signing in: codes of an app on a phone, and recovery codes on paper.

Whoever knew the password is half signed in for ten minutes: a secret in the browser's cookie, a row
here. It opens nothing but the page that asks for a code, or that sets codes up. The secret that the
app shares is kept encrypted (AES-GCM), tied to its account, with a key of its own in the table
`install`; a code's time step is accepted once, by one conditional UPDATE.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from server.errors import Conflict, Fault, Unauthenticated
from server.flows import accounts, parties, totp
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.sites import House
from server.store import accounts as rows
from server.store.install import keep, value

REQUIRED = ("operator", "privacy")
HALFWAY = 10 * 60 * 1_000_000
WRONG = "this code does not fit, or was used already"
_KEY = "second-factor-key"
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Half:
    """Somebody whose password was right, and who has to go one step further."""

    id: str
    account: Account


def next_step(house: House, account: Account) -> str:
    """What somebody whose password was right has to do yet: `code`, `enrol`, or nothing."""
    if account.second_factor:
        return "code"
    required = account.role in REQUIRED and house.config.needs_second_factor
    return "enrol" if required else ""


def halfway(house: House, account: Account, *, now: int) -> str:
    """Keep that a password was right; gives the secret of the browser that said it."""
    secret = draw()
    values = {"hash": digest(secret), "account": account.id, "expires": now + HALFWAY}
    house.database.apply(lambda connection: rows.add_half(connection, values))
    return secret


def half(house: House, secret: str, *, now: int) -> Half | None:
    """Who is half signed in in a browser, if anybody is."""
    hash_ = digest(secret)
    with house.database.read() as connection:
        row = rows.half_row(connection, hash_, now=now)
    return Half(hash_, accounts.of_row(row)) if row is not None else None


def finish(house: House, who: Half, *, now: int) -> None:
    """End the half way, once. Raises Unauthenticated for the second of two."""
    if not house.database.apply(lambda connection: rows.end_half(connection, who.id, now=now)):
        raise Unauthenticated(WRONG)


def prove(house: House, account: Account, said: str, *, address: str, now: int) -> None:
    """Take a code of the app, or a recovery code, for one sign-in.

    It is counted like a password, with the same lock-out and one sentence for every refusal. Raises
    Unauthenticated, and Busy where too many wrong answers came lately.
    """
    tries = accounts.count(house, account.name, address=address, now=now)
    plain = totp.plain(said)
    with house.database.read() as connection:
        row = rows.by_id(connection, account.id)
        secret = _opened(connection, row.totp, account.id) if row is not None else b""
    last = row.totp_step if row is not None else 0
    step = totp.fitting(secret, plain, last=last, now=now) if secret else 0

    def work(connection: Connection) -> bool:
        if step:
            return rows.accept_step(connection, account.id, step)
        if not rows.spend_recovery(connection, account.id, digest(plain), now=now):
            return False
        detail = f"{account.id} spends a recovery code"
        house.auditor.append(connection, _event(account, detail, address))
        return True

    if tries > accounts.TRIES or not house.database.apply(work):
        accounts.refuse(house, row, tries, address, now=now, what="code")


def candidate(house: House, account: Account, browser: str) -> bytes:
    """The secret that a browser is offered before it is confirmed: always the same, and kept nowhere.

    `browser` is the id of its session, or of its half way.
    """
    words = f"candidate|{account.id}|{browser}|{account.second_factor}"
    return hmac.digest(_key(house), words.encode(), hashlib.sha256)[: totp.SECRET_BYTES]


def address(house: House, account: Account, secret: bytes) -> str:
    """The address of a secret, for the picture that a phone scans."""
    host = urlsplit(house.config.base).hostname or ""
    return totp.uri(secret, account.name, f"Triptych {host}")


def enrol(
    house: House, account: Account, browser: str, said: str, *, address: str, now: int
) -> list[str]:
    """Set the second step up with a code of the offered secret; gives the recovery codes, once.

    Raises Unauthenticated for a wrong code, Conflict when another was set up in the meantime.
    """
    secret = candidate(house, account, browser)
    step = totp.fitting(secret, totp.plain(said), last=0, now=now)
    if not step:
        raise Unauthenticated(WRONG)
    codes = [totp.draw_recovery() for _ in range(totp.RECOVERY_CODES)]
    values = {"totp": _sealed(house, secret, account.id), "totp_since": now, "totp_step": step}
    event = _event(account, f"{account.id} sets a second factor up", address)

    def work(connection: Connection) -> bool:
        if not rows.enrol(connection, account.id, values, before=account.second_factor):
            return False
        kept = [digest(totp.plain(one)) for one in codes]
        rows.replace_recovery(connection, account.id, kept)
        house.auditor.append(connection, event)
        return True

    if not house.database.apply(work):
        raise Conflict("a second factor was set up in the meantime")
    return codes


def _event(account: Account, detail: str, address: str) -> Event:
    return Event(account.organisation, "login", "update", address=address, detail=detail)


def left(house: House, account: Account) -> int:
    """How many recovery codes somebody has."""
    with house.database.read() as connection:
        return rows.recovery_left(connection, account.id)


def reset(house: House, name: str, *, now: int) -> Account:
    """Take somebody's second factor away, who has lost it; their sessions end. Raises Missing."""
    with house.database.write() as connection:
        row = accounts.known(connection, name)
        rows.enrol(connection, row.id, _NONE, before=row.totp_since)
        rows.replace_recovery(connection, row.id, [])
        accounts.sign_out(connection, row.id, now=now)
        parties.record(house, connection, row.organisation, f"user totp: {row.id}")
    return accounts.of_row(row)


_NONE = {"totp": "", "totp_since": 0, "totp_step": 0}


def _key(house: House) -> bytes:
    """The key of all secrets, made when it is first needed."""
    with house.database.read() as connection:
        kept = value(connection, _KEY)
    if kept:
        return bytes.fromhex(kept)
    with house.database.write() as connection:
        kept = value(connection, _KEY) or secrets.token_hex(32)
        keep(connection, _KEY, kept)
    return bytes.fromhex(kept)


def _sealed(house: House, secret: bytes, account: str) -> str:
    """A secret as it is kept: only with the key, and for this account alone, it opens again."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(_key(house)).encrypt(nonce, secret, account.encode())
    return base64.b64encode(nonce + sealed).decode()


def _opened(connection: Connection, kept: str, account: str) -> bytes:
    """The secret that is kept; nothing where none is, or it is not this account's."""
    key = value(connection, _KEY)
    if not kept or not key:
        return b""
    raw = base64.b64decode(kept)
    try:
        return AESGCM(bytes.fromhex(key)).decrypt(raw[:_NONCE], raw[_NONCE:], account.encode())
    except InvalidTag as bad:
        raise Fault(f"the second factor of {account} cannot be read: reset it") from bad
