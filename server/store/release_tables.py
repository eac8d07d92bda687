"""Tables of release: the rows of a site's release table, and what staff decided of single items."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table

from server.store.columns import flag, int_column, key, metadata, org, text_column

# A wait that no clock ends.
FOREVER = 1 << 61

# What a row describes by (empty: all), and what it says. `part` is report or pictures. `wait` counts
# from the time of issue, 0 is at once. `weight` is how many words describe it.
release_rule = Table(
    "release_rule",
    metadata,
    org(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("part", String(16), nullable=False),
    text_column("status"),
    text_column("kind"),
    text_column("label"),
    text_column("actor"),
    flag("aged"),
    Column("youngest", SmallInteger, nullable=False, server_default="0"),
    Column("oldest", SmallInteger, nullable=False, server_default="0"),
    Column("then", String(16), nullable=False),
    int_column("wait"),
    flag("secret"),
    text_column("reason"),
    int_column("until"),
    Column("weight", SmallInteger, nullable=False, server_default="0"),
    int_column("created"),
)
Index(
    "ix_release_rule_part",
    release_rule.c.organisation,
    release_rule.c.part,
    release_rule.c.weight,
)

# One report or study: released by name (`until` is -1), or held until then whatever the table says.
release_item = Table(
    "release_item",
    metadata,
    org(),
    key("type", 40),
    key("id"),
    int_column("until"),
    text_column("reason"),
    int_column("created"),
)
