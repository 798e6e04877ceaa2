"""The store gives back what was put in, and takes nothing that contradicts itself."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from campaigns.records import Observation, TrialState
from instruments.base import Series
from loop.events import Ended, Event, Observed, Started, encode
from loop.store.curves import pack, unpack
from loop.store.store import (
    CampaignUnknown,
    LeaseLost,
    Store,
    StoreError,
    digest_series,
)
from tests.loop import store_samples as samples


def test_journal_comes_back_as_it_was_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/leyden.db"
    with Store.open(url) as store:
        name = samples.create(store)
        written: list[Event] = store.events(name)
        for bodies in samples.simple_trial(1, 512.125):
            written += store.append(name, bodies)
    with Store.open(url, create=False) as store:
        assert store.events(name) == written
        assert store.events(name, after=3) == written[3:]
        assert store.head(name) == (6, written[-1].hash)
        assert [event.seq for event in written] == [1, 2, 3, 4, 5, 6]
        assert written[0].previous == "0" * 64
        for before, after in itertools.pairwise(written):
            assert after.previous == before.hash


def test_bodies_are_read_back_from_their_text() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        (event,) = store.append(name, [samples.proposed(1)])
        assert event.body == samples.proposed(1)
        assert event.payload == encode(samples.proposed(1))


def test_ids_count_by_name() -> None:
    with Store.open("sqlite://") as store:
        assert [samples.create(store) for _ in range(3)] == ["sample-1", "sample-2", "sample-3"]
        other = replace(store.events("sample-1")[0].body, name="other")
        assert store.create("other", "", {}, other) == "other-1"
        assert {row.id for row in store.campaigns()} == {
            "sample-1",
            "sample-2",
            "sample-3",
            "other-1",
        }


def test_document_keeps_text_and_files() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        assert store.document(name) == (samples.TEXT, samples.FILES)


def test_unknown_campaign_names_the_nearest() -> None:
    with Store.open("sqlite://") as store:
        samples.create(store)
        for ask in (store.events, store.head, store.document, store.acquire, store.rebuild):
            with pytest.raises(CampaignUnknown, match=r"did you mean sample-1\?") as caught:
                ask("smaple-1")
            assert caught.value.nearest == ("sample-1",)


def test_list_follows_the_events() -> None:
    with Store.open("sqlite://") as store:
        name = samples.fill(store)
        (row,) = store.campaigns()
        assert (row.id, row.status, row.trials, row.seed) == (name, "finished", 5, 7)
        assert row.digest == samples.campaign().digest


def test_list_needs_no_sqlalchemy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/leyden.db"
    with Store.open(url) as store:
        samples.create(store)
    program = (
        "import sys; from loop.store.store import Store\n"
        f"with Store.open({url!r}) as store: print(len(store.campaigns()))\n"
        "assert not {'sqlalchemy', 'sqlmodel', 'alembic', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_bare_path_is_a_store(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "bare.db")) as store:
        assert store.url == f"sqlite:///{tmp_path}/bare.db"
    assert (tmp_path / "bare.db").exists()


def test_other_schemes_are_refused() -> None:
    with pytest.raises(StoreError, match="sqlite:///PATH"):
        Store.open("mysql://host/db")


# series --------------------------------------------------------------------------------------


def test_series_comes_back_bit_by_bit() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.proposed(1)])
        data = samples.series(1, 100, curves=70, points=50)
        store.append(name, [samples.measured(1.0, 1, 1, data)], series={0: data})
        assert digest_series(store.series(name, 1)) == digest_series(data)
        found = store.series(name, 1, until=40)
        np.testing.assert_array_equal(found.cycles, data.cycles[:40])
        np.testing.assert_array_equal(
            found.summary["capacity_ah"], data.summary["capacity_ah"][:40]
        )
        np.testing.assert_array_equal(found.curves.view("u4"), data.curves[:40].view("u4"))
        np.testing.assert_array_equal(found.voltage, data.voltage)


def test_series_grows_and_the_last_attempt_counts() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.proposed(1)])
        for attempt, first in ((1, 1), (1, 11), (2, 1)):
            data = samples.series(first, 10, seed=attempt)
            body = samples.measured(1.0, 1, attempt, data)
            store.append(name, [body], series={0: data})
        assert len(store.series(name, 1, attempt=1).cycles) == 20
        assert len(store.series(name, 1).cycles) == 10
        assert len(store.series(name, 2).cycles) == 0
        assert store.series(name, 2).curves.shape == (0, 0)


def test_a_cycle_cannot_be_measured_twice() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.proposed(1)])
        data = samples.series(1, 10)
        body = samples.measured(1.0, 1, 1, data)
        store.append(name, [body], series={0: data})
        before = store.head(name)
        with pytest.raises(StoreError, match="UNIQUE"):
            store.append(name, [body], series={0: data})
        assert store.head(name) == before
        assert store.check() == []


def test_series_must_match_its_event() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        data = samples.series(1, 10)
        body = samples.measured(1.0, 1, 1, data)
        for given_series in ({}, {0: samples.series(1, 10, seed=5)}):
            with pytest.raises(ValueError, match="event 0"):
                store.append(name, [body], series=given_series)
        with pytest.raises(ValueError, match="SHA-256"):
            store.append(name, [samples.proposed(1)], artifacts={"abc": b"x"})
        assert store.head(name)[0] == 1


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_packing_loses_no_bit(bits: np.ndarray) -> None:
    curves = bits.view(np.float32)  # every NaN there is, infinities and subnormal numbers
    n, v = curves.shape
    np.testing.assert_array_equal(unpack(pack(curves), n, v).view(np.uint32), bits)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float64, 5, elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.text(min_size=1, max_size=8),
)
def test_summaries_lose_nothing(values: np.ndarray, column: str) -> None:
    data = Series(
        cycles=np.array([1, 2, 5, 6, 9]),
        summary={column: values},
        voltage=np.empty(0),
        curves=np.empty((0, 0), dtype=np.float32),
        curve_cycles=np.empty(0, dtype=np.int64),
    )
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.measured(1.0, 1, 1, data)], series={0: data})
        assert digest_series(store.series(name, 1)) == digest_series(data)
        np.testing.assert_array_equal(store.series(name, 1).summary[column], values)


def test_digest_tells_series_apart() -> None:
    data = samples.series(1, 10)
    others = [
        replace(data, cycles=data.cycles + 1),
        replace(data, voltage=data.voltage + 1e-9),
        replace(data, summary={"capacity_ah": data.summary["capacity_ah"]}),
        replace(data, curves=data.curves[:-1], curve_cycles=data.curve_cycles[:-1]),
        replace(data, curve_cycles=data.curve_cycles + 1),
    ]
    assert len({digest_series(one) for one in [data, *others]}) == len(others) + 1
    with pytest.raises(ValueError, match="ascend"):
        digest_series(replace(data, cycles=data.cycles[::-1]))


# transactions --------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        store.append(name, [samples.proposed(1)])
        good = Ended(1.0, 1, 1, TrialState.COMPLETED, 1.0)
        bad = Observed(1.0, 99, 1, Observation("life", 1.0, None, "1"))  # there is no trial 99
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            store.append(name, [good, bad])
        with pytest.raises(ValueError, match="JSON"):
            store.append(name, [good, Started(float("nan"), 1, 1, "r")])
        assert store.head(name)[0] == 2
        assert store.check() == []


def test_a_superseded_fence_writes_nothing() -> None:
    with Store.open("sqlite://") as store:
        name = samples.create(store)
        first = store.acquire(name)
        store.append(name, [samples.proposed(1)], fence=first.fence)
        store.release(first)
        second = store.acquire(name)
        assert second.fence == first.fence + 1
        with pytest.raises(LeaseLost, match="taken over"):
            store.append(name, [samples.proposed(2)], fence=first.fence)
        store.append(name, [samples.proposed(2)], fence=second.fence)
        assert store.head(name)[0] == 3


def test_backup_is_a_whole_store(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/a.db") as store:
        name = samples.fill(store)
        store.backup(tmp_path / "b.db")
        with pytest.raises(StoreError, match="exists already"):
            store.backup(tmp_path / "b.db")
        events = store.events(name)
    assert {path.name for path in tmp_path.iterdir()} == {"a.db", "b.db"}
    with Store.open(f"sqlite:///{tmp_path}/b.db") as copy:
        assert copy.events(name) == events
        assert copy.check() == []
