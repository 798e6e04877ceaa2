"""Runs the revisions on the connection given by `loop.store.migrate`, inside its transaction."""

from alembic import context

from loop.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,  # the caller's transaction holds all of it, on every database
)
context.run_migrations()
