"""Features agree with their definitions on curves made by hand."""

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from surrogates.cells import Cell
from surrogates.features import FEATURES, Window, feature_table

VOLTAGE_V = np.linspace(3.6, 2.0, 100)


def cell_with(change: np.ndarray, cycles: np.ndarray) -> Cell:
    """Curves that move by ``change`` between cycles 10 and 100, linearly."""
    base = np.linspace(0.0, 1.07, 100)
    return Cell(
        "made", 500, base[:, None] + np.outer(change, (cycles - 10) / 90), VOLTAGE_V, cycles
    )


def row(cell: Cell, window: Window) -> dict[str, float]:
    return dict(zip(FEATURES, feature_table([cell], tuple(FEATURES), window)[0], strict=True))


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


@pytest.mark.parametrize("horizon", [12, 20, 37, 50, 100, 150])
def test_windows_never_overlap(horizon):
    window = Window(horizon, 5)
    assert window.reference_cycle + 2 < horizon - 4
    assert window.reference_cycle == (10 if horizon >= 50 else max(4, horizon // 5))


def test_sparse_curves_are_interpolated_within_reason():
    change = np.linspace(-0.03, 0.0, 100)
    dense = row(cell_with(change, np.arange(2, 101)), Window(100, 1))
    sparse = row(cell_with(change, np.array([2, 6, 14, 30, 60, 100])), Window(100, 1))
    assert sparse["log_var_dq"] == pytest.approx(dense["log_var_dq"])
    with pytest.raises(ValueError, match="cell made: there is no curve near cycle 10"):
        row(cell_with(change, np.array([2, 30, 60, 80, 100])), Window(100, 1))
    with pytest.raises(ValueError, match="cell made: only 2 curves"):
        row(cell_with(change, np.array([10, 100])), Window(100, 1))
