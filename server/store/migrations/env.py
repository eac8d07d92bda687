"""Runs the migrations on the connection that `server.store.migrate` hands over."""

from alembic import context

from server.store import (  # noqa: F401 - they fill the metadata
    fhir_tables,
    hl7_tables,
    login_tables,
    release_tables,
    share_tables,
    tables,
)
from server.store.columns import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
