"""An adapter under observation: each call must come back in time, in type, or fail by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from campaigns.records import Setting
from instruments.base import (
    Card,
    Found,
    Instrument,
    InstrumentError,
    Job,
    Problem,
    Progress,
    Receipt,
    Result,
    Status,
)
from instruments.conformance.verdict import CheckFailed, demand

T = TypeVar("T")

GRACE_S = 0.5  # what a busy computer may add to a call that keeps its time


class Observed:
    """Passes calls on to an adapter and holds it to the form of the contract.

    Raises what the adapter raises where the contract names it (InstrumentError; KeyError from
    poll, fetch and abort), CheckFailed for everything else: another exception, an answer of
    another type, a call that takes longer than the card's patience_s.
    """

    def __init__(self, adapter: Instrument) -> None:
        self.adapter = adapter
        self.card = self._call("describe", adapter.describe, Card, patience_s=60.0)

    def describe(self) -> Card:
        return self._call("describe", self.adapter.describe, Card)

    def check(self, job: Job) -> list[Problem]:
        problems = self._call("check", lambda: self.adapter.check(job), list)
        demand(
            all(isinstance(problem, Problem) for problem in problems),
            f"check answered {problems!r}; a list of Problem is needed",
        )
        return problems

    def submit(self, job: Job) -> Receipt:
        receipt = self._call("submit", lambda: self.adapter.submit(job), Receipt)
        demand(
            receipt.key == job.key,
            f"submit of {job.key} answered with a receipt for {receipt.key}",
        )
        return receipt

    def poll(self, key: str) -> Progress:
        return self._call("poll", lambda: self.adapter.poll(key), Progress, KeyError)

    def fetch(self, key: str, since: int = 0) -> Result:
        return self._call("fetch", lambda: self.adapter.fetch(key, since), Result, KeyError)

    def abort(self, key: str, reason: str) -> Status:
        return self._call("abort", lambda: self.adapter.abort(key, reason), Status, KeyError)

    def find(self, key: str, since: datetime | None = None) -> Found:
        return self._call("find", lambda: self.adapter.find(key, since), Found)

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        return self.adapter.truth(settings)

    def close(self) -> None:
        outcome = _in_time("close", self.adapter.close, self.card.patience_s)
        if isinstance(outcome, _Raised):
            raise CheckFailed(_foreign("close", outcome.error)) from outcome.error

    def _call(
        self,
        name: str,
        call: Callable[[], T],
        answer: type[T],
        *allowed: type[Exception],
        patience_s: float | None = None,
    ) -> T:
        limit = self.card.patience_s if patience_s is None else patience_s
        simulated = patience_s is None and self.card.simulated  # it may compute as long as it takes
        outcome = _attempt(call) if simulated else _in_time(name, call, limit)
        if isinstance(outcome, _Raised):
            if isinstance(outcome.error, (InstrumentError, *allowed)):
                raise outcome.error
            raise CheckFailed(_foreign(name, outcome.error)) from outcome.error
        demand(
            isinstance(outcome, answer),
            f"{name} answered {outcome!r}; {answer.__name__} is needed",
        )
        return outcome


class _Raised:
    """An exception on its way from one thread to another."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _attempt(call: Callable[[], T]) -> T | _Raised:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises is judged, not hidden
        return _Raised(error)


def _in_time(name: str, call: Callable[[], T], limit_s: float) -> T | _Raised:
    """The call's outcome. Raises CheckFailed where it does not come back within the limit."""
    outcomes: list[T | _Raised] = []
    began = time.monotonic()
    thread = threading.Thread(target=lambda: outcomes.append(_attempt(call)), daemon=True)
    thread.start()
    thread.join(limit_s + GRACE_S)
    if not outcomes:
        took = time.monotonic() - began
        raise CheckFailed(
            f"{name} has not come back after {took:.1f} s; the card's patience_s is {limit_s:g}"
        )
    return outcomes[0]


def _foreign(name: str, error: Exception) -> str:
    line = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    kinds = "Refused, Busy, Unreachable or Garbled"
    also = ", or KeyError for an unknown key," if name in ("poll", "fetch", "abort") else ""
    return f"{name} raised {line}; only {kinds}{also} may leave an adapter"
