"""Cycler exports become the cells they were written from, whatever the columns and counters."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.cells import Cell
from surrogates.cycle_life import CycleLifeModel
from surrogates.exported_cells import EndOfLife, Grid, cell_of_table, read_export
from surrogates.life_file import Life
from tests.surrogates.cycler_records import BDF, records_of

GRID = Grid(3.5, 2.0, 40)
SHAPE = np.linspace(0.0, 1.05, 40)
NEWARE = {
    "cycle": "Cycle Index", "voltage": "Voltage(V)", "capacity": "DChg. Cap.(Ah)",
    "current": "Current(A)", "time": "Cumulative Time",
}  # fmt: skip


def fading(n_cycles: int = 20, first: int = 1) -> Cell:
    """A cell that fades linearly."""
    q = SHAPE[:, None] * (1.0 - 0.01 * np.arange(n_cycles))
    return Cell("made", 800, q, GRID.voltage, np.arange(first, first + n_cycles))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return records_of(fading())


# ---- real cells


def test_recorded_cells_come_back_bit_for_bit(recorded_cells, tmp_path):
    """Written as records and read back: the same curves, so the same features and predictions."""
    cells = [recorded_cells[k] for k in (1, 4, 8, 12, 20, 24, 30, 35)]  # two of them were corrupt
    back = []
    for cell in cells:
        path = tmp_path / f"{cell.id.replace('/', '-')}.bdf.csv"
        records_of(cell).to_csv(path, index=False)
        back.append(read_export(path, grid=Grid(3.6, 2.0), life=cell.cycle_life))
    for cell, again in zip(cells, back, strict=True):
        assert np.array_equal(cell.q, again.q)
        assert np.array_equal(cell.voltage, again.voltage)
        assert [r.cycle for r in cell.repairs] == [r.cycle for r in again.repairs]
    model = CycleLifeModel(at_cycle=100, model="variance")
    then, now = model.fit(cells).predict(cells), model.fit(back).predict(back)
    assert np.array_equal(then.mean, now.mean)
    assert np.array_equal(then.upper, now.upper)


def test_records_between_the_points_of_the_grid_cost_little(recorded_cells):
    """Only every third record: a cycler that logs less often tells nearly the same curve."""
    cell = recorded_cells[0]
    frame = records_of(cell)
    sparse = frame[(np.arange(len(frame)) % 3 == 0) | (frame[BDF["current"]] >= 0)]
    again = cell_of_table(sparse, "sparse", grid=Grid(3.6, 2.0))
    assert np.abs(again.q - cell.q).max() < 1e-3


# ---- real exports


def test_three_ways_to_count_agree_on_a_neware_file(recorded_data):
    """Discharge capacity, step capacity (both start anew with each step), integrated current."""
    path = recorded_data / "cycler_files" / "neware_uio.csv"
    clock = {"time": "hh:mm:ss"}
    grid = Grid(0.89, 0.06, 200)
    cells = [
        read_export(path, columns=columns, units=clock, grid=grid)
        for columns in (
            NEWARE,
            {**NEWARE, "capacity": "Capacity(Ah)"},
            {key: name for key, name in NEWARE.items() if key != "capacity"},
        )
    ]
    assert cells[0].cycles.tolist() == [1, 2, 3, 4]
    assert cells[0].capacity.max() < 0.005  # a laboratory coin cell
    assert np.array_equal(cells[0].q, cells[1].q)
    assert np.abs(cells[0].q - cells[2].q).max() < 2e-3 * cells[0].capacity.max()
    assert np.allclose(cells[0].scalars["charge_time_h"][:2], 17.1, atol=0.05)


def test_a_maccor_file_with_notes_in_front(recorded_data):
    cell = read_export(
        recorded_data / "cycler_files" / "maccor_PreDiag_000229.034",
        columns={"cycle": "Cyc#", "voltage": "Volts", "capacity": "Amp-hr", "current": "Amps"},
        units={"voltage": "V", "capacity": "Ah", "current": "A"},
    )
    assert cell.id == "maccor_PreDiag_000229"
    assert cell.cycles.tolist() == [0]
    assert 4.7 < cell.capacity[0] < 4.8


def test_millivolts_and_milliampere_hours(recorded_data):
    path = recorded_data / "cycler_files" / "pec.csv"
    columns = {
        "cycle": "Cycle", "voltage": "Voltage (mV)", "capacity": "Discharge Capacity (mAh)",
        "current": "Current (mA)",
    }  # fmt: skip
    cell = read_export(path, columns=columns, last_cycle=0)
    assert 2.0 < cell.voltage[-1] < cell.voltage[0] < 3.8
    assert 10.0 < cell.capacity[0] < 13.0
    with pytest.raises(ValueError, match=r"'Voltage \(mV\)' \(voltage\) runs from .* in V; a cell"):
        read_export(path, columns=columns, units={"voltage": "V"})


@pytest.mark.parametrize(
    ("name", "columns", "units", "message"),
    [
        (
            "novonix.csv",
            {"cycle": "Cycle Number", "voltage": "Potential (V)", "capacity": "Capacity (Ah)",
             "current": "Current (A)"}, {}, "current is never negative, so there is no discharge",
        ),
        (
            "novonix.csv",
            {"cycle": "Cycle Number", "voltage": "Potential (V)", "capacity": "Capacity (Ah)"},
            {}, "no discharge has 10 records of falling voltage",
        ),
        (
            "neware_uio.csv", NEWARE, {"time": "s"},
            "line 2, column 'Cumulative Time' holds '00:00:00', .*units.time = \"hh:mm:ss\"",
        ),
        ("neware_uio.csv", NEWARE, {}, "the unit of column 'Cumulative Time' is not known"),
        (
            "neware_uio.csv", {**NEWARE, "voltage": "Voltage (V)"}, {},
            r"there is no column 'Voltage \(V\)' \(voltage\); there are: .*did you mean 'Volt",
        ),
        ("neware_uio.csv", None, {}, "no column for cycle: 'Cycle Count / 1' .* is not there"),
        ("neware_21_10_7_85.ndax", None, {}, "is no text; have your cycler's software"),
        ("nowhere.csv", None, {}, "there is no such file"),
    ],
)  # fmt: skip
def test_faults_name_the_file_and_what_is_there(recorded_data, name, columns, units, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        read_export(recorded_data / "cycler_files" / name, columns=columns, units=units)


# ---- laws


@given(
    counter=st.sampled_from(["cycle", "never", "step", "net"]),
    unit=st.sampled_from(["Ah", "mAh", "A*h"]),
    volts=st.sampled_from(["V", "mV"]),
    with_current=st.booleans(),
)
def test_the_counter_and_the_units_do_not_matter(counter, unit, volts, with_current):
    frame = records_of(fading(), counter)
    columns = dict(BDF)
    if not with_current and counter in ("cycle", "never"):
        del columns["current"]
    frame[BDF["capacity"]] *= 1000.0 if unit == "mAh" else 1.0
    frame[BDF["voltage"]] *= 1000.0 if volts == "mV" else 1.0
    cell = cell_of_table(
        frame, "c", columns=columns, units={"capacity": unit, "voltage": volts}, grid=GRID
    )
    assert np.allclose(cell.q, fading().q, atol=1e-9)
    assert cell.cycles.tolist() == fading().cycles.tolist()


@given(order=st.permutations(list(BDF)), extra=st.booleans())
def test_the_order_of_columns_does_not_matter(order, extra):
    frame = records_of(fading(12))[[BDF[name] for name in order]]
    if extra:
        frame.insert(2, "Remarks", "none")
    assert np.array_equal(cell_of_table(frame, "c", grid=GRID).q, fading(12).q)


def test_machine_readable_names_and_other_separators(table, tmp_path):
    names = {
        BDF["time"]: "test_time_second", BDF["voltage"]: "voltage_volt",
        BDF["current"]: "current_ampere", BDF["cycle"]: "cycle_count",
        BDF["capacity"]: "discharging_capacity_ah", BDF["resistance"]: "internal_resistance_ohm",
        BDF["temperature"]: "ambient_temperature_celsius",
    }  # fmt: skip
    path = tmp_path / "x.tsv"
    path.write_text("a note\n\n" + table.rename(columns=names).to_csv(sep="\t", index=False))
    cell = read_export(path, grid=GRID)
    assert np.array_equal(cell.q, fading().q)
    comma = tmp_path / "x.csv"
    comma.write_text(table.to_csv(sep=";", decimal=",", index=False))
    assert np.array_equal(read_export(comma, grid=GRID, decimal=",").q, fading().q)


def test_parquet(table, tmp_path):
    path = tmp_path / "x.parquet"
    try:
        table.to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(ValueError, match=r"x\.parquet: reading Parquet needs .* pyarrow"):
            read_export(path)
        return
    assert np.array_equal(read_export(path, grid=GRID).q, fading().q)


# ---- what a cycle tells beside its curve


def test_scalars_of_each_cycle(table):
    cell = cell_of_table(table, "c", grid=GRID)
    j = np.arange(20)
    assert np.allclose(cell.scalars["resistance_ohm"], 0.016 + 1e-6 * j)
    assert np.allclose(cell.scalars["charge_temperature_k"], 303.15 + 0.01 * j)
    # the time from the last record of rest on belongs to the first record of charge
    assert np.allclose(cell.scalars["charge_time_h"][1:], 12 / 60)
    assert cell.until(10).scalars["resistance_ohm"].shape == (10,)


def test_a_scalar_with_gaps_is_filled_and_one_that_is_hardly_there_left_out(table):
    frame = table.copy()
    frame.loc[frame[BDF["cycle"]] == 7, BDF["resistance"]] = np.nan
    frame.loc[frame[BDF["cycle"]] > 9, BDF["temperature"]] = np.nan
    cell = cell_of_table(frame, "c", grid=GRID)
    assert np.allclose(cell.scalars["resistance_ohm"], 0.016 + 1e-6 * np.arange(20))
    assert "charge_temperature_k" not in cell.scalars


# ---- the grid and broken cycles


def test_the_default_grid_spans_what_was_recorded(table):
    cell = cell_of_table(table, "c")
    assert cell.q.shape == (1000, 20)
    assert cell.voltage[[0, -1]].tolist() == [3.5, 2.0]


def test_a_broken_cycle_is_repaired_inside_and_left_out_at_an_end(table):
    broken = (table[BDF["cycle"]].isin([8, 20])) & (table[BDF["voltage"]] < 2.8)
    cell = cell_of_table(table[~broken | (table[BDF["current"]] >= 0)], "c", grid=GRID)
    assert cell.cycles.tolist() == list(range(1, 20))
    assert [repair.cycle for repair in cell.repairs] == [8]
    assert np.allclose(cell.q, fading(19).q, atol=1e-12)


def test_the_largest_discharge_between_charges_counts(table):
    """A short discharge before the charge, in the same cycle, is not the one."""
    head = table[table[BDF["cycle"]] == 3].iloc[13:25].copy()
    at = int(np.flatnonzero(table[BDF["cycle"]] == 3)[0])
    frame = pd.concat([table.iloc[:at], head, table.iloc[at:]], ignore_index=True)
    columns = {key: name for key, name in BDF.items() if key != "time"}
    assert np.array_equal(cell_of_table(frame, "c", columns=columns, grid=GRID).q, fading().q)


def test_curves_end_at_the_last_cycle_asked_for(table):
    cell = cell_of_table(
        table, "c", grid=GRID, last_cycle=10, end_of_life=EndOfLife(capacity=0.95 * 1.05)
    )
    assert cell.cycles[-1] == 10
    assert cell.cycle_life == 7


# ---- lives


@pytest.mark.parametrize(
    ("rule", "life", "censored"),
    [
        (EndOfLife(capacity=0.9 * 1.05 + 1e-6), 11, False),
        (EndOfLife(share=0.9 + 1e-6), 11, False),
        (EndOfLife(share=0.9 + 1e-6, nominal=1.1), 7, False),
        (EndOfLife(share=0.5), None, False),
        (EndOfLife(share=0.5, alive="censored"), 20, True),
    ],
)
def test_lives_are_found_in_the_capacity(table, rule, life, censored):
    cell = cell_of_table(table, "c", grid=GRID, end_of_life=rule)
    assert (cell.cycle_life, cell.censored) == (life, censored)


def test_a_given_life_comes_first_and_a_single_low_cycle_is_no_end(table):
    frame = table.copy()
    frame.loc[frame[BDF["cycle"]] == 5, BDF["capacity"]] *= 0.5
    rule = EndOfLife(share=0.9 + 1e-6)
    assert cell_of_table(frame, "c", grid=GRID, end_of_life=rule).cycle_life == 11
    given = cell_of_table(frame, "c", grid=GRID, end_of_life=rule, life=Life(400, censored=True))
    assert (given.cycle_life, given.censored) == (400, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of capacity"),
        ({"capacity": 1.0, "share": 0.8}, "exactly one of capacity"),
        ({"share": 80.0}, "share: 80 is not allowed"),
        ({"capacity": -1.0}, "capacity: -1 is not allowed"),
        ({"capacity": 1.0, "nominal": 1.1}, "nominal: belongs to share"),
    ],
)
def test_rules_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EndOfLife(**arguments)


# ---- faults in tables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(**{BDF["cycle"]: 1.5}), r"'Cycle Count / 1' \(cycle\) holds 1.5"),
        (lambda f: f.assign(**{BDF["voltage"]: np.nan}), "holds no record with numbers"),
        (lambda f: f.assign(**{BDF["time"]: -f[BDF["time"]]}), "time runs backwards at record 2"),
        (lambda f: f.assign(**{BDF["capacity"]: 0.0}), "no cycle holds a discharge"),
        (lambda f: f[f[BDF["voltage"]] > 2.3], "runs down to 2 V; the longest ends at 2.3"),
        (lambda f: f.rename(columns={BDF["voltage"]: "Voltage / bar"}), "'bar' cannot be"),
        (lambda f: f.rename(columns={BDF["voltage"]: "Voltage / furlong per"}), "voltage"),
        (lambda f: f.assign(**{BDF["voltage"]: "low"}), "line 1, column .* holds 'low'"),
    ],
)  # fmt: skip
def test_faults_in_a_table_name_the_column(table, change, message):
    with pytest.raises(ValueError, match=f"x: .*{message}"):
        cell_of_table(change(table), "x", grid=GRID)


def test_an_unknown_quantity_is_told_with_the_nearest(table):
    with pytest.raises(ValueError, match=r"columns\.volts: unknown quantity; .*did you mean 'volt"):
        cell_of_table(table, "x", columns={"volts": "Voltage / V"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column for cycle: .*there are: 'a', 'b'"),
        (",".join(BDF.values()) + "\n", "holds a header, but no records"),
        (
            "Cycle Count / 1,Voltage / V,Discharging Capacity / Ah\n1,3.3,0\n1,high,0.1\n",
            "line 3, column 'Voltage / V' holds 'high', which is not a number",
        ),
    ],
)
def test_faults_in_a_file_name_the_line(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"x\.csv: .*{message}"):
        read_export(path)
