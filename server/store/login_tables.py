"""Tables of people who log in: accounts, sessions, and what they allowed to which app.

Whatever is a secret (session, code, launch, the name of a pending request) is kept as its digest.
"""

from sqlalchemy import Column, Index, SmallInteger, String, Table

from server.store.columns import flag, int_column, key, metadata, text_column


def _organisation() -> "Column[int]":
    return Column("organisation", SmallInteger, nullable=False)


def _id(name: str) -> "Column[str]":
    return Column(name, String(64), nullable=False, server_default="")


# `patients` are those of a patient or proxy; `fhir_users` maps "" or a patient to a reference.
# `totp` is the encrypted secret of the second factor, `totp_step` its last step that was accepted.
account = Table(
    "account",
    metadata,
    key("id"),
    _organisation(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    text_column("patients"),
    text_column("fhir_users"),
    text_column("password_hash"),
    text_column("totp"),
    int_column("totp_since"),
    int_column("totp_step"),
    int_column("created"),
    int_column("retired"),
)
# Wrong answers by the digest of the name that was tried, whether there is such an account or not.
attempt = Table("attempt", metadata, key("key"), int_column("failures"), int_column("until"))
session = Table(
    "session",
    metadata,
    key("hash"),
    _id("account"),
    int_column("authenticated"),
    int_column("seen"),
    int_column("expires"),
    int_column("ended"),
    _id("address"),
)
Index(None, session.c.account)
# Somebody whose password was right, before the second factor.
half_way = Table(
    "half_way", metadata, key("hash"), _id("account"), int_column("expires"), int_column("ended")
)
recovery_code = Table("recovery_code", metadata, key("account"), key("hash"), int_column("used"))
# An app's request while its user logs in, picks and decides. `body` is the request as JSON.
asking = Table(
    "asking",
    metadata,
    key("hash"),
    _id("client"),
    text_column("body"),
    _id("launch"),
    _id("session"),
    _id("patient"),
    text_column("encounter"),
    int_column("asked"),
    int_column("expires"),
    int_column("decided"),
)
# `ehr` is the client that made it, none for the command; `vouched`: its user is signed in there.
launch = Table(
    "launch",
    metadata,
    key("hash"),
    _organisation(),
    _id("client"),
    _id("patient"),
    _id("encounter"),
    _id("account"),
    text_column("context"),
    flag("ehr_banner"),
    _id("ehr"),
    flag("vouched"),
    int_column("expires"),
    int_column("used"),
)
# What a user allowed to an app: every code and token of it ends when it ends.
approval = Table(
    "approval",
    metadata,
    key("id"),
    _organisation(),
    _id("account"),
    _id("client"),
    text_column("scope"),
    _id("patient"),
    _id("encounter"),
    text_column("context"),
    flag("ehr_banner"),
    _id("launch"),
    _id("session"),
    text_column("nonce"),
    int_column("authenticated"),
    int_column("created"),
    int_column("used"),
    int_column("expires"),
    int_column("ended"),
)
Index(None, approval.c.account, approval.c.ended)
Index(None, approval.c.session)
code = Table(
    "code",
    metadata,
    key("hash"),
    _id("approval"),
    _id("client"),
    text_column("redirect_uri"),
    text_column("challenge"),
    int_column("expires"),
    int_column("used"),
)
# The viewer as an EHR launched it: the server has the token, the browser a cookie for this view.
view = Table(
    "view",
    metadata,
    key("id"),
    Column("hash", String(64), nullable=False),
    _id("token"),
    _id("approval"),
    _id("launch"),
    _id("ehr"),
    int_column("began"),
    int_column("expires"),
)
Index(None, view.c.launch)
# What a user allows to an app without a question: what it asked then, and what it was given.
memory = Table(
    "memory",
    metadata,
    key("id"),
    _id("account"),
    _id("client"),
    _id("patient"),
    text_column("asked"),
    text_column("scope"),
    int_column("created"),
    int_column("expires"),
)
Index(None, memory.c.account, memory.c.client)
