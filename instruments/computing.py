"""Where heavy simulations are computed: tasks named by text, carried out somewhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, TypeAlias, runtime_checkable

from campaigns.records import NOTHING

Payload: TypeAlias = Mapping[str, Any]  # JSON: it crosses processes and machines as text


class ComputingFailed(Exception):
    """A task could not be computed, whoever was asked to; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Task:
    """One pure computation: the same target and payload give the same answer anywhere.

    target:  "package.module:function"; takes the payload, returns JSON
    """

    target: str
    payload: Payload = field(default_factory=lambda: NOTHING)

    def run(self) -> Payload:
        """Compute it here and now."""
        module, _, name = self.target.partition(":")
        function: Callable[[Payload], Payload] = getattr(import_module(module), name)
        return function(self.payload)


class Computer(Protocol):
    """Computes tasks by key. What it is decides only how soon an answer is there, never what."""

    def start(self, key: str, task: Task) -> None:
        """Begin soon, return at once; the same key again changes nothing."""

    def result(self, key: str) -> Payload:
        """Wait for the answer. Raises ComputingFailed, KeyError for a key never started."""

    def cancel(self, key: str) -> None:
        """The answer is no longer wanted; unknown keys are ignored."""

    def close(self) -> None:
        """Let go of the workers; what they still compute is dropped."""


@runtime_checkable
class Computed(Protocol):
    """An instrument whose jobs are computed; it computes in this very process until told where."""

    def compute_with(self, computer: Computer) -> None:
        """Send all later jobs there."""


class InlineComputer:
    """Computes in this very process, when the answer is asked for, and as workers do it."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._answers: dict[str, str] = {}

    def start(self, key: str, task: Task) -> None:
        self._tasks.setdefault(key, task)

    def result(self, key: str) -> Payload:
        if key not in self._answers:
            task = self._tasks[key]
            self._answers[key] = carried_out(task.target, json.dumps(dict(task.payload)))
        return received(self._answers[key])

    def cancel(self, key: str) -> None:
        self._tasks.pop(key, None)
        self._answers.pop(key, None)

    def close(self) -> None:
        self._tasks.clear()
        self._answers.clear()


def carried_out(target: str, text: str) -> str:
    """Compute one task; payload and answer are JSON on one line.

    What a task raises is its answer: exceptions do not cross between processes, text does.
    """
    try:
        return json.dumps({"answer": Task(target, json.loads(text)).run()})
    except Exception as error:  # noqa: BLE001 - a task is foreign code: what it raises is its answer
        return json.dumps({"failed": _line(error)})


def received(text: str) -> Payload:
    """The answer in a text of `carried_out`. Raises ComputingFailed where the task raised."""
    told = json.loads(text)
    if "failed" in told:
        raise ComputingFailed(told["failed"])
    answer: Payload = told["answer"]
    return answer


def _line(error: Exception) -> str:
    """`ValueError: no atoms left`, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
