"""Facts to compact JSON and back, for the text column beside an instance row."""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache, partial
from typing import Any, get_args, get_origin, get_type_hints

from dicom.facts import InstanceFacts

_SIMPLE = frozenset({str, int, bool})
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump(facts: InstanceFacts) -> str:
    """Compact JSON: only what differs from the default is written."""
    return _encode(_plain(facts))


def load(text: str) -> InstanceFacts:
    """The facts that `dump` wrote; attributes added to the classes since take their defaults."""
    return _build(InstanceFacts, json.loads(text))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if type(value) is tuple:
        return [_plain(part) for part in value]
    plan = _plan(type(value))  # type: ignore[arg-type]
    if plan is None:
        return value
    return {
        name: part if type(part) in _SIMPLE else _plain(part)
        for name, default in plan
        if (part := getattr(value, name)) != default
    }


@lru_cache(maxsize=64)
def _plan(kind: type) -> tuple[tuple[str, Any], ...] | None:
    """Name and default of each field, None for what is no dataclass.

    A factory makes an empty tuple, a required field has MISSING.
    """
    if not is_dataclass(kind):
        return None
    return tuple(
        (field.name, () if field.default_factory is not MISSING else field.default)
        for field in fields(kind)
    )


def _build(kind: Any, value: dict[str, Any]) -> Any:
    makers = _makers(kind)
    known = {
        name: part if (make := makers[name]) is None else make(part)
        for name, part in value.items()
        if name in makers
    }
    return kind(**known)


@lru_cache(maxsize=64)
def _makers(kind: type) -> dict[str, Callable[[Any], Any] | None]:
    """For each field what makes its value out of JSON; None where JSON has it as it is."""
    return {name: _maker(hint) for name, hint in get_type_hints(kind).items()}


def _maker(hint: Any) -> Callable[[Any], Any] | None:
    if is_dataclass(hint):
        return partial(_build, hint)
    if get_origin(hint) is not tuple:
        return None
    inner = _maker(get_args(hint)[0])
    return tuple if inner is None else lambda parts: tuple(map(inner, parts))
