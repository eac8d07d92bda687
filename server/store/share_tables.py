"""Tables of Magic Links: what is shared, the browsers that opened it, and wrong answers.

Of the link's secret, its spoken code, its answer and of cookies only digests are kept.
"""

from sqlalchemy import Column, Index, SmallInteger, String, Table

from server.store.columns import int_column, key, metadata, org, text_column

# `mailed`: its holder gets notices by mail, of what is newer than `told`. An answer with an end is
# a code that was mailed.
# `manifest_hash` and `passcode` are digests of its second handle, a SMART Health Link.
# `person` is the account that alone opens it, `purpose` what for (v3 PurposeOfUse).
# `patients` and `parts` as those of a token; `studies` are UIDs. All are fixed when it is made.
share = Table(
    "share",
    metadata,
    key("id"),
    Column("organisation", SmallInteger, nullable=False),
    Column("parent", String(64), nullable=False, server_default=""),
    Column("patient", String(64), nullable=False),
    text_column("parts"),
    text_column("studies"),
    Column("factor", String(16), nullable=False),
    text_column("answer"),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("manifest_hash", String(64), nullable=False, server_default=""),
    text_column("passcode"),
    text_column("label"),
    int_column("created"),
    int_column("expires"),
    int_column("uses"),
    int_column("most_uses"),
    int_column("failures"),
    int_column("revoked"),
    int_column("frozen"),
    Column("person", String(64), nullable=False, server_default=""),
    Column("purpose", String(16), nullable=False, server_default=""),
    int_column("mailed"),
    int_column("told"),
    int_column("answer_until"),
)
Index(None, share.c.organisation, share.c.patient)
Index(None, share.c.parent)
Index(None, share.c.manifest_hash)
Index(None, share.c.organisation, share.c.created, share.c.id)
# What came of opening a link: a browser's session (`page`), a token (`bearer`), a ticket for a file.
share_session = Table(
    "share_session",
    metadata,
    key("hash"),
    Column("share", String(64), nullable=False),
    Column("kind", String(16), nullable=False, server_default="page"),
    Column("login", String(64), nullable=False, server_default=""),
    int_column("began"),
    int_column("expires"),
    int_column("ended"),
)
Index(None, share_session.c.share)
# Wrong answers by where they came from, and of all together: forgotten at `until`.
share_throttle = Table(
    "share_throttle", metadata, key("key"), int_column("failures"), int_column("until")
)
# Where a patient is reached by mail: an address that was checked to be theirs.
contact = Table(
    "contact",
    metadata,
    org(),
    key("patient"),
    text_column("mail"),
    Column("language", String(8), nullable=False, server_default="en"),
    int_column("checked"),
)
