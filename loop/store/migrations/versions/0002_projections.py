"""The tables that follow from the events; `loop.store.migrate` fills them after this step."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _trials()
    _outcomes()
    _decisions()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _int(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _float(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _bool(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _trial() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["campaign", "trial"], ["trial.campaign", "trial.number"])


def _event() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["campaign", "seq"], ["event.campaign", "event.seq"])


def _trials() -> None:
    op.create_table(
        "trial",
        _text("campaign"),
        _int("number"),
        _int("proposed"),
        _text("parameters"),
        _text("author"),
        _text("purpose"),
        _text("meta"),
        _text("state"),
        _int("attempt"),
        _text("failure", nullable=True),
        _text("failure_reason", nullable=True),
        _bool("infeasible"),
        _bool("excluded"),
        sa.PrimaryKeyConstraint("campaign", "number"),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"]),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempt",
        _text("campaign"),
        _int("trial"),
        _int("attempt"),
        _text("key"),
        _text("run_id", nullable=True),
        _text("state"),
        _float("submitted_s"),
        _float("started_s", nullable=True),
        _float("ended_s", nullable=True),
        _float("hours", nullable=True),
        _text("failure", nullable=True),
        _text("failure_reason", nullable=True),
        sa.PrimaryKeyConstraint("campaign", "trial", "attempt"),
        _trial(),
        sqlite_with_rowid=False,
    )


def _outcomes() -> None:
    op.create_table(
        "observation",
        _text("campaign"),
        _int("seq"),
        _float("time"),
        _int("trial"),
        _int("attempt", nullable=True),
        _text("metric"),
        _float("mean"),
        _float("sem", nullable=True),
        _text("unit"),
        _text("bound"),
        _text("reason", nullable=True),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        _trial(),
        _event(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "prediction",
        _text("campaign"),
        _int("seq"),
        _float("time"),
        _int("trial"),
        _int("attempt"),
        _text("metric"),
        _float("mean"),
        _float("sem"),
        _text("unit"),
        _float("lower"),
        _float("upper"),
        _float("level"),
        _int("at_cycle"),
        _text("model"),
        _bool("extrapolates"),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        _trial(),
        _event(),
        sqlite_with_rowid=False,
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        _text("campaign"),
        _int("seq"),
        _float("time"),
        _int("seen"),
        _int("trial"),
        _int("attempt"),
        _text("stopper"),
        _text("action"),
        _text("reason"),
        _text("weighed"),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        _trial(),
        _event(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recommendation",
        _text("campaign"),
        _int("seq"),
        _float("time"),
        _int("seen"),
        _text("optimizer"),
        _text("parameters"),
        _text("objectives"),
        _text("front"),
        _int("trial", nullable=True),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        _event(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model",
        _text("campaign"),
        _int("seq"),
        _float("time"),
        _int("seen"),
        _text("surrogate"),
        _text("model"),
        _text("trials"),
        _text("source"),
        sa.PrimaryKeyConstraint("campaign", "seq"),
        _event(),
        sqlite_with_rowid=False,
    )
