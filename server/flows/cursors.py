"""Where the next page of a search begins, as a word in its address."""

import base64
import binascii
import json

from fhir import query as q
from server.errors import Invalid
from server.store.search_order import Place


def write(place: Place) -> str:
    """The word for a place: the page begins after it."""
    text = json.dumps([*place.values, place.rid], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(query: q.Query) -> Place | None:
    """The place that a search continues from, None for its first page. Invalid if it is none."""
    if not query.cursor:
        return None
    try:
        padding = "=" * (-len(query.cursor) % 4)
        *values, rid = json.loads(base64.urlsafe_b64decode(query.cursor + padding))
        if _fits(query, values) and _is_number(rid):
            return Place(tuple(values), rid)
    except (binascii.Error, ValueError, TypeError):
        pass
    raise Invalid("this is no page of ours: start the search again", expression="_cursor")


def _fits(query: q.Query, values: list[object]) -> bool:
    """Whether values are such as the sort keys of the search have."""
    if len(values) != len(query.sort):
        return False
    return all(_is_value(sort, value) for sort, value in zip(query.sort, values, strict=True))


def _is_value(sort: q.Sort, value: object) -> bool:
    if value is None:
        return sort.param.answer == "index"
    return _is_number(value) if sort.param.kind == "date" else isinstance(value, str)


def _is_number(value: object) -> bool:
    return type(value) is int and -(1 << 63) <= value < 1 << 63
