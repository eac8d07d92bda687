"""Writing FHIR resources: create, update, patch, delete, each in one transaction with its audit.

What a request asks of the present state (If-Match, If-None-Exist, a search that names what is
meant) is looked at within that transaction, so that of two who write at once one comes second.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import authored, json_patch, wire
from fhir import query as q
from fhir.errors import BadPatch
from server import clock
from server.errors import (
    BadMethod,
    Busy,
    Conflict,
    Denied,
    Gone,
    Invalid,
    Missing,
    Stale,
    Unprocessable,
)
from server.flows import (
    access,
    authorship,
    joining,
    papers,
    provenances,
    release,
    searching,
)
from server.flows.access import Grant
from server.flows.audit import Event
from server.flows.authorship import Json, Judge
from server.flows.patients import Site
from server.flows.resources import Version
from server.flows.sites import House
from server.store import links, resources
from server.store.install import authored_id, is_authored
from server.store.messages import Effect
from server.store.resources import Change, Owner

_TRIES = 8
CREATED, CHANGED, FOUND = "created", "changed", "found"
_SEVERAL = "several resources match: say more closely which is meant"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of the present version: its number (If-Match), or that there is none."""

    version: int | None = None
    absent: bool = False

    def check(self, row: Any) -> None:
        """Raise Stale unless it is."""
        if self.absent:
            raise Stale("there is such a resource already (If-None-Match)")
        if self.version is not None and self.version != row.version:
            raise Stale(f"the present version is {row.version} (If-Match)")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: the present version, and whether it was created, changed or found."""

    version: Version
    what: str


@dataclass(frozen=True, slots=True)
class Author:
    """One caller who writes, in one transaction."""

    house: House
    connection: Connection
    site: Site
    grant: Grant
    now: int

    @property
    def _base(self) -> str:
        return self.house.config.fhir_base

    @property
    def _judge(self) -> Judge:
        return Judge(self.connection, self.grant, self._base)

    def create(self, body: Json, unless: q.Query | None = None) -> Written:
        """Create a resource under an id of ours; with `unless`, only if nothing matches it."""
        found = self.matching(unless) if unless is not None else None
        if found is not None:
            return Written(self._version(found), FOUND)
        judge, kind = self._judge, body["resourceType"]
        patient = judge.patient(body)
        judge.references(body, patient)
        self._check_unique(body)
        made = {"resourceType": kind, "id": authored_id(), **authored.plain(body)}
        return self._put(made, patient, "c", "create")

    def update(self, id_: str, body: Json, condition: Condition) -> Written:
        """Put a body in the place of the present version, unless it says the same."""
        kind = body["resourceType"]
        row = present(self.connection, self.grant, kind, id_, "u", condition)
        changed = authored.changed(wire.read(row.text), body)
        if not changed:
            self._tell(row, [], "update")
            return Written(self._version(row), CHANGED)
        if authorship.is_derived(self.connection, self.grant.organisation, row):
            raise _derived(changed)
        judge = self._judge
        if not judge.is_of(body, row.filed_under):
            where = f"{kind}.subject"
            raise Unprocessable("a resource stays with its patient", expression=where)
        judge.references(body, row.filed_under)
        return self._put(authored.plain(body) | {"id": id_}, row.filed_under, "u", "update", row)

    def delete(self, kind: str, id_: str, condition: Condition) -> bool:
        """Delete a resource; false when there is none (any more)."""
        try:
            row = present(self.connection, self.grant, kind, id_, "d", condition)
        except (Gone, Missing):
            return False
        organisation = self.grant.organisation
        if not authorship.is_deletable(self.connection, organisation, row):
            raise BadMethod("this was made from what arrived: it is not deleted by clients")
        if resources.is_referred_to(self.connection, organisation, kind, id_):
            raise Conflict("other resources refer to this one: change or delete them first")
        owner = Owner(organisation, row.filed_under, row.hidden)
        change = self._change("deleted")
        touched = self._keep_keys(kind, id_, set())
        resources.withdraw(self.connection, owner, wire.read(row.text), change)
        effects = [Effect(kind, id_, row.version + 1, change.reason)]
        self._tell(row, [*effects, *self._join(touched, kind, set())], "delete")
        return True

    def matching(self, query: q.Query) -> Any:
        """The one resource that matches, None if none does. Raises Stale if several do."""
        rows = searching.matching(self.connection, self.grant, query)
        if len(rows) > 1:
            raise Stale(_SEVERAL, issue="multiple-matches")
        return next(iter(rows), None)

    def _check_unique(self, body: Json) -> None:
        """Raise Conflict for a person or organisation that is here already, by system and value."""
        kind = body["resourceType"]
        if kind in authorship.OF_PATIENTS:
            return
        for one in body.get("identifier", []):
            number = one.get("system", ""), one.get("value", "")
            where = (self.connection, self.grant.organisation, kind)
            if all(number) and resources.has_identifier(*where, *number):
                message = f"there is a {kind} of this number already: find it, or If-None-Exist"
                raise Conflict(message, expression=f"{kind}.identifier")

    def _change(self, why: str) -> Change:
        return Change(self.now, f"{why} over FHIR", self._base)

    def _put(self, body: Json, patient: str, letter: str, action: str, row: Any = None) -> Written:
        """Store a body with all that follows from it."""
        kind, id_, organisation = body["resourceType"], body["id"], self.grant.organisation
        keys = authorship.keys_of(body)
        touched = self._keep_keys(kind, id_, keys)
        if row is not None:
            body = joining.completed(self.connection, organisation, body, self._base)
        self._withdraw(body, row)
        owner = Owner(organisation, patient, self._is_held(body, row))
        change = self._change(f"{action}d")
        version = resources.put(self.connection, owner, body, change)
        effects = []
        if row is None or version != row.version:
            effects = [Effect(kind, id_, version, change.reason), *self._join(touched, kind, keys)]
        now = resources.current(self.connection, organisation, kind, id_)
        access.reaches(self.connection, self.grant, now, letter)
        self._tell(now, effects, action)
        return Written(self._version(now), CHANGED if row is not None else CREATED)

    def _is_held(self, body: Json, row: Any) -> bool:
        """Whether a resource is held back from patients. Raises Denied for a caller who is, too."""
        held = release.is_held(body)
        if row is not None and row.hidden:
            held |= not release.is_held(wire.read(row.text))
        if held and not self.grant.sees_held:
            raise Denied("this token does not reach what is held back from patients")
        return held

    def _withdraw(self, body: Json, row: Any) -> None:
        """What is entered in error is taken from patients in all its versions."""
        if row is not None and body.get("status") == release.WITHDRAWN:
            resources.hide_versions(self.connection, row.organisation, row.type, row.id)

    def _keep_keys(self, kind: str, id_: str, keys: set[links.Key]) -> list[tuple[str, str]]:
        """Keep the numbers that a resource is found by; those that its author took back go.

        Gives what is to be joined anew: whatever hung together with it before, and the resource.
        """
        where = (self.connection, self.grant.organisation, kind, id_)
        before = links.of(*where)
        known = joining.around(self.connection, self.grant.organisation, [(kind, id_)])
        if is_authored(id_):
            links.forget(*where)
        links.keep(*where, keys)
        return [*((one.type, one.id) for one in known), (kind, id_)] if keys | before else []

    def _join(
        self, touched: list[tuple[str, str]], kind: str, keys: set[links.Key]
    ) -> list[Effect]:
        """Join what was written with what has the same numbers."""
        papers.rouse(self.connection, self.grant.organisation, kind, keys, self.now)
        return joining.join(self.connection, self.site, touched, self._change("joined"))

    def _version(self, row: Any) -> Version:
        text = release.shown(self.grant, row.type, row.text)
        return Version(row.type, row.id, row.version, row.updated, text)

    def _tell(self, row: Any, effects: list[Effect], action: str) -> None:
        """Audit a write, and say in a Provenance who changed what."""
        grant = self.grant
        self.house.auditor.append(
            self.connection,
            Event(
                organisation=grant.organisation,
                door="fhir",
                action=action,
                grant=grant.id,
                client=grant.client,
                patient=row.filed_under,
                purpose=grant.purpose,
                address=grant.address,
                detail=f"{row.type}/{row.id}",
            ),
        )
        change = self._change(action)
        for patient, told in self._by_patient(effects).items():
            where = (self.connection, self.site, patient)
            provenances.of_server(*where, told, change, grant.client, grant.person)

    def _by_patient(self, effects: list[Effect]) -> dict[str, list[Effect]]:
        found: dict[str, list[Effect]] = {}
        for one in effects:
            row = resources.current(self.connection, self.grant.organisation, one.type, one.id)
            found.setdefault(row.filed_under, []).append(one)
        return found


def _derived(changed: list[str]) -> Unprocessable:
    """The refusal that names every element that was to be changed."""
    message = "this was made from what arrived: it changes when that does"
    try:
        authorship.refuse([authorship.wrong(message, one) for one in changed])
    except Unprocessable as error:
        return error
    raise ValueError("nothing was to be changed")


@contextmanager
def writing(house: House, grant: Grant) -> Iterator[Author]:
    """A caller's transaction."""
    with house.database.write() as connection:
        now = clock.now()
        yield Author(house, connection, house.site(connection, grant.organisation, now), grant, now)


def create(house: House, grant: Grant, body: Json, unless: q.Query | None = None) -> Written:
    """Create a resource, unless a search finds it already (R4 3.1.0.8, If-None-Exist)."""
    access.may_write(grant, authorship.written(body["resourceType"]), "c")
    authorship.check(authored.plain(body))
    with writing(house, grant) as author:
        return author.create(body, unless)


def update(house: House, grant: Grant, id_: str, body: Json, condition: Condition) -> Written:
    """Put a body in the place of a resource (R4 3.1.0.4); ids are made here alone."""
    access.may_write(grant, authorship.written(body["resourceType"]), "u")
    authorship.check(body)
    with writing(house, grant) as author:
        try:
            return author.update(id_, body, condition)
        except Missing as error:
            raise BadMethod("nothing has this id, and ids are made here: POST it") from error


def update_matching(house: House, grant: Grant, body: Json, query: q.Query) -> Written:
    """Update what a search finds, or create it (R4 3.1.0.4.3)."""
    access.may_write(grant, authorship.written(body["resourceType"]), "u")
    authorship.check(body if "id" in body else authored.plain(body))
    with writing(house, grant) as author:
        row = author.matching(query)
        if row is not None:
            if body.get("id", row.id) != row.id:
                raise Invalid("the body has another id than what was found", expression="id")
            return author.update(row.id, body, Condition())
        if "id" in body:
            raise BadMethod("nothing matches, and ids are made here: leave it out")
        access.may_write(grant, body["resourceType"], "c")
        return author.create(body)


def patch(
    house: House, grant: Grant, kind: str, id_: str, operations: Any, condition: Condition
) -> Written:
    """Change a resource by a JSON Patch (R4 3.1.0.5).

    The outcome is judged before the transaction; when another writer was quicker, once more.
    """
    access.may_write(grant, authorship.written(kind), "u")
    for _ in range(_TRIES):
        with house.database.read() as connection:
            row = present(connection, grant, kind, id_, "u", condition)
        body = _patched(wire.read(row.text), operations)
        if (body.get("resourceType"), body.get("id")) != (kind, id_):
            raise Unprocessable("a patch changes neither type nor id", expression=f"{kind}.id")
        authorship.check(body)
        with suppress(Stale), writing(house, grant) as author:
            return author.update(id_, body, Condition(row.version))
    raise Busy("others change this resource all the time: try again")


def _patched(body: Json, operations: Any) -> Json:
    """The body after a patch. One that is well-formed and does not fit breaks a rule."""
    try:
        return json_patch.apply(body, operations)
    except BadPatch as error:
        if error.code == "processing":
            raise Unprocessable(str(error), expression=error.expression) from error
        raise


def delete(house: House, grant: Grant, kind: str, id_: str, condition: Condition) -> None:
    """Delete a resource; one that is not there is as good as deleted (R4 3.1.0.7)."""
    access.may_write(grant, authorship.written(kind), "d")
    with writing(house, grant) as author:
        author.delete(kind, id_, condition)


def delete_matching(house: House, grant: Grant, kind: str, query: q.Query) -> None:
    """Delete the one resource that a search finds, if there is one (R4 3.1.0.7.1)."""
    access.may_write(grant, authorship.written(kind), "d")
    with writing(house, grant) as author:
        row = author.matching(query)
        if row is not None:
            author.delete(kind, row.id, Condition())


def present(
    connection: Connection, grant: Grant, kind: str, id_: str, letter: str, condition: Condition
) -> Any:
    """The present version behind the gate. Raises Missing, Gone, Denied, Stale."""
    row = resources.current(connection, grant.organisation, kind, id_)
    if row is None:
        raise Missing("there is no such resource here")
    access.reaches(connection, grant, row, letter)
    if row.deleted:
        raise Gone("this resource was deleted: create another one")
    condition.check(row)
    return row
