"""What belongs to the installation: its key, the organisations, and the ids made with them."""

import base64
import hashlib
import hmac
import re
import secrets
import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, insert, inspect, select, text

from server.store.jobs import insert_for
from server.store.tables import install, organisation

HOME = 1
_AUTHORED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Organisation:
    """The settings of one organisation: a site table's head."""

    id: int
    name: str
    issuer: str
    zone: str
    charset: str
    realm: str


def value(connection: Connection, name: str) -> str | None:
    """A value kept for the installation."""
    return connection.execute(select(install.c.value).where(install.c.name == name)).scalar()


def keep(connection: Connection, name: str, kept: str) -> None:
    """Keep a value for the installation."""
    statement = insert_for(connection.dialect.name, install).values(name=name, value=kept)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"value": kept})
    )


def take(connection: Connection, name: str, kept: str) -> bool:
    """Take a value away; false when it is another by now, or gone. One DELETE decides."""
    mine = install.delete().where(install.c.name == name, install.c.value == kept)
    return connection.execute(mine).rowcount == 1


def prepare(connection: Connection, *, now: int, base: str, **settings: str) -> None:
    """Make the install key, the base and the organisation `home` once; its `settings` (issuer,
    zone, realm) follow the environment.

    The base begins the systems of numbers whose issuer has no URI. It stays what the first start
    made it: a server that moves to another address must not take its patients for other people.
    """
    if value(connection, "key") is None:
        keep(connection, "key", secrets.token_hex(32))
    if value(connection, "base") is None:
        keep(connection, "base", base)
    if connection.execute(select(organisation.c.id).where(organisation.c.id == HOME)).first():
        connection.execute(
            organisation.update().where(organisation.c.id == HOME).values(**settings)
        )
        return
    connection.execute(insert(organisation).values(id=HOME, name="home", created=now, **settings))


def organisations(connection: Connection) -> dict[int, Organisation]:
    """Every organisation by id."""
    names = ("id", "name", "issuer", "zone", "charset", "realm")
    query = select(*(organisation.c[name] for name in names))
    return {row.id: Organisation(*row) for row in connection.execute(query)}


def schema_version(connection: Connection) -> str | None:
    """The migration that the database stands at, None when it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def derived_id(key: str, type_: str, natural: str) -> str:
    """The id of a derived resource: 26 characters that the same natural key always gives."""
    digest = hmac.digest(bytes.fromhex(key), f"{type_}\0{natural}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


def authored_id() -> str:
    """The id of what a person or a feed authored: a random UUID."""
    return str(uuid.uuid4())


def is_authored(id_: str) -> bool:
    """Whether an id is one of those: the ids of what is derived are of another form."""
    return _AUTHORED.fullmatch(id_) is not None
