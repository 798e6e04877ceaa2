"""A small vacuum oven: what both set-point adapters are tested against, without its wire."""

from __future__ import annotations

import time
from pathlib import Path

IDLE, RUNNING, HELD, FINISHED, FAILED, ABORTED = range(6)


class Oven:
    """Dries at a temperature (degC) for a time (s), and then knows the residual moisture (ppm).

    Clamps temperatures above 150 degC without a word, and says no to those above 180 degC. Writes
    every start and end into a journal file, so that a test can see past the adapter what happened.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.temperature_c = 25.0
        self.duration_s = 1.0
        self.state = IDLE
        self.runs = 0
        self.alarm = False
        self.deaf = False  # takes a start and does nothing
        self.moisture_ppm = 0.0
        self.ends = 0.0

    def tick(self) -> None:
        if self.state == RUNNING and time.monotonic() >= self.ends:
            self.state = FAILED if self.alarm else FINISHED
            self.moisture_ppm = 2000.0 / (self.temperature_c * self.duration_s)
            self._note("end")

    def start(self, mark: str) -> None:
        self.tick()
        if self.state in (RUNNING, HELD) or self.deaf:
            return
        self.state, self.runs, self.ends = (
            RUNNING,
            self.runs + 1,
            time.monotonic() + self.duration_s,
        )
        self._note(f"start {mark}")

    def abort(self) -> None:
        self.tick()
        if self.state in (RUNNING, HELD):
            self.state = ABORTED
            self._note("end")

    def _note(self, line: str) -> None:
        with self.journal.open("a") as file:
            file.write(line + "\n")
