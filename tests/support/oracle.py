"""What a search must find, told by looking at every resource in turn: slow, plain and without SQL."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from fhir import query as q
from fhir.extract import EVERYWHERE, PairRow, ReferenceRow, Row, StringRow, TokenRow, rows
from fhir.extract import DateRow as Dates
from fhir.extract import UriRow as Uris
from fhir.matching import matches
from fhir.search_params import TABLE, Param
from server.flows.access import COMPARTMENT, Grant
from tests.support.records import DAYS, TIMES, Record
from tests.support.results import ASKED, UNITS

_PREFIXES = ("", "", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
_CHAINS = {
    "ImagingStudy": (("patient", "Patient"), ("endpoint", "Endpoint")),
    "Observation": (("patient", "Patient"), ("derived-from", "ImagingStudy")),
    "Encounter": (("patient", "Patient"),),
    "DocumentReference": (("relatesto", "DocumentReference"),),
}
_POINTING = {
    "Patient": (("ImagingStudy", "patient"), ("Observation", "subject")),
    "Endpoint": (("ImagingStudy", "endpoint"),),
}


@dataclass(slots=True)
class Oracle:
    """The records of an archive, seen by one grant."""

    records: list[Record]
    base: str
    grant: Grant
    _rows: dict[int, list[Row]] = field(default_factory=dict)
    _seen: dict[str, list[Record]] = field(default_factory=dict)
    _named: set[tuple[str, str]] | None = None

    def rows(self, record: Record) -> list[Row]:
        """What searches see in a record."""
        if record.order not in self._rows:
            self._rows[record.order] = rows(record.body, base=self.base, answers=EVERYWHERE)
        return self._rows[record.order]

    def sees(self, record: Record) -> bool:
        """Whether the grant may see a record at all."""
        if record.deleted or record.organisation != self.grant.organisation:
            return False
        return self.grant.everyone or self._is_own(record) or self._is_named(record)

    def _is_own(self, record: Record) -> bool:
        return (
            record.type in COMPARTMENT
            and record.filed_under in self.grant.patients
            and not record.hidden
        )

    def _is_named(self, record: Record) -> bool:
        """What belongs to no patient is seen when one of the patient's own resources names it."""
        if self._named is None:
            self._named = {
                link
                for other in self.records
                if not other.deleted
                and other.organisation == self.grant.organisation
                and self._is_own(other)
                for link in self.links(other)
            }
        return record.type not in COMPARTMENT and (record.type, record.id) in self._named

    def links(self, record: Record, code: str | None = None) -> set[tuple[str, str]]:
        """What a record refers to, by type and id: by one parameter, or by any."""
        found = [row for row in self.rows(record) if isinstance(row, ReferenceRow)]
        return {(r.target_type, r.target_id) for r in found if code in (None, r.param)}

    def meets(self, record: Record, condition: q.Condition) -> bool:
        """Whether a record meets one condition."""
        match condition:
            case q.Criterion():
                return matches(condition, self.rows(record))
            case q.Chain(param=param, branches=branches):
                links = self.links(record, param.code)
                return any(
                    (target.type, target.id) in links and self.meets(target, inner)
                    for kind, inner in branches
                    for target in self.visible(kind)
                )
            case q.Reverse(type=kind, param=param, condition=inner):
                return any(
                    (record.type, record.id) in self.links(source, param.code)
                    and self.meets(source, inner)
                    for source in self.visible(kind)
                )

    def visible(self, kind: str) -> list[Record]:
        """Every record of a type that the grant sees."""
        if kind not in self._seen:
            self._seen[kind] = [r for r in self.records if r.type == kind and self.sees(r)]
        return self._seen[kind]

    def answer(self, query: q.Query) -> list[str]:
        """The ids that match, in order."""
        found = [
            record
            for record in self.visible(query.type)
            if all(self.meets(record, condition) for condition in query.conditions)
        ]
        newest_first = not query.sort or query.sort[0].descending
        found.sort(key=lambda record: record.order, reverse=newest_first)
        for sort in reversed(query.sort):
            found = self._sorted(found, sort)
        return [record.id for record in found]

    def _sorted(self, found: list[Record], sort: q.Sort) -> list[Record]:
        """In a stable order; what has no value comes last, whichever way the order goes."""
        keys = {record.order: self._keys(record, sort.param) for record in found}
        least = max if sort.descending else min
        having = [record for record in found if keys[record.order]]
        values = sorted({least(keys[r.order]) for r in having}, reverse=sort.descending)
        having.sort(key=lambda r: values.index(least(keys[r.order])))
        return having + [record for record in found if not keys[record.order]]

    def _keys(self, record: Record, param: Param) -> list[int | str]:
        if param.code == "_lastUpdated":
            return [record.order]
        own = [row for row in self.rows(record) if row.param == param.code]
        return [_key(row) for row in own]

    def included(self, query: q.Query, page: Iterable[str]) -> set[tuple[str, str]]:
        """What the includes add to a page, by type and id."""
        matched = {(query.type, id_) for id_ in page}
        known = set(matched)
        while True:
            more = set()
            for include in query.includes:
                sources = known if include.iterate else matched
                more |= set(self._follow(include, sources))
            if more <= known:
                return known - matched
            known |= more

    def _follow(
        self, include: q.Include, sources: set[tuple[str, str]]
    ) -> Iterator[tuple[str, str]]:
        code = include.param.code if include.param else None
        for other in self.records:
            if not self.sees(other):
                continue
            name = other.type, other.id
            if not include.reverse:
                if name in sources and other.type == include.source:
                    wanted = self.links(other, code)
                    yield from (
                        (one.type, one.id)
                        for one in self.records
                        if self.sees(one)
                        and (one.type, one.id) in wanted
                        and include.target in ("", one.type)
                    )
            elif (other.type == include.source or include.source == "*") and any(
                target in sources and include.target in ("", target[0])
                for target in self.links(other, code)
            ):
                yield name


def _key(row: Row) -> int | str:
    match row:
        case TokenRow():
            return row.code
        case StringRow():
            return row.norm
        case Dates():
            return row.low
    raise AssertionError(row)


@dataclass(slots=True)
class Asker:
    """Draws searches that are likely to find something."""

    dice: Random
    oracle: Oracle

    def pairs(self, kind: str) -> list[tuple[str, str]]:
        """The parameters of a search on a type: one to three conditions, perhaps an order."""
        asked = [self.condition(kind) for _ in range(self.dice.choice((1, 1, 2, 3)))]
        if self.dice.random() < 0.4:
            asked.append(("_sort", self._sort(kind)))
        return asked

    def _sort(self, kind: str) -> str:
        codes = [code for code, param in TABLE[kind].items() if param.sortable]
        keys = self.dice.sample(codes, self.dice.choice((1, 1, 2)))
        return ",".join(self.dice.choice(("", "-")) + key for key in keys)

    def condition(self, kind: str, depth: int = 0) -> tuple[str, str]:
        """One condition: most often a plain one, now and then through a reference."""
        turn = self.dice.random()
        if depth < 2 and turn < 0.12 and kind in _CHAINS:
            code, target = self.dice.choice(_CHAINS[kind])
            name, text = self.condition(target, depth + 1)
            return f"{code}.{name}", text
        if depth < 2 and turn < 0.12:
            source, code = self.dice.choice(_POINTING[kind])
            name, text = self.condition(source, depth + 1)
            return f"_has:{source}:{code}:{name}", text
        return self._criterion(kind, self.dice.choice(list(TABLE[kind].values())))

    def _criterion(self, kind: str, param: Param) -> tuple[str, str]:
        if self.dice.random() < 0.1 and param.answer == "index":
            return f"{param.code}:missing", self.dice.choice(("true", "false"))
        seen = self._rows(kind, param.code)
        if param.kind in ("date", "quantity"):
            return param.code, self._measure(param)
        if param.kind == "composite":
            return param.code, self._pair(param, seen)
        modifier, texts = self._texts(param, kind, seen) if seen else ("", ["nothing"])
        return f"{param.code}{modifier}", ",".join(texts)

    def _measure(self, param: Param) -> str:
        """A date or a number, with a prefix, and perhaps a unit."""
        prefix = self.dice.choice(_PREFIXES if param.kind == "date" else (*_PREFIXES, "ap"))
        if param.kind == "date":
            return prefix + self.dice.choice(DAYS + TIMES)
        return prefix + self.dice.choice(ASKED) + self.dice.choice(UNITS)

    def _pair(self, param: Param, seen: list[Row]) -> str:
        """The two parts of one element, or of two that should not be found together."""
        one, other = self.dice.choice(seen), self.dice.choice(seen)
        other = self.dice.choice((one, other))
        assert isinstance(one, PairRow)
        assert isinstance(other, PairRow)
        first, second = param.parts
        if first.kind == "reference":
            named = f"{one.system}/{one.code}" if one.system else one.code
            return f"{escape(named)}${other.value}"
        system = f"{one.system}|" if self.dice.random() < 0.5 else ""
        if second.kind in ("date", "quantity"):
            return f"{system}{one.code or 'none'}${self._measure(second)}"
        return f"{system}{one.code or 'none'}${escape(other.value) or 'none'}"

    def _rows(self, kind: str, code: str) -> list[Row]:
        return [
            row
            for record in self.oracle.records
            if record.type == kind
            for row in self.oracle.rows(record)
            if row.param == code
        ]

    def _texts(self, param: Param, kind: str, seen: list[Row]) -> tuple[str, list[str]]:
        row = self.dice.choice(seen)
        others = self.dice.sample(seen, min(len(seen), self.dice.choice((0, 0, 1, 4))))
        match row:
            case TokenRow():
                return self._token(param, row, others, kind)
            case StringRow():
                modifier = self.dice.choice(("", "", ":exact", ":contains"))
                strings = [r for r in (row, *others) if isinstance(r, StringRow)]
                return modifier, [self._string(r, modifier) for r in strings]
            case ReferenceRow():
                return self._reference(row)
            case Uris():
                modifier = self.dice.choice(("", ":below", ":above"))
                return modifier, [row.value + self.dice.choice(("", "/more"))]
        raise AssertionError(row)

    def _token(
        self, param: Param, row: TokenRow, others: list[Row], kind: str
    ) -> tuple[str, list[str]]:
        turn = self.dice.random()
        if turn < 0.15 and row.text and param.answer == "index":
            return ":text", [escape(self.dice.choice(row.text.split()))[:4]]
        typed = self._rows(kind, f"{param.code}:of-type")
        if turn < 0.3 and param.flavour == "identifier" and typed:
            one = self.dice.choice(typed)
            assert isinstance(one, TokenRow)
            return ":of-type", [f"{one.system}|{one.code}"]
        texts = [self._code(r, param) for r in (row, *others) if isinstance(r, TokenRow)]
        return ":not" if turn > 0.85 else "", [text for text in texts if text] or ["none"]

    def _code(self, row: TokenRow, param: Param) -> str:
        code = escape(row.code)
        if param.flavour not in ("identifier", "exact") and self.dice.random() < 0.3:
            code = code.upper()
        forms = [code, f"{row.system}|{code}", f"|{code}"]
        forms += [f"{row.system}|"] if row.system else []
        return self.dice.choice([form for form in forms if form.strip("|")] or [""])

    def _string(self, row: StringRow, modifier: str) -> str:
        text = row.exact
        if modifier == ":contains":
            start = self.dice.randrange(len(text))
            text = text[start : start + 3]
        elif not modifier:
            text = text[: self.dice.randrange(1, len(text) + 1)]
            text = self.dice.choice((text, text.upper(), text.lower()))
        return escape(text) if text.strip() else "a"

    def _reference(self, row: ReferenceRow) -> tuple[str, list[str]]:
        if not row.target_id:
            return "", [escape(row.url)] if row.url else ["none"]
        full = f"{row.target_type}/{row.target_id}"
        if self.dice.random() < 0.2:
            return f":{row.target_type}", [row.target_id]
        return "", [self.dice.choice((row.target_id, full, f"{self.oracle.base}/{full}"))]


def escape(text: str) -> str:
    """A value with a backslash before what would end it (R4 3.1.1.4.9)."""
    for char in "\\,|$":
        text = text.replace(char, f"\\{char}")
    return text
