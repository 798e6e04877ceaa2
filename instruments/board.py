"""The board of work: how the instrument `robot` reaches the robots that take its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

Content: TypeAlias = Mapping[str, Any]  # JSON


class WorkState(StrEnum):
    """How a job stands on the board."""

    QUEUED = "queued"  # nobody has it
    CLAIMED = "claimed"  # a robot has it and has not begun: nothing has moved yet
    RUNNING = "running"  # the robot has said that it begins
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"  # the robot says that it is not running any more, as it was asked to
    WITHDRAWN = "withdrawn"  # taken off the board before any robot began
    LOST = "lost"  # begun, then silent for too long; or its robot no longer knows


@dataclass(frozen=True, slots=True)
class Posting:
    """One job for the board.

    instrument:    the name that the tokens of its robots are bound to
    request:       what is to be done: parameters with units, sample, seed, checkpoints, and the
                   metrics that are wanted
    lease_s:       a robot that has not been heard of for so long is silent
    lost_after_s:  silent for so long, its job is lost; above lease_s
    on_lease_loss: what the robot does when it is cut off: hold, continue or stop
    repeatable:    a job whose robot is silent may be given to another one
    """

    key: str
    instrument: str
    request: Content
    lease_s: float
    lost_after_s: float
    on_lease_loss: str
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A job of the board at the moment `at` (UTC).

    begun_at, seen_at, over_at: when its robot said it begins, was last heard of, and was done
    silent_s: how long its robot has not been heard of; 0 where nobody has the job
    outcome:  scalars, failure and reason, once the robot has told
    """

    id: int
    key: str
    instrument: str
    request: Content
    state: WorkState
    fence: int
    robot: str
    at: datetime
    begun_at: datetime | None
    seen_at: datetime | None
    over_at: datetime | None
    silent_s: float
    lease_s: float
    lost_after_s: float
    on_lease_loss: str
    progress: float
    cycle: int
    note: str
    run_id: str
    stop: str | None
    outcome: Content | None


class Board(Protocol):
    """Where the instrument posts jobs and reads what became of them; it outlives every engine.

    Every method may raise Unreachable.
    """

    def post(self, posting: Posting, channels: int) -> Standing:
        """Put a job on the board; the same key again changes nothing.

        Raises Refused where the key stands for other work, Busy where `channels` jobs of the
        instrument are open already.
        """

    def look(self, instrument: str, key: str) -> Standing | None:
        """The job as it stands; None where it was never posted. What is overdue becomes lost."""

    def parts(self, instrument: str, key: str) -> Sequence[Content]:
        """The partial results of a job, in the order of their numbers."""

    def ask_to_stop(self, instrument: str, key: str, reason: str) -> Standing:
        """Withdraw a job that nobody has begun, else ask its robot to stop it.

        Raises KeyError for a key that was never posted.
        """


class OwnBoard(Board, Protocol):
    """A board that the instrument opened for itself."""

    def close(self) -> None:
        """Let go of it; what is on it stays."""


@runtime_checkable
class Hosted(Protocol):
    """An instrument that works through a board; whoever opens it says through which."""

    def work_on(self, board: Board) -> None:
        """Post all jobs there."""
