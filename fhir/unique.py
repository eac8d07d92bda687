"""Lists in which nothing stands twice, of JSON objects, which have no hash."""

from collections.abc import Iterable
from typing import Any

from fhir.wire import write

Json = dict[str, Any]


def unique(items: Iterable[Json]) -> list[Json]:
    """Each item once, where it stands first; what is equal is spelled alike."""
    kept: dict[str, Json] = {}
    for item in items:
        kept.setdefault(write(item), item)
    return list(kept.values())
