"""Rows of the board of work: how they are read, changed and remembered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from instruments.board import Content, Standing, WorkState
from loop.store.seals import HEARTBEAT, seal

if TYPE_CHECKING:
    from loop.store.sqlite import Database

Now: TypeAlias = Callable[[], datetime]


class Row(NamedTuple):
    """The columns of table `work` that a standing is made of, in the order they are read."""

    id: int
    key: str
    instrument: str
    request: str
    lease_s: float
    lost_after_s: float
    on_lease_loss: str
    repeatable: int
    state: str
    fence: int
    robot: str | None
    begun_unix: float | None
    seen_unix: float | None
    over_unix: float | None
    progress: float
    cycle: int
    note: str
    run_id: str
    stop: str | None
    outcome: str | None


COLUMNS = ", ".join(Row._fields)
REMEMBER = (
    "INSERT INTO work_event (work, recorded_at, kind, fence, robot, text) "
    "VALUES (:work, :recorded_at, :kind, :fence, :robot, :text) RETURNING id"
)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def canonical(content: Content) -> str:
    """The one text of a JSON value, by which two are compared."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def one(database: Database, where: str, values: Mapping[str, Any]) -> Row | None:
    """The job that a condition names, if it is there."""
    rows = database.rows(f"SELECT {COLUMNS} FROM work WHERE {where}", values)
    return Row(*rows[0]) if rows else None


def remember(database: Database, row: Row, kind: str, now: datetime, text: str = "") -> None:
    """Add a line to the history of a job, inside the caller's transaction."""
    ((number,),) = database.rows(
        REMEMBER,
        {
            "work": row.id,
            "recorded_at": now.isoformat(timespec="milliseconds"),
            "kind": kind,
            "fence": row.fence,
            "robot": row.robot,
            "text": text,
        },
    )
    seal(database, "work_event", {"id": number})


def change(database: Database, row: Row, **values: Any) -> Row:
    """Set columns of a job, inside the caller's transaction; the row as it is then."""
    text = ", ".join(f"{name} = :{name}" for name in values)
    database.run(f"UPDATE work SET {text} WHERE id = :id", {**values, "id": row.id})
    if not HEARTBEAT.issuperset(values):
        seal(database, "work", {"id": row.id})
    return row._replace(**{name: value for name, value in values.items() if name in row._fields})


def standing(row: Row, now: datetime) -> Standing:
    """A row as the rest of the program sees it."""
    return Standing(
        id=row.id,
        key=row.key,
        instrument=row.instrument,
        request=json.loads(row.request),
        state=WorkState(row.state),
        fence=row.fence,
        robot=row.robot or "",
        at=now,
        begun_at=_moment(row.begun_unix),
        seen_at=_moment(row.seen_unix),
        over_at=_moment(row.over_unix),
        silent_s=silence(row, now),
        lease_s=row.lease_s,
        lost_after_s=row.lost_after_s,
        on_lease_loss=row.on_lease_loss,
        progress=row.progress,
        cycle=row.cycle,
        note=row.note,
        run_id=row.run_id,
        stop=row.stop,
        outcome=None if row.outcome is None else json.loads(row.outcome),
    )


def silence(row: Row, now: datetime) -> float:
    """Seconds since the robot of a job was last heard of; 0 where nobody has it."""
    if row.seen_unix is None:
        return math.inf if row.state == WorkState.LOST else 0.0
    return max(0.0, now.timestamp() - row.seen_unix)


def requeue(database: Database, row: Row, now: datetime) -> Row:
    """Put a job whose robot is silent back, for another one; what it told is forgotten."""
    remember(database, row, "requeued", now, f"{row.robot} is silent")
    database.run("DELETE FROM work_part WHERE work = :id", {"id": row.id})
    return change(
        database,
        row,
        state=WorkState.QUEUED.value,
        robot=None,
        claim=None,
        begun_unix=None,
        seen_unix=None,
        progress=0.0,
        cycle=0,
        note="",
        run_id="",
    )


def _moment(unix: float | None) -> datetime | None:
    return None if unix is None else datetime.fromtimestamp(unix, UTC)
