"""Scopes with a question, `patient/Observation.rs?category=…`: which are served, and what meets them.

Only questions about the category are served: any other scope with a question is not granted, so
that none is ever wider than it reads (SMART App Launch 2.2, finer-grained resource constraints).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from fhir.errors import BadSearch
from fhir.scopes import Scope
from fhir.search import parse
from fhir.search_params import TABLE
from server.store.fhir_tables import index_token
from server.store.resources import param_id
from server.store.search_terms import any_value, apart

ASKED = "category"


def served(scope: Scope) -> bool:
    """Whether a scope can be granted: it has no question, or one that can be enforced."""
    if not scope.query:
        return True
    if scope.type == "*" or any(name != ASKED for name, _ in scope.params):
        return False
    if scope.type not in TABLE:
        return True  # of a type that is not here nothing can be seen
    try:
        return bool(_criteria(scope.type, scope.query))
    except BadSearch:
        return False


@lru_cache(maxsize=256)
def _criteria(resource_type: str, query: str) -> tuple[q.Criterion, ...]:
    """What a resource must meet, all of it. Raises BadSearch for what is not understood."""
    scope = Scope("patient", resource_type, "r", query)
    found = parse(resource_type, scope.params, strict=True, base="", table=TABLE)
    return tuple(one for one in found.conditions if isinstance(one, q.Criterion))


def met(organisation: int, scopes: Iterable[Scope], table: Any) -> ColumnElement[bool]:
    """The condition that a row of `resource`, or an alias, meets the question of one scope."""
    return or_(
        *(
            and_(
                *(
                    _holds(organisation, scope.type, one, table)
                    for one in _criteria(scope.type, scope.query)
                )
            )
            for scope in scopes
        )
    )


def _holds(
    organisation: int, resource_type: str, criterion: q.Criterion, table: Any
) -> ColumnElement[bool]:
    index = index_token.alias()
    return exists(
        select(index.c.rid).where(
            index.c.organisation == organisation,
            index.c.rid == table.c.rid + 0,
            index.c.param == param_id(resource_type, criterion.rows),
            any_value(criterion, apart(index)),
        )
    )
