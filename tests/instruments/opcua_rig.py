"""A simulated coater as a process of its own, and a wire to it that can be cut and garbled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

SERVE = "import typer; from loop.commands.robot_simulate import simulate; typer.run(simulate)"
ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
SETTINGS = (
    {"active_percent": 92.0, "carbon_percent": 4.0, "binder_percent": 4.0, "gap_um": 150.0,
     "calender_pressure_mpa": 90.0, "calender_c": 65.0},
    {"active_percent": 94.0, "carbon_percent": 3.0, "binder_percent": 3.0, "gap_um": 160.0,
     "calender_pressure_mpa": 100.0, "calender_c": 70.0},
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def node_map(*changes: tuple[str, str]) -> bytes:
    """The shipped node map with pieces of its text exchanged."""
    text = files("instruments.coater").joinpath("simulator.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


class Server:
    """`leyden robot simulate coater --opcua` on a port of its own."""

    def __init__(self, folder: Path, *extra: str, speed: float = 4000.0, log: bool = True) -> None:
        self.port = free_port()
        self.audit = folder / "audit.jsonl"
        self.log = folder / "jobs.jsonl" if log else None
        self._extra = extra
        self._speed = speed
        self._errors = folder / "server.err"
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/leyden/coater/"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it serves."""
        arguments = ["coater", "--opcua", "--endpoint", self.endpoint, "--speed", str(self._speed)]
        arguments += ["--audit", str(self.audit), "--panel", *self._extra]
        arguments += [] if self.log is None else ["--log", str(self.log)]
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        for _ in range(2):  # where it is, and how to attach
            if not self._told():
                raise RuntimeError(self._errors.read_text()[-2000:])

    def panel(self, command: str) -> str:
        """Work the machine's own panel; what it answers."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._told()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def forget(self) -> None:
        """Lose every job and start again."""
        self.kill()
        if self.log is not None:
            self.log.unlink(missing_ok=True)
        self.start()

    def diary(self) -> list[dict[str, str]]:
        """What physically happened."""
        if not self.audit.exists():
            return []
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def starts(self, key: str) -> int:
        return sum(line["job"] == key and line["event"] == "started" for line in self.diary())

    def is_running(self, key: str) -> bool:
        mine = [line["event"] for line in self.diary() if line["job"] == key]
        return self.alive and bool(mine) and mine[-1] in ("started", "resumed")

    def _told(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Wire:
    """A TCP relay in front of a server, in a thread of its own.

    It knows where one OPC UA message ends and the next begins, and renumbers them where it adds or
    swallows some, so that a doubled request is a second request and not a broken connection.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self.port = free_port()
        self._target = target
        self._mode = ""
        self._delay_s = 0.0
        self._lose_answers = 0  # to StartProgram, still to be lost
        self._rng = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/leyden/coater/"

    def cut(self) -> None:
        self._set("cut")
        self._hang_up()

    def hang(self) -> None:
        """Requests arrive, answers never come."""
        self._set("hang")

    def swallow(self) -> None:
        """Neither requests arrive nor answers."""
        self._set("swallow")

    def garble(self) -> None:
        self._set("garble")

    def double(self) -> None:
        self._set("double")

    def delay(self, seconds: float) -> None:
        """Deliver method calls later: what is only looked at cannot run twice."""
        self._delay_s = seconds
        self._set("delay")

    def lose_answer(self) -> None:
        """Cut the connection when the next StartProgram has passed."""
        self._lose_answers += 1

    def restore(self) -> None:
        before, self._mode, self._lose_answers = self._mode, "", 0
        if before in ("hang", "swallow", "garble"):
            self._hang_up()

    def close(self) -> None:
        self._hang_up()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # the thread ------------------------------------------------------------------------------

    def _set(self, mode: str) -> None:
        self._mode = mode

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", self.port)
        )
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _hang_up(self) -> None:
        done = threading.Event()

        def close() -> None:
            for writer in list(self._writers):
                writer.transport.abort()
            done.set()

        self._loop.call_soon_threadsafe(close)
        done.wait(5)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = (writer, far_writer)
        self._writers.update(both)
        passage = Passage()
        pumps = [
            asyncio.ensure_future(self._there(reader, far_writer, passage)),
            asyncio.ensure_future(self._back(far_reader, writer, passage)),
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await self._relay(both, pumps)

    async def _relay(
        self, both: tuple[asyncio.StreamWriter, ...], pumps: list[asyncio.Future[None]]
    ) -> None:
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for one in both:
                one.transport.abort()
                self._writers.discard(one)

    async def _there(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passage: Passage
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async for chunk in chunks(reader):
                if self._mode == "swallow":
                    continue
                if self._mode == "delay" and calls(chunk):
                    await asyncio.sleep(self._delay_s)
                sent = passage.request(chunk, double=self._mode == "double")
                if self._lose_answers and b"StartProgram" in chunk:
                    self._lose_answers -= 1
                    passage.deaf = True
                    writer.write(sent)
                    await writer.drain()
                    await asyncio.sleep(0.2)  # so that it arrives
                    return
                writer.write(sent)
                await writer.drain()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passage: Passage
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async for chunk in chunks(reader):
                if passage.deaf or self._mode in ("hang", "swallow"):
                    continue
                answer = passage.answer(chunk)
                if self._mode == "garble":
                    answer = garbled(answer, self._rng)
                writer.write(answer)
                await writer.drain()


class Passage:
    """The numbering of the messages on one connection."""

    TWICE = 1 << 30  # marks the request id of a second copy
    SESSION = (461, 467, 473, 428)  # services that set a connection up: sent once

    def __init__(self) -> None:
        self.deaf = False
        self._added = 0
        self._swallowed = 0

    def request(self, chunk: bytes, *, double: bool) -> bytes:
        if chunk[:3] not in (b"MSG", b"CLO"):
            return chunk
        sequence, request_id = struct.unpack_from("<II", chunk, 16)
        first = numbered(chunk, sequence + self._added, request_id)
        if not double or chunk[:4] != b"MSGF" or self._sets_up(chunk):
            return first
        self._added += 1
        return first + numbered(chunk, sequence + self._added, request_id | self.TWICE)

    def answer(self, chunk: bytes) -> bytes:
        if chunk[:3] != b"MSG":
            return chunk
        sequence, request_id = struct.unpack_from("<II", chunk, 16)
        if request_id & self.TWICE:
            self._swallowed += 1
            return b""
        return numbered(chunk, sequence - self._swallowed, request_id)

    def _sets_up(self, chunk: bytes) -> bool:
        return service(chunk) in self.SESSION


def service(chunk: bytes) -> int:
    """The number of the service that a message asks for; 0 where it is none."""
    plain = chunk[:3] == b"MSG" and chunk[24:26] == b"\x01\x00"
    return struct.unpack_from("<H", chunk, 26)[0] if plain else 0


def calls(chunk: bytes) -> bool:
    return service(chunk) == 712


def numbered(chunk: bytes, sequence: int, request_id: int) -> bytes:
    return chunk[:16] + struct.pack("<II", sequence, request_id) + chunk[24:]


async def chunks(reader: asyncio.StreamReader) -> Iterator[bytes]:
    """Whole OPC UA messages: eight bytes of header, the last four of which tell the length."""
    while True:
        header = await reader.readexactly(8)
        yield header + await reader.readexactly(struct.unpack_from("<I", header, 4)[0] - 8)


def garbled(chunk: bytes, rng: random.Random) -> bytes:
    """Nonsense of one sort or another instead of an answer."""
    sort = rng.randrange(4)
    if sort == 0:
        return rng.randbytes(len(chunk))
    if sort == 1:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    if sort == 2:  # a whole message whose inside is broken
        return chunk[:28] + rng.randbytes(max(0, len(chunk) - 28))
    return chunk[: len(chunk) // 2] + rng.randbytes(3)


class Coater:
    """A server behind a wire, with the hooks of the conformance suite's devices."""

    def __init__(self, folder: Path, *extra: str, speed: float = 4000.0, log: bool = True) -> None:
        self.server = Server(folder, *extra, speed=speed, log=log)
        self.server.start()
        self.wire = Wire(self.server.port)
        self.options = {"endpoint": self.wire.endpoint}
        self.cut, self.hang, self.garble = self.wire.cut, self.wire.hang, self.wire.garble
        self.double, self.delay, self.restore = self.wire.double, self.wire.delay, self.wire.restore
        self.kill, self.restart = self.server.kill, self.server.start
        self.forget = self.server.forget
        self.starts, self.is_running = self.server.starts, self.server.is_running

    def close(self) -> None:
        self.wire.close()
        self.server.kill()


@contextlib.contextmanager
def coater(*extra: str, speed: float = 4000.0, log: bool = True) -> Iterator[Coater]:
    """A coater that is there while the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        device = Coater(Path(folder), *extra, speed=speed, log=log)
        try:
            yield device
        finally:
            device.close()


def until(true, seconds: float = 10.0) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
