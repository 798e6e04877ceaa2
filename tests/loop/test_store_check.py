"""`check` finds every change made behind the store's back; projections follow from events."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.records import (
    Bound,
    Failure,
    FailureKind,
    Observation,
    Prediction,
    TrialState,
)
from loop.events import (
    AttemptFailed,
    Body,
    Changed,
    Corrected,
    Ended,
    Excluded,
    Finished,
    Observed,
    Predicted,
    Started,
    Submitting,
)
from loop.store.projection import REBUILT
from loop.store.store import Store, StoreError
from tests.loop import store_samples as samples

TABLES = ("campaign", "file", "event", "artifact", "cycle", "curve", *REBUILT)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "leyden.db"
    with Store.open(str(path)) as store:
        samples.fill(store)
        samples.create(store)
    return path


def damages(path: Path) -> list[str]:
    with Store.open(str(path), create=False) as store:
        return [str(damage) for damage in store.check()]


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with Store.open(str(path)) as store:
        return store._database.rows(f"SELECT * FROM {table} ORDER BY 1, 2")


def test_a_sound_store_has_no_damage(full: Path) -> None:
    assert damages(full) == []
    with Store.open(str(full)) as store:
        assert store.check("sample-1") == store.check("sample-2") == []


def cells(path: Path) -> Iterator[tuple[str, str, int]]:
    """Every table, column and number of rows."""
    raw = sqlite3.connect(path)
    for table in TABLES:
        (count,) = raw.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert count, f"{table} is empty: the sample is to fill every table"
        for column in raw.execute(f"PRAGMA table_info({table})").fetchall():
            yield table, column[1], count
    raw.close()


def flipped(value: Any, rng: random.Random) -> Any:
    """The value with one bit changed, or something where nothing was."""
    if isinstance(value, bytes):
        where = rng.randrange(len(value))
        return value[:where] + bytes([value[where] ^ 1 << rng.randrange(8)]) + value[where + 1 :]
    if isinstance(value, str) and value:
        where = rng.randrange(len(value))
        return value[:where] + chr(ord(value[where]) ^ 1 << rng.randrange(3)) + value[where + 1 :]
    if isinstance(value, int):
        return value ^ 1 << rng.randrange(8, 16)  # never the key of another row
    if isinstance(value, float):
        return value * (1 + 2**-50) if value else 1.0
    return "x" if value == "" else 1


def alter(path: Path, table: str, column: str, row: int, rng: random.Random) -> str:
    """Change one value behind the store's back; what was done."""
    raw = sqlite3.connect(path)
    names = [info[1] for info in raw.execute(f"PRAGMA table_info({table})").fetchall()]
    old = dict(zip(names, raw.execute(f"SELECT * FROM {table}").fetchall()[row], strict=True))
    new = flipped(old[column], rng)
    where = " AND ".join(f"{name} IS ?" for name in names)
    raw.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new, *old.values()))
    (same,) = raw.execute(
        f"SELECT count(*) FROM {table} WHERE {where}", tuple(old.values())
    ).fetchone()
    raw.commit()
    raw.close()
    assert not same, "nothing was changed"
    return f"{table}.{column}: {old[column]!r} -> {new!r}"


def test_any_changed_value_is_found(full: Path) -> None:
    rng = random.Random(5)
    whole = full.read_bytes()
    for table, column, count in list(cells(full)):
        full.write_bytes(whole)
        done = alter(full, table, column, rng.randrange(count), rng)
        assert damages(full), done


@pytest.mark.parametrize("table", TABLES)
def test_a_lost_row_is_found(full: Path, table: str) -> None:
    raw = sqlite3.connect(full)
    key = [info[1] for info in raw.execute(f"PRAGMA table_info({table})") if info[5]]
    columns = ", ".join(key)
    raw.execute(f"DELETE FROM {table} WHERE ({columns}) IN (SELECT {columns} FROM {table} LIMIT 1)")
    raw.commit()
    raw.close()
    assert damages(full)


def test_random_bytes_of_the_file(full: Path) -> None:
    """A flip anywhere is found, or hit a byte that holds nothing: then all is as it was."""
    rng = random.Random(11)
    whole = full.read_bytes()
    before = {table: rows(full, table) for table in TABLES}
    found = 0
    for _ in range(60):
        where = rng.randrange(100, len(whole))
        full.write_bytes(whole[:where] + bytes([whole[where] ^ 0x41]) + whole[where + 1 :])
        try:
            bad = bool(damages(full))
        except StoreError:
            bad = True
        found += bad
        if not bad:
            assert {table: rows(full, table) for table in TABLES} == before, where
    assert found


def test_altered_history_with_fitting_rows_breaks_the_chain(full: Path) -> None:
    raw = sqlite3.connect(full)
    raw.execute("UPDATE event SET payload = replace(payload, '800.25', '900.25')")
    raw.execute("UPDATE observation SET mean = 900.25 WHERE mean = 800.25")
    raw.commit()
    raw.close()
    assert any("was altered" in text for text in damages(full))


def test_rebuilding_repairs_what_follows_from_events(full: Path) -> None:
    raw = sqlite3.connect(full)
    before = {table: rows(full, table) for table in TABLES}
    raw.execute("UPDATE trial SET state = 'lost'")
    raw.execute("DELETE FROM observation")
    raw.execute("UPDATE campaign SET status = 'running', trials = 99")
    raw.commit()
    raw.close()
    assert damages(full)
    with Store.open(str(full)) as store:
        store.rebuild("sample-1")
        store.rebuild("sample-2")
    assert damages(full) == []
    assert {table: rows(full, table) for table in TABLES} == before


# law: what is written live equals what is rebuilt --------------------------------------------

NUMBERS = st.integers(1, 3)
TIMES = st.floats(0, 1e7, allow_nan=False)
VALUES = st.floats(-1e300, 1e300, allow_nan=False)
FAILURES = st.builds(Failure, st.sampled_from(FailureKind), st.text(max_size=10), st.booleans())
OBSERVATIONS = st.builds(
    Observation,
    st.sampled_from(["life", "E", "ünit"]),
    VALUES,
    st.none() | st.floats(0, 1e9),
    st.just("1"),
    st.sampled_from(Bound),
)
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(Submitting, TIMES, NUMBERS, NUMBERS, st.text(max_size=8)),
    st.builds(Started, TIMES, NUMBERS, NUMBERS, st.text(max_size=8)),
    st.builds(Observed, TIMES, NUMBERS, NUMBERS, OBSERVATIONS),
    st.builds(Corrected, TIMES, NUMBERS, OBSERVATIONS, st.text(max_size=8)),
    st.builds(AttemptFailed, TIMES, NUMBERS, NUMBERS, VALUES, FAILURES),
    st.builds(
        Ended, TIMES, NUMBERS, NUMBERS, st.sampled_from(TrialState), VALUES, st.none() | FAILURES
    ),
    st.builds(Excluded, TIMES, NUMBERS, st.booleans(), st.text(max_size=8)),
    st.builds(Changed, TIMES, st.just("budget.trials"), st.none() | VALUES),
    st.builds(Finished, TIMES, st.sampled_from(["finished", "stopped"]), st.text(max_size=8)),
    st.builds(
        Predicted,
        TIMES,
        NUMBERS,
        NUMBERS,
        st.builds(
            Prediction,
            st.just("life"),
            VALUES,
            st.floats(0, 1e9),
            st.just("1"),
            st.just(-1.0),
            st.just(1.0),
            st.just(0.9),
            st.integers(1, 1000),
            st.just("m"),
            st.booleans(),
        ),
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=12))
def test_live_rows_equal_rebuilt_rows(transactions: list[list[Body]]) -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.proposed(1, 3)])
        for bodies in transactions:
            store.append(name, bodies)
        assert store.check() == []
        live = {table: store._database.rows(f"SELECT * FROM {table}") for table in REBUILT}
        store.rebuild(name)
        assert {table: store._database.rows(f"SELECT * FROM {table}") for table in REBUILT} == live
