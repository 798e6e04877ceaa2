"""The simulated oven in a process of its own, behind a wire that can be disturbed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from instruments.conformance.bench import Device
from instruments.setpoint_memory import mark

BRISK = """
[timing]
timeout_s = 1.3
call_s = 12.0
delivery_s = 1.5
poll_s = 0.2
begin_s = 1.0
readings = 3
"""


class Served:
    """The oven's server in a process of its own, with a wire to it that can be disturbed."""

    def __init__(self, script: Path, folder: Path) -> None:
        self._script = script
        self.journal = folder / "journal.txt"
        self.journal.touch()
        self._port = free_port()
        self._process = self._started()
        self.wire = Wire(self._port)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(self._script), str(self._port), str(self.journal)]
        process = subprocess.Popen(command)
        until = time.monotonic() + 30.0
        while time.monotonic() < until:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
                return process
            time.sleep(0.05)
        process.kill()
        raise RuntimeError("the oven did not come up")

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        self._process = self._started()

    def close(self) -> None:
        self.wire.close()
        self._process.kill()
        self._process.wait()

    def starts(self, mark: str) -> int:
        return self.journal.read_text().splitlines().count(f"start {mark}")

    def is_running(self, mark: str) -> bool:
        lines = self.journal.read_text().splitlines()
        return bool(lines) and lines[-1] == f"start {mark}"


class OvenDevice(Device):
    """The hooks of the conformance suite, on a served oven."""

    def __init__(self, served: Served, options: Mapping[str, Any]) -> None:
        self.served = served
        self.options = options
        self.kill, self.restart = served.kill, served.restart

    def cut(self) -> None:
        self.served.wire.set("cut")

    def hang(self) -> None:
        self.served.wire.set("hang")

    def garble(self) -> None:
        self.served.wire.set("garble")

    def double(self) -> None:
        self.served.wire.set("double")

    def delay(self, seconds: float) -> None:
        self.served.wire.set("delay", seconds)

    def restore(self) -> None:
        self.served.wire.set("pass")

    def forget(self) -> None:
        self.served.kill()
        self.served.restart()

    def starts(self, key: str) -> int:
        return self.served.starts(f"{mark(key):08x}")

    def is_running(self, key: str) -> bool:
        return self.served.is_running(f"{mark(key):08x}")


class Wire:
    """A TCP relay on loopback that can be cut, hang, garble, double and delay."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.mode = "pass"
        self.delay_s = 0.0
        self.doubled = lambda data: data + data
        self.nonsense = [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x00\x01\x00",
            b"\xff\xfe nonsense\n",
        ]
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode: str, delay_s: float = 0.0) -> None:
        self.mode, self.delay_s = mode, delay_s
        if mode != "pass":
            for one in self._open:
                _shut(one)
            self._open.clear()

    def close(self) -> None:
        self.set("cut")
        _shut(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.mode == "cut":
                    _shut(near)
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._to), timeout=5.0)
                except OSError:
                    _shut(near)
                    continue
                far.settimeout(None)
                self._open += [near, far]
                for source, sink, there in ((near, far, True), (far, near, False)):
                    args = (source, sink, there)
                    threading.Thread(target=self._carry, args=args, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, there: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                for piece in self._disturbed(data, there):
                    sink.sendall(piece)
        if not self.delay_s:
            _shut(sink)

    def _disturbed(self, data: bytes, there: bool) -> list[bytes]:
        if self.mode == "hang":
            return []
        if self.mode == "garble" and not there:
            self.nonsense.append(self.nonsense.pop(0))
            return [self.nonsense[0]]
        if there and self.mode == "delay":
            time.sleep(self.delay_s)
        if there and self.mode == "double":
            return [self.doubled(data)]
        return [data]


def brisk(example: Path) -> bytes:
    """An example map with times that suit a test; its last table is its timing."""
    text = example.read_text()
    return (text[: text.index("[timing]")] + BRISK).encode()


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
