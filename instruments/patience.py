"""A guard around a real instrument: no call lasts for ever, and nothing foreign comes through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from campaigns.records import Setting
from instruments.base import (
    Card,
    Found,
    Garbled,
    Instrument,
    InstrumentError,
    Job,
    Problem,
    Progress,
    Receipt,
    Result,
    Status,
    Unreachable,
)

T = TypeVar("T")


class Patient:
    """An instrument whose calls come back within its card's `patience_s`, with an answer of the
    right kind or an InstrumentError.

    Each call runs in a thread of its own. One that does not come back is left behind, and until it
    does, the instrument counts as silent; only `abort` goes past it. While a `submit` is under way
    that nobody waits for any more, nobody can say whether its job has arrived: `find` does not
    answer.
    """

    simulated: ClassVar[bool] = False

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._card = instrument.describe()
        self._stuck: list[threading.Thread] = []

    def describe(self) -> Card:
        return self._card

    def check(self, job: Job) -> list[Problem]:
        return self._instrument.check(job)

    def submit(self, job: Job) -> Receipt:
        return self._within("submit", Receipt, lambda: self._instrument.submit(job))

    def poll(self, key: str) -> Progress:
        return self._within("poll", Progress, lambda: self._instrument.poll(key), by_key=True)

    def fetch(self, key: str, since: int = 0) -> Result:
        call = lambda: self._instrument.fetch(key, since)  # noqa: E731
        return self._within("fetch", Result, call, by_key=True)

    def abort(self, key: str, reason: str) -> Status:
        stop = lambda: self._instrument.abort(key, reason)  # noqa: E731
        return self._within("abort", Status, stop, past=True, by_key=True)

    def find(self, key: str, since: datetime | None = None) -> Found:
        return self._within("find", Found, lambda: self._instrument.find(key, since))

    def truth(self, settings: Sequence[Setting]) -> list[Mapping[str, float]] | None:
        return self._instrument.truth(settings)

    def close(self) -> None:
        """Let go of the device, or give up after a while."""
        closing = threading.Thread(target=self._instrument.close, daemon=True)
        closing.start()
        closing.join(self._card.patience_s)

    def _within(
        self,
        what: str,
        kind: type[T],
        call: Callable[[], Any],
        *,
        past: bool = False,
        by_key: bool = False,
    ) -> T:
        """The answer of a call. Raises InstrumentErrors and, for a call `by_key`, KeyError."""
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if self._stuck and not past:
            raise Unreachable(f"{self._card.kind}: still waits for the answer to an earlier call")
        answer = _Answer(call)
        thread = threading.Thread(target=answer.run, name=f"{self._card.kind} {what}", daemon=True)
        thread.start()
        thread.join(self._card.patience_s)
        if thread.is_alive():
            self._stuck.append(thread)
            patience_s = self._card.patience_s
            raise Unreachable(f"{self._card.kind}: {what} had no answer within {patience_s:g} s")
        let = (InstrumentError, KeyError) if by_key else (InstrumentError,)
        return answer.of(kind, f"{self._card.kind}: {what}", let)


class _Answer:
    """What one call came back with."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error

    def of(self, kind: type[T], where: str, let: tuple[type[Exception], ...]) -> T:
        """The answer, where it is of that kind; errors but those `let` through are nonsense."""
        error = self._error
        if isinstance(error, let) or (error is not None and not isinstance(error, Exception)):
            raise error
        if error is not None:
            raise Garbled(f"{where} failed with {type(error).__name__}: {error}") from error
        if not isinstance(self._value, kind):
            raise Garbled(f"{where} came back with {type(self._value).__name__}")
        return self._value
