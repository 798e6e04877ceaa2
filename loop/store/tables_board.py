"""The board of work: recorded, and no part of any campaign's journal.

Columns named `…_unix` are wall clock, seconds since 1970 in UTC: leases are reckoned in SQL.
"""

from __future__ import annotations

from sqlalchemy import Index, Text
from sqlmodel import Field

from loop.store.tables_base import CLUSTERED, StoreTable, sealed


class WorkTable(StoreTable, table=True):
    """One job on the board, as it stands now; `work_event` tells how it came there."""

    __tablename__ = "work"
    __table_args__ = (Index("work_open", "instrument", "state"), Index("work_claim", "claim"))

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, sa_type=Text)
    instrument: str = Field(sa_type=Text)  # the name that tokens are bound to
    request: str = Field(sa_type=Text)  # canonical JSON: what is to be done
    lease_s: float
    lost_after_s: float
    on_lease_loss: str = Field(sa_type=Text)
    repeatable: bool
    state: str = Field(sa_type=Text)
    fence: int  # grows with every claim
    robot: str | None = Field(sa_type=Text)
    claim: str | None = Field(sa_type=Text)  # the robot's own name for its claim
    posted_unix: float
    begun_unix: float | None
    seen_unix: float | None  # when its robot was last heard of
    over_unix: float | None
    progress: float
    cycle: int
    note: str = Field(sa_type=Text)
    run_id: str = Field(sa_type=Text)  # the device's own name for the run
    stop: str | None = Field(sa_type=Text)  # why it is to be stopped
    outcome: str | None = Field(sa_type=Text)  # canonical JSON
    seal: str = sealed()


class WorkPartTable(StoreTable, table=True):
    """Partial results of a job, as its robot numbered them."""

    __tablename__ = "work_part"
    __table_args__ = CLUSTERED

    work: int = Field(primary_key=True, foreign_key="work.id")
    part: int = Field(primary_key=True)
    content: str = Field(sa_type=Text)  # canonical JSON
    seal: str = sealed()


class WorkEventTable(StoreTable, table=True):
    """What happened to a job of the board; rows are only added."""

    __tablename__ = "work_event"
    __table_args__ = (Index("work_event_of", "work"),)

    id: int | None = Field(default=None, primary_key=True)
    work: int = Field(foreign_key="work.id")
    recorded_at: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    fence: int
    robot: str | None = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    seal: str = sealed()


class RobotTokenTable(StoreTable, table=True):
    """Who may work on the board; the secret itself is not kept."""

    __tablename__ = "robot_token"

    digest: str = Field(primary_key=True, sa_type=Text)  # SHA-256 of the secret
    name: str = Field(sa_type=Text)  # of the robot
    instrument: str = Field(sa_type=Text)
    verbs: str = Field(sa_type=Text)  # JSON list
    created_at: str = Field(sa_type=Text)
    expires_at: str | None = Field(sa_type=Text)
    revoked_at: str | None = Field(sa_type=Text)
    seal: str = sealed()
