"""Where the seconds of one engine run went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

PARTS = ("optimizer", "surrogate", "instrument", "waiting", "faces")


class Stopwatch:
    """Wall seconds by part; what no part claims is the engine's own (with the store)."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self.parts = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            self.parts[part] += perf_counter() - began

    @property
    def total(self) -> float:
        return perf_counter() - self._began

    @property
    def engine(self) -> float:
        return self.total - sum(self.parts.values())
