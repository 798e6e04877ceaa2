"""The journal, the data it digests, and the leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _campaigns()
    _journal()
    _series()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _campaigns() -> None:
    op.create_table(
        "campaign",
        _text("id"),
        _text("name"),
        _int("number"),
        _text("text"),
        _text("digest"),
        _text("created_at"),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        _text("epoch"),
        _text("origin"),
        _text("environment"),
        _text("status"),
        _text("reason"),
        _int("trials"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "number"),
    )
    op.create_table(
        "artifact",
        _text("digest"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "file",
        _text("campaign"),
        _text("name"),
        _text("digest"),
        sa.PrimaryKeyConstraint("campaign", "name"),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"]),
        sa.ForeignKeyConstraint(["digest"], ["artifact.digest"]),
    )


def _journal() -> None:
    op.create_table(
        "event",
        _text("campaign"),
        _int("seq"),
        _int("version"),
        _text("kind"),
        _text("payload"),
        _text("recorded_at"),
        _text("previous"),
        _text("hash"),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"]),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        _text("campaign"),
        _int("fence"),
        _text("host"),
        _text("boot"),
        _int("pid"),
        _text("started"),
        _text("since"),
        _text("expires_at"),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("campaign"),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"]),
    )


def _measured() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["campaign", "seq"], ["event.campaign", "event.seq"])


def _series() -> None:
    op.create_table(
        "cycle",
        _text("campaign"),
        _int("trial"),
        _int("attempt"),
        _int("cycle"),
        _int("seq"),
        _text("summary"),
        sa.PrimaryKeyConstraint("campaign", "trial", "attempt", "cycle"),
        _measured(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "curve",
        _text("campaign"),
        _int("trial"),
        _int("attempt"),
        _int("first_cycle"),
        _int("seq"),
        _text("cycles"),
        _text("voltage"),
        _text("checksum"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "trial", "attempt", "first_cycle"),
        _measured(),
        sa.ForeignKeyConstraint(["voltage"], ["artifact.digest"]),
    )
