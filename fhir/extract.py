"""Index rows of a resource: what its search parameters see in it, ready to be compared.

Rows of two extra names serve modifiers: `identifier:of-type` (type system, "type|value") and
`subject:identifier` (the identifier of a reference).
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from itertools import islice, product
from typing import Any

from fhir.datetimes import BEGINNING, FOREVER, search_range
from fhir.errors import BadDate
from fhir.identifiers import bare_uid
from fhir.match_keys import local_reference, string_key, token_key
from fhir.numbers import range_of
from fhir.search_params import TABLE, Param, Table
from fhir.text import fold

Json = dict[str, Any]
EVERYWHERE = frozenset({"index", "column", "instance", "series"})
_STEP = re.compile(r"([A-Za-z]+)(\[x\])?(?:\(([a-z]+)=([a-z]+)\))?", re.ASCII)
# Nobody codes a result twenty times; a body that does is not to fill the index with its squares.
_MOST_PAIRS = 400
_NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
_ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A code in a system ("" means without one), and folded text for the modifier :text."""

    param: str
    system: str
    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class StringRow:
    """A text as searches compare it, and exactly as it stands."""

    param: str
    norm: str
    exact: str


@dataclass(frozen=True, slots=True)
class DateRow:
    """A time from low up to, not including, high: microseconds since 1970 in UTC."""

    param: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A reference: by type and id to a resource of ours, else by its address, if it has one."""

    param: str
    target_type: str
    target_id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class PairRow:
    """What a composite sees in one element: its first part as `code` and `system`, then its second.

    Of a quantity that is a number from low to high, with its unit as `value`, `value_system` and
    `text`; of a date low and high; of a code `value` and `value_system`; of a text `value`. A
    quantity that stands alone is a pair without a first part.
    """

    param: str
    code: str = ""
    system: str = ""
    low: float = 0
    high: float = 0
    value: str = ""
    value_system: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class UriRow:
    """A URI, compared as it stands."""

    param: str
    value: str


Row = TokenRow | StringRow | DateRow | ReferenceRow | UriRow | PairRow


def rows(
    resource: Json,
    *,
    base: str,
    zone: tzinfo = UTC,
    answers: Container[str] = ("index",),
    table: Table = TABLE,
) -> list[Row]:
    """All index rows of a resource, each once; none of a type that is not searched.

    `base` is our own FHIR address, `zone` that of dates without offset. What a search finds in
    columns or by joining the DICOM tables has no rows unless `answers` names it too: EVERYWHERE to
    judge one resource alone, "instance" and "series" for a study described but never sent.
    """
    make = _Maker(base, zone)
    found: dict[Row, None] = {}
    for param in table.get(resource["resourceType"], {}).values():
        if param.answer in answers:
            found |= dict.fromkeys(make.rows(param, list(values(resource, param.path))))
    return list(found)


def values(resource: Json, path: str) -> Iterator[Any]:
    """What a path of `fhir.search_params` leads to: never a list, never None."""
    for alternative in path.split("|"):
        found: Iterable[Any] = [resource]
        for step in alternative.strip().split("."):
            found = found if step == "$this" else _members(found, step)
        yield from found


def _members(parents: Iterable[Any], step: str) -> Iterator[Any]:
    match = _STEP.fullmatch(step)
    if match is None:
        raise ValueError(f"{step} is no step of a search path")
    name, choice, key, value = match.groups()
    for parent in parents:
        for member in _named(parent, name, choice is not None):
            for one in member if isinstance(member, list) else [member]:
                if one is not None and (key is None or one.get(key) == value):
                    yield one


def _named(parent: Any, name: str, choice: bool) -> list[Any]:
    if not isinstance(parent, dict):
        return []
    if choice:
        return [member for key, member in parent.items() if _is_form(key, name)]
    return [parent[name]] if name in parent else []


def _is_form(key: str, choice: str) -> bool:
    return key.startswith(choice) and key[len(choice) : len(choice) + 1].isupper()


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the rows of one parameter from the values its path leads to."""

    base: str
    zone: tzinfo

    def rows(self, param: Param, found: list[Any]) -> Iterator[Row]:
        if param.flavour == "exists":
            alive = not found or found == [False]
            yield TokenRow(param.code, "", "false" if alive else "true")
            return
        makers: dict[str, Callable[[Param, Any], Iterable[Row]]] = {
            "token": _tokens,
            "string": _strings,
            "date": self._dates,
            "reference": self._references,
            "uri": _uris,
            "quantity": _quantities,
            "composite": self._pairs,
        }
        for value in found:
            yield from makers[param.kind](param, value)

    def _dates(self, param: Param, value: Any) -> Iterator[Row]:
        period = value if isinstance(value, dict) else {"start": value, "end": value}
        try:
            low = search_range(period["start"], zone=self.zone)[0] if "start" in period else None
            high = search_range(period["end"], zone=self.zone)[1] if "end" in period else None
        except BadDate:
            return
        if low is not None or high is not None:
            yield DateRow(
                param.code,
                BEGINNING if low is None else low,
                FOREVER if high is None else high,
            )

    def _references(self, param: Param, value: Any) -> Iterator[Row]:
        if isinstance(value, str):  # a canonical names what it refers to by its address alone
            value = {"reference": value}
        reference = value.get("reference", "")
        local = local_reference(reference, self.base)
        kind = local[0] if local else value.get("type", "")
        if kind and param.targets and kind not in param.targets:
            return
        if local:
            yield ReferenceRow(param.code, *local)
        else:
            yield ReferenceRow(param.code, kind, "", reference)
        if number := value.get("identifier", {}).get("value"):
            system = value["identifier"].get("system", "")
            yield TokenRow(f"{param.code}:identifier", system, bare_uid(number))

    def _pairs(self, param: Param, element: Any) -> Iterator[Row]:
        """Each value of the first part beside each of the second, within one element."""
        first, second = (
            [
                row
                for row in self.rows(part, list(values(element, part.path)))
                if row.param == part.code
            ]
            for part in param.parts
        )
        for one, other in islice(product(first, second), _MOST_PAIRS):
            yield _pair(param, one, other)


def _pair(param: Param, first: Row, second: Row) -> PairRow:
    match first:
        case TokenRow():
            pair = PairRow(param.code, first.code, first.system)
        case ReferenceRow():
            pair = PairRow(param.code, first.target_id or first.url, first.target_type)
        case _:
            raise TypeError("the first part of a composite is a code or a reference")
    match second:
        case TokenRow():
            return replace(pair, value=second.code, value_system=second.system)
        case StringRow():
            return replace(pair, value=second.norm)
        case DateRow():
            return replace(pair, low=float(second.low), high=float(second.high))
        case PairRow():
            return replace(second, param=pair.param, code=pair.code, system=pair.system)
    raise TypeError("the second part of a composite is a code, a text, a date or a quantity")


def _tokens(param: Param, value: Any) -> Iterator[Row]:
    if isinstance(value, bool):
        yield TokenRow(param.code, "", str(value).lower())
    elif isinstance(value, str):
        yield TokenRow(param.code, "", token_key(param, value))
    elif param.flavour == "contact":
        if "value" in value:
            yield TokenRow(param.code, value.get("use", ""), token_key(param, value["value"]))
    elif param.flavour == "identifier":
        yield from _identifier(param, value)
    else:
        yield from _concept(param, value)


def _identifier(param: Param, value: Json) -> Iterator[Row]:
    if "value" not in value:
        return
    code, kind = token_key(param, value["value"]), value.get("type", {})
    yield TokenRow(param.code, value.get("system", ""), code, fold(kind.get("text", "")))
    for coding in kind.get("coding", []):
        if "code" in coding:
            key = f"{coding['code']}|{code}"
            yield TokenRow(f"{param.code}:of-type", coding.get("system", ""), key)


def _concept(param: Param, value: Json) -> Iterator[Row]:
    """Rows of a CodeableConcept or a Coding; text that no coding has is a row without a code."""
    codings = value.get("coding", [] if "text" in value else [value])
    shown = set()
    for coding in codings:
        display = fold(coding.get("display", ""))
        shown.add(display)
        code = token_key(param, coding.get("code", ""))
        yield TokenRow(param.code, coding.get("system", ""), code, display)
    if (text := fold(value.get("text", ""))) and text not in shown:
        yield TokenRow(param.code, "", "", text)


def _strings(param: Param, value: Any) -> Iterator[Row]:
    """A text, or each part of a HumanName or an Address (R4 3.1.1.4.10)."""
    for part in _texts(value):
        keys = string_key(param, part)
        for norm in keys.split() if param.flavour == "phonetic" else [keys]:
            yield StringRow(param.code, norm, part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in dict.fromkeys((*_NAME_PARTS, *_ADDRESS_PARTS)):
            part = value.get(name)
            yield from (text for text in (part if isinstance(part, list) else [part]) if text)


def _uris(param: Param, value: Any) -> Iterator[Row]:
    yield UriRow(param.code, value)


def _quantities(param: Param, value: Any) -> Iterator[Row]:
    """A number with its comparator, in its unit as code and as word; none without a number."""
    if "value" in value:
        low, high = range_of(value["value"], value.get("comparator", ""))
        unit = {"value": value.get("code", ""), "value_system": value.get("system", "")}
        yield PairRow(param.code, low=low, high=high, text=value.get("unit", ""), **unit)
