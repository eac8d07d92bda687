"""The only gate. Every door turns its caller into a Grant and asks here; nothing is allowed unless
a line below allows it.

A grant admits by `filed_under`, the Patient that a row came in under, so that neither a later link
nor a merge widens it. Lists are limited in SQL, before they are counted or cut into pages. Another
patient's row is 403 when it is asked for by name, silence in a list; what a grant may not even know
of (another organisation, a held study) is 404.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, and_, exists, false, not_, select, true
from sqlalchemy.sql.elements import ColumnElement

from fhir.scopes import Scope, matching
from server.clock import moment
from server.errors import Denied, Missing
from server.flows import questions
from server.store import released, releases, veil
from server.store.fhir_tables import index_reference, index_shown, resource, resource_version
from server.store.released import NOBODY, Asker
from server.store.shapes import Slots
from server.store.tables import study

S = TypeVar("S", bound=Select[Any])

# Types that belong to a patient. All others are shared by the organisation, and a patient reads
# only those that one of the patient's own resources refers to.
COMPARTMENT = frozenset(
    {"Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport", "Observation"}
    | {"DocumentReference", "Encounter", "Provenance", "Binary", "RelatedPerson"}
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may reach, fixed when the grant was made.

    `everyone` means all patients of the organisation; otherwise `patients` holds their ids.
    `studies`, when not None, narrows to these study UIDs. `context` is the scope word that
    applies: patient, user or system; a DICOM peer's grant has context peer and no scopes.

    A user's grant may have scopes of both contexts: `wide` says that in the context `user` it
    reaches everyone. `staff` see what is held back from patients. `person` is the resource that
    stands for the user, which the grant may read whatever its scopes. `asker` is who asks, in the
    words of the release table, and when: where nobody said when, every hold stands.

    `account` and `role` are those of somebody who is signed in in the browser itself; a token has
    neither.
    """

    id: str
    organisation: int
    client: str
    context: str
    scopes: tuple[Scope, ...] = ()
    patients: frozenset[str] = frozenset()
    everyone: bool = False
    studies: frozenset[str] | None = None
    purpose: str = "TREAT"
    address: str = ""
    wide: bool = False
    staff: bool = False
    person: str = ""
    role: str = ""
    account: str = ""
    asker: Asker = NOBODY

    @property
    def sees_held(self) -> bool:
        """Whether it sees what is held back from patients."""
        return self.everyone or self.staff


def asking(actor: str, now: int) -> Asker:
    """Who asks, as the release table knows them, and when."""
    return Asker(actor, now, int(moment(now).strftime("%Y%m%d")))


def shape(grant: Grant, slots: Slots) -> Grant:
    """What the conditions below are made of, with slots for the patients and studies it names, and
    for the time.

    Grants of one shape get the same conditions, but for what fills the slots.
    """
    named = None if grant.studies is None else frozenset(slots.texts(sorted(grant.studies)))
    asker = NOBODY if grant.sees_held else _timeless(grant.asker, slots)
    return Grant(
        id="",
        organisation=grant.organisation,
        client="",
        context=grant.context,
        scopes=grant.scopes,
        patients=frozenset(slots.texts(sorted(grant.patients))),
        everyone=grant.everyone,
        studies=named,
        staff=grant.staff,
        asker=asker,
    )


def _timeless(asker: Asker, slots: Slots) -> Asker:
    return Asker(asker.actor, slots.number(asker.now), slots.number(asker.today))


def facing(grant: Grant, resource_type: str, letter: str) -> Grant:
    """The grant in the one context in which it may do this; user, where both would do.

    The scopes of a context never borrow the reach of another.
    """
    if grant.context in ("patient", "user"):
        for context in ("user", "patient"):
            everyone = grant.wide and context == "user"
            faced = replace(grant, context=context, everyone=everyone)
            if has_scope(faced, resource_type, letter):
                return faced
    return grant


def has_scope(grant: Grant, resource_type: str, letter: str) -> bool:
    """Whether a scope of the grant allows the interaction (c r u d s) on the type, or a part of it."""
    return bool(matching(grant.scopes, grant.context, resource_type, letter))


def _parts(grant: Grant, resource_type: str, letter: str) -> tuple[Scope, ...]:
    """The scopes with a question that allow only parts of a type; none when all of it is allowed."""
    scopes = matching(grant.scopes, grant.context, resource_type, letter)
    return scopes if all(scope.query for scope in scopes) else ()


def may(grant: Grant, resource_type: str, letter: str) -> None:
    """Raise Denied unless a scope of the grant allows the interaction."""
    if not has_scope(grant, resource_type, letter):
        raise Denied(f"this token has no scope for {resource_type}.{letter}")


def in_role(grant: Grant, *roles: str) -> None:
    """Raise Denied unless the grant is that of somebody signed in who has one of these roles."""
    if grant.role not in roles or not grant.role:
        raise Denied(f"this is for the role {' or '.join(roles)}")


def includable(grant: Grant, types: Iterable[str]) -> list[str]:
    """The types that an include may add for this grant: those that it may read.

    An Endpoint comes with the ImagingStudy that names it: SMART Imaging Access lets an app with
    no other scope than ImagingStudy.rs ask for both at once.
    """
    studies = has_scope(grant, "ImagingStudy", "r")
    return [one for one in types if has_scope(grant, one, "r") or (one == "Endpoint" and studies)]


def admits_patient(grant: Grant, patient: str) -> bool:
    """Whether the grant holds a Patient."""
    return grant.everyone or patient in grant.patients


def named(grant: Grant, patients: Iterable[str]) -> None:
    """Raise Denied, before any look-up, for a patient named in a request and not in the grant."""
    if not all(admits_patient(grant, patient) for patient in patients):
        raise Denied("this token does not reach the patient that the request names")


def check(grant: Grant, *, organisation: int, filed_under: str, hidden: bool, study: str) -> None:
    """Raise Missing or Denied unless the grant reaches one owned row, which is of a study."""
    _check_owner(grant, organisation, filed_under, hidden)
    if grant.studies is not None and study not in grant.studies:
        raise Denied("the token does not reach this study")


def _check_owner(grant: Grant, organisation: int, filed_under: str, hidden: bool) -> None:
    if organisation != grant.organisation or (hidden and not grant.sees_held):
        raise Missing("there is no such resource here")
    if not admits_patient(grant, filed_under):
        raise Denied("this belongs to a patient that the token does not reach")


def _owned(grant: Grant, table: Any, hidden: Any) -> ColumnElement[bool]:
    """The rows of an owned table that the grant reaches."""
    mine: ColumnElement[bool] = table.c.organisation == grant.organisation
    if grant.everyone:
        return mine
    if not grant.patients:
        return false()
    reached: ColumnElement[bool] = table.c.filed_under.in_(sorted(grant.patients))
    return and_(mine, reached, true() if grant.staff else hidden == false())


def studies(grant: Grant) -> ColumnElement[bool]:
    """The condition on `study` rows."""
    narrowed = true() if grant.studies is None else study.c.uid.in_(sorted(grant.studies))
    shown = true() if grant.sees_held else not_(released.pictures_held(study, grant.asker))
    return and_(_owned(grant, study, study.c.held), narrowed, shown)


def resources(
    grant: Grant, resource_type: str, table: Any = resource, letter: str = "s"
) -> ColumnElement[bool]:
    """The condition on `resource` rows (or an alias) of one type, for reading or for searching."""
    if resource_type in COMPARTMENT:
        owned = _owned(grant, table, table.c.hidden) & _released(grant, resource_type, table)
        reached: ColumnElement[bool] = owned & _narrowed(grant, resource_type, table)
    else:
        reached = table.c.organisation == grant.organisation
        if not grant.everyone:
            reached = and_(reached, _referred(grant, resource_type, table))
    parts = _parts(grant, resource_type, letter)
    return and_(reached, questions.met(grant.organisation, parts, table)) if parts else reached


def _released(grant: Grant, resource_type: str, table: Any) -> ColumnElement[bool]:
    """The rows of a type that the release table of the organisation lets the grant see by now."""
    if grant.sees_held:
        return true()
    return not_(released.held(table, resource_type, grant.asker))


def _narrowed(grant: Grant, resource_type: str, table: Any) -> ColumnElement[bool]:
    """The part of a grant for single studies: they, the reports that show them, and the documents
    of those reports. Nothing else of the patient exists for it, but the Patient.
    """
    if grant.studies is None or resource_type == "Patient":
        return true()
    if resource_type == "ImagingStudy":
        return and_(table.c.id.in_(_study_ids(grant)))
    if resource_type == "DiagnosticReport":
        return and_(table.c.rid.in_(_showing(grant)))
    if resource_type == "Binary":
        return and_(table.c.id.in_(_documents(grant)))
    return false()


def _study_ids(grant: Grant) -> Select[Any]:
    """The ids of the studies that a grant is narrowed to."""
    return select(study.c.id).where(
        study.c.organisation == grant.organisation, study.c.uid.in_(sorted(grant.studies or ()))
    )


def _showing(grant: Grant) -> Select[Any]:
    """The rows of reports that show one of these studies."""
    shown = index_shown.alias()
    return select(shown.c.rid).where(
        shown.c.organisation == grant.organisation,
        shown.c.target_type == "ImagingStudy",
        shown.c.target.in_(_study_ids(grant)),
    )


def _documents(grant: Grant) -> Select[Any]:
    """The ids of the documents of reports that the grant reaches."""
    report, shown = resource.alias(), index_shown.alias()
    reports = select(report.c.rid).where(
        report.c.type == "DiagnosticReport",
        report.c.deleted == false(),
        _owned(grant, report, report.c.hidden),
        _released(grant, "DiagnosticReport", report),
        report.c.rid.in_(_showing(grant)),
    )
    return select(shown.c.target).where(
        shown.c.organisation == grant.organisation,
        shown.c.target_type == "Binary",
        shown.c.rid.in_(reports),
    )


def _referred(grant: Grant, resource_type: str, table: Any) -> ColumnElement[bool]:
    """Rows that one of the patient's own resources refers to, of those that the grant may read.

    It stands at the top of the statement, once: conditions lie in each other as deep as a search
    asks, and SQLite's parser has a limit.
    """
    own, link = resource.alias(), index_reference.alias()
    owned = select(own.c.rid).where(own.c.deleted == false(), _owned(grant, own, own.c.hidden))
    if not grant.sees_held:
        owned = owned.where(not_(released.any_held(own, grant.asker)))
    readable = [one for one in COMPARTMENT if has_scope(grant, one, "r")]
    whole = [one for one in readable if not _parts(grant, one, "r")]
    if grant.context != "peer" and len(whole) < len(COMPARTMENT):
        owned = owned.where(own.c.type.in_(sorted(whole)))
    named = select(link.c.target).where(
        link.c.organisation == grant.organisation,
        link.c.target_type == resource_type,
        link.c.rid.in_(select(owned.cte().c.rid)),
        true() if grant.sees_held else veil.told(link),
    )
    return and_(table.c.id.in_(select(named.cte().c.target)))


def versions(grant: Grant, resource_type: str) -> ColumnElement[bool]:
    """The condition on `resource_version` rows: a version is of the patient it was filed under,
    and what was not for the patient then is not now.

    Of a type that the grant may read in part only the current version can be judged.
    """
    current: ColumnElement[bool] = true()
    if _parts(grant, resource_type, "r"):
        current = exists(
            select(resource.c.rid).where(
                resource.c.organisation == resource_version.c.organisation,
                resource.c.type == resource_version.c.type,
                resource.c.id == resource_version.c.id,
                resource.c.version == resource_version.c.version,
            )
        )
    if grant.everyone or resource_type not in COMPARTMENT:
        return current
    shown = true() if grant.staff else resource_version.c.hidden == false()
    return and_(resource_version.c.filed_under.in_(sorted(grant.patients)), shown, current)


def limit(statement: S, grant: Grant, resource_type: str) -> S:
    """Narrow a statement over `resource` to what the grant reaches."""
    return statement.where(resources(grant, resource_type))


def is_person(grant: Grant, resource_type: str, id_: str) -> bool:
    """Whether this is the resource that stands for the grant's user (OpenID claim fhirUser)."""
    return bool(grant.person) and grant.person == f"{resource_type}/{id_}"


def may_write(grant: Grant, resource_type: str, letter: str) -> None:
    """Raise Denied unless the grant may create, update or delete (c u d) resources of a type.

    A patient's own token writes nothing, nor does one for single studies.
    """
    may(grant, resource_type, letter)
    staff = grant.context == "system" or (grant.context == "user" and grant.staff)
    if not staff or grant.studies is not None:
        raise Denied(f"{resource_type} is written with a system/ scope, or a user/ scope of staff")


def shows_pictures(connection: Connection, grant: Grant, claim: Any) -> None:
    """Raise Missing for a row of `study` whose pictures are held for who asks."""
    if not grant.sees_held and releases.are_pictures_held(connection, claim, grant.asker):
        raise Missing("there is no such study here")


def reaches(connection: Connection, grant: Grant, row: Any, letter: str = "r") -> None:
    """Raise Missing or Denied unless the grant reaches a `resource` row, to read or write it."""
    mine = row.organisation == grant.organisation
    if letter == "r" and mine and is_person(grant, row.type, row.id):
        return
    if row.type in COMPARTMENT:
        waits = not grant.sees_held and releases.is_held(connection, row, grant.asker)
        held = row.hidden or waits
        _check_owner(grant, row.organisation, row.filed_under, held)
        if grant.studies is None and not _parts(grant, row.type, letter):
            return  # the row itself has told all that the database would be asked
    elif grant.everyone and mine and not _parts(grant, row.type, letter):
        return
    found = connection.execute(
        select(resource.c.rid).where(
            resource.c.organisation == row.organisation,
            resource.c.rid == row.rid,
            resources(grant, row.type, letter=letter),
        )
    ).first()
    if found is None:
        raise Denied("the token does not reach this resource")
