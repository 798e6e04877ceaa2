"""The robot on a board in a file: a server and `leyden robot run` on a device that remembers."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from instruments.board import WorkState
from instruments.conformance.bench import Bench, Device
from tests.loop import file_device
from tests.loop.robots import leyden, open_keys, post, serving, token

CARD = b"""\
[settings.x]
unit = "mm"
low = 0.0
high = 5.0

[metrics]
y = "1"
"""
PATIENCE_S = 30.0


class RobotDevice(Device):
    """A robot at its device; what cuts the robot off is not seen by the adapter under test."""

    def __init__(self, folder: Path, url: str, server: str) -> None:
        self._folder, self._url, self._server = folder, url, server
        self.options = {"board": {"target": "loop.store.work:board_at", "url": url}}
        self._token = folder / "token"
        self._token.write_text(token(url, "arm"))
        self._token.chmod(0o600)
        self._lock: sqlite3.Connection | None = None
        self._memory = folder / "device"
        self._memory.mkdir()
        self.restart()

    def hang(self) -> None:
        """Another program keeps the board locked: nothing can be written."""
        self._lock = sqlite3.connect(self._url.removeprefix("sqlite:///"), isolation_level=None)
        self._lock.execute("BEGIN IMMEDIATE")

    def restore(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def restart(self) -> None:
        self._log = (self._folder / "robot.log").open("a")
        self._process = leyden(
            "robot", "run", "--server", self._server, "--token-file", str(self._token),
            "--adapter", "tests.loop.file_device:FileDevice",
            "--option", f"folder={json.dumps(str(self._memory))}",
            "--option", "seconds=2.0", "--option", "channels=2",
            stderr=self._log,
        )  # fmt: skip

    def forget(self) -> None:
        # what waits on the board is not the device's to forget: it has to begin first
        _until(lambda: not open_keys(self._url, WorkState.QUEUED, WorkState.CLAIMED))
        begun = open_keys(self._url, WorkState.RUNNING)
        _until(lambda: all(self.starts(key) for key in begun))
        self.kill()
        file_device.forget(self._memory)
        self.restart()
        _until(lambda: not open_keys(self._url, WorkState.RUNNING))

    def starts(self, key: str) -> int:
        return file_device.starts(self._memory).count(key)

    def is_running(self, key: str) -> bool:
        options = file_device.FileOptions(str(self._memory), 2.0, 2)
        return str(file_device.FileDevice(options).find(key)) == "running"


def _until(met: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not met() and time.monotonic() < until:
        time.sleep(0.1)


@contextmanager
def device() -> Iterator[Device]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = f"sqlite:///{folder}/board.db"
        post(url)  # an empty board
        made = RobotDevice(folder, url, stack.enter_context(serving(url)))
        try:
            yield made
        finally:
            made.kill()


def bench() -> Bench:
    return Bench(
        options={
            "name": "coater",
            "card": {"file": "card.toml"},
            "channels": 2,
            "lease_s": 2.0,
            "lost_after_s": 40.0,
            "poll_s": 0.2,
            "retry_s": 0.2,
            "patience_s": 10.0,
        },
        files={"card.toml": CARD},
        settings=[{"x": 1.5}, {"x": 3.0}],
        unsuitable=[{"x": 6.0}],
        device=device,
        longest_s=40.0,
    )
