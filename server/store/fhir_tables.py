"""Tables of FHIR resources: the text as it is served, every version, and the search index."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text

from server.store.columns import flag, int_column, key, metadata, org, text_column

# FHIR resources: the text as it is served, every version, and the typed search index.
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
    Column("text", Text, nullable=False),
)
Index("ux_resource_id", resource.c.organisation, resource.c.type, resource.c.id, unique=True)
Index(None, resource.c.organisation, resource.c.type, resource.c.rid)
Index(None, resource.c.organisation, resource.c.type, resource.c.updated, resource.c.rid)
Index("ix_resource_filed", resource.c.organisation, resource.c.filed_under, resource.c.type)
resource_version = Table(
    "resource_version",
    metadata,
    org(),
    key("type", 40),
    key("id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("updated", BigInteger, nullable=False),
    Column("method", String(8), nullable=False),
    text_column("reason"),
    Column("text", Text, nullable=False),
)
resource_key = Table(
    "resource_key",
    metadata,
    org(),
    key("type", 40),
    key("key", 256),
    Column("id", String(64), nullable=False),
)


def _index_table(name: str, *columns: "Column[Any]", lookup: tuple[str, ...]) -> Table:
    """An index table with its two ways in: by value, and by resource."""
    table = Table(
        name,
        metadata,
        Column("organisation", SmallInteger, nullable=False),
        Column("param", Integer, nullable=False),
        Column("rid", BigInteger, nullable=False),
        *columns,
    )
    value = [table.c[column] for column in lookup]
    Index(f"ix_{name}_value", table.c.organisation, table.c.param, *value, table.c.rid)
    Index(f"ix_{name}_rid", table.c.organisation, table.c.rid, table.c.param)
    return table


index_token = _index_table(
    "index_token",
    text_column("code"),
    text_column("system"),
    text_column("text"),
    lookup=("code", "system"),
)
index_string = _index_table(
    "index_string", text_column("norm"), text_column("exact"), lookup=("norm",)
)
index_date = _index_table(
    "index_date", int_column("low"), int_column("high"), lookup=("low", "high")
)
index_reference = _index_table(
    "index_reference",
    text_column("target_type"),
    text_column("target"),
    text_column("url"),
    lookup=("target", "target_type"),
)
Index(None, index_reference.c.organisation, index_reference.c.target, index_reference.c.target_type)
index_uri = _index_table("index_uri", text_column("value"), lookup=("value",))
