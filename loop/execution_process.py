"""Worker processes on this machine: they take tasks as they become free, and are replaceable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from threading import Lock

from instruments.computing import ComputingFailed, Payload, Task, received

ATTEMPTS = 3  # workers that one task may cost
LEAVING_S = 5.0  # a worker that has closed its answers is about to end by itself


class WorkerDied(Exception):
    """A worker process ended in the middle of a task; the message says how."""


class Worker:
    """One Python process that computes one task after the other.

    Tasks and answers are lines of JSON on its standard input and output. It leads a process group
    of its own: Ctrl-C in the terminal does not reach it, and what a task started ends with it.
    """

    def __init__(self) -> None:
        self._errors = TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._lock = Lock()
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "loop.execution_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": _path()},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process, which is also the number of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: str) -> str:
        """The answer to one task. Raises WorkerDied."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # told by the missing answer
            process.stdin.write(line + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
        if answer.endswith("\n"):
            return answer
        with suppress(subprocess.TimeoutExpired):
            process.wait(LEAVING_S)
        self.kill()
        raise WorkerDied(self._last_words())

    def kill(self) -> None:
        """End the process and what it started, now; twice is harmless."""
        with self._lock:
            if self._ended:
                return  # by now the number of the group may be somebody else's
            self._ended = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """Kill it and let go of its pipes; nobody may be asking."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a task that was never read
                    pipe.close()

    def _last_words(self) -> str:
        """How it ended, and the last line that it wrote to standard error."""
        code = self._process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: {last}" if last else how


def _path() -> str:
    """A worker finds the modules that this process finds, wherever it looks for them."""
    return os.pathsep.join(os.path.abspath(folder) for folder in sys.path)


def _hired() -> Worker:
    """Raises ComputingFailed where the machine has no room for another process."""
    try:
        return Worker()
    except OSError as error:
        raise ComputingFailed(f"no worker process could be started: {error}") from error


@dataclass(slots=True)
class Order:
    """A task on its way: the worker that has it now, and whether anybody still wants it."""

    line: str
    worker: Worker | None = None
    wanted: bool = True
    answer: Future[str] = field(default_factory=Future)


class ProcessComputer:
    """Computes in up to `workers` processes, started when there is something to compute.

    A thread for each worker waits for its answer. A task whose worker dies is given to a new one,
    up to three in all; every other task goes on undisturbed.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, "leyden-worker")
        self._orders: dict[str, Order] = {}
        self._free: list[Worker] = []
        self._lock = Lock()  # over which worker has which order

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers that compute something now."""
        with self._lock:
            orders = self._orders.values()
            return tuple(order.worker.pid for order in orders if order.worker is not None)

    def start(self, key: str, task: Task) -> None:
        if key not in self._orders:
            order = Order(json.dumps([task.target, json.dumps(dict(task.payload))]))
            self._orders[key] = order
            order.answer = self._threads.submit(self._computed, order)

    def result(self, key: str) -> Payload:
        return received(self._orders[key].answer.result())

    def cancel(self, key: str) -> None:
        order = self._orders.pop(key, None)
        if order is not None:
            self._drop(order)

    def close(self) -> None:
        with self._lock:  # first, so that no worker is hired for an order that is next in line
            for order in self._orders.values():
                order.wanted = False
        for key in list(self._orders):
            self.cancel(key)
        self._threads.shutdown(wait=True, cancel_futures=True)
        while self._free:
            self._free.pop().close()

    def _computed(self, order: Order) -> str:
        """The answer to an order. Raises ComputingFailed when it costs too many workers."""
        died = ""
        for _ in range(ATTEMPTS):
            worker = self._engaged(order)
            try:
                answer = worker.ask(order.line)
            except WorkerDied as error:
                self._released(order)
                worker.close()
                died = str(error)
            else:
                self._released(order, worker)
                return answer
        raise ComputingFailed(f"the worker process died {ATTEMPTS} times: {died}")

    def _engaged(self, order: Order) -> Worker:
        """A free worker, else a new one. Raises ComputingFailed for an order no longer wanted."""
        with self._lock:
            if not order.wanted:
                raise ComputingFailed("cancelled")
            while self._free:
                worker = self._free.pop()
                if worker.alive:
                    break
                worker.close()  # it died while it had nothing to do
            else:
                worker = _hired()
            order.worker = worker
            return worker

    def _released(self, order: Order, *free: Worker) -> None:
        with self._lock:
            order.worker = None
            self._free.extend(free)

    def _drop(self, order: Order) -> None:
        """Forget an order; a worker in the middle of it is killed, nothing else would stop it."""
        order.answer.cancel()
        with self._lock:
            order.wanted = False
            if order.worker is not None:
                order.worker.kill()
