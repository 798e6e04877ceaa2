"""Whatever works for the lab and can speak HTTP: jobs go on a board, from where robots take them.

The instrument itself speaks no HTTP. It posts its jobs on a board that outlives engine and server
(see board.py); robots of its name fetch them at the server, `leyden serve`, and report there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, ClassVar, Self

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import (
    Card,
    Clock,
    Found,
    Garbled,
    InstrumentError,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Scalar,
    Status,
)
from instruments.board import Board, Content, OwnBoard, Posting, Standing, WorkState
from instruments.guard import outside
from instruments.robot_card import card_in, card_like
from instruments.robot_options import BoardAddress, RobotOptions
from instruments.robot_series import joined
from instruments.units import UnitError, converter, scale

STATES: Mapping[WorkState, JobState] = {
    WorkState.QUEUED: JobState.RUNNING,
    WorkState.CLAIMED: JobState.RUNNING,
    WorkState.RUNNING: JobState.RUNNING,
    WorkState.FINISHED: JobState.FINISHED,
    WorkState.FAILED: JobState.FAILED,
    WorkState.STOPPED: JobState.ABORTED,
    WorkState.WITHDRAWN: JobState.ABORTED,
    WorkState.LOST: JobState.LOST,
}


class Robot:
    """Jobs on a board: nothing is kept here, so that any engine finds what another one posted."""

    simulated: ClassVar[bool] = False

    def __init__(self, options: RobotOptions, card: Card, clock: Clock) -> None:
        self._options = options
        self._card = card
        self._clock = clock
        self._board: Board | None = None
        self._own: OwnBoard | None = None

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed."""
        chosen = build(RobotOptions, options, "instrument.options")
        if chosen.card is not None:
            likeness = card_in(chosen.card, files)
        else:
            likeness = card_like(chosen.like, chosen.like_options, clock, files)
        robot = cls(chosen, _card(chosen, likeness), clock)
        if chosen.board is not None:
            robot._board = robot._own = _board_at(chosen.board)
        return robot

    def work_on(self, board: Board) -> None:
        """Post all jobs there."""
        self._board = board

    def describe(self) -> Card:
        return self._card

    def check(self, job: Job) -> list[Problem]:
        return outside(self._card, job.parameters)

    def submit(self, job: Job) -> Receipt:
        problems = self.check(job)
        if problems:
            raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
        options = self._options
        posting = Posting(
            key=job.key,
            instrument=options.name,
            request=_request(self._card, job),
            lease_s=options.lease_s,
            lost_after_s=options.lost_after_s,
            on_lease_loss=options.on_lease_loss,
            repeatable=options.repeatable,
        )
        standing = self._reached().post(posting, options.channels)
        return Receipt(job.key, f"work-{standing.id}")

    def poll(self, key: str) -> Progress:
        standing = self._look(key)
        state = _state(standing)
        running = state is JobState.RUNNING
        return Progress(
            state=state,
            cycle=standing.cycle,
            ask_at=self._later() if running else None,
            hours=_hours(standing),
            over_at=standing.over_at,
            run_id=_run_id(standing),
            note=_note(standing),
        )

    def fetch(self, key: str, since: int = 0) -> Result:
        standing = self._look(key)
        series = joined(self._reached().parts(self._options.name, key), since)
        state, told = _state(standing), standing.outcome or {}
        if state not in (JobState.FINISHED, JobState.FAILED):
            return Result(state, series=series, reason=str(told.get("reason", "")))
        scalars = self._scalars(told.get("scalars", {}))
        if state is JobState.FINISHED:
            return Result(state, scalars, series)
        failure, reason = FailureKind(told["kind"]), str(told["reason"])
        return Result(state, NOTHING, series, failure, reason, at_least=scalars)

    def abort(self, key: str, reason: str) -> Status:
        """Safe once the robot has said that it stopped, or where none had begun."""
        standing = self._reached().ask_to_stop(self._options.name, key, reason)
        state = _state(standing)
        return Status(state, safe=state not in (JobState.RUNNING, JobState.LOST))

    def find(self, key: str, since: datetime | None = None) -> Found:
        """The board forgets nothing, and what is on it arrived: `NEVER` is certain."""
        standing = self._reached().look(self._options.name, key)
        if standing is None:
            return Found.NEVER
        state = _state(standing)
        if state is JobState.LOST:
            return Found.UNKNOWN
        return Found.RUNNING if state is JobState.RUNNING else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a real instrument does not know the truth."""
        return None

    def close(self) -> None:
        """Let go of the board; what is on it stays."""
        if self._own is not None:
            self._own.close()
        self._board = self._own = None

    def _reached(self) -> Board:
        if self._board is None:
            raise InstrumentError(
                f"robot {self._options.name}: works through the board of a store; run it in a "
                "campaign, or name one in the option `board`"
            )
        return self._board

    def _look(self, key: str) -> Standing:
        standing = self._reached().look(self._options.name, key)
        if standing is None:
            raise KeyError(key)
        return standing

    def _later(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._options.poll_s)

    def _scalars(self, told: Content) -> dict[str, Scalar]:
        """What a robot measured, in the units of the card. Raises Garbled."""
        found = {}
        for name, one in told.items():
            unit = self._card.metrics.get(name, one["unit"])
            try:
                value = converter(one["unit"], unit)(one["value"])
                sd = None if one["sd"] is None else abs(scale(one["unit"], unit)(one["sd"]))
            except UnitError as error:
                raise Garbled(f"{name}: {error}") from error
            found[name] = Scalar(value, unit, sd)
        return found


def _card(options: RobotOptions, likeness: Card) -> Card:
    """The card of the robot: settings and metrics of the other one, on a real clock."""
    return replace(
        likeness,
        kind="robot",
        channels=options.channels,
        repeatable=options.repeatable,
        abortable=True,
        simulated=False,
        lease_s=None,  # robots speak with the server: they do not notice when an engine is gone
        on_lease_loss="continue",
        retry_s=options.retry_s,
        patience_s=options.patience_s,
    )


def _board_at(address: BoardAddress) -> OwnBoard:
    module, _, name = address.target.partition(":")
    try:
        found: OwnBoard = getattr(import_module(module), name)(address.url)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"instrument.options.board: {address.target}: {error}") from error
    return found


def _request(card: Card, job: Job) -> Content:
    """What a robot is told: JSON, the same for the same job at any time."""
    limits = {setting.name: setting for setting in card.settings}
    parameters: dict[str, Any] = {}
    for name, value in job.parameters.items():
        setting = limits.get(name)
        parameters[name] = {"value": value, "unit": setting.unit if setting else "1"}
        if setting is not None and setting.low is not None:
            parameters[name]["low"] = setting.low
        if setting is not None and setting.high is not None:
            parameters[name]["high"] = setting.high
    return {
        "parameters": parameters,
        "metrics": dict(card.metrics),
        "sample": job.sample,
        "seed": list(job.seed),
        "checkpoints": list(job.checkpoints),
    }


def _state(standing: Standing) -> JobState:
    """A lost job whose robot has come back runs; the engine had given it up, a person may not."""
    back = standing.state is WorkState.LOST and standing.silent_s <= standing.lease_s
    return JobState.RUNNING if back else STATES[standing.state]


def _hours(standing: Standing) -> float:
    """How long the job has held its robot, as far as that has been heard of."""
    until = standing.over_at or standing.seen_at
    if standing.begun_at is None or until is None:
        return 0.0
    return (until - standing.begun_at) / timedelta(hours=1)


def _run_id(standing: Standing) -> str:
    return standing.run_id or f"work-{standing.id}"


def _note(standing: Standing) -> str:
    """What a person should know of the job now."""
    match standing.state:
        case WorkState.QUEUED:
            return "waits for a robot"
        case WorkState.CLAIMED:
            return f"taken by {standing.robot}, not begun"
        case WorkState.RUNNING if standing.silent_s > standing.lease_s:
            return (
                f"{standing.robot} has been silent for {standing.silent_s:.0f} s; "
                f"lost after {standing.lost_after_s:.0f} s"
            )
        case WorkState.RUNNING if standing.stop is not None:
            return f"{standing.robot} is asked to stop: {standing.stop}"
        case WorkState.LOST if _state(standing) is JobState.RUNNING:
            return f"{standing.robot} came back to a job that was called lost"
        case WorkState.LOST:
            told = standing.outcome or {}
            return str(told.get("reason", "")) or f"{standing.robot} is silent"
    return standing.note
