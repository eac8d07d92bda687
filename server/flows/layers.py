"""What messages and DICOM documents say of one report, kept apart and put together.

Whatever comes first, the outcome is the same: each source's word is kept as it said it, and the
resource is made anew of all of them when one changes. A report that only messages tell of has no
layers: its resource is what they say.
"""

from typing import Any

from sqlalchemy import Connection

from fhir import paper_report, wire
from server.store import derived, resources
from server.store.derived import GONE, MESSAGE

Json = dict[str, Any]
REPORT = "DiagnosticReport"
_JOINED = ("basedOn", "imagingStudy")


def body_of(connection: Connection, organisation: int, type_: str, id_: str) -> Json | None:
    """The current body of a resource, None if there is none or it was deleted."""
    row = resources.current(connection, organisation, type_, id_)
    return None if row is None or row.deleted else wire.read(row.text)


def is_told(connection: Connection, organisation: int, type_: str, id_: str) -> bool:
    """Whether a message has told of a resource, and not only DICOM objects."""
    rows = derived.of(connection, organisation, type_, id_)
    return not rows or rows[0].source == MESSAGE


def of_messages(connection: Connection, organisation: int, id_: str) -> Json | None:
    """What messages say of a report; None if they said nothing yet."""
    rows = derived.of(connection, organisation, REPORT, id_)
    if not rows:
        return body_of(connection, organisation, REPORT, id_)
    return wire.read(rows[0].text) if rows[0].source == MESSAGE else None


def with_documents(connection: Connection, organisation: int, body: Json) -> Json:
    """A report as messages tell it now, together with what documents say of it."""
    id_ = body["id"]
    derived.forget(connection, organisation, REPORT, id_, GONE)
    if not derived.of(connection, organisation, REPORT, id_):
        return body
    derived.keep(connection, organisation, REPORT, id_, MESSAGE, text=wire.write(body))
    return whole(connection, organisation, id_, body["subject"]) or body


def add_document(
    connection: Connection, organisation: int, source: str, study: str, body: Json
) -> Json:
    """A report with what a document of a study says of it."""
    id_ = body["id"]
    if not derived.of(connection, organisation, REPORT, id_):
        told = body_of(connection, organisation, REPORT, id_)
        if told is not None:
            text = wire.write(told)
            derived.keep(connection, organisation, REPORT, id_, MESSAGE, text=text)
    text = wire.write(body)
    derived.keep(connection, organisation, REPORT, id_, source, study=study, text=text)
    return whole(connection, organisation, id_, body["subject"]) or body


def whole(connection: Connection, organisation: int, id_: str, subject: Json) -> Json | None:
    """A report made of all that is said of it; None when nobody says anything.

    Whose it is may have changed since a source spoke: `subject` counts. What joining found stays:
    it looks at all of them anew.
    """
    rows = derived.of(connection, organisation, REPORT, id_)
    if not rows:
        return None
    made = paper_report.together([wire.read(row.text) for row in rows]) | {"subject": subject}
    present = body_of(connection, organisation, REPORT, id_)
    if present is None:
        return made
    joined = {name: present[name] for name in _JOINED if name in present}
    return {key: value for key, value in made.items() if key not in _JOINED} | joined
