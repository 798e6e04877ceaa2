"""Which fidelity measures a trial."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("fidelity", sa.Text(), server_default="", nullable=False)
    op.add_column("trial", column)
