"""Bounds as Gaussian outcomes: against closed forms, numerical integration and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, multivariate_normal, norm

from loop.optimizers.censoring import conditioned, moments, sites_of
from loop.optimizers.gaussian_bounds import Bounds, sites, with_sites
from loop.optimizers.gaussian_process import Array, Data, Posterior, Prior
from loop.optimizers.hyperparameters import Fixed, fitted

PRIOR = Prior(mean=0.3, sd=1.2, length_scale=0.5, kernel="matern52", mean_sd=0.4, spread_sd=0.2)


def ones(k: int) -> Array:
    return np.ones(k)


def sample(seed: int, n: int = 8) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.uniform(size=(n, 2)), np.arange(n), rng.normal(size=n), np.full(n, 0.3))


def bounds_at(points: Array, value: Array, side: float = 1.0) -> Bounds:
    return Bounds(points, value, np.full(len(value), side), np.full(len(value), 0.3))


def belief(data: Data, bounds: Bounds, at: Array, prior: Prior = PRIOR) -> Posterior:
    return Posterior(prior, with_sites(prior, data, bounds), at)


# moments -------------------------------------------------------------------------------------


@given(
    st.floats(-5.0, 5.0), st.floats(0.1, 3.0), st.floats(-8.0, 8.0), st.floats(0.05, 3.0),
    st.sampled_from([1.0, -1.0]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_one_bound_gives_the_moments_of_the_truncated_normal(
    mean: float, sd: float, bound: float, noise_sd: float, side: float
) -> None:
    """With y = f + e, E[f | y] is linear in y, and y given its bound is a truncated normal."""
    total = math.hypot(sd, noise_sd)
    z = side * (mean - bound) / total
    ratio = math.exp(norm.logpdf(z) - norm.logcdf(z))
    gain = sd**2 / total**2
    expected = mean + gain * side * total * ratio
    narrowed = total**2 * (1.0 - ratio * (z + ratio))
    variance = sd**2 * (1.0 - gain) + gain**2 * narrowed
    found = sites_of(
        np.array([mean]), np.array([[sd**2]]), np.array([bound]), np.array([side]),
        np.array([noise_sd**2]),
    )  # fmt: skip
    precision = 1.0 / sd**2 + 1.0 / found.variance[0]
    assert 1.0 / precision == pytest.approx(variance, rel=1e-5)
    told = (mean / sd**2 + found.mean[0] / found.variance[0]) / precision
    assert told == pytest.approx(expected, rel=1e-5, abs=1e-5 * sd)
    assert found.log_z == pytest.approx(norm.logcdf(z), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("correlation", [-0.6, 0.3, 0.8])
@pytest.mark.parametrize("bound", [(-0.5, 0.7), (1.5, 1.0)])
def test_two_bounds_agree_with_numerical_integration(
    correlation: float, bound: tuple[float, float]
) -> None:
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])
    noise = np.array([0.3, 0.5])
    axis = np.linspace(-7.0, 7.0, 701)  # the integrand is smooth and gone at the ends
    values = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    weight = multivariate_normal([0.0, 0.0], covariance).pdf(values)
    weight *= norm.cdf((values - np.array(bound)) / np.sqrt(noise)).prod(axis=-1)
    first = values[..., 0]
    mean = float((weight * first).sum() / weight.sum())
    variance = float((weight * (first - mean) ** 2).sum() / weight.sum())
    held = float(weight.sum() * (axis[1] - axis[0]) ** 2)
    found = sites_of(np.zeros(2), covariance, np.array(bound), ones(2), noise)
    joint = np.linalg.inv(np.linalg.inv(covariance) + np.diag(1.0 / found.variance))
    assert (joint @ (found.mean / found.variance))[0] == pytest.approx(mean, abs=0.01)
    assert math.sqrt(joint[0, 0]) == pytest.approx(math.sqrt(variance), rel=0.01)
    assert found.log_z == pytest.approx(math.log(held), abs=0.01)


def test_two_bounds_on_one_value_without_noise_count_a_little_twice() -> None:
    """The second one says nothing new; expectation propagation hears it all the same."""
    same = np.ones((2, 2)) + 1e-8 * np.eye(2)
    found = sites_of(np.zeros(2), same, np.zeros(2), ones(2), np.full(2, 1e-6))
    precision = 1.0 + (1.0 / found.variance).sum()
    mean = float((found.mean / found.variance).sum() / precision)
    assert mean == pytest.approx(0.853, abs=0.001)
    assert math.sqrt(2.0 / math.pi) == pytest.approx(0.798, abs=0.001)  # of the half-normal


def test_six_bounds_hold_with_the_probability_of_their_orthant() -> None:
    root = np.random.default_rng(8).normal(size=(6, 6)) / 2.0
    covariance, bound = root @ root.T + 0.2 * np.eye(6), np.linspace(-1.0, 0.8, 6)
    side = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])
    noise = np.full(6, 0.25)
    turned = side[:, None] * (covariance + np.diag(noise)) * side
    # P(side (y - bound) >= 0) is the lower orthant of the mirrored normal
    held = multivariate_normal(side * bound, turned).cdf(np.zeros(6), rng=np.random.default_rng(0))
    found = sites_of(np.zeros(6), covariance, bound, side, noise)
    assert found.log_z == pytest.approx(math.log(held), abs=0.03)


def test_moments_are_the_most_likely_ones_of_a_censored_sample() -> None:
    values = np.random.default_rng(4).normal(900.0, 250.0, 200)
    told = np.minimum(values, 1000.0)
    side = (values > 1000.0).astype(float)
    expected = norm.fit(CensoredData.right_censored(told, values > 1000.0))
    mean, sd = moments(told, side)
    assert mean == pytest.approx(expected[0], rel=0.005)
    assert sd == pytest.approx(expected[1], rel=0.01)
    turned = moments(-told, -side)
    assert turned == pytest.approx((-mean, sd))


def test_moments_without_bounds_are_those_of_numpy() -> None:
    values = np.array([3.0, 5.0, 9.0])
    assert moments(values, np.zeros(3)) == (np.mean(values), pytest.approx(np.std(values)))
    assert moments(np.array([4.0, 4.0]), np.array([0.0, 1.0])) == (4.0, 0.0)


def test_conditioning_on_nothing_changes_nothing() -> None:
    mean, covariance = conditioned(np.array([1.0, 2.0]), np.eye(2), np.empty(0), np.empty(0))
    np.testing.assert_array_equal(mean, [1.0, 2.0])
    np.testing.assert_allclose(covariance, np.eye(2), atol=1e-7)


# laws ----------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.floats(20.0, 1e6))
@settings(max_examples=25, deadline=None)
def test_a_bound_far_below_says_nothing(seed: int, below: float) -> None:
    data = sample(seed)
    at = np.random.default_rng(seed + 1).uniform(size=(4, 2))
    bounds = bounds_at(at[:2], np.full(2, -below))
    without, with_ = Posterior(PRIOR, data, at), belief(data, bounds, at)
    np.testing.assert_allclose(with_.mean, without.mean, atol=1e-6)
    np.testing.assert_allclose(with_.variance, without.variance, atol=1e-6)
    assert sites(PRIOR, data, bounds).log_z == pytest.approx(0.0, abs=1e-9)


def test_a_bound_at_minus_infinity_is_as_good_as_none() -> None:
    data, at = sample(3), np.array([[0.4, 0.6]])
    told = belief(data, bounds_at(at, np.array([-1e300])), at)
    np.testing.assert_allclose(told.mean, Posterior(PRIOR, data, at).mean, atol=1e-8)


@given(st.integers(0, 1000), st.floats(-3.0, 3.0), st.floats(0.01, 2.0))
@settings(max_examples=25, deadline=None)
def test_raising_a_bound_never_lowers_the_belief_there(
    seed: int, bound: float, more: float
) -> None:
    data = sample(seed)
    at = np.random.default_rng(seed + 1).uniform(size=(4, 2))
    lower = np.array([bound, 0.2, -0.3, 0.5])
    higher = lower + np.array([more, 0.0, 0.0, 0.0])
    one, two = (belief(data, bounds_at(at, values), at).mean[0] for values in (lower, higher))
    assert two >= one - 1e-7


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_at_most_is_at_least_turned_round(seed: int) -> None:
    data = sample(seed)
    at = np.random.default_rng(seed + 1).uniform(size=(3, 2))
    values = np.array([0.5, -0.2, 1.4])
    up = belief(data, bounds_at(at, values), at)
    mirrored = Data(data.points, data.place, -data.y, data.sem)
    prior = Prior(-0.3, 1.2, 0.5, "matern52", 0.4, 0.2)
    down = belief(mirrored, bounds_at(at, -values, side=-1.0), at, prior)
    np.testing.assert_allclose(down.mean, -up.mean, atol=1e-9)
    np.testing.assert_allclose(down.variance, up.variance, atol=1e-9)


@given(st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_a_bound_leaves_the_belief_wider_than_the_value_would(seed: int) -> None:
    data = sample(seed)
    at = np.random.default_rng(seed + 1).uniform(size=(2, 2))
    told = belief(data, bounds_at(at, np.array([0.5, 1.0])), at)
    exact = Data(
        np.vstack([data.points, at]), np.arange(10), np.append(data.y, [0.5, 1.0]),
        np.full(10, 0.3),
    )  # fmt: skip
    assert (told.variance >= Posterior(PRIOR, exact, at).variance - 1e-9).all()


def test_a_hundred_bounds_on_one_point_keep_their_numbers() -> None:
    for value in (-3.0, 0.0, 5.0, 50.0):
        at = np.full((100, 2), 0.5)
        for sem in (0.0, 0.3):
            bounds = Bounds(at, np.full(100, value), ones(100), np.full(100, sem))
            told = belief(sample(1), bounds, at[:1])
            assert np.isfinite(told.mean).all()
            assert told.mean[0] > value - 1.0


def test_noiseless_data_at_the_same_point_do_no_harm() -> None:
    prior = Prior(0.0, 1.0, 0.3)
    data = Data(np.array([[0.1], [0.9]]), np.arange(2), np.array([1.0, 2.0]), np.zeros(2))
    bounds = Bounds(data.points, np.array([0.5, 1.5]), ones(2), np.zeros(2))
    told = belief(data, bounds, data.points, prior)
    np.testing.assert_allclose(told.mean, [1.0, 2.0], atol=1e-3)


def test_a_bound_without_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="noise"):
        sites_of(np.zeros(1), np.eye(1), np.zeros(1), ones(1), np.zeros(1))


# hyperparameters -----------------------------------------------------------------------------


def stopped(seed: int, n: int = 60) -> tuple[Data, Bounds, Data]:
    """Data of a slope that is stopped at 1, and what would have been seen without."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(n, 1))
    y = 3.0 * points[:, 0] + 0.2 * rng.normal(size=n)
    sem, over = np.full(n, 0.2), y > 1.0
    kept = Data(points[~over], np.arange(int((~over).sum())), y[~over], sem[~over])
    bounds = Bounds(points[over], np.ones(int(over.sum())), ones(int(over.sum())), sem[over])
    return kept, bounds, Data(points, np.arange(n), y, sem)


def test_no_bounds_are_the_plain_fit_to_the_bit() -> None:
    data = sample(5)
    assert fitted(data, Fixed(), bounds_at(np.empty((0, 2)), np.empty(0))) == fitted(data, Fixed())
    assert with_sites(PRIOR, data, bounds_at(np.empty((0, 2)), np.empty(0))) is data


@given(st.integers(0, 100), st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
@settings(max_examples=8, deadline=None)
def test_the_fit_moves_and_scales_with_bounds_too(seed: int, shift: float, factor: float) -> None:
    data, bounds, _ = stopped(seed)
    moved = Data(data.points, data.place, shift + factor * data.y, factor * data.sem)
    limits = Bounds(
        bounds.points, shift + factor * bounds.value, bounds.side, factor * bounds.sem
    )  # fmt: skip
    one, two = fitted(data, Fixed(), bounds), fitted(moved, Fixed(), limits)
    assert two.length_scale == pytest.approx(one.length_scale, rel=1e-4)
    assert two.sd == pytest.approx(factor * one.sd, rel=1e-4)
    assert two.mean == pytest.approx(shift + factor * one.mean, rel=1e-6, abs=1e-6 * factor)


def test_the_fit_sees_the_scale_behind_the_bounds() -> None:
    data, bounds, whole = stopped(7)
    full = fitted(whole, Fixed()).sd
    assert fitted(data, Fixed(), bounds).sd == pytest.approx(full, rel=0.35)
    assert fitted(data, Fixed()).sd < 0.6 * full


def test_bounds_alone_can_be_fitted() -> None:
    none = Data(np.empty((0, 1)), np.empty(0, dtype=np.intp), np.empty(0), np.empty(0))
    at = np.array([[0.2], [0.7]])
    bounds = Bounds(at, np.full(2, 400.0), ones(2), np.full(2, np.nan))
    prior = fitted(none, Fixed(), bounds)
    assert prior.mean == 400.0
    told = belief(none, bounds, at, prior)
    assert (told.mean > 400.0).all()
