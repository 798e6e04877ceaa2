"""The board of work as robots use it: claim a job, begin it, report, bring it to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instruments.board import Content, Standing, WorkState
from loop.store.seals import seal
from loop.store.work_rows import (
    COLUMNS,
    Now,
    Row,
    canonical,
    change,
    one,
    remember,
    requeue,
    standing,
    utc_now,
)

if TYPE_CHECKING:
    from loop.store.sqlite import Database
    from loop.store.store import Store

CLAIM = (
    "UPDATE work SET state = 'claimed', robot = :robot, claim = :claim, fence = fence + 1, "
    "seen_unix = :now WHERE id = (SELECT id FROM work WHERE instrument = :instrument AND "
    f"state = 'queued' ORDER BY id LIMIT 1) AND state = 'queued' RETURNING {COLUMNS}"
)
SILENT = (
    "instrument = :instrument AND state IN ('claimed', 'running') "
    "AND (state = 'claimed' OR repeatable) AND stop IS NULL AND seen_unix + lease_s < :now"
)
ANY = (
    "SELECT EXISTS(SELECT 1 FROM work WHERE instrument = :instrument AND state = 'queued') "
    f"OR EXISTS(SELECT 1 FROM work WHERE {SILENT})"
)
HELD = (
    f"SELECT {COLUMNS} FROM work WHERE instrument = :instrument "
    "AND state IN ('claimed', 'running', 'lost') AND robot = :robot ORDER BY id"
)
HAD = (
    "SELECT EXISTS(SELECT 1 FROM work_event WHERE work = :work AND robot = :robot "
    "AND fence = :fence AND kind = 'claimed')"
)
PART = "INSERT INTO work_part (work, part, content) VALUES (:work, :part, :content)"
LARGEST_ID = 2**63 - 1  # that SQLite can hold
OPEN = (WorkState.CLAIMED, WorkState.RUNNING, WorkState.LOST)
BEGUN = (WorkState.RUNNING, WorkState.LOST)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks: a robot by its name, and the instrument that its token is bound to."""

    robot: str
    instrument: str


class WorkError(Exception):
    """A robot asked for something that the board does not do.

    WorkError
     ├─ NoSuchWork   there is no job of that number
     ├─ NotYours     the job belongs to another instrument or another robot
     └─ Superseded   the job is not (or no longer) in a state, or under a fence, that allows it
    """


class NoSuchWork(WorkError):
    """There is no job of that number."""


class NotYours(WorkError):
    """The job belongs to another instrument or another robot."""


class Superseded(WorkError):
    """The job has moved on: another fence, another state, other content."""


class WorkDesk:
    """Where robots take and return jobs; every method is one transaction.

    Each claim raises the fence of its job, and every report names the fence of its claim: what a
    robot says that was superseded is not written. A job is claimed first and begun second. Until
    it is begun nothing has moved, so it can be withdrawn, or given to another robot; from then on
    only its robot knows what happened, and only a repeatable job is ever given away. The moment of
    a report is taken inside its transaction, so that the moments of a job ascend.

    What a robot acts upon when it is answered (a beginning, a result that it may forget) is on the
    disk before that. A claim and a heartbeat need not be: a computer that lost power and with it a
    claim refuses its beginning.
    """

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    def claim(self, caller: Caller, claim: str) -> Standing | None:
        """The oldest job that waits, None where none does; the same claim gets the same job.

        Raises Superseded where the job of this claim is over.
        """
        row = self._of(caller, claim)
        if row is None and self._database.rows(ANY, self._words(caller))[0][0]:
            with self._database.writing():  # a look is the usual case, and needs no write
                row = self._of(caller, claim) or self._claim(caller, claim)
        return None if row is None else standing(row, self._now())

    def held(self, caller: Caller) -> list[Standing]:
        """What the robot has: claimed, begun, or lost on the way."""
        rows = self._database.rows(HELD, self._words(caller))
        return [standing(Row(*row), self._now()) for row in rows]

    def show(self, caller: Caller, work: int) -> Standing:
        """One job of the robot, or one that nobody has. Raises NoSuchWork, NotYours."""
        return standing(self._row(caller, work), self._now())

    def begin(self, caller: Caller, work: int, fence: int) -> Standing:
        """The robot begins now; only when this has returned may anything move.

        Raises Superseded, NoSuchWork, NotYours.
        """
        with self._database.writing(durable=True):
            now, row = self._now(), self._mine(caller, work, fence, OPEN)
            if row.state == WorkState.CLAIMED:
                unix = now.timestamp()
                state = WorkState.RUNNING.value
                row = change(self._database, row, state=state, begun_unix=unix, seen_unix=unix)
                remember(self._database, row, "begun", now)
        return standing(row, now)

    def beat(
        self, caller: Caller, work: int, fence: int, progress: float, note: str, run_id: str
    ) -> Standing:
        """A sign of life, which renews the lease. Raises Superseded, NoSuchWork, NotYours."""
        with self._database.writing():
            now, row = self._now(), self._mine(caller, work, fence, OPEN)
            told: dict[str, Any] = {"progress": progress, "note": note, "run_id": run_id}
            row = change(self._database, row, seen_unix=now.timestamp(), **told)
        return standing(row, now)

    def part(
        self, caller: Caller, work: int, fence: int, number: int, content: Content, cycle: int
    ) -> Standing:
        """Keep a partial result; the same number with the same content again changes nothing.

        cycle: the last cycle it holds; 0 where it holds no series.
        Raises Superseded, NoSuchWork, NotYours.
        """
        text = canonical(content)
        values = {"work": work, "part": number, "content": text}
        with self._database.writing(durable=True):
            now, row = self._now(), self._mine(caller, work, fence, BEGUN)
            known = self._database.rows(
                "SELECT content FROM work_part WHERE work = :work AND part = :part", values
            )
            if known and known[0][0] != text:
                raise Superseded(f"part {number} of job {work} is there with other content")
            if not known:
                self._database.run(PART, values)
                seal(self._database, "work_part", {"work": work, "part": number})
            cycle = max(cycle, row.cycle)
            row = change(self._database, row, seen_unix=now.timestamp(), cycle=cycle)
        return standing(row, now)

    def end(
        self,
        caller: Caller,
        work: int,
        fence: int,
        state: WorkState,
        outcome: Content,
        run_id: str = "",
    ) -> Standing:
        """The job is over; the same end again changes nothing.

        Raises Superseded, NoSuchWork, NotYours.
        """
        text = canonical(outcome)
        with self._database.writing(durable=True):
            now, row = self._now(), self._mine(caller, work, fence, tuple(WorkState))
            if (row.state, row.outcome) == (state, text):
                return standing(row, now)
            self._may_end(row, state)
            kind = f"{state.value} late" if row.state == WorkState.LOST else state.value
            if run_id:
                row = change(self._database, row, run_id=run_id)
            row = self._end(row, state, text, now.timestamp())
            remember(self._database, row, kind, now, str(outcome.get("reason", "")))
        return standing(row, now)

    def _end(self, row: Row, state: WorkState, outcome: str, unix: float) -> Row:
        if state is WorkState.LOST:  # nobody hears of it any more
            return change(self._database, row, state=state.value, outcome=outcome, seen_unix=None)
        over = {"seen_unix": unix, "over_unix": unix}
        return change(self._database, row, state=state.value, outcome=outcome, **over)

    def _may_end(self, row: Row, state: WorkState) -> None:
        refused = state is WorkState.FAILED  # a robot may turn a job down before it begins
        allowed = (*BEGUN, WorkState.CLAIMED) if refused else BEGUN
        if row.state not in allowed:
            hint = ": begin it first" if row.state == WorkState.CLAIMED else " already"
            raise Superseded(f"job {row.id} is {row.state}{hint}")
        if state is WorkState.STOPPED and row.stop is None:
            raise Superseded(f"nobody asked for a stop of job {row.id}; report it as failed")

    def _claim(self, caller: Caller, claim: str) -> Row | None:
        """Take the oldest job, inside the transaction of `claim`."""
        now, words = self._now(), self._words(caller)
        for silent in self._database.rows(f"SELECT {COLUMNS} FROM work WHERE {SILENT}", words):
            requeue(self._database, Row(*silent), now)
        rows = self._database.rows(CLAIM, {**words, "claim": claim})
        if not rows:
            return None
        row = Row(*rows[0])
        seal(self._database, "work", {"id": row.id})
        remember(self._database, row, "claimed", now)
        return row

    def _of(self, caller: Caller, claim: str) -> Row | None:
        """The job that this claim was given before. Raises NotYours, Superseded."""
        row = one(self._database, "claim = :claim", {"claim": claim})
        if row is None:
            return None
        if (row.robot, row.instrument) != (caller.robot, caller.instrument):
            raise NotYours("this claim was made by another robot")
        if row.state not in OPEN:
            raise Superseded(f"the job of this claim is {row.state}; make a new claim")
        return row

    def _words(self, caller: Caller) -> dict[str, Any]:
        return {
            "instrument": caller.instrument,
            "robot": caller.robot,
            "now": self._now().timestamp(),
        }

    def _row(self, caller: Caller, work: int) -> Row:
        """A job that the caller may see. Raises NoSuchWork, NotYours."""
        row = one(self._database, "id = :id", {"id": work}) if 0 < work <= LARGEST_ID else None
        if row is None:
            raise NoSuchWork(f"there is no job {work}")
        if row.instrument != caller.instrument:
            raise NotYours(f"job {work} is for another instrument than {caller.instrument}")
        if row.robot not in (None, caller.robot):
            raise NotYours(f"job {work} is another robot's")
        return row

    def _mine(self, caller: Caller, work: int, fence: int, states: tuple[WorkState, ...]) -> Row:
        """A job that the caller holds under that fence. Raises Superseded beside the others."""
        try:
            row = self._row(caller, work)
        except NotYours:
            had = {"work": work, "robot": caller.robot, "fence": fence}
            if self._database.rows(HAD, had)[0][0]:
                raise Superseded(f"job {work} was given to another robot") from None
            raise
        if row.robot is None or row.fence != fence:
            raise Superseded(f"fence {fence} of job {work} is superseded; claim again")
        if row.state not in states:
            raise Superseded(f"job {work} is {row.state}")
        return row


def desk_of(store: Store) -> WorkDesk:
    """The desk of the board in a store."""
    return WorkDesk(store._database)
