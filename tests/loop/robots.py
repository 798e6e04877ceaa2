"""A server, tokens and boards for the tests of robots: real processes on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from instruments.board import Posting, Standing, WorkState
from loop.store.store import Store
from loop.store.work import board_of
from loop.store.work_tokens import tokens_of

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class HandClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def posting(key: str = "c/1/1", instrument: str = "coater", **changes: object) -> Posting:
    """A job for the board: one setting, one metric."""
    values: dict[str, object] = {
        "key": key,
        "instrument": instrument,
        "request": {
            "parameters": {"x": {"value": 1.5, "unit": "mm", "low": 0.0, "high": 5.0}},
            "metrics": {"y": "1"},
            "sample": "",
            "seed": [5, 1, 1],
            "checkpoints": [],
        },
        "lease_s": 10.0,
        "lost_after_s": 60.0,
        "on_lease_loss": "hold",
        "repeatable": False,
    }
    return Posting(**{**values, **changes})  # type: ignore[arg-type]


def post(url: str, *keys: str, instrument: str = "coater", **changes: object) -> list[Standing]:
    """Put jobs on the board of a store."""
    with Store.open(url) as store:
        board = board_of(store)
        return [board.post(posting(key, instrument, **changes), 10_000) for key in keys]


def look(url: str, key: str, instrument: str = "coater") -> Standing | None:
    """A job as it stands in a store."""
    with Store.open(url, create=False) as store:
        return board_of(store).look(instrument, key)


def open_keys(url: str, *states: WorkState) -> list[str]:
    """The keys of all jobs in these states."""
    with Store.open(url, create=False) as store:
        rows = store._database.rows("SELECT key, state FROM work ORDER BY id")
    return [key for key, state in rows if state in states]


def token(url: str, name: str, instrument: str = "coater", days: float | None = None) -> str:
    """A new token of a robot."""
    with Store.open(url) as store:
        return tokens_of(store).create(name, instrument, days=days)


def leyden(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "loop.cli", *arguments]
    given: dict[str, object] = {"env": ENVIRONMENT, "text": True, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**given, **options})  # type: ignore[call-overload,no-any-return]


@contextmanager
def serving(url: str, port: int = 0) -> Iterator[str]:
    """`leyden serve` on a store; its address."""
    process = leyden("serve", "--store", url, "--port", str(port))
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r" at (http://\S+)", line)
        assert found, line + process.stderr.read()
        yield found[1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
