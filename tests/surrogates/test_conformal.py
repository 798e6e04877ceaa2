"""The jackknife+ covers, grows with the level and always holds the prediction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from surrogates.conformal import (
    check_level,
    jackknife_plus,
    predictive_sd,
    probability_above,
)


def linear_trial(rng: np.random.Generator, n: int, n_new: int, heavy: bool):
    """Jackknife+ ingredients of least squares on a line, and the truth at new points."""
    x = np.column_stack([np.ones(n + n_new), rng.standard_normal((n + n_new, 3))])
    noise = rng.standard_t(3, n + n_new) if heavy else rng.standard_normal(n + n_new)
    y = x @ np.array([1.0, 2.0, -1.0, 0.5]) + 0.3 * noise

    def fit(kept: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(x[:n][kept], y[:n][kept], rcond=None)[0]

    betas = np.array([fit(np.arange(n) != i) for i in range(n)])
    residuals = np.abs(y[:n] - np.einsum("ij,ij->i", x[:n], betas))
    return x[n:] @ fit(np.arange(n) >= 0), betas @ x[n:].T, residuals, y[n:]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("heavy", [False, True])
def test_coverage_on_linear_data(level, heavy):
    rng = np.random.default_rng(11)
    hits = []
    for _ in range(120):
        center, left_out, residuals, truth = linear_trial(rng, 24, 10, heavy)
        lower, upper = jackknife_plus(center, left_out, residuals, level)
        hits.append(np.mean((lower <= truth) & (truth <= upper)))
    coverage = float(np.mean(hits))
    assert 2 * level - 1 <= coverage  # Barber et al. (2021), theorem 1
    assert abs(coverage - level) < 0.04


def test_order_statistics_by_hand():
    center, left_out = np.zeros(1), np.zeros((9, 1))
    residuals = np.arange(1.0, 10.0)
    # (n + 1) level = 8: the eighth of nine sorted residuals; and exactly 9 at the level 0.9.
    assert jackknife_plus(center, left_out, residuals, 0.8) == (-8.0, 8.0)
    assert jackknife_plus(center, left_out, residuals, 0.9) == (-9.0, 9.0)


samples = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-3, 3), min_size=n, max_size=n),
        st.lists(st.floats(0, 2), min_size=n, max_size=n),
    )
)


@given(sample=samples, center=st.floats(-5, 5))
def test_intervals_nest_and_hold_the_prediction(sample, center):
    left_out, residuals = np.array(sample[0])[:, None], np.array(sample[1])
    middle = np.array([center])
    previous = (middle, middle)
    for level in (0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.9999):
        lower, upper = jackknife_plus(middle, left_out, residuals, level)
        assert np.isfinite([lower, upper]).all()
        assert lower <= previous[0] + 1e-12
        assert upper >= previous[1] - 1e-12
        previous = (lower, upper)


def test_beyond_the_supported_level_the_tail_is_student_t():
    residuals = np.linspace(0.1, 1.0, 10)
    args = (np.zeros(1), np.zeros((10, 1)), residuals)
    widest = jackknife_plus(*args, 10 / 11)[1]
    assert widest == 1.0
    expected = t.ppf(0.995, df=9) / t.ppf(0.5 + 0.5 * 10 / 11, df=9)
    assert jackknife_plus(*args, 0.99)[1] == pytest.approx(expected)


def test_sd_is_that_of_the_jackknife_plus_sample():
    left_out, residuals = np.array([[1.0], [3.0]]), np.array([0.5, 1.5])
    points = [0.5, 1.5, 1.5, 4.5]
    expected = math.sqrt(np.mean([(p - 2.0) ** 2 for p in points]))
    assert predictive_sd(np.array([2.0]), left_out, residuals)[0] == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90, float("nan")])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        check_level(level)


def test_misshapen_input_is_refused():
    with pytest.raises(ValueError, match="left_out has shape"):
        jackknife_plus(np.zeros(2), np.zeros((5, 3)), np.zeros(5), 0.9)


@given(sample=samples, thresholds=st.tuples(st.floats(-8, 8), st.floats(-8, 8)))
def test_probability_falls_with_the_threshold_and_is_never_certain(sample, thresholds):
    left_out, residuals = np.array(sample[0])[:, None], np.array(sample[1])
    low, high = (float(probability_above(left_out, residuals, t)[0]) for t in sorted(thresholds))
    assert 0.0 < high <= low < 1.0


def test_probability_belongs_to_the_interval():
    left_out, residuals = np.zeros((99, 1)), np.arange(1.0, 100.0)
    lower, upper = jackknife_plus(np.zeros(1), left_out, residuals, 0.8)
    assert probability_above(left_out, residuals, float(upper[0])) == pytest.approx(0.1, abs=0.01)
    assert probability_above(left_out, residuals, float(lower[0])) == pytest.approx(0.9, abs=0.01)


def test_probability_is_calibrated_on_linear_data():
    rng = np.random.default_rng(3)
    said, true = [], []
    for _ in range(80):
        _, left_out, residuals, truth = linear_trial(rng, 24, 20, heavy=False)
        said.append(probability_above(left_out, residuals, 1.0))
        true.append(truth > 1.0)
    p, happened = np.concatenate(said), np.concatenate(true)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (p >= low) & (p < high)
        assert p[inside].mean() == pytest.approx(happened[inside].mean(), abs=0.08)
