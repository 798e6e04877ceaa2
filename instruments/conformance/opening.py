"""Opening the adapter under test: here, or in an engine of its own that is to be killed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from instruments.base import Clock, Instrument, InstrumentError, Job
from instruments.conformance.bench import Bench, Device
from instruments.conformance.observed import Observed
from instruments.conformance.verdict import CheckFailed


class OptionsRefused(CheckFailed):
    """The adapter does not accept the options that it is opened with."""


@dataclass(frozen=True)
class Opening:
    """An adapter class with the options and files that reach the bench's device."""

    adapter: type[Instrument]
    options: Mapping[str, Any]
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, adapter: type[Instrument], bench: Bench, device: Device) -> Opening:
        """The device's options and files are laid over the bench's."""
        return cls(
            adapter, {**bench.options, **device.options}, {**bench.files, **device.files}
        )  # fmt: skip

    def open(self, clock: Clock) -> Observed:
        """Raises CheckFailed where the adapter cannot be opened, OptionsRefused from ValueError."""
        try:
            return Observed(self.adapter.open(self.options, clock, self.files))
        except (InstrumentError, ValueError) as error:
            failed = OptionsRefused if isinstance(error, ValueError) else CheckFailed
            raise failed(
                f"open raised {type(error).__name__} with the bench's options: {error}"
            ) from error

    @contextmanager
    def engine(self, jobs: Sequence[Job]) -> Iterator[Engine]:
        """Another process that opens the adapter and submits the jobs; killed at the end."""
        path = os.pathsep.join(part or os.getcwd() for part in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-m", "instruments.conformance.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        with process:
            try:
                yield Engine(process, self._order(jobs))
            finally:
                process.kill()

    def _order(self, jobs: Sequence[Job]) -> str:
        told = {
            "adapter": f"{self.adapter.__module__}:{self.adapter.__qualname__}",
            "options": dict(self.options),
            "files": {name: base64.b64encode(data).decode() for name, data in self.files.items()},
            "jobs": [{**asdict(job), "started_at": job.started_at.isoformat()} for job in jobs],
        }
        try:
            return json.dumps(told)
        except TypeError as error:
            raise CheckFailed(f"the bench's options must be plain values: {error}") from error


class Engine:
    """A process that submits jobs and then polls them, until it is killed."""

    def __init__(self, process: subprocess.Popen[str], order: str) -> None:
        self._process = process
        if process.stdin is None or process.stdout is None:
            raise ValueError("process: pipes to it are needed")
        self._stdin, self._stdout = process.stdin, process.stdout
        self._stdin.write(order + "\n")
        self._stdin.flush()
        self._expect("opened")

    def submit(self) -> None:
        """Let it begin to submit; returns before the device has answered."""
        self._stdin.write("go\n")
        self._stdin.flush()
        self._expect("submitting")

    def submitted(self) -> None:
        """Wait until the device has taken every job."""
        self._expect("submitted")

    def kill(self) -> None:
        """SIGKILL: nothing more is said, sent or tidied up."""
        self._process.kill()
        self._process.wait()

    def _expect(self, word: str) -> None:
        told = self._stdout.readline().strip()
        if told != word:
            told = told or " ".join(self._error().split())[-300:]
            raise CheckFailed(f"an engine of its own could not get to {word!r}: {told}")

    def _error(self) -> str:
        """What the process wrote as it ended."""
        self._process.kill()
        return "" if self._process.stderr is None else self._process.stderr.read()
