"""A store in trouble says one clear line and loses nothing."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from loop.store.store import (
    Store,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreNewer,
    StoreReadOnly,
)
from tests.loop import store_samples as samples

APPEND_FOR_EVER = """
import os, sys
from loop.store.store import Store
from loop.store import statements, tables  # imported once for all children
from tests.loop import store_samples as samples

def append(url):
    with Store.open(url) as store:
        number = store.campaigns()[0].trials
        while True:
            number += 1
            for bodies in samples.simple_trial(number, 500.0 + number):
                print(store.append("sample-1", bodies)[-1].hash, flush=True)
            data = samples.series(1, 30, curves=10)
            body = samples.measured(3.0, number, 1, data)
            print(store.append("sample-1", [body], series={0: data})[-1].hash, flush=True)

for _ in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        append(sys.argv[1])
    os.waitpid(child, 0)
    print("dead", flush=True)
"""

SIDE_BY_SIDE = """
import os, sys
from loop.events import Changed
from loop.store.store import Store
from loop.store import statements, tables
from tests.loop import store_samples as samples

def append(url):
    with Store.open(url) as store:
        name = samples.create(store)
        for number in range(1, 11):
            for bodies in samples.simple_trial(number, 500.0 + number):
                store.append(name, bodies)
            store.append("sample-1", [Changed(0.0, "budget.trials", float(number))])

children = []
for _ in range(4):
    children.append(os.fork())
    if children[-1] == 0:
        append(sys.argv[1])
        os._exit(0)
codes = [os.waitpid(child, 0)[1] for child in children]
print(codes, flush=True)
"""

LOCK = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "leyden.db"
    with Store.open(str(path)) as store:
        samples.create(store)
    return path


def spawn(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def one_line(caught: pytest.ExceptionInfo[StoreError], path: Path) -> str:
    """The message: one line that names the store."""
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


# no store, or not ours -----------------------------------------------------------------------


def test_missing_folder(tmp_path: Path) -> None:
    place = tmp_path / "nowhere" / "leyden.db"
    with pytest.raises(StoreMissing, match="create it") as caught:
        Store.open(f"sqlite:///{place}")
    one_line(caught, place)
    assert not place.parent.exists()


def test_missing_store(tmp_path: Path) -> None:
    place = tmp_path / "leyden.db"
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(StoreMissing, match="no such store") as caught:
            Store.open(str(place), **options)
        one_line(caught, place)
    assert not place.exists()


def test_empty_file_becomes_a_store(tmp_path: Path) -> None:
    place = tmp_path / "leyden.db"
    place.touch()
    with pytest.raises(StoreMissing, match="holds no store"):
        Store.open(str(place), create=False)
    with Store.open(str(place)) as store:
        assert store.campaigns() == []


def test_not_a_database(tmp_path: Path) -> None:
    place = tmp_path / "leyden.db"
    place.write_text("name = 'fast-charging'\n" * 100)
    with pytest.raises(StoreDamaged, match="is not a database") as caught:
        Store.open(str(place))
    one_line(caught, place)
    with pytest.raises(StoreDamaged, match="no file"):
        Store.open(str(tmp_path))


def test_database_of_another_program(tmp_path: Path) -> None:
    place = tmp_path / "other.db"
    raw = sqlite3.connect(place)
    raw.execute("CREATE TABLE photos (id)")
    raw.close()
    content = place.read_bytes()
    with pytest.raises(StoreDamaged, match="another program") as caught:
        Store.open(str(place))
    one_line(caught, place)
    raw = sqlite3.connect(place)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    raw.close()
    assert len(content) == place.stat().st_size


@pytest.mark.parametrize("revision", ["9999", "f00d"])
def test_newer_store(path: Path, revision: str) -> None:
    raw = sqlite3.connect(path)
    raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    raw.commit()
    raw.close()
    with pytest.raises(StoreNewer, match="install that release") as caught:
        Store.open(str(path))
    one_line(caught, path)


# no way to write -----------------------------------------------------------------------------


@contextmanager
def unprivileged(place: Path) -> Iterator[None]:
    """Permissions count even for root: the file and its folder are there for reading alone."""
    for one in (*place.parent.iterdir(), place.parent):
        one.chmod(0o555 if one.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        place.parent.chmod(0o755)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_read_only_file_and_folder(public: Path) -> None:
    place = public / "leyden.db"
    with Store.open(str(place)) as store:
        samples.fill(store)
    with unprivileged(place):
        with pytest.raises(StoreReadOnly, match="cannot be written") as caught:
            Store.open(str(place))
        one_line(caught, place)
        with pytest.raises(StoreReadOnly, match="cannot be written"):
            Store.open(str(public / "new.db"))
        with Store.open(str(place), read_only=True) as store:  # reading goes on
            assert store.campaigns()[0].status == "finished"
            assert store.check() == []
    with Store.open(str(place), read_only=True) as store:
        assert store.check() == []


def test_read_only_store_refuses_to_write(path: Path) -> None:
    with Store.open(str(path), read_only=True) as store:
        for write in (
            lambda: store.append("sample-1", [samples.proposed(1)]),
            lambda: store.acquire("sample-1"),
            lambda: samples.create(store),
            lambda: store.rebuild("sample-1"),
        ):
            with pytest.raises(StoreReadOnly, match="cannot be written") as caught:
                write()
            one_line(caught, path)
        assert store.head("sample-1")[0] == 1


def test_locked_database(path: Path) -> None:
    with spawn(LOCK, str(path)) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with Store.open(str(path), timeout_s=0.2) as store:
            with pytest.raises(StoreLocked, match=r"0\.2 s.*try again") as caught:
                store.append("sample-1", [samples.proposed(1)])
            one_line(caught, path)
            assert store.head("sample-1")[0] == 1  # reading goes on
            child.kill()
            child.wait()
            store.append("sample-1", [samples.proposed(1)])
            assert store.check() == []


def fill_up(store: Store, name: str) -> int:
    """Append until the store is full; the number of the last stored event."""
    data = samples.series(1, 100, curves=64, points=500)
    stored = []

    def append() -> None:
        for number in range(1, 200):
            for bodies in samples.simple_trial(number, 1.0):
                stored.extend(store.append(name, bodies))
            body = samples.measured(1.0, number, 1, data)
            stored.extend(store.append(name, [body], series={0: data}))

    with pytest.raises(StoreFull, match="disk is full, nothing was written"):
        append()
    return stored[-1].seq


def test_full_database(path: Path) -> None:
    with Store.open(str(path)) as store:
        store._database.rows("PRAGMA max_page_count = 60")
        last = fill_up(store, "sample-1")
        assert store.head("sample-1")[0] == last
        assert store.check() == []
        store._database.rows("PRAGMA max_page_count = 1000000")
        trial = store.campaigns()[0].trials + 1
        store.append("sample-1", [samples.proposed(trial)])
        assert store.check() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "leyden-test", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_full_disk(small_disk: Path) -> None:
    place = small_disk / "leyden.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    with Store.open(str(place)) as store:
        name = samples.create(store)
        last = fill_up(store, name)
        assert store.head(name)[0] == last
        assert store.check() == []
        events = store.events(name)
    ballast.unlink()
    with Store.open(str(place)) as store:
        assert store.events(name) == events
        assert store.check() == []
        store.append(name, [samples.proposed(store.campaigns()[0].trials + 1)])


def test_no_room_for_a_new_store(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(StoreFull) as caught:
        Store.open(str(small_disk / "leyden.db"))
    one_line(caught, small_disk / "leyden.db")
    ballast.unlink()
    with Store.open(str(small_disk / "leyden.db")) as store:
        assert store.check() == []


# sudden ends and company ---------------------------------------------------------------------


def test_kill_9_loses_no_acknowledged_event(path: Path) -> None:
    rng = random.Random(3)
    known: set[str] = set()
    times = 8
    with spawn(APPEND_FOR_EVER, str(path), str(times)) as child:
        assert child.stdout is not None
        for _ in range(times):
            pid = int(child.stdout.readline())
            said = [child.stdout.readline() for _ in range(rng.randrange(1, 40))]
            time.sleep(rng.random() * 0.003)  # somewhere within the next transaction
            os.kill(pid, signal.SIGKILL)
            while (line := child.stdout.readline()) and not line.endswith("dead\n"):
                said.append(line)
            known |= {line.strip() for line in said if len(line) == 65}
            with Store.open(str(path)) as store:
                assert store.check() == []
                assert known <= {event.hash for event in store.events("sample-1")}
    assert len(known) > times


def test_processes_make_one_store_and_share_it(tmp_path: Path) -> None:
    place = tmp_path / "leyden.db"
    with spawn(SIDE_BY_SIDE, str(place)) as child:
        assert child.stdout is not None
        assert child.stdout.read() == "[0, 0, 0, 0]\n"
    with Store.open(str(place)) as store:
        heads = sorted(store.head(f"sample-{n}")[0] for n in (1, 2, 3, 4))
        assert heads == [51, 51, 51, 91]  # all four wrote into the first one
        assert [row.trials for row in store.campaigns()] == [10, 10, 10, 10]
        assert store.check() == []
