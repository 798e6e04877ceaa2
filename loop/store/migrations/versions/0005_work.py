"""The board of work for robots over HTTP, and the tokens by which they are known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _work()
    _parts()
    _events()
    _tokens()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _float(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _work() -> None:
    op.create_table(
        "work",
        _int("id"),
        _text("key"),
        _text("instrument"),
        _text("request"),
        _float("lease_s"),
        _float("lost_after_s"),
        _text("on_lease_loss"),
        sa.Column("repeatable", sa.Boolean(), nullable=False),
        _text("state"),
        _int("fence"),
        _text("robot", nullable=True),
        _text("claim", nullable=True),
        _float("posted_unix"),
        _float("begun_unix", nullable=True),
        _float("seen_unix", nullable=True),
        _float("over_unix", nullable=True),
        _float("progress"),
        _int("cycle"),
        _text("note"),
        _text("run_id"),
        _text("stop", nullable=True),
        _text("outcome", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("work_open", "work", ["instrument", "state"])
    op.create_index("work_claim", "work", ["claim"])


def _parts() -> None:
    op.create_table(
        "work_part",
        _int("work"),
        _int("part"),
        _text("content"),
        sa.PrimaryKeyConstraint("work", "part"),
        sa.ForeignKeyConstraint(["work"], ["work.id"]),
        sqlite_with_rowid=False,
    )


def _events() -> None:
    op.create_table(
        "work_event",
        _int("id"),
        _int("work"),
        _text("recorded_at"),
        _text("kind"),
        _int("fence"),
        _text("robot", nullable=True),
        _text("text"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["work"], ["work.id"]),
    )
    op.create_index("work_event_of", "work_event", ["work"])


def _tokens() -> None:
    op.create_table(
        "robot_token",
        _text("digest"),
        _text("name"),
        _text("instrument"),
        _text("verbs"),
        _text("created_at"),
        _text("expires_at", nullable=True),
        _text("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
