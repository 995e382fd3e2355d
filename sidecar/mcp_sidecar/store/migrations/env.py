"""Alembic's way in: migrates on the connection that mcp_sidecar.store.migrate hands over."""

from alembic import context

from mcp_sidecar.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
