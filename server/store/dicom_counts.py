"""What the series and instances of studies add up to, for who sees all of them and for who does not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select

from server.store import shapes
from server.store.dicom_search import Allowed, Search, inside
from server.store.prepared import Prepared, among
from server.store.shapes import Ask, Slots
from server.store.tables import instance, series, study


@dataclass(frozen=True, slots=True)
class Whole:
    """What the series of a study add up to."""

    modalities: tuple[str, ...] = ()
    series: int = 0
    instances: int = 0


def wholes(
    connection: Connection, organisation: int, uids: Sequence[str]
) -> dict[tuple[str, int], Whole]:
    """What the series of these studies add up to, by UID and claim."""
    found: dict[tuple[str, int], Whole] = {}
    given = {"organisation": organisation, "uids": json.dumps(uids)}
    for row in _WHOLES.rows(connection, given):
        known = found.get((row.study, row.claim), Whole())
        found[row.study, row.claim] = Whole(
            known.modalities + ((row.modality,) if row.modality else ()),
            known.series + row.series,
            known.instances + int(row.instances),
        )
    return found


def _wholes(dialect: str) -> Select[Any]:
    columns = (series.c.study, series.c.claim, series.c.modality)
    return (
        select(
            *columns, func.count().label("series"), func.sum(series.c.instances).label("instances")
        )
        .where(
            series.c.organisation == bindparam("organisation"),
            among(dialect, series.c.study, bindparam("uids")),
        )
        .group_by(*columns)
        .order_by(series.c.modality)
    )


_WHOLES = Prepared(_wholes)


def seen(connection: Connection, search: Search, uids: Sequence[str]) -> Sequence[Any]:
    """Of studies the series of which a search for instances reaches any: study, claim, series,
    modality, and how many instances.
    """
    dialect, words = connection.dialect.name, json.dumps(uids)

    def plain(_ask: Ask) -> tuple[Any, None]:
        return _seen(dialect, search.organisation, words, search.gate.allowed), None

    slots = Slots()
    named, (gate, allowed) = slots.text(words), search.gate.shaped(slots)

    def build(_ask: Ask) -> tuple[Any, None]:
        return _seen(dialect, search.organisation, named, allowed), None

    shape = ("seen", search.organisation, gate)
    return shapes.rows(connection, shape, slots, build, plain)[0]


def _seen(dialect: str, organisation: int, uids: str, allowed: Allowed) -> Select[Any]:
    columns = (study.c.uid.label("study"), study.c.claim, series.c.uid, series.c.modality)
    visible = inside(instance) & (instance.c.copy == 0)
    own = inside(series) & (series.c.uid == instance.c.series)
    named = among(dialect, study.c.uid, literal(uids))
    return (
        select(*columns, func.count().label("instances"))
        .select_from(study.join(instance, visible).join(series, own))
        .where(study.c.organisation == organisation, named, allowed())
        .group_by(*columns)
        .order_by(series.c.modality)
    )
