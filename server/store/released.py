"""The release table as SQL: when a row of `resource` may be seen by an actor, told from the clock.

What is asked of the table are the few rows of one organisation and part, by their index; what was
decided of a single item goes before them. Nothing has to happen for a hold to end.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from fhir.release_traits import KIND, LABEL, STATUS
from server.store.fhir_tables import index_reference, index_shown, resource
from server.store.release_tables import release_item, release_rule
from server.store.resources import param_id
from server.store.tables import patient

Clause = ColumnElement[bool]
REPORT, IMAGES, DOCUMENT = "DiagnosticReport", "ImagingStudy", "DocumentReference"
REPORTS, PICTURES = "report", "pictures"
# What is held by itself, and by which rows.
PARTS = {REPORT: REPORTS, DOCUMENT: REPORTS, IMAGES: PICTURES}
# What is held with a report or document: its results and files, and the word of who made it.
FOLLOWERS = ("Observation", "Binary", "Provenance")
TYPES = (*PARTS, *FOLLOWERS)
RELEASED = -1
# A birthday as a number, YYYYMMDD, grows by this each year.
_YEAR = 10_000
_RESULT = param_id(REPORT, "result")
_TARGET = param_id("Provenance", "target")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks and when: microseconds UTC, and the same day as a number, YYYYMMDD.

    In a statement that is made once each of them is a parameter.
    """

    actor: Any = "patient"
    now: Any = 0
    today: Any = 0


# Who has not said who asks, nor when: every hold stands.
NOBODY = Asker()
# Whoever is given by these names when a statement runs.
GIVEN = Asker(
    bindparam("actor", type_=String()),
    bindparam("now", type_=BigInteger()),
    bindparam("today", type_=Integer()),
)


def held(table: Any, type_: str, asker: Asker) -> Clause:
    """The condition that a row of a type is not to be seen by who asks, nor what goes with it."""
    if type_ in PARTS:
        return _waits(table, PARTS[type_], asker)
    if type_ == "Observation":
        return _held_reports(table, asker)
    if type_ == "Binary":
        return _held_files(table, asker)
    if type_ == "Provenance":
        return _held_targets(table, asker)
    return literal(False)


def any_held(table: Any, asker: Asker) -> Clause:
    """The same for a row of whatever type."""
    part = case((table.c.type == IMAGES, PICTURES), else_=REPORTS)
    itself = and_(_by_itself(table), _waits(table, part, asker))
    others = (and_(table.c.type == type_, held(table, type_, asker)) for type_ in FOLLOWERS)
    return or_(itself, *others)


def pictures_held(table: Any, asker: Asker) -> Clause:
    """The condition that the pictures of a row of `study` are held.

    Of a study that is not described yet nobody knows what the rows say: it waits for it.
    """
    images = resource.alias()
    described = select(images.c.rid).where(
        images.c.organisation == table.c.organisation,
        images.c.type == IMAGES,
        images.c.id == table.c.id,
    )
    rules = exists(
        select(release_rule.c.id).where(
            release_rule.c.organisation == table.c.organisation, release_rule.c.part == PICTURES
        )
    )
    waiting = described.where(_waits(images, PICTURES, asker)).correlate(table)
    return or_(exists(waiting), and_(rules, not_(exists(described.correlate(table)))))


def rule_of(table: Any, part: Any, asker: Asker, wanted: Any) -> Any:
    """What the row that fits best says: the one that describes most, of several what holds longest."""
    rule, whose = release_rule, patient.alias()
    mine = and_(whose.c.organisation == table.c.organisation, whose.c.id == table.c.filed_under)
    best = select(wanted).select_from(rule.outerjoin(whose, mine))
    best = best.where(*_fits(table, part, asker), _of_age(whose, asker))
    best = best.order_by(rule.c.weight.desc(), rule.c.wait.desc(), rule.c.id).limit(1)
    return best.correlate(table).scalar_subquery()


def decided(table: Any) -> Any:
    """Until when an item is held by name, RELEASED if it was released, NULL where nobody decided."""
    item = release_item
    found = select(item.c.until).where(
        item.c.organisation == table.c.organisation,
        item.c.type == table.c.type,
        item.c.id == table.c.id,
    )
    return found.correlate(table).scalar_subquery()


def due(table: Any, part: Any, asker: Asker) -> Any:
    """From when on an item may be seen as the table says, 0 for at once, NULL without a row."""
    wait = release_rule.c.wait
    moment = case((wait == 0, literal(0, BigInteger())), else_=table.c.issued + wait)
    return rule_of(table, part, asker, moment.label("due"))


def _by_itself(table: Any) -> Clause:
    """The condition that a row is of a type that is held by itself."""
    return or_(*(table.c.type == one for one in PARTS))


def _bound(value: Any, type_: Any) -> Any:
    """A value or slot as a parameter of its type; what is one already stays as it is."""
    return value if isinstance(value, ColumnElement) else literal(value, type_)


def _waits(table: Any, part: Any, asker: Asker) -> Clause:
    """What was decided of a row by name, while that lasts, else what the table says of it.

    It is written as flat as it can be: conditions stand in each other as deep as a search asks, and
    SQLite's parser has a limit.
    """
    item, now = release_item, _bound(asker.now, BigInteger())
    lasting = select(item.c.until).where(
        item.c.organisation == table.c.organisation,
        item.c.type == table.c.type,
        item.c.id == table.c.id,
        or_(item.c.until == RELEASED, item.c.until > now),
    )
    said = lasting.correlate(table).scalar_subquery()
    held: Clause = func.coalesce(said, due(table, part, asker), 0) > now
    return held


def _fits(table: Any, part: Any, asker: Asker) -> list[Clause]:
    rule, now = release_rule, _bound(asker.now, BigInteger())
    return [
        rule.c.organisation == table.c.organisation,
        rule.c.part == part,
        or_(rule.c.until == 0, rule.c.until > now),
        or_(rule.c.actor == "", rule.c.actor == asker.actor),
        _says(table, STATUS, rule.c.status),
        _says(table, KIND, rule.c.kind),
        _says(table, LABEL, rule.c.label),
    ]


def _says(table: Any, letter: str, word: Any) -> Clause:
    """The condition that a row's traits hold a word, if one is asked for."""
    marked = literal(f"|{letter}:") + word + "|"
    return or_(word == "", func.replace(table.c.traits, marked, "") != table.c.traits)


def _of_age(whose: Any, asker: Asker) -> Clause:
    """The condition that a patient is of a rule's ages. Who may be is held, and not let through."""
    rule, today = release_rule, _bound(asker.today, Integer())
    within = and_(
        whose.c.born > 0,
        whose.c.born + rule.c.youngest * _YEAR <= today,
        whose.c.born + (rule.c.oldest + 1) * _YEAR > today,
    )
    unknown = and_(whose.c.born == 0, rule.c.wait > 0)
    return or_(not_(rule.c.aged), within, unknown)


def _held_reports(table: Any, asker: Asker) -> Clause:
    """The condition that a result is of a report that is held."""
    link, report = index_reference.alias(), resource.alias()
    return _exists_held(
        select(report.c.rid).where(
            link.c.organisation == table.c.organisation,
            link.c.target_type == "Observation",
            link.c.target == table.c.id,
            link.c.param == _RESULT,
            report.c.organisation == link.c.organisation,
            report.c.rid == link.c.rid,
        ),
        report,
        table,
        asker,
    )


def _held_files(table: Any, asker: Asker) -> Clause:
    """The condition that a file is of a report or document that is held."""
    link, report = index_shown.alias(), resource.alias()
    return _exists_held(
        select(report.c.rid).where(
            link.c.organisation == table.c.organisation,
            link.c.target_type == "Binary",
            link.c.target == table.c.id,
            report.c.organisation == link.c.organisation,
            report.c.rid == link.c.rid,
        ),
        report,
        table,
        asker,
    )


def _held_targets(table: Any, asker: Asker) -> Clause:
    """The condition that a Provenance tells of a report, document or study that is held."""
    link, target = index_reference.alias(), resource.alias()
    return _exists_held(
        select(target.c.rid).where(
            link.c.organisation == table.c.organisation,
            link.c.rid == table.c.rid,
            link.c.param == _TARGET,
            target.c.organisation == link.c.organisation,
            target.c.type == link.c.target_type,
            target.c.id == link.c.target,
        ),
        target,
        table,
        asker,
    )


def _exists_held(found: Select[Any], row: Any, table: Any, asker: Asker) -> Clause:
    """Whether one of the rows that were found is held by itself."""
    part = case((row.c.type == IMAGES, PICTURES), else_=REPORTS)
    mine = _by_itself(row)
    return exists(
        found.where(row.c.deleted.is_(False), mine, _waits(row, part, asker)).correlate(table)
    )
