"""Predictions with their bias removed, and what the bias may be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prediction", sa.Column("raw", sa.Text(), server_default="", nullable=False))
    op.add_column("model", sa.Column("bias_sd", sa.Float(), server_default="0", nullable=False))
