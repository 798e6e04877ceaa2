"""One engine a campaign: real processes hold leases, die, and are followed by others."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loop.store.store import LeaseHeld, LeaseLost, Store
from tests.loop import store_samples as samples

HOLD = """
import sys
from loop.store.store import Store
with Store.open(sys.argv[1]) as store:
    print(store.acquire(sys.argv[2]).fence, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "leyden.db"
    with Store.open(str(path)) as store:
        samples.create(store)
    return path


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease until it dies."""
    command = [sys.executable, "-c", HOLD, str(path), "sample-1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip().isdigit()
        yield child
        child.kill()


def change(path: Path, column: str, value: object) -> None:
    raw = sqlite3.connect(path)
    raw.execute(f"UPDATE lease SET {column} = ?", (value,))
    raw.commit()
    raw.close()


def test_a_live_process_keeps_its_campaign(path: Path) -> None:
    with holder(path) as child, Store.open(str(path)) as store:
        with pytest.raises(LeaseHeld, match=f"process {child.pid} on ") as caught:
            store.acquire("sample-1")
        assert (caught.value.pid, caught.value.host) == (child.pid, os.uname().nodename)
        os.kill(child.pid, signal.SIGSTOP)  # a process that stands still is alive
        with pytest.raises(LeaseHeld):
            store.acquire("sample-1")
        assert samples.create(store) == "sample-2"
        assert store.acquire("sample-2").fence == 1


def test_a_dead_process_is_followed_at_once(path: Path) -> None:
    with holder(path) as child:
        child.kill()
        child.wait()
        with Store.open(str(path)) as store:
            lease = store.acquire("sample-1")
            assert lease.fence == 2
            with pytest.raises(LeaseLost):
                store.append("sample-1", [samples.proposed(1)], fence=1)
            store.append("sample-1", [samples.proposed(1)], fence=2)


def test_a_reused_pid_is_no_holder(path: Path) -> None:
    with holder(path), Store.open(str(path)) as store:
        change(path, "started", "12345")  # whoever has the pid now started at another time
        assert store.acquire("sample-1").fence == 2


@pytest.mark.parametrize("column", ["host", "boot"])
def test_elsewhere_a_lease_lives_until_it_expires(path: Path, column: str) -> None:
    with Store.open(str(path)) as store:
        first = store.acquire("sample-1")
        change(path, column, "elsewhere")
        with pytest.raises(LeaseHeld):
            store.acquire("sample-1")
        change(path, "expires_at", "2020-01-01T00:00:00.000+00:00")
        store.renew(first)
        with pytest.raises(LeaseHeld):
            store.acquire("sample-1")
        change(path, "expires_at", "2020-01-01T00:00:00.000+00:00")
        assert store.acquire("sample-1").fence == first.fence + 1
        with pytest.raises(LeaseLost):
            store.renew(first)


def test_a_released_lease_is_free(path: Path) -> None:
    with Store.open(str(path)) as store:
        first = store.acquire("sample-1")
        store.release(first)
        second = store.acquire("sample-1")
        assert second.fence == 2
        store.release(first)  # not its own any more: nothing happens
        with pytest.raises(LeaseHeld):
            store.acquire("sample-1")
        store.release(second)
        with pytest.raises(LeaseLost):
            store.renew(second)


def test_a_campaign_without_its_engine_is_interrupted(path: Path) -> None:
    from loop.events import EngineStarted

    with Store.open(str(path)) as store:
        with holder(path) as child:
            store.append("sample-1", [EngineStarted("host", child.pid, 1, {})], fence=1)
            assert store.campaigns()[0].status == "running"
        assert store.campaigns()[0].status == "interrupted"
