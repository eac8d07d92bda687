"""What another converter makes of the shared messages, beside what this server makes: counts.

`python -m tests.support.agreement` measures, and writes docs/agreement.json. Nothing of a message
or a bundle is kept but counts by element. Of an element the set of its values counts, over all
resources of the type: a concept by its codes, a reference by the type that it points to, a time by
the moment at which it begins; ids, displays, generated text and meta do not count.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from docs.agreement_page import COUNTS, Counts
from fhir.datetimes import search_range
from fhir.errors import BadDate
from hl7.events import event_of
from hl7.message import parse
from server.flows import messages
from server.flows.feeds import Connecting
from tests.support.examination import bodies, drain
from tests.support.houses import opened
from tests.support.samples import samples

Json = dict[str, Any]
Leaves = dict[str, set[str]]

FAMILIES = {"order": "Orders", "report": "Reports"}
_DEPTH = 2
_ASIDE = ("id", "meta", "text", "resourceType", "display")


class Pair(NamedTuple):
    """A message of a family, and the bundle that another converter makes of it."""

    family: str
    message: Path
    bundle: Path


def pairs() -> Iterator[Pair]:
    """The shared messages that are mapped and have a bundle that can be read."""
    for bundle in sorted(samples("hl7").rglob("expected/*.json")):
        stem = bundle.stem.removesuffix("-expected").replace("FHIR_bundle.hl7_", "IG-test-")
        message = bundle.parent.parent / "messages" / f"{stem}.hl7"
        if not message.exists() or not bundle.read_text("utf-8-sig").startswith("{"):
            continue  # one bundle is XML under this name
        event = event_of(parse(message.read_bytes()))
        if event is not None:
            yield Pair(FAMILIES.get(event.family, "Administration"), message, bundle)


def measured() -> Counts:
    """How often, by family of message and element, both say the same, or one says something else."""
    found: Counts = {}
    for pair in pairs():
        rows = found.setdefault(pair.family, {})
        for element, verdict in compared(_made(pair.message), _theirs(pair.bundle)):
            rows.setdefault(element, [0, 0, 0, 0])[verdict] += 1
    return found


def _made(message: Path) -> list[Json]:
    """What this server makes of a message, sent to a house of its own."""
    with TemporaryDirectory() as folder, opened(Path(folder), SETTLE_SECONDS="0") as house:
        caller = messages.greet(house, Connecting("127.0.0.1"))
        assert caller is not None
        messages.receive(house, caller, message.read_bytes())
        drain(house)
        return [one for some in bodies(house).values() for one in some]


def _theirs(bundle: Path) -> list[Json]:
    entries = json.loads(bundle.read_text("utf-8-sig"))["entry"]
    return [entry["resource"] for entry in entries if "resource" in entry]


def compared(ours: list[Json], theirs: list[Json]) -> Iterator[tuple[str, int]]:
    """Each element with its verdict (agreed, another value, ours alone, theirs alone).

    A type that one of the two does not write is one row.
    """
    mine, others = leaves(ours), leaves(theirs)
    types, other_types = ({path.partition(".")[0] for path in found} for found in (mine, others))
    yield from ((type_, 2) for type_ in sorted(types - other_types))
    yield from ((type_, 3) for type_ in sorted(other_types - types))
    for path in sorted({*mine, *others}):
        if path.partition(".")[0] in types & other_types:
            told = (mine.get(path), others.get(path))
            yield path, 2 if told[1] is None else 3 if told[0] is None else int(told[0] != told[1])


def leaves(resources: list[Json]) -> Leaves:
    """The values of all resources, by type and element."""
    found: Leaves = {}
    for one in resources:
        for path, value in _walk(str(one["resourceType"]), one):
            found.setdefault(path, set()).add(value)
    return found


def _walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _walk(path, one)
    elif not isinstance(value, Mapping):
        yield path, _plain(value)
    elif path.endswith("extension"):
        name = str(value["url"]).rpartition("/")[2]
        inner = {key: one for key, one in value.items() if key != "url"}
        yield from ((f"{path}({name})", text) for _, text in _walk("", inner))
    elif _is_reference(value):
        yield path, str(value.get("reference") or value.get("type", "")).partition("/")[0]
    elif "coding" in value:
        yield from ((path, str(one.get("code") or one.get("display"))) for one in value["coding"])
    elif "code" in value and value.keys() <= {"code", "system", "display", "version"}:
        yield path, str(value["code"])
    else:
        for name, member in value.items():
            if name not in _ASIDE:
                below = f"{path}.{name}" if path.count(".") < _DEPTH else path
                yield from _walk(below, member)


def _is_reference(value: Mapping[str, Any]) -> bool:
    names = value.keys() <= {"type", "display", "identifier"}
    return "reference" in value or (names and isinstance(value.get("type", ""), str))


def _plain(value: Any) -> str:
    text = str(value).strip()
    try:
        return str(search_range(text)[0]) if "T" in text else text
    except BadDate:  # a text, or no date that R4 has
        return text


def main() -> None:
    """Write the counts."""
    COUNTS.write_text(as_text(measured()))


def as_text(counts: Counts) -> str:
    """Counts as JSON with a line for each element."""
    families = []
    for family, rows in sorted(counts.items()):
        lines = (f"  {json.dumps(element)}: {told}" for element, told in sorted(rows.items()))
        families.append(f" {json.dumps(family)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(families) + "\n}\n"


if __name__ == "__main__":
    main()
