"""The page that maps HL7 v2 fields to FHIR elements, from the tables that tests hold the code to."""

from docs.tables import NOTE, code, table
from fhir.hl7_map import TABLES, Row
from hl7.events import EVENTS
from hl7.faults import MEANINGS

# Which test sets each field and looks at what changes.
FIELDS = "test_each_field_changes_the_element_that_its_row_names"


def page() -> str:
    """Return the whole page."""
    parts = [_type(types, rows) for types, rows in TABLES.items()]
    return (
        f"# From HL7 v2 to FHIR\n\n{NOTE}\n"
        "Per type of message: the fields that are written, the fields that are read and not written,\n"
        "and what they are for. Every other field and segment, Z segments among them, is ignored; the\n"
        "whole message is kept as it came and can be replayed. In orders and reports PID and PV1\n"
        "only make a Patient or Encounter that is not known; what a report tells of its order only fills\n"
        f"gaps. How a feed is set up and answered: [integrate/hl7.md](../integrate/hl7.md). Each field is\n"
        f"set in turn and seen to change its element: `{FIELDS}`.\n"
        f"\n## Messages\n\n{_events()}"
        + "".join(parts)
        + f"\n## Codes of ERR-3 (table 0357)\n\n{_codes()}"
    )


def _events() -> str:
    rows = ((code(one.kind), one.meaning, ", ".join(one.needs)) for one in EVENTS.values())
    return table(("Message", "Meaning", "Needs"), rows)


def _type(types: str, rows: tuple[Row, ...]) -> str:
    written = ((one.field, code(one.element), one.note) for one in rows if one.element)
    read = ((one.field, one.note) for one in rows if not one.element)
    return (
        f"\n## {types}: written\n\n{table(('Field', 'Element', 'Note'), written)}"
        f"\n## {types}: read, not written\n\n{table(('Field', 'What for'), read)}"
    )


def _codes() -> str:
    return table(("Code", "Meaning"), ((str(number), text) for number, text in MEANINGS.items()))
