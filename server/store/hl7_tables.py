"""Tables of HL7 v2: feeds, the message log, the lanes it is applied in, and what came of it."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from server.store.columns import int_column, key, metadata, org, text_column

# Who sends messages. `owns` are the systems of the numbers that it may merge and move.
feed = Table(
    "feed",
    metadata,
    org(),
    key("name"),
    text_column("application"),
    text_column("facility"),
    text_column("network"),
    text_column("owns"),
    text_column("issuer"),
    text_column("zone"),
    text_column("charset"),
    text_column("processing"),
    text_column("certificate"),
    text_column("listener"),
    text_column("accession"),
    text_column("answer_to"),
    text_column("traits"),
    int_column("created"),
)

# Every message that was acknowledged, as it came and as it was answered. Ids rise by arrival.
message = Table(
    "message",
    metadata,
    org(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("feed", String(64), nullable=False),
    Column("control_id", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    int_column("received"),
    Column("raw", LargeBinary, nullable=False),
    Column("ack", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    text_column("outcome"),
    int_column("attempts"),
    int_column("applied"),
)
Index(None, message.c.organisation, message.c.feed, message.c.control_id)
Index(None, message.c.organisation, message.c.state, message.c.id)
Index(None, message.c.organisation, message.c.feed, message.c.id)

# Where a message waits: one lane for each patient that it names, the oldest message first.
message_lane = Table(
    "message_lane",
    metadata,
    org(),
    key("lane"),
    Column("message", BigInteger, primary_key=True, autoincrement=False),
)
# With the lane in it, or SQLite takes the primary key for a covering index and reads all of it.
Index(
    "ix_message_lane_message",
    message_lane.c.organisation,
    message_lane.c.message,
    message_lane.c.lane,
)

# Which version of which resource a message wrote, and why.
message_effect = Table(
    "message_effect",
    metadata,
    org(),
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    key("type", 40),
    key("id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    text_column("why"),
)
Index(
    "ix_message_effect_resource",
    message_effect.c.organisation,
    message_effect.c.type,
    message_effect.c.id,
    message_effect.c.message,
)

# Later acknowledgements, one for each code, with what the other side said to them.
message_answer = Table(
    "message_answer",
    metadata,
    org(),
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    key("code", 2),
    Column("feed", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reply", LargeBinary),
    int_column("created"),
    int_column("sent"),
)
Index(None, message_answer.c.organisation, message_answer.c.feed, message_answer.c.state)

# What names a study, an order or a report: equal keys are joined, whoever came first.
link_key = Table(
    "link_key",
    metadata,
    org(),
    key("kind", 16),
    key("value", 255),
    key("type", 40),
    key("id"),
    text_column("system"),
)
Index("ix_link_key_resource", link_key.c.organisation, link_key.c.type, link_key.c.id)

# What last had a say in a resource: later words of the same sender win, and replays are stale.
last_word = Table(
    "last_word",
    metadata,
    org(),
    key("type", 40),
    key("id"),
    text_column("sender"),
    Column("sent", BigInteger),
    int_column("message"),
)

# Records that became part of another: unissued ones that were joined, and merges. What was before is
# written down, so that it can be undone exactly; a row that was undone stays.
identity_join = Table(
    "identity_join",
    metadata,
    org(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("patient", String(64), nullable=False),
    Column("heir", String(64), nullable=False),
    Column("rule", String(32), nullable=False),
    int_column("message"),
    text_column("evidence"),
    text_column("before"),
    text_column("numbers"),
    Column("state", String(16), nullable=False),
    int_column("created"),
    int_column("ended"),
)
# Two records, in the order of their ids, that are told to be one person and stay two.
identity_link = Table(
    "identity_link",
    metadata,
    org(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("one", String(64), nullable=False),
    Column("other", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    int_column("message"),
    int_column("ended_by"),
    text_column("evidence"),
    int_column("created"),
    int_column("ended"),
)
Index(None, identity_link.c.organisation, identity_link.c.one, identity_link.c.other)
# What was shown as somebody else's, from `since` on, and which grants ended for it when it was found.
recall = Table(
    "recall",
    metadata,
    org(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("act", String(16), nullable=False),
    Column("patient", String(64), nullable=False),
    Column("shown_as", String(64), nullable=False),
    int_column("message"),
    text_column("grants"),
    int_column("since"),
    int_column("created"),
)
Index(None, recall.c.organisation, recall.c.patient)
Index(None, identity_join.c.organisation, identity_join.c.patient)
Index(None, identity_join.c.organisation, identity_join.c.heir)
