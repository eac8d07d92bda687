"""FHIR JSON as text: read strictly, written without touching what was read (R4 2.6.2).

Decimals keep their spelling ("72.50" stays so), because precision is part of their meaning.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any

from fhir.errors import Malformed

Json = dict[str, Any]

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def read(text: bytes | str) -> Json:
    """One JSON object of UTF-8 text; Malformed for anything else, repeated names included."""
    value = parse(text)
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object", code="structure")
    return value


def parse(text: bytes | str) -> Any:
    """One JSON value of UTF-8 text, read as strictly."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(
            decoded, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_members
        )
        if "\\u" in decoded:
            write(value).encode()
    except (ValueError, InvalidOperation) as error:
        raise Malformed("the body is not well-formed JSON in UTF-8", code="structure") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply", code="too-costly") from error
    return value


def write(resource: Any) -> str:
    """Compact JSON text of a resource, or of a part of one."""
    try:
        return json.dumps(resource, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError:  # json cannot write a Decimal as it is spelled
        return "".join(_pieces(resource))


def pretty(text: str) -> str:
    """JSON text with a line for each member; strings and numbers stay as they are spelled."""
    lines: list[str] = []
    depth = 0
    for word in _WORD.findall(text):
        if word in ("}", "]"):
            depth -= 1
            lines.append("" if lines[-1] in ("{", "[") else "\n" + "  " * depth)
        elif lines and lines[-1] in ("{", "[", ","):
            lines.append("\n" + "  " * depth)
        depth += word in ("{", "[")
        lines += [word, " "] if word == ":" else [word]
    return "".join(lines)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for index, (name, member) in enumerate(value.items()):
            yield f"{',' if index else '{'}{encode_basestring(name)}:"
            yield from _pieces(member)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield "," if index else "["
            yield from _pieces(member)
        yield "]" if value else "[]"
    else:
        yield str(value) if isinstance(value, Decimal) else write(value)


def _members(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
