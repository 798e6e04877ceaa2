"""An export explains itself: every column is described, and our own readers read it back."""

from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pytest

from campaigns.records import Observation, Prediction, TrialState
from loop.cli import answer
from loop.events import Decided, Ended, Observed, Predicted, Started, Submitting
from loop.exchange.exporting import export_to
from loop.store.store import Store
from surrogates.exported_cells import Grid, read_export
from tests.loop import store_samples
from tests.loop.laboratory import hill, run
from tests.loop.store_samples import series


@pytest.fixture
def sample(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "loop.exchange.exporting.export_models", lambda *a: 0
    )  # no real model there
    with Store.open("sqlite://") as store:
        yield store, cycled(store), tmp_path / "out"


def cycled(store):
    """A trial with cycles, curves, a prediction, a decision and an observation."""
    name = store_samples.create(store)
    store.append(name, [store_samples.proposed(1)])
    store.append(name, [Submitting(1.0, 1, 1, "key-1"), Started(1.0, 1, 1, "")])
    for part in (series(1, 20), series(21, 10, curves=3)):
        store.append(name, [store_samples.measured(2.0, 1, 1, part)], series={0: part})
    learned = [
        Predicted(3.0, 1, 1, Prediction("life", 810.5, 40.0, "1", 700.0, 900.0, 0.9, 20, "m")),
        Decided(3.0, 6, 1, 1, "never", "go_on", "it may be good", {"sd_ln": 0.1}),
        Observed(4.0, 1, 1, Observation("life", 800.25, 12.5, "1")),
        Ended(4.0, 1, 1, TrialState.COMPLETED, 95.5),
    ]
    store.append(name, learned)
    return name


def header(path):
    with path.open(newline="") as stream:
        return next(csv.reader(stream))


def test_every_column_of_every_table_is_described(sample):
    store, campaign_id, folder = sample
    _, rows = export_to(store, campaign_id, folder, curves=True)
    told = json.loads((folder / "datapackage.json").read_text())
    tables = {one["name"]: one for one in told["resources"]}
    assert set(tables) == {
        "trials", "observations", "predictions", "decisions", "events", "cycles", "curves",
    }  # fmt: skip
    paths = [p for one in tables.values() for p in np.atleast_1d(one["path"]).tolist()]
    assert set(paths) == set(rows)
    for one in tables.values():
        fields = one["schema"]["fields"]
        first = np.atleast_1d(one["path"])[0]
        assert [field["name"] for field in fields] == header(folder / first)
        assert all(field["description"].endswith(".") for field in fields)


def test_cycles_have_the_names_of_the_battery_data_format(sample):
    store, campaign_id, folder = sample
    _, rows = export_to(store, campaign_id, folder)
    with (folder / "cycles.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert rows["cycles.csv"] == len(found) == 30
    measured = series(1, 20).summary["capacity_ah"].tolist()
    read = [one["discharging_capacity_ah"] for one in found[:20]]
    assert read == ["" if value != value else repr(value) for value in measured]
    assert list(found[0])[:3] == ["trial", "attempt", "cycle_count"]
    assert not (folder / "curves").exists()


def test_exported_curves_are_read_by_our_own_reader(tmp_path):
    """Curves go out as BDF and come back as the cell they were."""
    data = series(1, 12, curves=12, points=60)
    whole = data.curves.copy()
    whole[0, 3] = whole[0, 2]  # without the gap that the sample has
    data = type(data)(data.cycles, data.summary, data.voltage, whole, data.curve_cycles)
    with Store.open("sqlite://") as store:
        name = store_samples.create(store)
        store.append(name, [store_samples.proposed(1)])
        store.append(name, [Submitting(1.0, 1, 1, "key-1"), Started(1.0, 1, 1, "")])
        store.append(name, [store_samples.measured(2.0, 1, 1, data)], series={0: data})
        export_to(store, name, tmp_path, curves=True)
    with (tmp_path / "curves/trial-1-attempt-1.bdf.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    back = np.array([row["discharging_capacity_ah"] for row in rows], dtype=np.float32)
    assert np.array_equal(back.reshape(12, 60), whole)
    grid = Grid(3.4, 2.2, 50)
    cell = read_export(tmp_path / "curves/trial-1-attempt-1.bdf.csv", grid=grid)
    assert cell.cycles.tolist() == list(range(1, 13))
    assert np.allclose(cell.q[:, 5], np.interp(-grid.voltage, -data.voltage, whole[5]), atol=1e-4)


def test_parquet_holds_the_same_tables(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with Store.open("sqlite://") as store:
        name = run(store, hill(budget="trials = 5"))
        _, rows = export_to(store, name, tmp_path, "parquet")
        export_to(store, name, tmp_path)
    for file, count in rows.items():
        table = parquet.read_table(tmp_path / file)
        assert table.num_rows == count
        assert table.column_names == header(tmp_path / file.replace(".parquet", ".csv"))
    means = parquet.read_table(tmp_path / "observations.parquet")["mean"].to_pylist()
    with (tmp_path / "observations.csv").open(newline="") as stream:
        assert means == [float(row["mean"]) for row in csv.DictReader(stream)]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is there")
def test_a_missing_pyarrow_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///leyden.db") as store:
        name = run(store, hill(budget="trials = 3"))
    assert answer(["export", name, "-o", "out", "--format", "parquet"]) == 2
    assert "needs the package pyarrow" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
