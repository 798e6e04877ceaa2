"""What a simulated coater remembers of its jobs: in memory alone, or in a file that outlives it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from campaigns.records import NOTHING, Value

KEPT = 1000  # jobs; the oldest are forgotten, and `since` moves on with them
POWER_LOST = "PowerLost"
COMPLETED, FAILED, ABORTED, STOPPED = "Completed", "Failed", "Aborted", "Stopped"


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
    memory begins when the machine is switched on.
    """

    def __init__(self, path: Path | None, now: datetime, kept: int = KEPT) -> None:
        self.since = now
        self.jobs: dict[str, JobRecord] = {}
        self._kept = kept
        self._file: IO[bytes] | None = None
        if path is None:
            return
        lines = _whole_lines(path)
        for line in lines:
            self._replay(json.loads(line))
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(sum(len(line) for line in lines))
        self._file.seek(0, os.SEEK_END)
        if not lines:
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
    """What physically happened, one line each, for whoever checks that nothing ran twice."""

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._file = None if path is None else path.open("ab", buffering=0)
        self._now = now

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


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that were written to their end; a torn last one is none."""
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


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
