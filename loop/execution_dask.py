"""A Dask cluster as the place where simulations are computed, found by its scheduler's address."""

from __future__ import annotations

import json
import logging
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from instruments.base import InstrumentError
from instruments.computing import ComputingFailed, Payload, Task, received
from loop.execution_worker import on_one_thread

if TYPE_CHECKING:
    from distributed import Client, Future

ATTEMPTS = 3  # each is several workers: the scheduler itself tries a task on four of them
CONNECT_S = 10.0
KNOCK_S = 3.0
MISSING = "needs the package distributed: pip install 'leyden[dask]'"
NO_ADDRESS = 'execution.address: is needed with kind = "dask": "tcp://HOST:PORT"'


class ClusterGone(InstrumentError):
    """The cluster cannot be used now. No fault of a trial: the campaign is resumed later."""


def problems(address: str | None) -> list[str]:
    """Why no campaign can run there, told without connecting: [] where a scheduler listens."""
    if address is None:
        return [NO_ADDRESS]
    if find_spec("distributed") is None:
        return [f"execution.kind: 'dask' {MISSING}"]
    try:
        _knock(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a computer
        return [f"execution.address: {_silent(address, error)}"]
    return []


def _knock(address: str) -> None:
    """Raises OSError where nobody speaks. A scheduler speaks first; a client of distributed 2026.8
    would wait for that word for ever, whatever its timeout."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 0), KNOCK_S) as line:
        if place.scheme == "tcp" and not line.recv(1):
            raise ConnectionError("the connection was closed")


class DaskComputer:
    """Computes on the workers of a Dask cluster; connects with the first task.

    The scheduler gives the tasks of workers that died to others. Where it gives a task up, the
    task is started again, up to three times in all. Raises ClusterGone where there is no scheduler.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._client: Client | None = None
        self._name = f"leyden-{uuid4().hex}"  # a cluster may serve several engines at once
        self._tasks: dict[str, Task] = {}
        self._futures: dict[str, Future[str]] = {}
        self._answers: dict[str, str] = {}

    def start(self, key: str, task: Task) -> None:
        if key not in self._tasks:
            self._futures[key] = self._submitted(key, task, 1)
            self._tasks[key] = task

    def result(self, key: str) -> Payload:
        if key not in self._answers:
            self._answers[key] = self._awaited(key)
            del self._futures[key]  # the cluster may forget it
        return received(self._answers[key])

    def cancel(self, key: str) -> None:
        self._tasks.pop(key, None)
        self._answers.pop(key, None)
        future = self._futures.pop(key, None)
        if future is not None and self._client is not None and self._client.status == "running":
            self._client.cancel([future], force=True)

    def close(self) -> None:
        for key in list(self._futures):
            self.cancel(key)
        if self._client is not None:
            self._client.close()
            self._client = None

    def _submitted(self, key: str, task: Task, attempt: int) -> Future[str]:
        if self._client is None:
            self._client = _connected(self._address)
        name = f"{self._name}-{key}-{attempt}"
        text = json.dumps(dict(task.payload))
        return self._client.submit(on_one_thread, task.target, text, key=name, pure=False)

    def _awaited(self, key: str) -> str:
        """The answer's text. Raises ComputingFailed where the task cannot be computed."""
        from distributed import CancelledError, KilledWorker

        for attempt in range(1, ATTEMPTS + 1):
            future = self._futures[key]
            try:
                error = future.exception()
                if error is None:
                    return future.result()
            except (CancelledError, OSError) as lost:
                raise ClusterGone(f"lost the Dask scheduler at {self._address}") from lost
            if not isinstance(error, KilledWorker):
                # what a task raises comes as its answer; this is the cluster's own trouble, such
                # as a worker on which Leyden is not installed
                told = " ".join(f"{type(error).__name__}: {error}".split())
                raise ClusterGone(f"the Dask cluster at {self._address} cannot compute: {told}")
            if attempt < ATTEMPTS:
                self._futures[key] = self._submitted(key, self._tasks[key], attempt + 1)
        raise ComputingFailed(f"the cluster gave the task up {ATTEMPTS} times: its workers died")


def _connected(address: str | None) -> Client:
    if address is None:
        raise ClusterGone(NO_ADDRESS)
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("distributed", "dask"):
            raise
        raise ClusterGone(f'execution.kind = "dask" {MISSING}') from error
    for name in ("distributed", "distributed.client"):  # what matters is told by ClusterGone
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        _knock(address)
        return Client(address, timeout=CONNECT_S, set_as_default=False, name="leyden")
    except (OSError, UnicodeError, ImportError) as error:  # ImportError: versions that cannot talk
        raise ClusterGone(_silent(address, error)) from error


def _silent(address: str, error: OSError | UnicodeError | ImportError) -> str:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return f"no Dask scheduler answers at {address}: {reason}"
