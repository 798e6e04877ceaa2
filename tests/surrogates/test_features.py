"""Features agree with their definitions on curves made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from surrogates.cells import Cell
from surrogates.features import FEATURES, SAMPLES, SUMMARY, Window, feature_table

VOLTAGE_V = np.linspace(3.6, 2.0, 100)
ALL = tuple(name for name, feature in FEATURES.items() if feature.needs is None)


def cell_with(change: np.ndarray, cycles: np.ndarray) -> Cell:
    """Curves that move by ``change`` between cycles 10 and 100, linearly."""
    base = np.linspace(0.0, 1.07, 100)
    return Cell(
        "made", 500, base[:, None] + np.outer(change, (cycles - 10) / 90), VOLTAGE_V, cycles
    )


def row(cell: Cell, window: Window) -> dict[str, float]:
    return dict(zip(ALL, feature_table([cell], ALL, window)[0], strict=True))


def test_definitions():
    change = -0.02 * np.exp(-(((VOLTAGE_V - 2.9) / 0.2) ** 2)) - 0.01
    features = row(cell_with(change, np.arange(2, 101)), Window(100, 1))
    assert features["log_var_dq"] == pytest.approx(math.log10(change.var()))
    assert features["log_abs_min_dq"] == pytest.approx(math.log10(-change.min()))
    assert features["log_abs_mean_dq"] == pytest.approx(math.log10(-change.mean()))
    assert features["skewness_dq"] == pytest.approx(skew(change))
    assert features["kurtosis_dq"] == pytest.approx(kurtosis(change, fisher=False))
    assert features["log_abs_dq_at_lowest_voltage"] == pytest.approx(-2.0, abs=1e-5)
    per_cycle = change[-1] / 90
    assert features["capacity_early_ah"] == pytest.approx(1.07 - 7 * per_cycle)
    assert features["capacity_rise_ah"] == 0.0
    assert features["fade_slope_ah_per_cycle"] == pytest.approx(per_cycle)
    assert features["tail_slope_ah_per_cycle"] == pytest.approx(per_cycle)


def test_averaging_covers_the_last_five_and_the_five_around_the_reference():
    change = np.linspace(-0.03, 0.0, 100)
    single = row(cell_with(change, np.arange(2, 101)), Window(100, 1))
    mean = row(cell_with(change, np.arange(2, 101)), Window(100, 5))
    # The later window is centred on cycle 98, so dQ is 88/90 of that over 90 cycles.
    assert mean["log_abs_min_dq"] - single["log_abs_min_dq"] == pytest.approx(math.log10(88 / 90))


def test_a_flat_cell_has_finite_features():
    assert all(
        map(
            math.isfinite, row(cell_with(np.zeros(100), np.arange(2, 101)), Window(100, 5)).values()
        )
    )


@pytest.mark.parametrize("n_averaged", [1, 5])
@pytest.mark.parametrize("horizon", [*range(5, 16), 20, 37, 50, 100, 150])
def test_windows_never_overlap(horizon, n_averaged):
    window = Window(horizon, n_averaged)
    assert 2 <= window.early[0] <= window.early[1] < window.late[0] <= window.late[1] == horizon
    assert window.early[1] - window.early[0] == window.late[1] - window.late[0]
    if horizon >= 12:
        assert window.reference_cycle == (10 if horizon >= 50 else max(4, horizon // 5))
        assert window.n_curves == n_averaged


def test_any_two_cycles_can_be_compared():
    change = np.linspace(-0.03, 0.0, 100)
    cell = cell_with(change, np.arange(2, 101))
    usual, late = row(cell, Window(100, 1)), row(cell, Window(100, 1, reference=55))
    assert late["log_abs_min_dq"] - usual["log_abs_min_dq"] == pytest.approx(math.log10(0.5))
    for reference in (1, 100):
        with pytest.raises(ValueError, match="it must lie between 2 and 99"):
            Window(100, 1, reference)


def test_samples_are_dq_at_every_tenth_of_1000_voltages():
    grid = np.linspace(3.6, 2.0, 1000)
    cycles = np.arange(2, 101)
    change = np.linspace(0.0, -0.05, 1000)
    q = np.linspace(0.0, 1.07, 1000)[:, None] + np.outer(change, (cycles - 10) / 90)
    found = feature_table([Cell("c", 500, q, grid, cycles)], SAMPLES, Window(100, 1))[0]
    assert found == pytest.approx(change[::10])


def test_peaks_are_found_where_they_are():
    def curve(at_v: float, height: float) -> np.ndarray:
        return 1.07 - height * 0.05 * np.tanh((VOLTAGE_V - at_v) / 0.05)

    cycles = np.arange(2, 101)
    share = np.clip((cycles - 10) / 90, 0, 1)
    q = curve(3.1, 2.0)[:, None] * (1 - share) + curve(3.0, 1.5)[:, None] * share
    found = row(Cell("c", 500, q, VOLTAGE_V, cycles), Window(100, 1))
    assert found["peak_position_v"] == pytest.approx(3.0, abs=0.02)
    assert found["peak_shift_v"] == pytest.approx(-0.1, abs=0.03)
    assert found["peak_height_ah_per_v"] == pytest.approx(1.5, rel=0.1)
    assert found["peak_change_ah_per_v"] == pytest.approx(-0.5, rel=0.2)


def test_optional_features_want_their_record():
    base = cell_with(np.linspace(-0.03, 0.0, 100), np.arange(2, 101))
    scalars = {
        "resistance_ohm": 0.02 + 1e-5 * base.cycles,
        "charge_temperature_k": np.full(99, 305.0),
        "charge_time_h": np.full(99, 0.2),
    }
    cell = Cell("made", 500, base.q, base.voltage, base.cycles, scalars=scalars)
    names = tuple(name for name, feature in FEATURES.items() if feature.needs)
    found = dict(zip(names, feature_table([cell], names, Window(100, 5))[0], strict=True))
    assert found["resistance_mean_ohm"] == pytest.approx(0.02 + 51e-5)
    assert found["resistance_rise_ohm"] == pytest.approx(85e-5)  # cycles 76 to 100 less 2 to 4
    assert found["charge_temperature_mean_k"] == 305.0
    assert found["charge_time_early_h"] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="cell made: resistance_mean_ohm needs resistance_ohm"):
        feature_table([cell, base], names, Window(100, 5))
    with pytest.raises(ValueError, match="unknown features 'colour': there are log_var_dq"):
        feature_table([cell], ("colour",), Window(100, 5))


@settings(max_examples=40)
@given(
    kinds=st.lists(
        st.sampled_from(("daily", "from 1", "sparse", "coarse")), min_size=1, max_size=6
    ),
    seed=st.integers(0, 2**16),
    horizon=st.sampled_from((5, 11, 12, 50, 100)),
    n_averaged=st.sampled_from((1, 5)),
)
def test_a_row_is_the_same_alone_and_in_a_table(kinds, seed, horizon, n_averaged):
    rng = np.random.default_rng(seed)
    cells = []
    for kind in kinds:
        cycles = np.arange(1 if kind == "from 1" else 2, 101)
        if kind == "sparse":
            cycles = np.array([2, 3, 4, 5, 8, 11, 12, 20, 35, 50, 65, 80, 95, 100])
        n = 60 if kind == "coarse" else 250
        q = np.linspace(0.0, 1.07, n)[:, None] - np.outer(rng.uniform(0, 0.03, n), cycles / 100)
        cells.append(Cell(f"c{len(cells)}", 500, q, np.linspace(3.6, 2.0, n), cycles))
    table = feature_table(cells, ALL, Window(horizon, n_averaged))
    alone = [feature_table([cell], ALL, Window(horizon, n_averaged)) for cell in cells]
    assert np.array_equal(table, np.concatenate(alone))


def test_the_summary_features_are_the_first_ten():
    assert tuple(FEATURES)[:10] == SUMMARY
    assert all(feature.source for feature in FEATURES.values())


def test_sparse_curves_are_interpolated_within_reason():
    change = np.linspace(-0.03, 0.0, 100)
    dense = row(cell_with(change, np.arange(2, 101)), Window(100, 1))
    sparse = row(cell_with(change, np.array([2, 6, 14, 30, 60, 100])), Window(100, 1))
    assert sparse["log_var_dq"] == pytest.approx(dense["log_var_dq"])
    with pytest.raises(ValueError, match="cell made: there is no curve near cycle 10"):
        row(cell_with(change, np.array([2, 30, 60, 80, 100])), Window(100, 1))
    with pytest.raises(ValueError, match="cell made: only 2 curves"):
        row(cell_with(change, np.array([10, 100])), Window(100, 1))
