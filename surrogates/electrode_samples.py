"""Solved designs kept as they come: a file that survives any kill and goes on where it stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from campaigns.records import NOTHING
from instruments.computing import Computer, ComputingFailed, Task
from surrogates.electrode_box import Box

FloatArray = NDArray[np.float64]
Answer: TypeAlias = Mapping[str, Any]

FORMAT = "leyden.electrode_samples.1"
AHEAD = 8  # designs given out before the first of them is back, for each worker


class Solver(Protocol):
    """Whatever solves a design: JSON for a computer, or a refusal before anything is computed."""

    def refusal(self, setting: Mapping[str, float]) -> str:
        """Why the design is not solved at all, in one line; "" where it is."""

    def task(self, setting: Mapping[str, float]) -> Task:
        """The computation of a design; its answer is that of `instruments.p2d.evaluation`."""


@dataclass(frozen=True)
class Spec:
    """What samples are: of which model with which options, over which box, by which seed."""

    model: str
    box: Box
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    def state(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.model,
            "options": dict(self.options),
            "box": self.box.state(),
            "seed": self.seed,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Spec:
        """Inverse of `state`. Raises KeyError, ValueError."""
        box = Box.from_state(state["box"])
        return cls(state["model"], box, state["seed"], state["options"])

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(_line(self.state()).encode()).hexdigest()


def answers(
    designs: FloatArray, names: Sequence[str], solver: Solver, computer: Computer, workers: int
) -> Iterator[Answer]:
    """The answers to designs (n, d) in their order, each as soon as those before it are there.

    `workers` says how far ahead designs are given out. A computation that could not be done is an
    answer too: {"ok": false, "reason": …}.
    """
    settings = [dict(zip(names, row, strict=True)) for row in designs.tolist()]
    refused = {}
    given = 0
    for at in range(len(settings)):
        while given < len(settings) and given < at + AHEAD * workers:
            refused[given] = solver.refusal(settings[given])
            if not refused[given]:
                computer.start(str(given), solver.task(settings[given]))
            given += 1
        if reason := refused.pop(at):
            yield {"ok": False, "kind": "refused", "reason": reason}
        else:
            yield _answered(computer, str(at))


def _answered(computer: Computer, key: str) -> Answer:
    try:
        return computer.result(key)
    except ComputingFailed as error:
        return {"ok": False, "kind": "channel_fault", "reason": str(error)}
    finally:
        computer.cancel(key)


@dataclass(frozen=True)
class SampleFile:
    """A file of JSON lines: a header with the spec and its digest, then answers in order.

    A line is appended as soon as its turn has come, whatever happens then; a last line that was
    torn by a kill is dropped. The file of a longer sample begins with that of a shorter one.
    """

    path: Path
    spec: Spec

    def collect(
        self,
        count: int,
        solver: Solver,
        computer: Computer,
        workers: int = 1,
        tell: Callable[[int, int], None] | None = None,
    ) -> list[Answer]:
        """The first `count` answers, those missing solved and appended one by one.

        Raises ValueError where the file is of another spec, damaged, in use, or where the model
        was another version of itself.
        """
        with self._held() as file:
            found = self._read(file)
            designs = self.spec.box.designs(count, self.spec.seed)[len(found) :]
            names = self.spec.box.names
            for answer in answers(designs, names, solver, computer, workers):
                self._same_model(found, answer)
                _append(file, answer)
                found.append(answer)
                if tell is not None:
                    tell(len(found), count)
        return found[:count]

    @contextmanager
    def _held(self) -> Iterator[int]:
        """The file, ours alone."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be written: {error.strerror}") from error
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(f"{self.path}: another process samples into it now") from error
            yield file
        finally:
            os.close(file)

    def _read(self, file: int) -> list[Answer]:
        """The answers so far; a torn end is cut off, an empty file gets its header."""
        content = self.path.read_bytes()
        whole, newline, _ = content.rpartition(b"\n")
        if not newline and len(content) and not _line(self._header()).encode().startswith(content):
            raise ValueError(f"{self.path}: is no file of samples")
        lines = whole.split(b"\n") if newline else []
        found = [self._parsed(number, line) for number, line in enumerate(lines, 1)]
        if found:
            self._check(found[0])
        os.ftruncate(file, len(whole) + len(newline))
        os.lseek(file, 0, os.SEEK_END)
        if not found:
            _append(file, self._header())
        return found[1:]

    def _header(self) -> dict[str, Any]:
        return {"format": FORMAT, "spec": self.spec.state(), "digest": self.spec.digest}

    def _parsed(self, number: int, line: bytes) -> Answer:
        try:
            told = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{self.path}: line {number} is damaged") from error
        if not isinstance(told, dict) or ("ok" in told) == (number == 1):
            raise ValueError(f"{self.path}: line {number} is no sample")
        return told

    def _check(self, header: Answer) -> None:
        """Raises ValueError for samples of something else, naming what differs."""
        if header.get("format") != FORMAT or not isinstance(header.get("spec"), dict):
            raise ValueError(f"{self.path}: is no file of samples ({FORMAT})")
        if header.get("digest") == self.spec.digest:
            return
        own, other = self.spec.state(), header["spec"]
        wrong = [key for key in own if json.loads(_line(own[key])) != other.get(key)]
        raise ValueError(
            f"{self.path}: holds samples with another {' and '.join(wrong) or 'digest'}; name "
            "another output, or remove that file"
        )

    def _same_model(self, found: Sequence[Answer], answer: Answer) -> None:
        """Raises ValueError where an answer comes from another version than the first good one."""
        identity = answer.get("identity")
        known = next((one["identity"] for one in found if one.get("identity")), identity)
        if identity and identity != known:
            raise ValueError(
                f"{self.path}: holds samples of {known!r}, but this is {identity!r}; name another "
                "output, or remove that file"
            )


def _append(file: int, told: Answer) -> None:
    """One line, written at once and whole."""
    content = (_line(told) + "\n").encode()
    while content:
        content = content[os.write(file, content) :]


def _line(told: Any) -> str:
    return json.dumps(told, sort_keys=True, separators=(",", ":"))
