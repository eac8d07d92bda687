"""SMART resource scopes, versions 1 and 2 (SMART App Launch 2.2, scopes-and-launch-context).

A scope never gains by being read: letters out of order, unknown types and misplaced questions are
refused, and an intersection has at most what both sides have.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from fhir.definitions import resource_types
from fhir.errors import BadScope

LETTERS = "cruds"
VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
# Which letter each FHIR interaction needs; an update that creates needs only u, as SMART says.
INTERACTIONS = {
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "search-type": "s",
    "search-system": "s",
    "history-type": "s",
    "history-system": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
}

_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)"
    r"\.(?P<letters>read|write|\*|[cruds]+)(?:\?(?P<query>\S+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope. `letters` are in the order c r u d s, `query` is the text after "?".

    `first` says that it was asked for in the form of version 1, in which it is echoed.
    """

    context: str
    type: str
    letters: str
    query: str = ""
    first: bool = False

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """The search parameters that a resource must meet, all of them; empty without any."""
        return tuple(parse_qsl(self.query, keep_blank_values=True))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The params as they are spelled in the query."""
        return tuple(self.query.split("&")) if self.query else ()

    def __str__(self) -> str:
        """The scope as a client wrote it, or as it would have written what is left of it."""
        if self.first and not self.query:
            for word, letters in VERSION_1.items():
                if letters == self.letters:
                    return f"{self.context}/{self.type}.{word}"
        question = f"?{self.query}" if self.query else ""
        return f"{self.context}/{self.type}.{self.letters}{question}"


def parse(text: str) -> Scope:
    """One resource scope; BadScope if it is none, or one that could be read in two ways."""
    match = _SCOPE.fullmatch(text)
    if match is None:
        raise BadScope("expected context/Type.letters", expression="scope")
    kind, letters, query = match["type"], match["letters"], match["query"] or ""
    first = letters in VERSION_1
    if not first and letters != "".join(letter for letter in LETTERS if letter in letters):
        raise BadScope("the letters are not in the order c, r, u, d, s", expression="scope")
    if kind != "*" and kind not in resource_types():
        raise BadScope("the type is none of R4", expression="scope")
    if query and (first or not _is_question(query)):
        raise BadScope("the question after the letters is not understood", expression="scope")
    return Scope(match["context"], kind, VERSION_1.get(letters, letters), query, first)


def split(text: str) -> tuple[tuple[Scope, ...], tuple[str, ...]]:
    """The resource scopes of a scope parameter, each once, and all its other words.

    A word with a slash that is no resource scope (launch/patient too) is among the others.
    """
    scopes: dict[Scope, None] = {}
    others: dict[str, None] = {}
    for word in text.split():
        try:
            scopes[parse(word)] = None
        except BadScope:
            others[word] = None
    return tuple(scopes), tuple(others)


def matching(scopes: Iterable[Scope], context: str, kind: str, letter: str) -> tuple[Scope, ...]:
    """The scopes that let this letter through for this type; their params restrict each one."""
    return tuple(
        scope
        for scope in scopes
        if scope.context == context and scope.type in ("*", kind) and letter in scope.letters
    )


def allows(scopes: Iterable[Scope], context: str, kind: str, letter: str) -> bool:
    """Whether any scope lets it through, at least for the resources that meet its params."""
    return bool(matching(scopes, context, kind, letter))


def intersect(asked: Iterable[Scope], ceiling: Iterable[Scope]) -> tuple[Scope, ...]:
    """What is in both, in the form in which it was asked; nothing is named that another covers."""
    limits = tuple(ceiling)
    found = [both for one in asked for other in limits if (both := _both(one, other))]
    distinct = list(dict.fromkeys(found))
    return tuple(
        scope
        for place, scope in enumerate(distinct)
        if not any(
            _covers(other, scope) and (not _covers(scope, other) or index < place)
            for index, other in enumerate(distinct)
            if index != place
        )
    )


def text(scopes: Iterable[Scope], others: Iterable[str] = ()) -> str:
    """The scope parameter of an answer."""
    return " ".join([*others, *(str(scope) for scope in scopes)])


def _is_question(query: str) -> bool:
    pairs = [pair.partition("=") for pair in query.split("&")]
    return all(name and value for name, _, value in pairs)


def _both(asked: Scope, limit: Scope) -> Scope | None:
    letters = "".join(letter for letter in asked.letters if letter in limit.letters)
    if asked.context != limit.context or not letters:
        return None
    if "*" not in (asked.type, limit.type) and asked.type != limit.type:
        return None
    kind = limit.type if asked.type == "*" else asked.type
    conditions = dict.fromkeys([*asked.conditions, *limit.conditions])
    return replace(asked, type=kind, letters=letters, query="&".join(conditions))


def _covers(wide: Scope, narrow: Scope) -> bool:
    return (
        wide.context == narrow.context
        and wide.type in ("*", narrow.type)
        and set(narrow.letters) <= set(wide.letters)
        and set(wide.conditions) <= set(narrow.conditions)
    )
