"""The board of work as the engine uses it: post jobs, look after them, ask for a stop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from instruments.base import Busy, Refused, Unreachable
from instruments.board import Content, Posting, Standing, WorkState
from loop.store.errors import StoreLocked
from loop.store.seals import seal
from loop.store.work_rows import (
    Now,
    Row,
    canonical,
    change,
    one,
    remember,
    requeue,
    silence,
    standing,
    utc_now,
)

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.store import Store

POST = (
    "INSERT INTO work (key, instrument, request, lease_s, lost_after_s, on_lease_loss, repeatable,"
    " state, fence, posted_unix, progress, cycle, note, run_id) VALUES (:key, :instrument,"
    " :request, :lease_s, :lost_after_s, :on_lease_loss, :repeatable, 'queued', 0, :now, 0.0, 0,"
    " '', '')"
)
OPEN = (
    "SELECT count(*) FROM work WHERE instrument = :instrument "
    "AND state IN ('queued', 'claimed', 'running')"
)
PARTS = (
    "SELECT content FROM work_part JOIN work ON work.id = work_part.work "
    "WHERE work.instrument = :instrument AND work.key = :key ORDER BY part"
)
OURS = "instrument = :instrument AND key = :key"


class WorkBoard:
    """The board of one store; the truth about every job is there and nowhere else.

    A job changes its state by one statement inside one write transaction, so that of two that want
    to change it, an engine that withdraws and a robot that begins, one comes second and sees it.
    """

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    def post(self, posting: Posting, channels: int) -> Standing:
        """Put a job on the board. Raises Refused, Busy, Unreachable."""
        request = canonical(posting.request)
        with _reachable(), self._database.writing():
            row = one(self._database, "key = :key", {"key": posting.key})
            if row is None:
                row = self._post(posting, request, channels)
            elif (row.instrument, row.request) != (posting.instrument, request):
                raise Refused(f"{posting.key} stands on the board for other work")
        return standing(row, self._now())

    def look(self, instrument: str, key: str) -> Standing | None:
        """The job as it stands, None where it was never posted; what is overdue becomes lost."""
        ours = {"instrument": instrument, "key": key}
        with _reachable():
            row = one(self._database, OURS, ours)
            if row is not None and self._overdue(row):
                with self._database.writing():
                    row = one(self._database, OURS, ours)
                    if row is not None and self._overdue(row):
                        row = self._lapse(row)
        return None if row is None else standing(row, self._now())

    def parts(self, instrument: str, key: str) -> Sequence[Content]:
        """The partial results of a job, in the order of their numbers."""
        with _reachable():
            rows = self._database.rows(PARTS, {"instrument": instrument, "key": key})
        return [json.loads(content) for (content,) in rows]

    def ask_to_stop(self, instrument: str, key: str, reason: str) -> Standing:
        """Withdraw a job that nobody has begun, else ask for its stop. Raises KeyError."""
        with _reachable(), self._database.writing():
            row = one(self._database, OURS, {"instrument": instrument, "key": key})
            if row is None:
                raise KeyError(key)
            row = self._stop(row, reason)
        return standing(row, self._now())

    def close(self) -> None:
        """Let go of the store that `board_at` opened."""
        self._database.close()

    def _post(self, posting: Posting, request: str, channels: int) -> Row:
        (taken,) = self._database.rows(OPEN, {"instrument": posting.instrument})[0]
        if taken >= channels:
            raise Busy(f"{posting.instrument} has {taken} open jobs, all that it takes")
        now = self._now()
        values = {
            "key": posting.key,
            "instrument": posting.instrument,
            "request": request,
            "lease_s": posting.lease_s,
            "lost_after_s": posting.lost_after_s,
            "on_lease_loss": posting.on_lease_loss,
            "repeatable": posting.repeatable,
            "now": now.timestamp(),
        }
        self._database.run(POST, values)
        row = one(self._database, "key = :key", {"key": posting.key})
        if row is None:
            raise RuntimeError(f"{posting.key}: a row just written is not there")
        seal(self._database, "work", {"id": row.id})
        remember(self._database, row, "posted", now)
        return row

    def _overdue(self, row: Row) -> bool:
        silent = row.state == WorkState.RUNNING and silence(row, self._now())
        return silent > row.lost_after_s

    def _lapse(self, row: Row) -> Row:
        """A robot has been silent for too long: its job goes to another one, or is lost."""
        now = self._now()
        if row.repeatable and row.stop is None:
            return requeue(self._database, row, now)
        row = change(self._database, row, state=WorkState.LOST.value)
        remember(self._database, row, "lost", now, f"{row.robot} is silent")
        return row

    def _stop(self, row: Row, reason: str) -> Row:
        now = self._now()
        if row.state in (WorkState.QUEUED, WorkState.CLAIMED):
            remember(self._database, row, "withdrawn", now, reason)
            return change(
                self._database,
                row,
                state=WorkState.WITHDRAWN.value,
                stop=reason,
                over_unix=now.timestamp(),
            )
        if row.state in (WorkState.RUNNING, WorkState.LOST) and row.stop is None:
            remember(self._database, row, "stop asked", now, reason)
            return change(self._database, row, stop=reason)
        return row


def board_of(store: Store) -> WorkBoard:
    """The board that lies in a store."""
    return WorkBoard(store._database)


def board_at(url: str) -> WorkBoard:
    """The board of the store at a URL, for an instrument that is used without an engine.

    Raises StoreError.
    """
    from loop.store.store import Store

    return board_of(Store.open(url, create=False, timeout_s=5.0))


@contextmanager
def _reachable() -> Iterator[None]:
    """A store that another program keeps locked is a board that does not answer now."""
    try:
        yield
    except StoreLocked as error:
        raise Unreachable(str(error)) from error
