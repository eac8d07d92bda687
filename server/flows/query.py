"""QIDO-RS searches (PS3.18 10.6): from query parameters to DICOM JSON, served from rows alone."""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from sqlalchemy.sql.elements import ColumnElement

from dicom.json_model import attribute, keyword_of, subset, tag_of
from dicom.query import KEYS, LEVELS, BadQuery, Match, at_level, attributes, match, person_name
from server import clock
from server.errors import Invalid
from server.flows import access, current, reach, release
from server.flows.access import Grant
from server.flows.audit import Event, Reading
from server.flows.sites import House
from server.store import dicom_counts, dicom_search
from server.store.dicom_counts import Whole
from server.store.dicom_search import Allowed, Search
from server.store.shapes import Gate, Slots

# Most results of one answer; the rest is asked for with `offset`.
MOST = {"patient": 1000, "study": 1000, "series": 5000, "instance": 5000}
_LARGEST = 1 << 31
_NOT_KEYS = frozenset({"accept", "charset"})
_NOTHING = "{}"

# What an answer holds besides what is computed or stands in the rows (PS3.18 10.6.3.3).
_OF_SERIES = frozenset({"00080201", "00400244", "00400245", "00400275"})
_OF_INSTANCE = frozenset(
    {
        "00080016",
        "00080018",
        "00080201",
        "00200013",
        "00280008",
        "00280010",
        "00280011",
        "00280100",
    }
)


@dataclass(frozen=True, slots=True)
class Question:
    """Query parameters, understood. `fields` are extra tags, `everything` is includefield=all."""

    matches: Mapping[str, Match]
    fields: frozenset[str]
    everything: bool
    limit: int
    offset: int
    fuzzy: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Results as DICOM JSON objects; `more` says that some were left out.

    `key` is a secret that all processes share, for a name of the answer that nobody can make up.
    """

    items: Sequence[dict[str, Any]]
    more: bool
    fuzzy: bool
    event: Event
    key: str


@dataclass(frozen=True, slots=True)
class Shown(Answer):
    """An answer that may leave: its event is open."""

    reading: Reading


def parse(level: str, parameters: Iterable[tuple[str, str]]) -> Question:
    """Understand query parameters, or raise Invalid or BadQuery naming the one that is wrong."""
    matches: dict[str, Match] = {}
    fields: set[str] = set()
    plain: dict[str, str] = {}
    for name, value in parameters:
        if name == "includefield":
            fields.update(_field(word.strip()) for word in value.split(",") if word.strip())
        elif name in ("limit", "offset", "fuzzymatching"):
            plain[name] = value
        elif name not in _NOT_KEYS:
            _add(level, matches, fields, name, value)
    return Question(
        matches=matches,
        fields=frozenset(fields - {"all"}),
        everything="all" in fields,
        limit=min(_number(plain, "limit", MOST[level]), MOST[level]),
        offset=_number(plain, "offset", 0),
        fuzzy=plain.get("fuzzymatching", "").lower() == "true",
    )


def _add(level: str, matches: dict[str, Match], fields: set[str], name: str, value: str) -> None:
    """One matching key. A key without a value is asked for, not matched."""
    tag = tag_of(name)
    key = KEYS.get(tag or "")
    if key is None or key not in at_level(level):
        known = ", ".join(sorted(key.keyword for key in at_level(level)))
        raise BadQuery(
            f"{name!r} is no attribute that can be searched here; these are: {known}", where=name
        )
    if key.tag in matches:
        raise BadQuery(f"{key.keyword} is given twice", where=name)
    fields.add(key.tag)
    found = match(key, value)
    if found is not None:
        matches[key.tag] = found


def _field(word: str) -> str:
    tag = "all" if word == "all" else tag_of(word)
    if tag is None:
        raise BadQuery(f"{word!r} is no DICOM keyword or tag", where="includefield")
    return tag


def _number(plain: Mapping[str, str], name: str, default: int) -> int:
    text = plain.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text[:12]) > _LARGEST:
        raise Invalid(f"{name} must be a whole number", expression=name)
    return int(text)


def search(
    house: House,
    grant: Grant,
    level: str,
    parameters: Iterable[tuple[str, str]],
    study: str = "",
    series: str = "",
) -> Shown:
    """Search at a level, within a study and series if the address names them.

    The Reading that comes with the answer counts what is sent: the caller ends it.
    """
    return opened(house, find(house, grant, level, parameters, study, series))


def opened(house: House, found: Answer) -> Shown:
    """What was found, with the event under which it may leave."""
    reading = house.auditor.single(found.event)
    return Shown(found.items, found.more, found.fuzzy, found.event, found.key, reading)


def find(
    house: House,
    grant: Grant,
    level: str,
    parameters: Iterable[tuple[str, str]],
    study: str = "",
    series: str = "",
) -> Answer:
    """The same, before any event: nothing of it may leave but that nothing has changed."""
    question = parse(level, parameters)
    asked = Search(
        organisation=grant.organisation,
        level=level,
        gate=gate(grant, level),
        study=study,
        series=series,
        matches=question.matches,
        limit=question.limit,
        offset=question.offset,
    )
    with house.database.read() as connection:
        key = house.site(connection, grant.organisation, clock.now()).key
        if study:
            reach.claims(connection, grant, study)
        if level == "patient":
            rows = dicom_search.patients(connection, asked)
            items = [_patient_attributes(row) for row in rows[: question.limit]]
        else:
            rows = dicom_search.find(connection, asked)
            counted = None if grant.sees_held else replace(asked, gate=gate(grant, "instance"))
            writer = _Writer(house, connection, asked, question, counted)
            items = writer.items(rows[: question.limit])
    keys = ", ".join(keyword_of(tag) for tag in question.matches)
    seen = reach.event(grant, "search", study=study, detail=f"{level}: {keys or 'all'}")
    return Answer(items, len(rows) > len(items), question.fuzzy, seen, key)


def gate(grant: Grant, level: str) -> Gate[Allowed]:
    """What the grant reaches of a level's rows, and whether that is little."""

    def shaped(slots: Slots) -> tuple[Hashable, Allowed]:
        shape = access.shape(grant, slots)
        return shape, partial(_allowed, shape, level)

    few = not grant.everyone or grant.studies is not None
    return Gate(partial(_allowed, grant, level), few, shaped)


def _allowed(grant: Grant, level: str) -> ColumnElement[bool]:
    """The gate's condition on the rows of a level."""
    reached = access.studies(grant)
    if level == "instance":
        return reached & release.instances(grant)
    return reached & release.series(grant) if level == "series" else reached


class _Writer:
    """Writes the rows of one page as DICOM JSON. `seen` finds the instances that count for a caller
    who does not see all of a study.
    """

    def __init__(
        self,
        house: House,
        connection: Any,
        asked: Search,
        question: Question,
        seen: Search | None = None,
    ) -> None:
        self._base = f"{house.config.base}/dicomweb"
        self._connection = connection
        self._asked = asked
        self._question = question
        self._seen = seen
        self._counts: dict[tuple[str, int, str], int] = {}
        # Attributes of a level above the one asked for are left out where the address names it.
        self._with_study = asked.level == "study" or not asked.study
        self._with_series = asked.level == "series" or not asked.series

    def items(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        uids = sorted({row.study for row in rows})
        organisation = self._asked.organisation
        wholes: dict[tuple[str, int], Whole] = {}
        if uids and self._seen is not None:
            wholes = self._count(self._seen, uids)
        elif uids:
            wholes = dicom_counts.wholes(self._connection, organisation, uids)
        models = self._models(rows)
        return [
            self._item(row, wholes.get((row.study, row.claim), Whole()), model)
            for row, model in zip(rows, models, strict=True)
        ]

    def _count(self, seen: Search, uids: Sequence[str]) -> dict[tuple[str, int], Whole]:
        """What the caller sees of studies adds up to: no count tells of what is held back."""
        found: dict[tuple[str, int], Whole] = {}
        for row in dicom_counts.seen(self._connection, seen, uids):
            known = found.get((row.study, row.claim), Whole())
            fresh = (row.modality,) if row.modality not in ("", *known.modalities) else ()
            found[row.study, row.claim] = Whole(
                known.modalities + fresh, known.series + 1, known.instances + row.instances
            )
            self._counts[row.study, row.claim, row.uid] = row.instances
        return found

    def _models(self, rows: Sequence[Any]) -> list[str]:
        """The stored DICOM JSON behind each row, empty where the row says all that is asked."""
        level, connection = self._asked.level, self._connection
        if level == "instance":
            uids = [row.instance for row in rows]
            found = dicom_search.models(connection, self._asked.organisation, uids)
            return [found[uid] for uid in uids]
        if level == "study" and not self._question.everything and not self._more_fields():
            return [_NOTHING] * len(rows)
        samples = dicom_search.samples(connection, self._asked, rows)
        keys = [(r.study, r.claim, r.series_uid if level == "series" else "") for r in rows]
        return [samples.get(key, _NOTHING) for key in keys]

    def _more_fields(self) -> frozenset[str]:
        """Extra tags that belong to this level and are not in the rows."""
        wanted = self._question.fields - KEYS.keys()
        if self._asked.level == "instance":
            return wanted
        return wanted & attributes(self._asked.level)

    def _item(self, row: Any, whole: Whole, model: str) -> dict[str, Any]:
        level = self._asked.level
        address = self._address(row)
        found = self._stored(current.model(row, model), address)
        found["00080005"] = attribute("CS", ["ISO_IR 192"])
        found["00080056"] = attribute("CS", ["ONLINE"])
        found["00081190"] = attribute("UR", [address])
        found["0020000D"] = attribute("UI", [row.study])
        if self._with_study:
            found |= _study_attributes(row, whole)
        if level != "study":
            found["0020000E"] = attribute("UI", [row.series_uid])
            if self._with_series:
                found |= _series_attributes(row)
                key = (row.study, row.claim, row.series_uid)
                found["00201209"] = attribute("IS", [self._counts.get(key, row.series_instances)])
        return dict(sorted(found.items()))

    def _stored(self, model: str, address: str) -> dict[str, Any]:
        """What is taken from the stored DICOM JSON."""
        if model == _NOTHING:
            return {}
        level, text = self._asked.level, absolute(model, address)
        if self._question.everything:
            return json.loads(text) if level == "instance" else subset(text, attributes(level))
        wanted = self._question.fields
        if level == "instance":
            return subset(text, wanted | _OF_INSTANCE)
        return subset(text, (wanted | _OF_SERIES) & attributes(level))

    def _address(self, row: Any) -> str:
        """The Retrieve URL of a row (PS3.18 10.6.3.3)."""
        address = f"{self._base}/studies/{row.study}"
        if LEVELS.index(self._asked.level) > 0:
            address += f"/series/{row.series_uid}"
        if self._asked.level == "instance":
            address += f"/instances/{row.instance}"
        return address


def absolute(model: str, address: str) -> str:
    """DICOM JSON with its BulkDataURIs absolute. Within a JSON text the quotes cannot occur."""
    return model.replace('"BulkDataURI":"', f'"BulkDataURI":"{address}/')


def _patient_attributes(row: Any) -> dict[str, Any]:
    issuer = _namespace(row.patient_issuer)
    found = {
        "00100010": attribute("PN", [person_name(row.patient_name)] if row.patient_name else []),
        "00100020": attribute("LO", [row.patient_number]),
        "00100030": attribute("DA", [row.patient_birth_date]),
        "00100040": attribute("CS", [row.patient_sex]),
    }
    return found | ({"00100021": attribute("LO", [issuer])} if issuer else {})


def _study_attributes(row: Any, whole: Whole) -> dict[str, Any]:
    return _patient_attributes(row) | {
        "00080020": attribute("DA", [row.date]),
        "00080030": attribute("TM", [row.time]),
        "00080050": attribute("SH", [row.accession]),
        "00080061": attribute("CS", whole.modalities),
        "00080090": attribute("PN", [person_name(row.referrer)] if row.referrer else []),
        "00081030": attribute("LO", [row.description]),
        "00200010": attribute("SH", [row.number]),
        "00201206": attribute("IS", [whole.series]),
        "00201208": attribute("IS", [whole.instances]),
    }


@lru_cache(maxsize=64)
def _namespace(issuer: str) -> str:
    """What an issuer of patient numbers is called (0010,0021)."""
    return str(json.loads(issuer)[0]) if issuer else ""


def _series_attributes(row: Any) -> dict[str, Any]:
    return {
        "00080021": attribute("DA", [row.series_date]),
        "00080060": attribute("CS", [row.series_modality]),
        "0008103E": attribute("LO", [row.series_description]),
        "00180015": attribute("CS", [row.series_body_part]),
        "00200011": attribute("IS", [row.series_number]),
    }
