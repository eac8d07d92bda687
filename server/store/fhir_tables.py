"""Tables of FHIR resources: the text as it is served, every version, and the search index."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text

from server.store.columns import (
    flag,
    int_column,
    key,
    metadata,
    number_column,
    ordered_text,
    org,
    text_column,
)

# FHIR resources: the text as it is served, every version, and the typed search index. `traits` and
# `issued` are what a release table asks of a report, a document or a study.
resource = Table(
    "resource",
    metadata,
    org(),
    Column("rid", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", BigInteger, nullable=False),
    flag("deleted"),
    flag("hidden"),
    text_column("filed_under"),
    text_column("traits"),
    int_column("issued"),
    Column("text", Text, nullable=False),
)
Index("ux_resource_id", resource.c.organisation, resource.c.type, resource.c.id, unique=True)
Index(None, resource.c.organisation, resource.c.type, resource.c.rid)
Index(None, resource.c.organisation, resource.c.type, resource.c.updated, resource.c.rid)
Index(
    "ix_resource_filed",
    resource.c.organisation,
    resource.c.filed_under,
    resource.c.type,
    resource.c.rid,
)
resource_version = Table(
    "resource_version",
    metadata,
    org(),
    key("type", 40),
    key("id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("updated", BigInteger, nullable=False),
    Column("method", String(8), nullable=False),
    text_column("filed_under"),
    flag("hidden"),
    text_column("reason"),
    Column("text", Text, nullable=False),
)


# Where the bytes of a Binary lie: in a blob of its own, whose SHA-256 stands here, or within the blob
# of the DICOM object that encloses them; of a deflated one at `start` of what inflates from
# `inflated` on.
content = Table(
    "content",
    metadata,
    org(),
    key("id"),
    Column("blob", String(255), nullable=False),
    int_column("start"),
    int_column("length"),
    int_column("inflated"),
    text_column("sha256"),
    int_column("created"),
)
Index(None, content.c.organisation, content.c.blob)
Index(None, content.c.organisation, content.c.sha256)

# What was derived from the DICOM objects of a study (an ImagingStudy's id), and for reports what
# each source says alone: `source` is "message" or what names the document.
derived = Table(
    "derived",
    metadata,
    org(),
    key("type", 40),
    key("id"),
    key("source", 80),
    text_column("study"),
    text_column("text"),
)
Index(None, derived.c.organisation, derived.c.study)


# Columns of index tables that no usual search compares.
_SHOWN = frozenset({"text", "exact", "url"})


def _index_table(name: str, *columns: "Column[Any]", order: tuple[str, ...]) -> Table:
    """An index table with its two ways in: by value, in order, and by resource.

    Both hold every column that a condition compares, so that the table itself is seldom read.
    """
    table = Table(
        name,
        metadata,
        Column("organisation", SmallInteger, nullable=False),
        Column("param", Integer, nullable=False),
        Column("rid", BigInteger, nullable=False),
        *columns,
    )
    _index_by(table, *order)
    compared = [table.c[column.name] for column in columns if column.name not in _SHOWN]
    Index(f"ix_{name}_rid", table.c.organisation, table.c.rid, table.c.param, *compared)
    return table


def _index_by(table: Table, *order: str) -> None:
    """The way in by one column, in whose order a sorted search walks; the others come along."""
    known = {"organisation", "param", "rid", *order, *_SHOWN}
    others = [column for column in table.c if column.name not in known]
    ordered = [table.c[name] for name in order]
    leading = table.c.organisation, table.c.param, *ordered, table.c.rid
    Index(f"ix_{table.name}_{order[-1]}", *leading, *others)


index_token = _index_table(
    "index_token",
    ordered_text("code"),
    text_column("system"),
    text_column("text"),
    order=("code",),
)
index_string = _index_table(
    "index_string", ordered_text("norm"), text_column("exact"), order=("norm",)
)
# By their beginnings and by their ends: a search may give a bound on either.
index_date = _index_table("index_date", int_column("low"), int_column("high"), order=("low",))
_index_by(index_date, "high")
index_reference = _index_table(
    "index_reference",
    text_column("target_type"),
    text_column("target"),
    text_column("url"),
    order=("target",),
)
Index(None, index_reference.c.organisation, index_reference.c.target, index_reference.c.target_type)
index_uri = _index_table("index_uri", ordered_text("value"), order=("value",))
# Quantities, and what composites see in one element: see `fhir.extract.PairRow`.
index_pair = _index_table(
    "index_pair",
    ordered_text("code"),
    text_column("system"),
    number_column("low"),
    number_column("high"),
    ordered_text("value"),
    text_column("value_system"),
    text_column("text"),
    order=("code", "low"),
)
_index_by(index_pair, "code", "high")
_index_by(index_pair, "code", "value")

# What a report shows: its studies and documents, which no search parameter of R4 finds, and what a
# DocumentReference does. A grant for single studies reaches the reports and documents of those alone.
index_shown = Table(
    "index_shown",
    metadata,
    Column("organisation", SmallInteger, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Column("target_type", String(40), nullable=False),
    Column("target", String(64), nullable=False),
)
Index(None, index_shown.c.organisation, index_shown.c.target_type, index_shown.c.target)
Index(None, index_shown.c.organisation, index_shown.c.rid)
