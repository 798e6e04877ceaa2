"""Laws of a store: one byte of it changed is found, or is one of those that the docs list."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from instruments.board import WorkState
from loop.cli import answer
from loop.store.seals import HEARTBEAT, SEALED
from loop.store.store import Store, StoreError
from loop.store.work import board_of
from loop.store.work_robots import Caller, desk_of
from loop.store.work_tokens import tokens_of
from tests.loop import store_samples as samples
from tests.loop.laboratory import hill, run
from tests.loop.robots import posting

Place: TypeAlias = tuple[str, str, int]  # table, column, number of the row
# what no check protects, as `docs/store.md` lists it: who holds a lease, and signs of life
LISTED = {"lease": None, "work": HEARTBEAT}
COMMANDS = (["store", "check"], ["replay", "sample-1", "--verify"])
ONE_FILE = [HealthCheck.function_scoped_fixture]  # written anew for every example


def fill_board(store: Store) -> None:
    """A ruling, a token, and jobs with parts and outcomes."""
    store.file_ruling("sample-1", '{"kind": "approve", "trial": 1}')
    tokens_of(store).create("arm", "coater", days=3.0)
    board, desk, arm = board_of(store), desk_of(store), Caller("arm", "coater")
    for key in ("one", "two", "three"):
        board.post(posting(key), 9)
    first = desk.claim(arm, "c1")
    assert first is not None
    desk.begin(arm, first.id, first.fence)
    desk.part(arm, first.id, first.fence, 1, {"scalars": {"y": 1.5}}, 3)
    desk.beat(arm, first.id, first.fence, 0.5, "half", "run-1")
    desk.end(arm, first.id, first.fence, WorkState.FINISHED, {"scalars": {}}, "run-1")
    second = desk.claim(arm, "c2")
    assert second is not None
    board.ask_to_stop("coater", "three", "enough")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows in every table, and a campaign that was really run."""
    path = tmp_path_factory.mktemp("flips") / "leyden.db"
    with Store.open(str(path)) as store:
        samples.fill(store)
        samples.create(store)
        run(store, hill("random", budget="trials = 4"))
        fill_board(store)
        store.backup(path.with_name("copy.db"))
    return path.with_name("copy.db")


@pytest.fixture(scope="module")
def places(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    path = tmp_path_factory.mktemp("places") / "copy.db"
    path.write_bytes(sound.read_bytes())
    return every_cell(path)


def every_cell(path: Path) -> list[Place]:
    """Table, column and row number of every value that is there."""
    raw = sqlite3.connect(path)
    tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    found = []
    for table in tables:
        names = [info[1] for info in raw.execute(f"PRAGMA table_info({table})")]
        rows = raw.execute(f"SELECT * FROM {table}").fetchall()
        assert rows, f"{table} is empty: the sample is to fill every table"
        for number, row in enumerate(rows):
            found += [
                (table, name, number) for name, value in zip(names, row, strict=True) if value != ""
            ]
    raw.close()
    return found


def flipped(value: Any, bit: int) -> Any:
    """The value with one bit of its bytes changed."""
    if isinstance(value, str):
        return _turned(value.encode(), bit)
    if isinstance(value, bytes):
        return _turned(value, bit)
    if isinstance(value, float):
        return struct.unpack("<d", _turned(struct.pack("<d", value), bit))[0]
    return struct.unpack("<q", _turned(struct.pack("<q", value), bit))[0]


def _turned(content: bytes, bit: int) -> bytes:
    place = bit % (8 * len(content))
    turned = bytearray(content)
    turned[place // 8] ^= 1 << place % 8
    return bytes(turned)


def alter(path: Path, table: str, column: str, number: int, bit: int) -> bool:
    """Change one value behind the store's back; False where SQLite itself allows no such value."""
    raw = sqlite3.connect(path)
    names = [info[1] for info in raw.execute(f"PRAGMA table_info({table})")]
    old = dict(zip(names, raw.execute(f"SELECT * FROM {table}").fetchall()[number], strict=True))
    if old[column] is None:
        raw.close()
        return False
    new = "CAST(:new AS TEXT)" if isinstance(old[column], str) else ":new"
    chosen = " AND ".join(f"{name} IS :{name}" for name in names)
    values = old | {"new": flipped(old[column], bit)}
    try:
        raw.execute(f"UPDATE {table} SET {column} = {new} WHERE {chosen}", values)
    except sqlite3.IntegrityError:
        return False
    else:
        raw.commit()
        (same,) = raw.execute(f"SELECT count(*) FROM {table} WHERE {chosen}", old).fetchone()
        return not same
    finally:
        raw.close()


def damaged(path: Path) -> bool:
    try:
        with Store.open(str(path), create=False) as store:
            return bool(store.check())
    except StoreError:
        return True


def listed(table: str, column: str) -> bool:
    return table in LISTED and (LISTED[table] is None or column in LISTED[table])


@settings(max_examples=150, deadline=None, suppress_health_check=ONE_FILE)
@given(st.data())
def test_a_flipped_bit_of_any_value_is_found_or_listed(
    sound: Path, places: list[Place], tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "copy.db"
    path.write_bytes(sound.read_bytes())
    table = data.draw(st.sampled_from(sorted({table for table, _, _ in places})))
    place = data.draw(st.sampled_from([one for one in places if one[0] == table]))
    bit = data.draw(st.integers(0, 2**20))
    assume(alter(path, *place, bit))
    assert damaged(path) or listed(*place[:2])


def test_what_is_listed_is_no_more_than_it_says(sound: Path, tmp_path: Path) -> None:
    """Heartbeat columns are the only ones of the board that no seal covers."""
    path = tmp_path / "copy.db"
    path.write_bytes(sound.read_bytes())
    raw = sqlite3.connect(path)
    for table, names in SEALED.items():
        there = {info[1] for info in raw.execute(f"PRAGMA table_info({table})")}
        assert there - set(names) - {"seal"} == (HEARTBEAT if table == "work" else set())
    raw.close()


def test_every_column_flipped_once(sound: Path, places: list[Place], tmp_path: Path) -> None:
    """One bit of the first value in every column of every table."""
    path = tmp_path / "copy.db"
    seen = set()
    for table, column, number in places:
        if (table, column) in seen or listed(table, column):
            continue
        path.write_bytes(sound.read_bytes())
        if alter(path, table, column, number, 8 * len(column) + 1):
            seen.add((table, column))
            assert damaged(path), f"{table}.{column} row {number}"
            assert answer([*COMMANDS[1], "--store", f"sqlite:///{path}"]) in (1, 2)
    assert {table for table, _ in seen} == {table for table, _, _ in places} - {"lease"}


@settings(max_examples=60, deadline=None, suppress_health_check=ONE_FILE)
@given(place=st.integers(0, 2**30), bit=st.integers(0, 7))
@example(place=0, bit=0)  # what tells a database
@example(place=40, bit=0)  # a counter
@example(place=47, bit=0)  # the format of the schema
def test_a_flipped_byte_of_the_file(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: int, bit: int
) -> None:
    """It is found in one clear line a problem, or changes nothing that can be read."""
    whole = sound.read_bytes()
    place, mask = place % len(whole), 1 << bit
    path = tmp_path / "copy.db"
    path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
    for beside in ("-wal", "-shm"):  # of the example before
        path.with_name(path.name + beside).unlink(missing_ok=True)
    codes = [answer([*command, "--store", f"sqlite:///{path}"]) for command in COMMANDS]
    told = capsys.readouterr()
    assert all(line.startswith("leyden: ") for line in told.err.splitlines())
    assert set(codes) <= {0, 1, 2}  # 2: it no longer looks like a store, or like one of ours
    if codes[0] == 0:
        assert contents(path) == contents(sound), place
    else:
        assert told.err.startswith("leyden: ")


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that the check protects, table by table."""
    raw = sqlite3.connect(path)
    found = {}
    for (table,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        names = [info[1] for info in raw.execute(f"PRAGMA table_info({table})")]
        kept = [name for name in names if not listed(table, name)]
        if kept:
            found[table] = raw.execute(f"SELECT {', '.join(kept)} FROM {table}").fetchall()
    raw.close()
    return found
