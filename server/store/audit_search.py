"""Looking things up in the audit: by time, person, door and grant, the newest first."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select, tuple_

from server.store.login_tables import account, approval, session
from server.store.tables import audit, client, token

# Conditions without an index are looked for among so many events at a time.
SCANNED = 20_000
_PLACE = (audit.c.at, audit.c.writer, audit.c.seq)
# Rows that only count what another row has told of.
_COUNTS = ("close", "egress")
Place = tuple[int, str, int]


def newest(
    connection: Connection,
    organisation: int,
    where: Sequence[Any],
    span: tuple[int, int],
    before: Place | None,
    limit: int,
) -> tuple[Sequence[Any], Place | None]:
    """Events of a span, and where to go on if there may be more.

    Beyond the person and the time, `where` is looked for among so many events at a time: then there
    may be fewer than asked for, and still a place to go on from.
    """
    query = select(audit).where(audit.c.organisation == organisation, audit.c.at >= span[0])
    query = query.where(audit.c.at < span[1]) if span[1] else query
    query = query.where(tuple_(*_PLACE) < tuple_(*before)) if before else query
    query = query.order_by(*(one.desc() for one in _PLACE))
    if not where:
        told = query.where(audit.c.action.not_in(_COUNTS)).limit(limit + 1)
        return _cut(connection.execute(told).fetchall(), limit)
    query = query.limit(SCANNED)
    looked = query.subquery()
    fitting = [one(looked.c) for one in where]
    found = select(looked).where(looked.c.action.not_in(_COUNTS), *fitting)
    found = found.order_by(looked.c.at.desc(), looked.c.writer.desc(), looked.c.seq.desc())
    rows = connection.execute(found.limit(limit + 1)).fetchall()
    if len(rows) > limit:
        return _cut(rows, limit)
    last = connection.execute(query.offset(SCANNED - 1).limit(1)).first()
    return rows, _place(last) if last is not None else None


def of_person(
    connection: Connection,
    organisation: int,
    person: str,
    where: Sequence[Any],
    span: tuple[int, int],
    before: Place | None,
    limit: int,
) -> tuple[Sequence[Any], Place | None]:
    """The same of one person, by the index of persons."""
    query = select(audit).where(
        audit.c.organisation == organisation,
        audit.c.person == person,
        audit.c.at >= span[0],
        audit.c.action.not_in(_COUNTS),
        *(one(audit.c) for one in where),
    )
    query = query.where(audit.c.at < span[1]) if span[1] else query
    query = query.where(tuple_(*_PLACE) < tuple_(*before)) if before else query
    rows = connection.execute(
        query.order_by(*(one.desc() for one in _PLACE)).limit(limit + 1)
    ).fetchall()
    return _cut(rows, limit)


def _cut(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], Place | None]:
    """A page of rows, and where the next one begins if there is one more row."""
    return rows[:limit], _place(rows[limit - 1]) if len(rows) > limit else None


def _place(row: Any) -> Place:
    return row.at, row.writer, row.seq


def logins(
    connection: Connection, organisation: int, grants: Collection[str], span: tuple[int, int]
) -> dict[str, str]:
    """What the audit says of how these grants came about, as far as it was in a span."""
    looked = (
        select(audit.c.grant, audit.c.detail, audit.c.action)
        .where(audit.c.organisation == organisation, audit.c.at >= span[0], audit.c.at <= span[1])
        .order_by(audit.c.at.desc())
        .limit(SCANNED)
        .subquery()
    )
    query = select(looked.c.grant, looked.c.detail).where(
        looked.c.action == "login", looked.c.grant.in_(list(grants))
    )
    return {row.grant: row.detail for row in connection.execute(query)}


def grants_of(
    connection: Connection, organisation: int, account_id: str, span: tuple[int, int]
) -> list[str]:
    """The grants that somebody got by logging in within a span, the latest ones first."""
    query = select(audit.c.grant, audit.c.action, audit.c.detail).where(
        audit.c.organisation == organisation, audit.c.at >= span[0]
    )
    query = query.where(audit.c.at < span[1]) if span[1] else query
    looked = query.order_by(audit.c.at.desc()).limit(SCANNED).subquery()
    mine = or_(
        *(looked.c.detail.startswith(f"{what} of {account_id}") for what in ("token", "login"))
    )
    found = select(looked.c.grant).where(looked.c.action == "login", mine).distinct()
    return list(connection.execute(found).scalars())


def account_of(connection: Connection, grant: str) -> str:
    """The account whose session or token a grant is, "" when neither is kept any more."""
    end = grant + "g"
    by_session = select(session.c.account).where(session.c.hash >= grant, session.c.hash < end)
    by_token = (
        select(approval.c.account)
        .join(token, token.c.approval == approval.c.id)
        .where(token.c.hash >= grant, token.c.hash < end)
    )
    for query in (by_session, by_token):
        found = connection.execute(query.limit(1)).scalar()
        if found:
            return str(found)
    return ""


def people(connection: Connection, organisation: int, ids: Collection[str]) -> dict[str, str]:
    """The names of accounts, retired ones too."""
    query = select(account.c.id, account.c.name).where(
        account.c.organisation == organisation, account.c.id.in_(list(ids))
    )
    return {row.id: row.name for row in connection.execute(query)}


def account_named(connection: Connection, organisation: int, name: str) -> str:
    """The id of the account with a name, "" if there is none."""
    query = select(account.c.id).where(
        account.c.organisation == organisation, account.c.name == name
    )
    return connection.execute(query).scalar() or ""


def apps(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """The names of clients, retired ones too."""
    query = select(client.c.id, client.c.name).where(client.c.id.in_(list(ids)))
    return {row.id: row.name for row in connection.execute(query)}
