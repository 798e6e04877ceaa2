"""The Gaussian process against closed forms, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from loop.optimizers.gaussian_process import Data, Posterior, Prior, squared_distances
from loop.optimizers.hyperparameters import Fixed, fitted, log_marginal_likelihood


def sample(seed: int, n: int = 6, m: int = 15, unknown: float = 0.0) -> Data:
    rng = np.random.default_rng(seed)
    place = np.concatenate([np.arange(n), rng.integers(n, size=m - n)])
    sem = rng.uniform(0.2, 0.6, m)
    sem[rng.uniform(size=m) < unknown] = np.nan
    return Data(rng.uniform(size=(n, 3)), place, rng.normal(size=m), sem)


PRIOR = Prior(mean=0.3, sd=1.2, length_scale=0.5, mean_sd=0.4, spread_sd=0.2)


@pytest.mark.parametrize("kernel", ["gaussian", "matern52"])
def test_posterior_is_the_textbook_one(kernel: str) -> None:
    data = sample(1)
    prior = Prior(0.3, 1.2, 0.5, kernel, 0.4, 0.2)  # type: ignore[arg-type]
    at = np.random.default_rng(2).uniform(size=(4, 3))
    x = data.points[data.place]  # every outcome a point of its own
    inverse = np.linalg.inv(prior.covariance(x, x) + np.diag(data.sem**2 + 0.2**2))
    cross = prior.covariance(at, x)
    posterior = Posterior(prior, data, at)
    np.testing.assert_allclose(posterior.mean, 0.3 + cross @ inverse @ (data.y - 0.3), rtol=1e-5)
    expected = np.diag(prior.covariance(at, at) - cross @ inverse @ cross.T)
    np.testing.assert_allclose(posterior.variance, expected, rtol=1e-5)


def test_likelihood_is_the_density_of_all_outcomes() -> None:
    data = sample(3, unknown=0.3)
    x = data.points[data.place]
    variances = np.nan_to_num(data.sem) ** 2 + 0.2**2
    density = multivariate_normal(
        np.full(15, 0.3), PRIOR.covariance(x, x) + np.diag(variances)
    ).logpdf(data.y)
    squared = squared_distances(data.points, data.points)
    assert log_marginal_likelihood(PRIOR, data, squared) == pytest.approx(density, rel=1e-5)


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_fantasy_narrows_as_the_outcome_will(seed: int) -> None:
    data = sample(seed)
    at = np.random.default_rng(seed).uniform(size=(5, 3))
    posterior = Posterior(PRIOR, data, at)  # no room made: it is found
    before = posterior.mean.copy()
    posterior.fantasise(2, 0.5**2)
    posterior.fantasise(2, 0.5**2)
    posterior.fantasise(4, 0.1**2)
    x = np.vstack([data.points[data.place], at[[2, 2, 4]]])
    noise = np.append(PRIOR.noise(data), [0.25, 0.25, 0.01])
    k = PRIOR.covariance(x, x) + np.diag(noise)
    cross = PRIOR.covariance(x, at)
    expected = np.diag(PRIOR.covariance(at, at) - cross.T @ np.linalg.solve(k, cross))
    np.testing.assert_allclose(posterior.variance, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(posterior.mean, before)


def test_noiseless_repeats_do_no_harm() -> None:
    data = Data(
        np.array([[0.1], [0.9]]), np.array([0, 1, 1]), np.array([1.0, 2.0, 2.0]), np.zeros(3)
    )
    posterior = Posterior(Prior(0.0, 1.0, 0.3), data, data.points)
    np.testing.assert_allclose(posterior.mean, [1.0, 2.0], atol=1e-4)
    assert (posterior.sd < 1e-3).all()


@given(st.integers(0, 1000), st.floats(-1e4, 1e4), st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_fit_moves_and_scales_with_the_outcomes(seed: int, shift: float, factor: float) -> None:
    data = sample(seed)
    other = Data(data.points, data.place, shift + factor * data.y, factor * data.sem)
    one, two = fitted(data, Fixed()), fitted(other, Fixed())
    assert two.length_scale == pytest.approx(one.length_scale, rel=1e-6)
    assert two.sd == pytest.approx(factor * one.sd, rel=1e-6)
    assert two.spread_sd == pytest.approx(factor * one.spread_sd, rel=1e-6)


def test_fit_keeps_what_is_given() -> None:
    prior = fitted(sample(4), Fixed(mean=7.0, sd=2.0, noise_sd=0.5, length_scale=0.3))
    assert (prior.mean, prior.sd, prior.noise_sd, prior.length_scale) == (7.0, 2.0, 0.5, 0.3)
    assert prior.mean_sd == 0.0


def test_fit_finds_what_repeats_scatter_by() -> None:
    rng = np.random.default_rng(5)
    place = np.repeat(np.arange(20), 6)
    points = rng.uniform(size=(20, 2))
    y = 5.0 * points[place, 0] + rng.normal(0.0, 1.0, place.size)
    told = Data(points, place, y, np.full(place.size, 0.1))
    untold = Data(points, place, y, np.full(place.size, np.nan))
    assert fitted(told, Fixed()).spread_sd == pytest.approx(1.0, abs=0.25)
    assert fitted(untold, Fixed()).spread_sd == pytest.approx(1.0, abs=0.25)
    honest = Data(points, place, y, np.full(place.size, 1.0))
    assert fitted(honest, Fixed()).spread_sd < 0.4


def test_fit_without_data_and_with_one_outcome() -> None:
    none = Data(np.empty((0, 2)), np.empty(0, dtype=np.intp), np.empty(0), np.empty(0))
    assert fitted(none, Fixed()).sd == 1.0
    one = Data(np.zeros((1, 2)), np.array([0]), np.array([900.0]), np.array([164.0]))
    prior = fitted(one, Fixed())
    assert prior.mean == 900.0
    assert 0 < prior.sd < 1000


def test_many_points_are_thinned_only_for_the_fit() -> None:
    rng = np.random.default_rng(6)
    points = rng.uniform(size=(600, 1))
    y = np.sin(6.0 * points[:, 0]) + rng.normal(0.0, 0.1, 600)
    data = Data(points, np.arange(600), y, np.full(600, 0.1))
    posterior = Posterior(fitted(data, Fixed()), data, np.array([[0.25], [0.75]]))
    np.testing.assert_allclose(posterior.mean, np.sin([1.5, 4.5]), atol=0.1)
