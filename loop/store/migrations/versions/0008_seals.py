"""Seals: rulings, the board of work and tokens hold a digest of each row."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS = {
    "ruling": ("id",),
    "work": ("id",),
    "work_part": ("work", "part"),
    "work_event": ("id",),
    "robot_token": ("digest",),
}
SEALED = {
    "ruling": "id, campaign, body, filed_at, state, answer",
    "work": "id, key, instrument, request, lease_s, lost_after_s, on_lease_loss, repeatable, "
    "state, fence, robot, claim, posted_unix, begun_unix, over_unix, stop, outcome",
    "work_part": "work, part, content",
    "work_event": "id, work, recorded_at, kind, fence, robot, text",
    "robot_token": "digest, name, instrument, verbs, created_at, expires_at, revoked_at",
}


def upgrade() -> None:
    for table in SEALED:
        op.add_column(table, sa.Column("seal", sa.Text(), server_default="", nullable=False))
        _seal(table)


def _seal(table: str) -> None:
    """What stands in the table now is what is sealed."""
    connection = op.get_bind()
    names = SEALED[table].split(", ")
    chosen = " AND ".join(f"{name} = :{name}" for name in KEYS[table])
    statement = sa.text(f"UPDATE {table} SET seal = :seal WHERE {chosen}")
    for row in connection.exec_driver_sql(f"SELECT {SEALED[table]} FROM {table}").fetchall():
        text = json.dumps([table, *row], separators=(",", ":"), ensure_ascii=True)
        key = {name: row[names.index(name)] for name in KEYS[table]}
        said = hashlib.sha256(text.encode("ascii")).hexdigest()
        connection.execute(statement, {**key, "seal": said})
