"""Every table. Rows that belong to somebody carry the organisation, first in their keys, so that
the big tables can be partitioned or spread over several machines. Times are microseconds UTC.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)


def _org() -> "Column[int]":
    return Column("organisation", SmallInteger, primary_key=True, autoincrement=False)


def _key(name: str, length: int = 64) -> "Column[str]":
    return Column(name, String(length), primary_key=True)


def _text(name: str) -> "Column[str]":
    return Column(name, Text, nullable=False, server_default="")


def _int(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False, server_default="0")


def _flag(name: str) -> "Column[bool]":
    return Column(name, Boolean, nullable=False, server_default=text("false"))


# Who runs what.
install = Table("install", metadata, _key("name"), Column("value", Text, nullable=False))
organisation = Table(
    "organisation",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    _text("issuer"),
    _text("zone"),
    _int("created"),
)
issuer = Table("issuer", metadata, _org(), _key("namespace", 256), _text("system"))
authority = Table(
    "authority",
    metadata,
    _key("system", 512),
    Column("organisation", SmallInteger, nullable=False),
    _int("created"),
)
peer = Table(
    "peer",
    metadata,
    _key("ae", 16),
    _key("host", 255),
    Column("organisation", SmallInteger, nullable=False),
    _int("port"),
    _text("issuer"),
    _text("may"),
    _int("created"),
)
patient_group = Table(
    "patient_group", metadata, _org(), _key("name"), _key("patient"), _int("created")
)

# Identity: one source record for a person in a domain.
patient = Table(
    "patient",
    metadata,
    _org(),
    _key("id"),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, server_default="active"),
    _text("replaced_by"),
    _text("facts"),
    _text("issuer"),
    _text("salt"),
    _int("created"),
)
patient_number = Table(
    "patient_number",
    metadata,
    _org(),
    _key("system", 512),
    _key("value", 256),
    Column("patient", String(64), nullable=False),
    _text("rule"),
    _int("created"),
)
Index(None, patient_number.c.organisation, patient_number.c.patient)
patient_unissued = Table(
    "patient_unissued",
    metadata,
    _org(),
    _key("key"),
    Column("patient", String(64), nullable=False),
)
review = Table(
    "review",
    metadata,
    _org(),
    _key("id"),
    Column("key", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, server_default="open"),
    _text("study"),
    _text("evidence"),
    _int("created"),
)
Index("ux_review_key", review.c.organisation, review.c.key, unique=True)
Index(None, review.c.organisation, review.c.state, review.c.created)

# The DICOM index. `claim` numbers the patients that claim one study UID: 0 came first.
study = Table(
    "study",
    metadata,
    _org(),
    _key("uid"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("filed_under", String(64), nullable=False),
    _flag("held"),
    _flag("unconfirmed"),
    _text("patient_number"),
    _text("patient_issuer"),
    _text("patient_name"),
    _text("patient_birth_date"),
    _text("patient_sex"),
    _text("date"),
    _text("time"),
    _text("accession"),
    _text("number"),
    _text("description"),
    _text("referrer"),
    _text("modalities"),
    _int("series"),
    _int("instances"),
    _int("arrived"),
    _int("changed"),
    _int("revision"),
    _int("settled"),
    _flag("settling"),
)
Index("ux_study_id", study.c.organisation, study.c.id, unique=True)
Index(None, study.c.organisation, study.c.filed_under, study.c.date)
Index(None, study.c.organisation, study.c.patient_number)
Index(None, study.c.organisation, study.c.patient_birth_date)
Index(
    "ix_study_newest",
    study.c.organisation,
    study.c.date,
    study.c.time,
    study.c.uid,
    study.c.claim,
)
Index(None, study.c.organisation, study.c.accession)
Index(None, study.c.organisation, study.c.changed)
# What else finds a study. `role` is patient or referrer (names folded as `dicom.query.fold` does, one
# row for each component group) or accession (every number that one of its instances came with).
# Values are ordered by their bytes, so that a prefix is a range of the key.
study_key = Table(
    "study_key",
    metadata,
    _org(),
    _key("role", 16),
    Column("value", String(255).with_variant(String(255, "C"), "postgresql"), primary_key=True),
    _key("study"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
)
series = Table(
    "series",
    metadata,
    _org(),
    _key("study"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
    _key("uid"),
    _text("modality"),
    Column("number", Integer),
    _text("description"),
    _text("body_part"),
    _text("date"),
    _int("instances"),
)
Index(None, series.c.organisation, series.c.uid, series.c.study)
Index(None, series.c.organisation, series.c.modality, series.c.study)

# `copy` numbers different contents that arrived under one SOP Instance UID: 0 is the visible one.
instance = Table(
    "instance",
    metadata,
    _org(),
    _key("uid"),
    Column("copy", SmallInteger, primary_key=True, autoincrement=False),
    Column("study", String(64), nullable=False),
    Column("claim", SmallInteger, nullable=False),
    Column("series", String(64), nullable=False),
    Column("number", Integer),
    Column("sop_class", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("blob", String(255), nullable=False),
    _int("size"),
    _int("dataset_offset"),
    _flag("preamble_clean"),
    _flag("deflated"),
    Column("sha256", String(64), nullable=False),
    _int("frames"),
    _int("rows"),
    _int("columns"),
    _text("facts"),
    _text("bulk"),
    Column("frame_index", LargeBinary),
    _text("door"),
    _text("peer"),
    _int("arrived"),
)
Index(
    "ix_instance_study",
    instance.c.organisation,
    instance.c.study,
    instance.c.claim,
    instance.c.copy,
    instance.c.series,
    instance.c.number,
)
Index("ux_instance_blob", instance.c.organisation, instance.c.blob, unique=True)
Index(None, instance.c.organisation, instance.c.sop_class, instance.c.study)
instance_json = Table(
    "instance_json",
    metadata,
    _org(),
    _key("uid"),
    Column("copy", SmallInteger, primary_key=True, autoincrement=False),
    Column("json", Text, nullable=False),
)

# Work that follows a change: written in the same transaction, done later, at least once.
job = Table(
    "job",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("organisation", SmallInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("key", String(160), nullable=False),
    Column("state", String(16), nullable=False, server_default="pending"),
    _text("payload"),
    _int("run_at"),
    _int("attempts"),
    _int("lease_until"),
    _text("error"),
)
Index(
    "ux_job_pending",
    job.c.kind,
    job.c.organisation,
    job.c.key,
    unique=True,
    sqlite_where=text("state = 'pending'"),
    postgresql_where=text("state = 'pending'"),
)
Index("ix_job_due", job.c.state, job.c.run_at)

# FHIR resources: the text as it is served, every version, and the typed search index.
resource = Table(
    "resource",
    metadata,
    _org(),
    Column("rid", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", BigInteger, nullable=False),
    _flag("deleted"),
    _flag("hidden"),
    _text("filed_under"),
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
    _org(),
    _key("type", 40),
    _key("id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("updated", BigInteger, nullable=False),
    Column("method", String(8), nullable=False),
    _text("reason"),
    Column("text", Text, nullable=False),
)
resource_key = Table(
    "resource_key",
    metadata,
    _org(),
    _key("type", 40),
    _key("key", 256),
    Column("id", String(64), nullable=False),
)


def _index_table(name: str, *columns: "Column[Any]", order: str) -> Table:
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
    _index_by(table, order)
    compared = [table.c[column.name] for column in columns if column.name not in _SHOWN]
    Index(f"ix_{name}_rid", table.c.organisation, table.c.rid, table.c.param, *compared)
    return table


# Columns that no usual search compares.
_SHOWN = ("text", "exact", "url")


def _index_by(table: Table, order: str) -> None:
    """The way in by one column, in whose order a sorted search walks; the others come along."""
    known = {"organisation", "param", "rid", order, *_SHOWN}
    others = [column for column in table.c if column.name not in known]
    leading = table.c.organisation, table.c.param, table.c[order], table.c.rid
    Index(f"ix_{table.name}_{order}", *leading, *others)


def _ordered(name: str) -> "Column[str]":
    """Text in the order of its bytes, so that what begins with a text is a range of an index."""
    type_ = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(name, type_, nullable=False, server_default="")


index_token = _index_table(
    "index_token", _ordered("code"), _text("system"), _text("text"), order="code"
)
index_string = _index_table("index_string", _ordered("norm"), _text("exact"), order="norm")
# By their beginnings and by their ends: a search may give a bound on either.
index_date = _index_table("index_date", _int("low"), _int("high"), order="low")
_index_by(index_date, "high")
index_reference = _index_table(
    "index_reference", _text("target_type"), _text("target"), _text("url"), order="target"
)
Index(None, index_reference.c.organisation, index_reference.c.target, index_reference.c.target_type)
index_uri = _index_table("index_uri", _ordered("value"), order="value")

# Who may: clients and their tokens, all secrets hashed.
client = Table(
    "client",
    metadata,
    _key("id"),
    Column("organisation", SmallInteger, nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    _text("secret_hash"),
    _text("jwks"),
    _text("jwks_uri"),
    _text("scope"),
    _text("reach"),
    _text("redirect_uris"),
    _text("launch_uri"),
    _int("created"),
    _int("retired"),
)
token = Table(
    "token",
    metadata,
    _key("hash"),
    Column("kind", String(16), nullable=False),
    Column("organisation", SmallInteger, nullable=False),
    Column("client", String(64), nullable=False),
    _text("scope"),
    _text("patients"),
    _flag("everyone"),
    _text("purpose"),
    _int("issued"),
    _int("expires"),
    _int("revoked"),
)
Index(None, token.c.client, token.c.expires)
assertion = Table("assertion", metadata, _key("client"), _key("jti", 256), _int("expires"))

# Who did what: one hash chain for each writer.
audit = Table(
    "audit",
    metadata,
    _key("writer"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("organisation", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("door", String(16), nullable=False),
    Column("action", String(24), nullable=False),
    Column("outcome", String(8), nullable=False),
    _text("grant"),
    _text("client"),
    _text("person"),
    _text("study"),
    _text("purpose"),
    _text("address"),
    _text("detail"),
    _int("opened"),
    _int("count"),
    _int("bytes"),
    Column("hash", String(64), nullable=False),
)
Index(None, audit.c.organisation, audit.c.at)
Index(None, audit.c.organisation, audit.c.person, audit.c.at)
audit_root = Table(
    "audit_root",
    metadata,
    _key("writer"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _int("at"),
    Column("hash", String(64), nullable=False),
    Column("signature", Text, nullable=False),
)
