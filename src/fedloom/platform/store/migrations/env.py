"""Run by Alembic, on the connection that `fedloom.platform.store.migrate` hands it."""

from __future__ import annotations

from alembic import context

from fedloom.platform.store.tables import Row

__all__: list[str] = []

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
