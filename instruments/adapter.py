"""The contract for a device that keeps its jobs by key: an author adds four calls to the device."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self, TypeVar

from campaigns.options import build
from campaigns.records import NOTHING, FailureKind, Setting
from instruments.base import (
    Card,
    Clock,
    Found,
    Garbled,
    Job,
    JobState,
    Problem,
    Progress,
    Receipt,
    Refused,
    Result,
    Scalar,
    SettingCard,
    Status,
    Unreachable,
)
from instruments.guard import outside

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the device's memory says of one job; times are in UTC.

    payload is the digest that was sent with the job; values are in the card's units.
    """

    state: JobState
    payload: str
    began_at: datetime | None = None
    over_at: datetime | None = None
    values: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    run_id: str = ""
    failure: FailureKind = FailureKind.CHANNEL_FAULT
    reason: str = ""
    note: str = ""

    @classmethod
    def from_json(cls, payload: str, told: Mapping[str, Any]) -> Self:
        """From a device's JSON: `state` and what else is known under the names of the fields.

        Moments are texts in ISO 8601 with their offset. Raises ValueError, KeyError, TypeError
        where something else is told.
        """
        return cls(
            JobState(told["state"]),
            payload,
            _moment(told.get("began_at")),
            _moment(told.get("over_at")),
            {str(name): value for name, value in told.get("values", {}).items()},
            run_id=str(told.get("run_id", "")),
            reason=str(told.get("reason", "")),
            note=str(told.get("note", "")),
        )


class DeviceAdapter(ABC):
    """An instrument in real time whose device remembers every job under the engine's key.

    A subclass names its `Options`, a frozen dataclass with `channels`, and adds describe, send,
    look, stop and memory. Each of these comes back within the card's patience_s. It raises
    Unreachable where no answer came and Garbled where the answer makes no sense; an OSError
    (connection refused, timed out, file gone) counts as the one, a ValueError, KeyError, TypeError
    or AttributeError in reading the answer as the other.

    delivery_s: the longest that something sent may be under way to the device
    polling_s:  between two looks at a running job
    settling_s: for which an abort waits until the device has stopped
    """

    simulated: ClassVar[bool] = False
    Options: ClassVar[type]
    delivery_s: ClassVar[float] = 0.0
    polling_s: ClassVar[float] = 2.0
    settling_s: ClassVar[float] = 1.0

    def __init__(self, options: Any, clock: Clock, files: Mapping[str, bytes] = NOTHING) -> None:
        self.options = options
        self.clock = clock
        self.files = files
        self._met: set[str] = set()  # keys that are lost where the device does not know them
        self._quiet_from = clock.now() + timedelta(seconds=self.delivery_s)

    @abstractmethod
    def describe(self) -> Card:
        """The card, from the options alone."""

    @abstractmethod
    def send(self, job: Job, payload: str) -> None:
        """Hand a job to the device, which keeps key and payload and starts it by itself, once.

        Whole or not at all: nobody may ever see half a job. Raises Busy where no channel is free.
        """

    @abstractmethod
    def look(self, key: str) -> Seen | None:
        """What the device knows of a key; None where it knows nothing."""

    @abstractmethod
    def stop(self, key: str, reason: str) -> None:
        """Ask the device to stop a job; whether it did is read back by `look`."""

    @abstractmethod
    def memory(self) -> datetime | None:
        """Since when the device has kept every job; None where it cannot say."""

    def card(
        self, kind: str, settings: Sequence[SettingCard], metrics: Mapping[str, str], **more: Any
    ) -> Card:
        """A card with the contract's usual answers for a real device; `more` says otherwise."""
        usual: dict[str, Any] = {
            "channels": getattr(self.options, "channels", 1),
            "series": False,
            "repeatable": False,
            "abortable": True,
            "simulated": False,
        }
        return Card(kind, tuple(settings), metrics, **{**usual, **more})

    # the contract ----------------------------------------------------------------------------

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        """Raises ValueError: option, what is wrong, what is allowed."""
        return cls(build(cls.Options, options, "instrument.options"), clock, files)

    def check(self, job: Job) -> list[Problem]:
        return outside(self.describe(), job.parameters)

    def submit(self, job: Job) -> Receipt:
        problems = self.check(job)
        if problems:
            raise Refused("; ".join(f"{p.setting} {p.reason}" for p in problems))
        payload = digest(job)
        seen = _told(lambda: self.look(job.key))
        if seen is None:
            try:
                _told(lambda: self.send(job, payload))
            except Unreachable:
                self._met.add(job.key)
                self._quiet_from = self.clock.now() + timedelta(seconds=self.delivery_s)
                raise
        elif seen.payload != payload:
            raise Refused(f"{job.key} stands for another job already")
        self._met.add(job.key)
        return Receipt(job.key, job.key)

    def poll(self, key: str) -> Progress:
        seen, now = self._seen(key), self.clock.now()
        running = seen.state is JobState.RUNNING
        until = now if running or seen.over_at is None else seen.over_at
        hours = max((until - (seen.began_at or until)) / timedelta(hours=1), 0.0)
        ask_at = now + timedelta(seconds=self.polling_s) if running else None
        over_at = None if running else until
        return Progress(seen.state, 0, ask_at, hours, over_at, seen.run_id or key, seen.note)

    def fetch(self, key: str, since: int = 0) -> Result:
        seen = self._seen(key)
        if seen.state is JobState.FAILED:
            return Result(seen.state, failure=seen.failure, reason=seen.reason)
        if seen.state is not JobState.FINISHED:
            return Result(seen.state)
        units = self.describe().metrics
        return Result(seen.state, {name: Scalar(seen.values[name], units[name]) for name in units})

    def abort(self, key: str, reason: str) -> Status:
        state = self._seen(key).state
        if state is JobState.RUNNING:
            _told(lambda: self.stop(key, reason))
            deadline = self.clock.now() + timedelta(seconds=self.settling_s)
            state = self._seen(key).state
            while state is JobState.RUNNING and self.clock.now() < deadline:
                self.clock.wait_until(self.clock.now() + timedelta(seconds=self.settling_s / 20))
                state = self._seen(key).state
        return Status(state, safe=state not in (JobState.RUNNING, JobState.LOST))

    def find(self, key: str, since: datetime | None = None) -> Found:
        seen = _told(lambda: self.look(key))
        if seen is not None:
            return Found.RUNNING if seen.state is JobState.RUNNING else Found.FINISHED
        if self.clock.now() < self._quiet_from:
            raise Unreachable(f"too early to tell: something may arrive until {self._quiet_from}")
        memory = _told(self.memory)
        if memory is None or (since is not None and since < memory):
            self._met.add(key)
            return Found.UNKNOWN
        return Found.NEVER

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        """None: a device measures, it does not know."""
        return None

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of the device; a subclass that holds a connection ends it here."""

    def _seen(self, key: str) -> Seen:
        """Raises KeyError for a key that nobody submitted."""
        seen = _told(lambda: self.look(key))
        if seen is None:
            if key not in self._met:
                raise KeyError(key)
            return Seen(JobState.LOST, "", reason="the device no longer knows this job")
        return self._judged(seen)

    def _judged(self, seen: Seen) -> Seen:
        """A job without all its numbers was not measured, whatever the device calls it."""
        if seen.state is not JobState.FINISHED:
            return seen
        wrong = [name for name in self.describe().metrics if not _finite(seen.values.get(name))]
        if not wrong:
            return seen
        reason = f"the device gave no number for {', '.join(wrong)}"
        return replace(seen, state=JobState.FAILED, failure=FailureKind.DATA_GAP, reason=reason)


def _told(call: Callable[[], T]) -> T:
    """What the device tells; Unreachable or Garbled where it tells nothing that can be read."""
    try:
        return call()
    except OSError as error:
        raise Unreachable(f"no answer from the device: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        line = f"{type(error).__name__}: {error}"
        raise Garbled(f"the device's answer makes no sense ({line})") from error


def _moment(text: Any) -> datetime | None:
    """Raises ValueError where it lacks its offset: times of two time zones cannot be compared."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    return moment


def _finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def digest(job: Job) -> str:
    """What a key stands for: the SHA-256 of a job's setting, seed and sample."""
    told = {"parameters": dict(job.parameters), "seed": list(job.seed), "sample": job.sample}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
