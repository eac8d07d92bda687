"""JSON Patch (RFC 6902) over JSON as `fhir.wire` reads it: numbers keep their spelling.

A patch is applied to a copy: where one operation fails, nothing of it was done.
"""

import copy
from typing import Any

from fhir.errors import BadPatch
from fhir.wire import write

Json = dict[str, Any]
_MOST = 1000
# So many characters may operations copy: a few of them could else double a resource without end.
_COPIED = 1 << 22
_NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}


def apply(body: Json, patch: Any) -> Json:
    """The body after every operation, in their order. Raises BadPatch."""
    if not isinstance(patch, list) or len(patch) > _MOST:
        raise BadPatch(f"a patch is a list of at most {_MOST} operations (RFC 6902)")
    whole = {"": copy.deepcopy(body)}
    copied = 0
    for number, operation in enumerate(patch):
        _check(operation, number)
        try:
            copied += _copies(whole, operation)
            if copied > _COPIED:
                raise BadPatch("the patch copies too much", code="too-costly")
            _operate(whole, operation)
        except RecursionError as error:
            raise BadPatch("the patch nests too deeply", code="too-costly") from error
        except (LookupError, ValueError) as error:
            raise BadPatch(
                f"operation {number} ({operation['op']}) leads nowhere",
                code="processing",
                expression=operation["path"],
            ) from error
    if not isinstance(whole[""], dict):
        raise BadPatch("what the patch leaves is no resource", code="processing")
    return whole[""]


def _check(operation: Any, number: int) -> None:
    """Raise BadPatch unless this is an operation with the members that it needs."""
    if not isinstance(operation, dict) or str(operation.get("op")) not in _NEEDS:
        raise BadPatch(f"operation {number} is none of {', '.join(_NEEDS)}")
    for name in ("path", *_NEEDS[operation["op"]]):
        if name not in operation:
            raise BadPatch(f"operation {number} ({operation['op']}) needs {name}")
    for name in ("path", "from"):
        pointer = operation.get(name, "")
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise BadPatch(f"operation {number}: {name} is no JSON Pointer (RFC 6901)")


def _copies(whole: Json, operation: Json) -> int:
    """How many characters an operation copies."""
    if operation["op"] != "copy":
        return 0
    return len(write(_at(whole, _steps(operation["from"]))))


def _operate(whole: Json, operation: Json) -> None:
    path = _steps(operation["path"])
    match operation["op"]:
        case "add":
            _add(whole, path, copy.deepcopy(operation["value"]))
        case "remove":
            _take(whole, path)
        case "replace":
            _take(whole, path)
            _add(whole, path, copy.deepcopy(operation["value"]))
        case "test":
            if not _equal(_at(whole, path), operation["value"]):
                raise BadPatch("a test failed", code="processing", expression=operation["path"])
        case "copy":
            _add(whole, path, copy.deepcopy(_at(whole, _steps(operation["from"]))))
        case "move":
            source = _steps(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot be moved into itself")
            _add(whole, path, _take(whole, source))


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal in JSON, where true is no number (RFC 6902 4.6)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _steps(pointer: str) -> list[str]:
    """The steps of a JSON Pointer; the first, "", leads to the whole document."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _at(holder: Any, steps: list[str]) -> Any:
    for step in steps:
        holder = holder[_place(holder, step)]
    return holder


def _place(holder: Any, step: str, *, end: int = 0) -> Any:
    """The key or index that a step means; an index lies below the length of a list, and `end`."""
    if isinstance(holder, dict):
        return step
    if not isinstance(holder, list):
        raise LookupError("neither an object nor a list")
    if not (step.isascii() and step.isdigit() and str(int(step)) == step):
        raise LookupError("no index of a list")
    if int(step) >= len(holder) + end:
        raise LookupError("beyond the list")
    return int(step)


def _take(whole: Json, path: list[str]) -> Any:
    """Remove and return a value."""
    holder = _at(whole, path[:-1])
    return holder.pop(_place(holder, path[-1]))


def _add(whole: Json, path: list[str], value: Any) -> None:
    """Put a value in; in a list the others move up, and "-" is behind the last."""
    holder, last = _at(whole, path[:-1]), path[-1]
    if isinstance(holder, list):
        place = len(holder) if last == "-" else _place(holder, last, end=1)
        holder.insert(place, value)
    else:
        holder[_place(holder, last)] = value
