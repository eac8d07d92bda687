"""The tables of the handbook tell the truth: each field changes the element that its row names."""

import base64
from typing import Any

import pytest

from fhir.definitions import structures
from fhir.hl7_map import TABLES, Row
from hl7.fields import FIELDS
from hl7.message import Message, parse
from tests.support.hl7_builder import packed, segment
from tests.support.hl7_graph import graph
from tests.support.outside import complaints

Json = dict[str, Any]
PDF = base64.b64encode(b"%PDF-1.7").decode()
XCN = "1001^Sample^Olga^^^DR^^^HOSP"
SOMEONE = "1001&Sample&Olga&&&DR&&&HOSP"
OTHER_EVENT = {"ADT": "ADT^A31", "ORM, OMI, OMG": "ORM^O01", "ORU": "ORU^R01"}
FAMILIES = {
    "ADT": ("person", "visit", "deletion", "merge", "link"),
    "ORM, OMI, OMG": ("order",),
    "ORU": ("report",),
}
KINDS = {"ADT": "ADT^A08", "ORM, OMI, OMG": "OMI^O23", "ORU": "ORU^R01"}

# A message of each type that says next to nothing: segments with fields by number.
Segments = list[tuple[str, dict[int, str]]]
_PERSON: Segments = [
    ("PID", {3: "100^^^HOSP^MR"}),
    ("PD1", {}),
    ("NK1", {1: "1"}),
    ("PV1", {19: "V1^^^HOSP^VN"}),
    ("PV2", {}),
]
BASE: dict[str, Segments] = {
    "ADT": [("EVN", {1: "A08"}), *_PERSON],
    "ORM, OMI, OMG": [
        *_PERSON,
        ("ORC", {1: "NW"}),
        ("TQ1", {}),
        ("OBR", {}),
        ("NTE", {3: "Note"}),
        ("DG1", {}),
        ("OBX", {2: "NM", 3: "Q", 5: "1"}),
        ("IPC", {}),
        ("ZDS", {}),
    ],
    "ORU": [
        *_PERSON,
        ("ORC", {1: "RE"}),
        ("OBR", {25: "F"}),
        ("NTE", {}),
        ("OBX", {2: "NM", 3: "Q^Question^L", 5: "1", 11: "F"}),
        ("ZDS", {}),
    ],
}
# Without a code an order has no details.
NEEDS: dict[str, dict[str, dict[int, str]]] = {
    **{key: {"OBR": {4: "CODE"}} for key in ("OBR-24", "OBR-30", "OBR-46", "OBR-47")},
    **{key: {"OBR": {4: "CODE"}} for key in ("IPC-5", "IPC-6")},
    **{key: {"NK1": {2: "Curie^Pierre"}} for key in ("NK1-3", "NK1-7")},
    "PID-36": {"PID": {35: "CAN"}},
    "PID-12": {"PID": {11: "1 Road"}},
    "PV1-6": {"PV1": {3: "4W"}},
    "ORC-1": {"ORC": {1: "NW"}},
}
VALUES = {
    "MSH-3": "OTHER",
    "MSH-4": "OTHER",
    "MSH-5": "X",
    "MSH-6": "X",
    "MSH-7": "20260906",
    "MSH-10": "MSG2",
    "MSH-11": "T",
    "MSH-12": "2.4",
    "MSH-15": "AL",
    "MSH-16": "AL",
    "MSH-17": "FRA",
    "MSH-19": "DE",
    "EVN-2": "20260905",
    "EVN-3": "20260905",
    "EVN-4": "01",
    "EVN-5": XCN,
    "EVN-6": "20260905",
    **{f"MRG-{number}": "9^^^HOSP^MR" for number in range(1, 8)},
    "PID-2": "7^^^OLD",
    "PID-3": "200^^^HOSP^MR",
    "PID-4": "8^^^OLD",
    "PID-5": "Curie^Marie",
    "PID-6": "Boguska",
    "PID-7": "18671107",
    "PID-8": "F",
    "PID-9": "Manya",
    "PID-10": "R1",
    "PID-11": "1 Road^^Town",
    "PID-12": "C",
    "PID-13": "555",
    "PID-14": "556",
    "PID-15": "fr",
    "PID-16": "M",
    "PID-17": "X",
    "PID-18": "A1^^^HOSP",
    "PID-19": "999",
    "PID-20": "D1",
    "PID-21": "9^^^HOSP",
    "PID-22": "E1",
    "PID-24": "Y",
    "PID-25": "2",
    "PID-26": "FR",
    "PID-28": "FR",
    "PID-29": "19340704",
    "PID-30": "Y",
    "PID-31": "Y",
    "PID-32": "US",
    "PID-33": "20260905",
    "PID-35": "CAN",
    "PID-36": "BEA",
    "PID-37": "X",
    "PID-40": "557",
    "PD1-3": "Clinic",
    "PD1-4": XCN,
    "PD1-12": "Y",
    "NK1-2": "Curie^Pierre",
    "NK1-3": "SPO",
    "NK1-4": "1 Road",
    "NK1-5": "5",
    "NK1-6": "6",
    "NK1-7": "N",
    "PV1-2": "I",
    "PV1-3": "4W",
    "PV1-4": "R",
    "PV1-5": "P1",
    "PV1-6": "3E",
    "PV1-7": XCN,
    "PV1-8": XCN,
    "PV1-9": XCN,
    "PV1-10": "MED",
    "PV1-11": "OR",
    "PV1-16": "1",
    "PV1-17": XCN,
    "PV1-19": "V2^^^HOSP",
    "PV1-36": "01",
    "PV1-44": "20260901",
    "PV1-45": "20260902",
    "PV1-50": "V9^^^HOSP",
    "PV2-3": "^Pain",
    "PV2-8": "20260910",
    "ORC-1": "CA",
    "ORC-2": "P1",
    "ORC-3": "F1",
    "ORC-4": "G1",
    "ORC-5": "CM",
    "ORC-7": "^^^^^S",
    "ORC-9": "20260901",
    "ORC-12": XCN,
    "ORC-16": "X",
    "ORC-17": "WARD",
    "ORC-28": "R",
    "ORC-21": "Clinic^^77^^^NPPES^NPI",
    "ORC-33": "P9^^^HIS",
    "OBR-2": "P1",
    "OBR-3": "F1",
    "OBR-4": "CT^CT^L",
    "OBR-5": "S",
    "OBR-6": "20260905",
    "OBR-7": "20260905",
    "OBR-8": "20260906",
    "OBR-12": "X",
    "OBR-13": "Pain",
    "OBR-16": XCN,
    "OBR-18": "A1",
    "OBR-19": "RP1",
    "OBR-20": "SPS",
    "OBR-21": "SPS",
    "OBR-22": "202609051000",
    "OBR-24": "CT",
    "OBR-25": "P",
    "OBR-27": "^^^20260905",
    "OBR-30": "WALK",
    "OBR-31": "R51",
    "OBR-32": SOMEONE,
    "OBR-33": SOMEONE,
    "OBR-34": SOMEONE,
    "OBR-35": SOMEONE,
    "OBR-36": "20260905",
    "OBR-44": "MR^MR^L",
    "OBR-46": "S1",
    "OBR-47": "S2",
    "OBR-51": "G9",
    "OBR-53": "P9^^^HIS",
    "TQ1-7": "20260905",
    "TQ1-9": "S",
    "IPC-1": "A2",
    "IPC-2": "RP2",
    "IPC-3": "1.2.3",
    "IPC-4": "SPS",
    "IPC-5": "CT",
    "IPC-6": "P^^L",
    "IPC-7": "ST1",
    "IPC-8": "ROOM",
    "IPC-9": "AE1",
    "ZDS-1": "1.2.3",
    "DG1-3": "R51",
    "NTE-2": "L",
    "NTE-3": "Words",
    "NTE-4": "RE",
    "NTE-5": XCN,
    "NTE-6": "20260905",
    "OBX-3": "W",
    "OBX-6": "mm",
    "OBX-7": "<6",
    "OBX-8": "H",
    "OBX-11": "P",
    "OBX-13": "VIP",
    "OBX-14": "20260905",
    "OBX-16": XCN,
    "OBX-17": "CAL",
    "OBX-18": "DEV",
    "OBX-19": "20260905",
    "OBX-20": "LUNG",
    "OBX-21": "OBS1",
    "OBX-26": "IMMED",
    "OBX-2": "NM",
    "OBX-4": "7",
    "OBX-23": "Lab^^7^^^LABS",
    "OBX-5": "5",
}
# Fields that mean another thing in each kind of OBX: the whole segment.
SEGMENTS: dict[str, list[tuple[str, dict[int, str]]]] = {
    "OBX-5 TX, FT, ST": [("OBX", {2: "TX", 3: "&GDT", 5: "Fine.", 11: "F"})],
    "OBX-5 impression": [("OBX", {2: "TX", 3: "&IMP", 5: "Fine.", 11: "F"})],
    "OBX-5 scale": [("OBX", {2: "CWE", 3: "L^Lung-RADS^L", 5: "2^Lung-RADS 2^L", 11: "F"})],
    "OBX-5 ED": [("OBX", {2: "ED", 3: "PDF", 5: f"^Application^PDF^Base64^{PDF}", 11: "F"})],
    "OBX-5 RP": [("OBX", {2: "RP", 3: "URL", 5: "https://viewer.example/1", 11: "F"})],
    "OBX-5 study UID": [("OBX", {2: "ST", 3: "113014^Study^DCM", 5: "1.2.3", 11: "F"})],
    "OBX-5 SOP UID": [("OBX", {2: "ST", 3: "SR Instance UID", 5: "1.2.3", 11: "F"})],
    "OBX-5 MetaDMPMSS": [("OBX", {2: "ST", 3: "MASQUE_PS^^MetaDMPMSS", 5: "Y", 11: "F"})],
    "OBX-11 D, W": [("OBX", {2: "TX", 3: "&GDT", 5: "Fine.", 11: "W"})],
    "OBX-5 NM": [("OBX", {2: "NM", 3: "Q", 5: "1", 11: "F"})],
    "OBX-5 SN": [("OBX", {2: "SN", 3: "Q", 5: "^1^-^5", 11: "F"})],
    "OBX-5 CE, CWE": [("OBX", {2: "CWE", 3: "Q", 5: "A^Alpha^L", 11: "F"})],
    "OBX-5 DT, TS": [("OBX", {2: "DT", 3: "Q", 5: "20260905", 11: "F"})],
    "OBX-5 TM": [("OBX", {2: "TM", 3: "Q", 5: "1530", 11: "F"})],
    "NTE-3 of OBX": [("OBX", {2: "NM", 3: "Q", 5: "1", 11: "F"}), ("NTE", {3: "Words"})],
}
ROWS = [(kind, row) for kind, rows in TABLES.items() for row in rows]


def message(kind: str, segments: Segments, msh: dict[int, str] | None = None) -> Message:
    lines = [segment(name, **_fields(fields)) for name, fields in segments if fields]
    head, rest = packed(KINDS[kind], *lines).split(b"\r", 1)
    fields = head.decode().split("|")
    fields += [""] * (20 - len(fields))
    for number, value in (msh or {}).items():
        fields[number - 1] = value  # MSH-1 is the separator itself
    return parse("|".join(fields).encode() + b"\r" + rest)


def _fields(fields: dict[int, str]) -> dict[str, str]:
    return {f"f{number}": value for number, value in fields.items()}


def with_fields(segments: Segments, changes: dict[str, dict[int, str]]) -> Segments:
    names = [name for name, _ in segments]
    added = [(name, fields) for name, fields in changes.items() if name not in names]
    return [*((name, fields | changes.get(name, {})) for name, fields in segments), *added]


def before_and_after(kind: str, row: Row) -> tuple[Message, Message]:
    """A message without the field of a row, and the same one with it."""
    base = with_fields(BASE[kind], NEEDS.get(row.field, {}))
    if row.field in SEGMENTS:
        rest = [one for one in base if one[0] != "OBX"]
        return message(kind, rest), message(kind, [*rest, *SEGMENTS[row.field]])
    name, _, number = row.field.partition("-")
    if name == "MSH":
        value = OTHER_EVENT[kind] if number == "9" else VALUES[row.field]
        return message(kind, base), message(kind, base, {int(number): value})
    changed = with_fields(base, {name: {int(number): VALUES[row.field]}})
    return message(kind, base), message(kind, changed)


def elements(resources: list[Json]) -> dict[str, list[Any]]:
    """What each element holds, by type and name."""
    found: dict[str, list[Any]] = {}
    for one in resources:
        for name, value in one.items():
            found.setdefault(f"{one['resourceType']}.{name}", []).append(value)
    return found


def changed(one: Message, other: Message) -> set[str]:
    before, after = elements(graph(one)), elements(graph(other))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{k[:3]}-{r.field}" for k, r in ROWS])
def test_each_field_changes_the_element_that_its_row_names(kind: str, row: Row) -> None:
    without, with_it = before_and_after(kind, row)
    # A report has one event only: there is no other to compare it with.
    only_event = (kind, row.field) == ("ORU", "MSH-9")
    found = set(elements(graph(with_it))) if only_event else changed(without, with_it)
    if row.element:
        assert row.element in found
    else:
        assert found == set()
    for resource in graph(with_it):
        assert complaints(resource) == []


@pytest.mark.parametrize(("kind", "family"), [(k, f) for k, fs in FAMILIES.items() for f in fs])
def test_every_field_that_is_read_is_in_the_table_of_its_message(kind: str, family: str) -> None:
    listed = {row.field.split()[0] for row in TABLES[kind]}
    assert FIELDS[family].keys() - listed == set()


def test_every_element_of_the_tables_is_one_of_r4() -> None:
    for _, row in ROWS:
        if row.element:
            kind, _, name = row.element.partition(".")
            assert name in structures()[kind].elements, row


def test_no_field_is_listed_twice() -> None:
    for rows in TABLES.values():
        keys = [(row.field, row.element) for row in rows]
        assert len(keys) == len(set(keys))
