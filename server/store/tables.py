"""Every table but those of FHIR resources. Rows that belong to somebody carry the organisation, first in their keys, so that
the big tables can be partitioned or spread over several machines. Times are microseconds UTC.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from server.store.columns import flag, int_column, key, metadata, org, text_column

# Who runs what.
install = Table("install", metadata, key("name"), Column("value", Text, nullable=False))
organisation = Table(
    "organisation",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    text_column("issuer"),
    text_column("zone"),
    text_column("charset"),
    text_column("realm"),
    int_column("created"),
)
issuer = Table("issuer", metadata, org(), key("namespace", 256), text_column("system"))
authority = Table(
    "authority",
    metadata,
    key("system", 512),
    Column("organisation", SmallInteger, nullable=False),
    int_column("created"),
)
peer = Table(
    "peer",
    metadata,
    key("ae", 16),
    key("host", 255),
    Column("organisation", SmallInteger, nullable=False),
    int_column("port"),
    text_column("issuer"),
    text_column("may"),
    int_column("created"),
)
patient_group = Table(
    "patient_group", metadata, org(), key("name"), key("patient"), int_column("created")
)

# Identity: one source record for a person in a domain. `born` is the birth date as a number,
# YYYYMMDD, 0 where it is not known to the day.
patient = Table(
    "patient",
    metadata,
    org(),
    key("id"),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, server_default="active"),
    text_column("replaced_by"),
    text_column("facts"),
    Column("born", Integer, nullable=False, server_default="0"),
    text_column("issuer"),
    text_column("told_by"),
    text_column("salt"),
    int_column("created"),
)
Index(None, patient.c.organisation, patient.c.replaced_by)
patient_number = Table(
    "patient_number",
    metadata,
    org(),
    key("system", 512),
    key("value", 256),
    Column("patient", String(64), nullable=False),
    text_column("rule"),
    int_column("created"),
)
Index(None, patient_number.c.organisation, patient_number.c.patient)
patient_unissued = Table(
    "patient_unissued",
    metadata,
    org(),
    key("key"),
    Column("patient", String(64), nullable=False),
)
review = Table(
    "review",
    metadata,
    org(),
    key("id"),
    Column("key", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, server_default="open"),
    text_column("study"),
    text_column("evidence"),
    text_column("outcome"),
    int_column("created"),
)
Index("ux_review_key", review.c.organisation, review.c.key, unique=True)
Index(None, review.c.organisation, review.c.state, review.c.created)

# The DICOM index. `claim` numbers the patients that claim one study UID: 0 came first. The patient_
# columns tell who is served; once that differs from the objects, `header` has what those say.
study = Table(
    "study",
    metadata,
    org(),
    key("uid"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("filed_under", String(64), nullable=False),
    flag("held"),
    flag("unconfirmed"),
    text_column("patient_number"),
    text_column("patient_issuer"),
    text_column("patient_name"),
    text_column("patient_birth_date"),
    text_column("patient_sex"),
    text_column("header"),
    int_column("coerced"),
    text_column("date"),
    text_column("time"),
    text_column("accession"),
    text_column("number"),
    text_column("description"),
    text_column("referrer"),
    text_column("modalities"),
    int_column("series"),
    int_column("instances"),
    int_column("arrived"),
    int_column("changed"),
    int_column("revision"),
    int_column("settled"),
    flag("settling"),
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
Index(None, study.c.organisation, study.c.arrived)
# What else finds a study. `role` is patient or referrer (names folded as `dicom.query.fold` does, one
# row for each component group) or accession (every number that one of its instances came with).
# Values are ordered by their bytes, so that a prefix is a range of the key.
study_key = Table(
    "study_key",
    metadata,
    org(),
    key("role", 16),
    Column("value", String(255).with_variant(String(255, "C"), "postgresql"), primary_key=True),
    key("study"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
)
series = Table(
    "series",
    metadata,
    org(),
    key("study"),
    Column("claim", SmallInteger, primary_key=True, autoincrement=False),
    key("uid"),
    text_column("modality"),
    Column("number", Integer),
    text_column("description"),
    text_column("body_part"),
    text_column("date"),
    int_column("instances"),
)
Index(None, series.c.organisation, series.c.uid, series.c.study)
Index(None, series.c.organisation, series.c.modality, series.c.study)

# `copy` numbers different contents that arrived under one SOP Instance UID: 0 is the visible one.
instance = Table(
    "instance",
    metadata,
    org(),
    key("uid"),
    Column("copy", SmallInteger, primary_key=True, autoincrement=False),
    Column("study", String(64), nullable=False),
    Column("claim", SmallInteger, nullable=False),
    Column("series", String(64), nullable=False),
    Column("number", Integer),
    Column("sop_class", String(64), nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("blob", String(255), nullable=False),
    int_column("size"),
    int_column("dataset_offset"),
    flag("preamble_clean"),
    flag("deflated"),
    Column("sha256", String(64), nullable=False),
    int_column("frames"),
    int_column("rows"),
    int_column("columns"),
    text_column("facts"),
    text_column("bulk"),
    Column("frame_index", LargeBinary),
    text_column("door"),
    text_column("peer"),
    int_column("arrived"),
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
    org(),
    key("uid"),
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
    text_column("payload"),
    int_column("run_at"),
    int_column("attempts"),
    int_column("lease_until"),
    text_column("error"),
    text_column("trace"),
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

# Who may: clients and their tokens, all secrets hashed.
client = Table(
    "client",
    metadata,
    key("id"),
    Column("organisation", SmallInteger, nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    text_column("secret_hash"),
    text_column("former_hash"),
    int_column("former_until"),
    text_column("jwks"),
    text_column("jwks_uri"),
    text_column("scope"),
    text_column("reach"),
    text_column("redirect_uris"),
    text_column("launch_uri"),
    text_column("frame_origins"),
    text_column("registration_hash"),
    flag("self_registered"),
    int_column("created"),
    int_column("retired"),
)
token = Table(
    "token",
    metadata,
    key("hash"),
    Column("kind", String(16), nullable=False),
    Column("organisation", SmallInteger, nullable=False),
    Column("client", String(64), nullable=False),
    text_column("scope"),
    text_column("patients"),
    text_column("parts"),
    flag("everyone"),
    flag("wide"),
    flag("staff"),
    text_column("actor"),
    text_column("person"),
    Column("approval", String(64), nullable=False, server_default=""),
    text_column("purpose"),
    int_column("issued"),
    int_column("expires"),
    int_column("spent"),
    int_column("revoked"),
)
Index(None, token.c.client, token.c.expires)
Index(None, token.c.approval)
assertion = Table("assertion", metadata, key("client"), key("jti", 256), int_column("expires"))

# Who did what: one hash chain for each writer.
audit = Table(
    "audit",
    metadata,
    key("writer"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("organisation", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("door", String(16), nullable=False),
    Column("action", String(24), nullable=False),
    Column("outcome", String(8), nullable=False),
    text_column("grant"),
    text_column("client"),
    text_column("person"),
    text_column("study"),
    text_column("purpose"),
    text_column("address"),
    text_column("detail"),
    int_column("opened"),
    int_column("count"),
    int_column("bytes"),
    text_column("trace"),
    Column("hash", String(64), nullable=False),
)
Index(None, audit.c.organisation, audit.c.at)
Index(None, audit.c.organisation, audit.c.person, audit.c.at)
audit_root = Table(
    "audit_root",
    metadata,
    key("writer"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    int_column("at"),
    Column("hash", String(64), nullable=False),
    Column("signature", Text, nullable=False),
)
