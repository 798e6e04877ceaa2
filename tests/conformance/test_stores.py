"""What every store promises, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loop.store.store import (
    CampaignUnknown,
    LeaseHeld,
    LeaseLost,
    Store,
    StoreError,
    digest_series,
)
from tests.loop import store_samples as samples


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/leyden.db"
    with Store.open(url) as opened:
        yield opened


def test_a_whole_campaign(store: Store) -> None:
    name = samples.fill(store)
    events = store.events(name)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert store.head(name) == (len(events), events[-1].hash)
    assert store.document(name) == (samples.TEXT, samples.FILES)
    assert store.artifact(samples.MODEL_DIGEST) == samples.MODEL
    assert store.check() == []


def test_series(store: Store) -> None:
    name = samples.create(store)
    store.append(name, [samples.proposed(1)])
    data = samples.series(1, 60, curves=60)
    store.append(name, [samples.measured(1.0, 1, 1, data)], series={0: data})
    assert digest_series(store.series(name, 1, 1)) == digest_series(data)
    assert store.series(name, 1, until=10).curves.shape == (10, 40)


def test_events_are_refused_as_a_whole(store: Store) -> None:
    name = samples.create(store)
    head = store.head(name)
    twice = [samples.proposed(1), samples.proposed(1)]
    with pytest.raises(StoreError):
        store.append(name, twice)
    assert store.head(name) == head
    assert store.check() == []


def test_fences_grow_and_close_out_their_predecessors(store: Store) -> None:
    name = samples.create(store)
    first = store.acquire(name)
    with pytest.raises(LeaseHeld):
        store.acquire(name)
    store.renew(first)
    store.release(first)
    second = store.acquire(name)
    assert second.fence > first.fence
    with pytest.raises(LeaseLost):
        store.append(name, [samples.proposed(1)], fence=first.fence)
    with pytest.raises(LeaseLost):
        store.renew(first)
    store.append(name, [samples.proposed(1)], fence=second.fence)


def test_unknown_names(store: Store) -> None:
    with pytest.raises(CampaignUnknown, match="holds no campaign"):
        store.events("sample-1")
    with pytest.raises(StoreError, match="no artifact"):
        store.artifact("0" * 64)


def test_rebuilding_changes_nothing(store: Store) -> None:
    name = samples.fill(store)
    before = store.campaigns()
    store.rebuild(name)
    assert store.campaigns() == before
    assert store.check() == []


def test_closing_twice_is_harmless(store: Store) -> None:
    store.close()
    store.close()
