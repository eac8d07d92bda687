"""Facts to compact JSON and back, for the text column beside an instance row."""

import json
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

from dicom.facts import InstanceFacts


def dump(facts: InstanceFacts) -> str:
    """Compact JSON: only what differs from the default is written."""
    return json.dumps(_plain(facts), ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> InstanceFacts:
    """The facts that `dump` wrote; attributes added to the classes since take their defaults."""
    return _build(InstanceFacts, json.loads(text))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    found = {}
    for name, default in _defaults(type(value)):
        part = getattr(value, name)
        if part != default:
            found[name] = _plain(part)
    return found


@lru_cache(maxsize=64)
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """Name and default of each field; a factory makes an empty tuple, a required one MISSING."""
    return tuple(
        (field.name, () if field.default_factory is not MISSING else field.default)
        for field in fields(kind)
    )


def _build(kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return tuple(_build(inner, part) for part in value)
    if not isinstance(kind, type) or not is_dataclass(kind):
        return value
    kinds = _kinds(kind)
    known = {name: _build(kinds[name], part) for name, part in value.items() if name in kinds}
    return kind(**known)


@lru_cache(maxsize=64)
def _kinds(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
