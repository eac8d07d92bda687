"""The search grammar of R4 (3.1.1): from name-value pairs to a Query, or to BadSearch.

What is wrong is always an error. What is only unknown is an error when the client asked for strict
handling, and otherwise ignored, told in a warning and left out of the self link.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, get_args, get_type_hints

from fhir import query as q
from fhir.definitions import resource_types
from fhir.errors import BadSearch
from fhir.search_params import TABLE, Param, Table
from fhir.search_values import Reading, split, value

# How the answer looks rather than what it holds: the web layer's business.
FORMAT = frozenset({"_format", "_pretty"})
MODIFIERS = {
    "token": frozenset({"not", "text", "missing"}),
    "string": frozenset({"exact", "contains", "missing"}),
    "date": frozenset({"missing"}),
    "reference": frozenset({"identifier", "missing"}),
    "uri": frozenset({"above", "below", "missing"}),
    "quantity": frozenset({"missing"}),
    "composite": frozenset({"missing"}),
}
_HINTS = get_type_hints(q.Query)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one search may ask for."""

    count: int = 1000
    parameters: int = 200
    values: int = 500
    depth: int = 3


DEFAULT_LIMITS = Limits()


class _Unknown(Exception):
    """A name that this server does not know: ignored or refused, as the client wishes."""


def parse(
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    *,
    strict: bool,
    base: str,
    limits: Limits = DEFAULT_LIMITS,
    zone: tzinfo = UTC,
    now: datetime | None = None,
    table: Table = TABLE,
) -> q.Query:
    """Understand a search on one type; `pairs` are decoded, in order, from URL and form together.

    `now` widens the prefix ap, `zone` is that of dates without offset, `table` tells what is
    served. BadSearch names the parameter that is wrong.
    """
    if resource_type not in table:
        raise BadSearch("this type is not served", code="not-supported")
    if len(pairs) > limits.parameters:
        raise BadSearch("too many parameters", code="too-costly")
    parser = _Parser(resource_type, strict, Reading(base, zone, now), limits, table)
    for name, text in pairs:
        parser.take(name, text)
    return parser.finish()


@dataclass(slots=True)
class _Parser:
    """Collects what the pairs say, one after the other."""

    type: str
    strict: bool
    reading: Reading
    limits: Limits
    table: Table
    conditions: list[q.Condition] = field(default_factory=list)
    includes: list[q.Include] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[q.Warn] = field(default_factory=list)

    def take(self, name: str, text: str) -> None:
        """Understand one pair, or note that it is ignored."""
        if name in FORMAT:
            return
        try:
            if not text.strip():
                raise _Unknown("the parameter has no value")
            self.used.append((name, self._understand(name, text)))
        except _Unknown as unknown:
            self._ignore(name, str(unknown))

    def finish(self) -> q.Query:
        """The whole query, when no pair is left."""
        summary = self.settings.get("summary", "")
        if self.settings.get("elements") and summary not in ("", "false"):
            raise BadSearch("_summary and _elements exclude each other", expression="_elements")
        return q.Query(
            type=self.type,
            conditions=tuple(self.conditions),
            includes=tuple(dict.fromkeys(self.includes)),
            used=tuple(self.used),
            warnings=tuple(self.warnings),
            **self.settings,
        )

    def _ignore(self, name: str, why: str) -> None:
        if self.strict:
            raise BadSearch(why, code="not-supported", expression=name)
        self.warnings.append(q.Warn("not-supported", f"{why}; it was ignored", name))

    def _understand(self, name: str, text: str) -> str:
        """Take one pair into the query; the text comes back as it was understood."""
        head, _, modifier = name.partition(":")
        settings: dict[str, Callable[[str], str]] = {
            "_count": self._count,
            "_cursor": lambda text: self._set("cursor", text),
            "_elements": self._elements,
            "_sort": self._sort,
            "_summary": lambda text: self._choose("summary", text),
            "_total": lambda text: self._choose("total", text),
        }
        if head in settings and not modifier:
            return settings[head](text)
        if head in ("_include", "_revinclude"):
            self.includes.append(self._include(head == "_revinclude", modifier, text))
        elif name == "_contained" and text == "false":
            pass
        else:
            self.conditions.append(self._condition(self.type, name, text, 0))
        return text

    # Settings of the answer

    def _set(self, key: str, setting: Any) -> str:
        if key in self.settings:
            raise BadSearch("given more than once", expression=f"_{key}")
        self.settings[key] = setting
        return str(setting)

    def _choose(self, key: str, text: str) -> str:
        choices = [choice for choice in get_args(_HINTS[key]) if choice]
        if text not in choices:
            raise BadSearch(
                f"expected one of {', '.join(choices)}", code="value", expression=f"_{key}"
            )
        return self._set(key, text)

    def _count(self, text: str) -> str:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadSearch("expected a number from 0 up", code="value", expression="_count")
        count = min(int(text), self.limits.count)
        if count < int(text):
            message = f"a page holds at most {self.limits.count} resources"
            self.warnings.append(q.Warn("informational", message, "_count"))
        return self._set("count", count)

    def _elements(self, text: str) -> str:
        names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
        self._set("elements", names)
        return ",".join(names)

    def _sort(self, text: str) -> str:
        keys = []
        for key in text.split(","):
            param = self.table[self.type].get(key.removeprefix("-"))
            if param is None or not param.sortable:
                self._ignore("_sort", "one of the keys cannot be sorted by")
            else:
                keys.append(q.Sort(param, key.startswith("-")))
        if not keys:
            raise _Unknown("there is nothing to sort by")
        self._set("sort", tuple(keys))
        return ",".join(f"{'-' if key.descending else ''}{key.param.code}" for key in keys)

    def _include(self, reverse: bool, modifier: str, text: str) -> q.Include:
        if modifier not in ("", "iterate"):
            raise BadSearch("the only modifier is :iterate", expression="_include")
        made = q.Include("", None, iterate=bool(modifier), reverse=reverse)
        parts = text.split(":")
        if text == "*":
            return replace(made, source="*" if reverse else self.type)
        if len(parts) not in (2, 3) or not all(parts):
            raise BadSearch(
                "expected Type:parameter or Type:parameter:Target",
                code="value",
                expression="_revinclude" if reverse else "_include",
            )
        source, code, target = (*parts, "")[:3]
        param = self.table.get(source, {}).get(code)
        if code != "*" and (param is None or param.kind != "reference"):
            raise _Unknown("no such reference parameter is served")
        if target and param and param.targets and target not in param.targets:
            raise _Unknown("the parameter does not refer to that type")
        return replace(made, source=source, param=param, target=target)

    # Conditions

    def _condition(self, kind: str, name: str, text: str, depth: int) -> q.Condition:
        if depth > self.limits.depth:
            raise BadSearch("the chain is too long", code="too-costly", expression=name)
        if name.startswith("_has:"):
            return self._reverse(kind, name, text, depth)
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        param = self._param(kind, code)
        if dot:
            return self._chain(param, modifier, rest, text, depth)
        return self._criterion(param, modifier, text)

    def _param(self, kind: str, code: str) -> Param:
        try:
            return self.table[kind][code]
        except KeyError:
            raise _Unknown("no such parameter is served") from None

    def _reverse(self, kind: str, name: str, text: str, depth: int) -> q.Reverse:
        _, source, code, rest = (*name.split(":", 3), "", "")[:4]
        if not rest:
            raise BadSearch("expected _has:Type:reference:parameter", expression=name)
        param = self._param(source, code)
        if param.kind != "reference" or (param.targets and kind not in param.targets):
            raise BadSearch("the parameter does not refer to this type", expression=name)
        return q.Reverse(source, param, self._condition(source, rest, text, depth + 1))

    def _chain(self, param: Param, modifier: str, rest: str, text: str, depth: int) -> q.Chain:
        if param.kind != "reference":
            raise BadSearch("only a reference can be followed", expression=param.code)
        branches = []
        for target in [modifier] if modifier else param.targets:
            try:
                branches.append((target, self._condition(target, rest, text, depth + 1)))
            except _Unknown:
                continue
        if not branches:
            raise _Unknown("no type that is referred to serves such a parameter")
        return q.Chain(param, tuple(branches))

    def _criterion(self, param: Param, modifier: str, text: str) -> q.Criterion:
        if not _allowed(param, modifier):
            raise BadSearch(
                "the modifier is not supported", code="not-supported", expression=param.code
            )
        if modifier == "missing":
            return q.Criterion(param, modifier, (), param.code, missing=_boolean(param, text))
        parts = split(text, ",")
        if len(parts) > self.limits.values:
            raise BadSearch("too many values", code="too-costly", expression=param.code)
        values = tuple(value(param, modifier, part, self.reading) for part in parts)
        special = modifier in ("identifier", "of-type")
        rows = f"{param.code}:{modifier}" if special else param.code
        return q.Criterion(param, modifier, tuple(dict.fromkeys(values)), rows)


def _allowed(param: Param, modifier: str) -> bool:
    if not modifier or modifier in MODIFIERS[param.kind]:
        return modifier != "text" or param.answer == "index"
    if modifier == "of-type":
        return param.flavour == "identifier"
    return param.kind == "reference" and modifier in (param.targets or resource_types())


def _boolean(param: Param, text: str) -> bool:
    if text not in ("true", "false"):
        raise BadSearch("expected true or false", code="value", expression=f"{param.code}:missing")
    return text == "true"
