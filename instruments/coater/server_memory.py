"""What a simulated coater remembers of its jobs: in memory alone, or in a file that outlives it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from campaigns.records import NOTHING, Value

KEPT = 1000  # jobs; the oldest are forgotten, and `since` moves on with them
POWER_LOST = "PowerLost"
COMPLETED, FAILED, ABORTED, STOPPED = "Completed", "Failed", "Aborted", "Stopped"
TORN_FIRST_LINE = re.compile(rb'\{"memory_since": "[-+:.\dT]*"?\}?')


class FileUnusable(ValueError):
    """A file that the machine was told to keep cannot be had, or holds something else."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One program run. `outcome` is "" while it is in the machine.

    metrics: name -> (value, standard deviation or None, unit)
    """

    job_id: str
    run_id: str
    task_id: str
    samples: tuple[str, ...]
    properties: Mapping[str, Value]
    started: datetime
    stopped: datetime | None = None
    outcome: str = ""
    failure: str = ""
    reason: str = ""
    metrics: Mapping[str, tuple[float, float | None, str]] = field(default_factory=lambda: NOTHING)


class JobMemory:
    """Jobs by their supervisory id, oldest first.

    With a path every change is a line of JSON that is on the disk before the change is acted upon;
    a machine that was switched off while a job ran finds it there and calls it off. Without one the
    memory begins when the machine is switched on. Raises FileUnusable for a file that it did not
    write, which is left as it is.
    """

    def __init__(self, path: Path | None, now: datetime, kept: int = KEPT) -> None:
        self.since = now
        self.jobs: dict[str, JobRecord] = {}
        self._kept = kept
        self._file: IO[bytes] | None = None
        if path is None:
            return
        with _usable("--log", path):
            known = self._recall(path)
            self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(known)
        self._file.seek(0, os.SEEK_END)
        if not known:
            self._write({"memory_since": now.isoformat()})
        for job in [job for job in self.jobs.values() if not job.outcome]:
            self.put(replace(job, stopped=now, outcome=POWER_LOST, reason="Aborted: power lost"))

    def put(self, job: JobRecord) -> None:
        """Remember a job, or what has become of it."""
        self._write(_plain(job))
        self._take(job)

    def close(self) -> None:
        """Close the file; what was put is on the disk already."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, job: JobRecord) -> None:
        self.jobs[job.job_id] = job
        while len(self.jobs) > self._kept:
            oldest = next(iter(self.jobs))
            self.since = max(self.since, self.jobs.pop(oldest).started)

    def _recall(self, path: Path) -> int:
        """Take in the file's entries; their length in bytes, without a torn last line."""
        whole, newline, torn = (path.read_bytes() if path.exists() else b"").rpartition(b"\n")
        if not newline and torn and not TORN_FIRST_LINE.fullmatch(torn):
            raise FileUnusable(f"{path} is no job memory of the simulated coater")
        for number, line in enumerate(whole.split(b"\n") if newline else (), start=1):
            try:
                self._replay(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                where = "" if number == 1 else f": line {number} is none of its entries"
                told = f"{path} is no job memory of the simulated coater{where}"
                raise FileUnusable(told) from error
        return len(whole) + len(newline)

    def _replay(self, entry: dict[str, Any]) -> None:
        if "memory_since" in entry:
            self.since = datetime.fromisoformat(entry["memory_since"])
        else:
            self._take(_job(entry))

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


class Diary:
    """What physically happened, one line each, for whoever checks that nothing ran twice.

    Raises FileUnusable where the file cannot be written.
    """

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._now = now
        self._file: IO[bytes] | None = None
        if path is not None:
            with _usable("--audit", path):
                self._file = path.open("ab", buffering=0)

    def note(self, event: str, job: JobRecord) -> None:
        """Append a line; it is with the operating system when this returns."""
        if self._file is not None:
            entry = {"at": self._now().isoformat(), "event": event}
            entry |= {"job": job.job_id, "run": job.run_id}
            self._file.write(json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def _usable(option: str, path: Path) -> Iterator[None]:
    """An OSError of the block is said of the option that named the file."""
    try:
        yield
    except OSError as error:
        raise FileUnusable(f"{option} {path}: {error.strerror or error}") from error


def _plain(job: JobRecord) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "task_id": job.task_id,
        "samples": list(job.samples),
        "properties": dict(job.properties),
        "started": job.started.isoformat(),
        "stopped": None if job.stopped is None else job.stopped.isoformat(),
        "outcome": job.outcome,
        "failure": job.failure,
        "reason": job.reason,
        "metrics": {name: list(metric) for name, metric in job.metrics.items()},
    }


def _job(entry: dict[str, Any]) -> JobRecord:
    stopped = entry["stopped"]
    return JobRecord(
        job_id=entry["job_id"],
        run_id=entry["run_id"],
        task_id=entry["task_id"],
        samples=tuple(entry["samples"]),
        properties=entry["properties"],
        started=datetime.fromisoformat(entry["started"]).astimezone(UTC),
        stopped=None if stopped is None else datetime.fromisoformat(stopped).astimezone(UTC),
        outcome=entry["outcome"],
        failure=entry["failure"],
        reason=entry["reason"],
        metrics={name: (value, sd, unit) for name, (value, sd, unit) in entry["metrics"].items()},
    )
