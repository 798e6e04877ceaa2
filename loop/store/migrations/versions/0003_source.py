"""What numerical model a simulated observation holds for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("source", sa.Text(), server_default="", nullable=False)
    op.add_column("observation", column)
