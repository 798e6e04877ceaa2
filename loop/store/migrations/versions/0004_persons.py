"""What persons rule of trials, the rulings that wait for an engine, and steps of an attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _attempts()
    _approvals()
    _rulings()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _float(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=True)


def _attempts() -> None:
    """An attempt has a row a step; the rows follow from the events and are filled anew."""
    op.drop_table("attempt")
    op.create_table(
        "attempt",
        _text("campaign"),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        _text("step"),
        _text("key"),
        _text("run_id", nullable=True),
        _text("state"),
        sa.Column("submitted_s", sa.Float(), nullable=False),
        _float("started_s"),
        _float("ended_s"),
        _float("hours"),
        _text("failure", nullable=True),
        _text("failure_reason", nullable=True),
        sa.PrimaryKeyConstraint("campaign", "trial", "attempt", "step"),
        sa.ForeignKeyConstraint(["campaign", "trial"], ["trial.campaign", "trial.number"]),
        sqlite_with_rowid=False,
    )


def _approvals() -> None:
    op.create_table(
        "approval",
        _text("campaign"),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        _text("verdict"),
        _text("digest"),
        _text("who"),
        _text("reason"),
        _text("parameters", nullable=True),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        sa.ForeignKeyConstraint(["campaign", "trial"], ["trial.campaign", "trial.number"]),
        sa.ForeignKeyConstraint(["campaign", "seq"], ["event.campaign", "event.seq"]),
        sqlite_with_rowid=False,
    )


def _rulings() -> None:
    op.create_table(
        "ruling",
        sa.Column("id", sa.Integer(), primary_key=True),
        _text("campaign"),
        _text("body"),
        _text("filed_at"),
        _text("state"),
        _text("answer"),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"]),
    )
    op.create_index("ruling_open", "ruling", ["campaign", "state"])
