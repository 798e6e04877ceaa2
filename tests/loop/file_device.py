"""A small real device for the tests of robots: it works in real time and remembers on disk."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from campaigns.options import build
from campaigns.records import NOTHING, Setting
from instruments.base import (
    Busy,
    Card,
    Clock,
    Found,
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
)
from instruments.guard import outside

STARTS = "starts.log"


@dataclass(frozen=True)
class FileOptions:
    """folder: the device's memory; seconds: how long a job takes."""

    folder: str
    seconds: float = 1.0
    channels: int = 1


class FileDevice:
    """Every start is a line of `starts.log`; jobs, stops and the age of its memory are files.

    The device itself goes on when this program is killed: how far a job is follows from the time.
    """

    simulated: ClassVar[bool] = False

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._folder = Path(options.folder)
        memory = self._folder / "memory.txt"
        if not memory.exists():
            _write(memory, str(time.time()))

    @classmethod
    def open(
        cls, options: Mapping[str, Any], clock: Clock, files: Mapping[str, bytes] = NOTHING
    ) -> Self:
        return cls(build(FileOptions, options, "instrument.options"))

    def describe(self) -> Card:
        return Card(
            kind="file-device",
            settings=(SettingCard("x", "mm", 0.0, 5.0),),
            metrics={"y": "1"},
            channels=self._options.channels,
            series=False,
            repeatable=False,
            abortable=True,
            simulated=False,
        )

    def check(self, job: Job) -> list[Problem]:
        return outside(self.describe(), job.parameters)

    def submit(self, job: Job) -> Receipt:
        payload = {"parameters": dict(job.parameters), "seed": list(job.seed), "of": job.sample}
        known = self._read(job.key)
        if known is None:
            if self.check(job):
                raise Refused("beyond the limits")
            if self._running() >= self._options.channels:
                raise Busy("all places are taken")
            told = {"key": job.key, "payload": payload, "began": time.time()}
            _write(self._place(job.key), json.dumps(told))
            with (self._folder / STARTS).open("a") as log:
                log.write(f"{job.key}\n")
        elif known["payload"] != payload:
            raise Refused(f"{job.key} was another job")
        return Receipt(job.key, f"run-{_name(job.key)}")

    def poll(self, key: str) -> Progress:
        told = self._read(key)
        if told is None:
            if self._remembers_since() > 0:
                return Progress(JobState.LOST, 0, None, 0.0)
            raise KeyError(key)
        began, over = _moment(told["began"]), _moment(self._over(told))
        now, name = datetime.now(UTC), f"run-{_name(key)}"
        if now < over:
            soon = min(over, now + timedelta(seconds=0.3))
            return Progress(JobState.RUNNING, 0, soon, _hours(began, now), run_id=name)
        state = JobState.ABORTED if "stopped" in told else JobState.FINISHED
        return Progress(state, 0, None, _hours(began, over), over, run_id=name)

    def fetch(self, key: str, since: int = 0) -> Result:
        state, told = self.poll(key).state, self._read(key)
        if state is not JobState.FINISHED or told is None:
            return Result(state)
        x = float(told["payload"]["parameters"]["x"])
        trial = told["payload"]["seed"][1]
        return Result(state, {"y": Scalar(9.0 - (x - 3.0) ** 2 + 1e-3 * trial, "1", 0.1)})

    def abort(self, key: str, reason: str) -> Status:
        told = self._read(key)
        if told is None:
            raise KeyError(key)
        if time.time() < self._over(told):
            _write(self._place(key), json.dumps({**told, "stopped": time.time()}))
        state = self.poll(key).state
        return Status(state, safe=state is not JobState.RUNNING)

    def find(self, key: str, since: datetime | None = None) -> Found:
        told = self._read(key)
        if told is None:
            young = since is not None and since.timestamp() < self._remembers_since()
            return Found.UNKNOWN if young else Found.NEVER
        return Found.RUNNING if time.time() < self._over(told) else Found.FINISHED

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        return None

    def close(self) -> None:
        """The files stay."""

    def _place(self, key: str) -> Path:
        return self._folder / f"{_name(key)}.json"

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = json.loads(self._place(key).read_text())
        except FileNotFoundError:
            return None
        return told

    def _over(self, told: Mapping[str, Any]) -> float:
        return float(told.get("stopped", told["began"] + self._options.seconds))

    def _running(self) -> int:
        jobs = [json.loads(path.read_text()) for path in self._folder.glob("*.json")]
        return sum(time.time() < self._over(told) for told in jobs)

    def _remembers_since(self) -> float:
        return float((self._folder / "memory.txt").read_text())


def starts(folder: Path) -> list[str]:
    """The key of every job that the device ever began, in order."""
    log = folder / STARTS
    return log.read_text().split() if log.exists() else []


def forget(folder: Path) -> None:
    """Let the device lose its memory; what it began stays in the log."""
    for path in folder.glob("*.json"):
        path.unlink()
    _write(folder / "memory.txt", str(time.time()))


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(text)
    os.replace(partial, path)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def _hours(since: datetime, until: datetime) -> float:
    return (until - since) / timedelta(hours=1)
