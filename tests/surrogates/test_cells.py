"""A cell is validated and repaired when built, and forgets the future on demand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.cells import Cell

VOLTAGE_V = np.linspace(3.6, 2.0, 50)
CYCLES = np.arange(2, 101)


def fading(n_cycles: int = 99) -> np.ndarray:
    """Curves that fade linearly with the cycle number."""
    shape = np.linspace(0.0, 1.07, 50)
    return shape[:, None] * (1.0 - 2e-4 * np.arange(n_cycles))[None, :]


def build(q: np.ndarray, cycles: np.ndarray = CYCLES) -> Cell:
    return Cell("c7", 800, q, VOLTAGE_V, cycles)


def test_sound_cell_is_kept_as_it_is():
    cell = Cell("c7", None, fading().astype(np.float32), VOLTAGE_V, CYCLES)
    assert cell.cycle_life is None
    assert cell.repairs == ()
    assert cell.q.dtype == np.float64
    assert np.array_equal(cell.q, fading().astype(np.float32))
    assert np.array_equal(cell.capacity, cell.q[-1])


def test_arrays_and_fields_are_frozen():
    source = fading()
    cell = build(source)
    source[:] = 0.0
    assert cell.q.max() > 1.0
    with pytest.raises(ValueError, match="read-only"):
        cell.q[0, 0] = 1.0
    with pytest.raises(AttributeError):
        cell.id = "other"  # type: ignore[misc]


@given(
    column=st.integers(0, 98),
    row=st.integers(0, 49),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 48.8, 1.6, -0.2]),
)
def test_one_corrupt_value_anywhere_is_repaired_from_the_neighbours(column, row, value):
    q = fading()
    q[row, column] = value
    cell = build(q)
    assert [repair.cycle for repair in cell.repairs] == [CYCLES[column]]
    # Linear fade is restored exactly inside; at the ends the neighbour is held.
    tolerance = 1e-12 if 0 < column < 98 else 3e-4
    assert np.allclose(cell.q, fading(), atol=tolerance, rtol=0)
    assert np.array_equal(cell.repairs[0].recorded, q[:, column], equal_nan=True)


@given(column=st.integers(0, 98), size=st.floats(0.06, 0.3))
def test_a_lone_jump_is_repaired(column, size):
    q = fading()
    q[20:30, column] += size
    cell = build(q)
    assert [repair.cycle for repair in cell.repairs] == [CYCLES[column]]
    assert "neighbours" in cell.repairs[0].reason


@given(column=st.integers(2, 96))
def test_a_lasting_step_is_no_corruption(column):
    q = fading()
    q[:, column:] *= 0.93
    assert build(q).repairs == ()


def test_ordinary_jitter_is_left_alone():
    rng = np.random.default_rng(3)
    q = fading() * (1.0 + 0.01 * rng.standard_normal(99))
    assert build(q).repairs == ()


def test_a_gap_is_interpolated_in_cycle_number():
    q = fading()
    q[:, 30:45] = np.nan
    cell = build(q)
    assert [repair.cycle for repair in cell.repairs] == list(range(32, 47))
    assert np.allclose(cell.q, fading(), atol=1e-12)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (slice(30, 46), "cell c7: cycles 32 to 47 are missing or corrupt, at most 15"),
        (slice(0, 6), "cell c7: cycles 2 to 7 are missing or corrupt, at most 5"),
        (slice(93, 99), "cell c7: cycles 95 to 100 are missing or corrupt, at most 5"),
        (slice(0, 99, 3), "cell c7: 33 of 99 cycles are missing or corrupt, at most 25%"),
        (slice(None), "cell c7: no cycle has a complete curve"),
    ],
)
def test_too_many_missing_cycles_are_an_error_naming_the_cell(columns, message):
    q = fading()
    q[:, columns] = np.nan
    with pytest.raises(ValueError, match=message):
        build(q)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": fading(98)}, r"cell c7: q has shape \(50, 98\)"),
        ({"cycle_life": 0.0}, "cell c7: cycle_life is 0"),
        ({"cycle_life": float("nan")}, "cell c7: cycle_life is nan"),
        ({"voltage": VOLTAGE_V[::-1]}, "cell c7: voltage must be finite and strictly decreasing"),
        ({"voltage": VOLTAGE_V[:3]}, "cell c7: voltage has shape"),
        ({"cycles": CYCLES[::-1]}, "cell c7: cycles must be whole numbers"),
        ({"cycles": CYCLES + 0.5}, "cell c7: cycles must be whole numbers"),
        ({"cycles": []}, "cell c7: cycles has shape"),
        ({"q": -fading()}, "cell c7: the median capacity is -?0"),
        ({"id": ""}, "a cell needs an id"),
        ({"scalars": {"resistance_ohm": [0.1]}}, r"cell c7: resistance_ohm has shape \(1,\)"),
        ({"cycle_life": None, "censored": True}, "cell c7: .*there is no cycle_life"),
    ],
)
def test_impossible_cells_are_refused(change, message):
    good = {"id": "c7", "cycle_life": 800, "q": fading(), "voltage": VOLTAGE_V, "cycles": CYCLES}
    with pytest.raises(ValueError, match=message):
        Cell(**(good | change))


@given(
    stop=st.integers(12, 100),
    corrupt=st.lists(st.integers(0, 98), max_size=6, unique=True),
)
def test_a_cell_that_ran_on_equals_its_twin_that_was_stopped(stop, corrupt):
    q = fading()
    q[7, corrupt] = 9.0
    kept = stop - 1
    try:
        stopped = build(q[:, :kept], CYCLES[:kept])
    except ValueError:
        with pytest.raises(ValueError, match=r"cell c7: .*missing or corrupt"):
            build(q).until(stop)
        return
    ran_on = build(q).until(stop)
    assert np.array_equal(ran_on.q, stopped.q)
    assert np.array_equal(ran_on.cycles, stopped.cycles)
    assert ran_on.repairs == stopped.repairs


def test_scalars_and_censoring_are_kept_when_cut():
    source = np.arange(99.0)
    cell = Cell(
        "c7", 400, fading(), VOLTAGE_V, CYCLES, scalars={"charge_time_h": source}, censored=True
    )
    source[:] = 0.0
    cut = cell.until(11)
    assert cut.censored
    assert cut.scalars["charge_time_h"].tolist() == list(range(10))
    assert not build(fading()).censored
    assert dict(build(fading()).scalars) == {}
    with pytest.raises(ValueError, match="read-only"):
        cell.scalars["charge_time_h"][0] = 1.0


def test_until_refuses_a_cycle_never_reached():
    with pytest.raises(ValueError, match="cell c7: there is no curve at cycle 101"):
        build(fading()).until(101)


def test_a_bound_is_no_life():
    cell = Cell("c7", 400, fading(), VOLTAGE_V, CYCLES, censored=True)
    assert (cell.cycle_life, cell.exact_life, cell.censored) == (400.0, None, True)
    assert build(fading()).exact_life == 800.0
    assert cell.until(50).censored
    assert cell.with_life(900).exact_life == 900.0
    with pytest.raises(ValueError, match="cell c7: its life is said to be a bound"):
        Cell("c7", None, fading(), VOLTAGE_V, CYCLES, censored=True)


def test_scalars_follow_the_cycles():
    scalars = {"resistance_ohm": 0.02 + 1e-5 * CYCLES}
    cell = Cell("c7", 800, fading(), VOLTAGE_V, CYCLES, scalars=scalars)
    assert np.array_equal(cell.until(40).scalars["resistance_ohm"], scalars["resistance_ohm"][:39])
    with pytest.raises(ValueError, match="read-only"):
        cell.scalars["resistance_ohm"][0] = 1.0
    with pytest.raises(TypeError):
        cell.scalars["more"] = CYCLES
    with pytest.raises(ValueError, match=r"cell c7: resistance_ohm has shape \(3,\)"):
        Cell("c7", 800, fading(), VOLTAGE_V, CYCLES, scalars={"resistance_ohm": [1, 2, 3]})


def test_another_life_keeps_the_record_of_repairs():
    q = fading()
    q[:, 30] = np.nan
    cell = build(q)
    other = cell.with_life(500)
    assert [r.cycle for r in other.repairs] == [r.cycle for r in cell.repairs] == [32]
    assert np.array_equal(other.q, cell.q)
