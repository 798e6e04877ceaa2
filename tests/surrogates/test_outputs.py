"""Surrogates of several outputs: known functions, honest doubt, bit-identical repeats."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from campaigns.problems import CampaignError
from surrogates.outputs import OutputData, create, known

NOISE = np.array([0.02, 0.06])


def truth(x):
    """Two smooth outputs of six settings, of which the third does nothing to either."""
    first = x @ np.array([1.0, 2.0, 0.0, -1.0, 3.0, 0.5]) + np.sin(3.0 * x[:, 0])
    return np.column_stack([first, x[:, 1] ** 2 - x[:, 4]])


def data(n, seed=0, stated=True):
    rng = np.random.default_rng(seed)
    x = rng.random((n, 6))
    y = truth(x) + NOISE * rng.standard_normal((n, 2))
    variance = np.tile(NOISE**2 if stated else np.nan, (n, 1)) * np.ones((n, 2))
    return OutputData(x, y, variance)


@pytest.fixture(params=known())
def kind(request):
    return request.param


def fresh(kind, n=30, stated=True):
    return create(kind, {}, "s").fit(data(n, stated=stated), np.random.default_rng(1))


fitted = cache(fresh)


def test_the_mean_is_close_and_the_doubt_of_the_right_size(kind):
    model = fitted(kind)
    x = np.random.default_rng(9).random((200, 6))
    mean, sd = model.moments(x)
    assert mean.shape == sd.shape == (200, 2)
    error = mean - truth(x)
    assert (np.sqrt((error**2).mean(axis=0)) < 0.3 * truth(x).std(axis=0)).all()
    assert (sd > 0).all()
    assert 0.2 < np.sqrt(((error / sd) ** 2).mean()) < 4.0


def test_draws_scatter_about_the_mean_as_the_doubt_says(kind):
    model = fitted(kind)
    x = np.random.default_rng(9).random((50, 6))
    mean, sd = model.moments(x)
    draws = model.draws(x, 200)
    assert draws.shape == (200, 50, 2)
    assert (np.abs(draws.mean(axis=0) - mean) < 0.5 * sd + 1e-9).mean() > 0.9
    assert np.median(draws.std(axis=0) / sd) == pytest.approx(1.0, abs=0.25)


def test_a_draw_is_a_function_smooth_where_the_outputs_are(kind):
    model = fitted(kind)
    x = np.full((2, 6), 0.5)
    x[1] += 1e-4
    one, other = model.draws(x, 8).swapaxes(0, 1)
    assert one == pytest.approx(other, abs=1e-2)


def test_the_noise_is_what_was_stated_or_else_found(kind):
    assert fitted(kind).noise() == pytest.approx(NOISE, rel=0.01)
    found = fitted(kind, n=60, stated=False).noise()
    assert found.shape == (2,)
    assert (found > 0).all()
    assert found[0] < 0.5


def test_repeats_and_single_outputs_are_no_trouble(kind):
    rng = np.random.default_rng(3)
    x = np.repeat(rng.random((4, 2)), 3, axis=0)
    y = x.sum(axis=1, keepdims=True) + 0.01 * rng.standard_normal((12, 1))
    model = create(kind, {}, "s").fit(OutputData(x, y, np.full((12, 1), 1e-4)), rng)
    mean, _ = model.moments(x)
    assert mean == pytest.approx(y, abs=0.1)
    assert model.draws(x[:5], 3).shape == (3, 5, 1)


def test_constant_outputs_are_no_trouble(kind):
    rng = np.random.default_rng(3)
    x = rng.random((6, 2))
    flat = OutputData(x, np.ones((6, 1)), np.full((6, 1), np.nan))
    mean, sd = create(kind, {}, "s").fit(flat, rng).moments(x)
    assert mean == pytest.approx(np.ones((6, 1)), abs=1e-3)
    assert np.isfinite(sd).all()


def test_the_same_data_and_seed_give_the_same_bits(kind):
    x = np.random.default_rng(9).random((20, 6))
    one, other = fitted(kind), fresh(kind)
    assert one.moments(x)[0].tobytes() == other.moments(x)[0].tobytes()
    assert one.draws(x, 3).tobytes() == other.draws(x, 3).tobytes()
    assert one.draws(x, 3).tobytes() == one.draws(x, 3).tobytes()


def test_too_few_settings_are_told(kind):
    with pytest.raises(ValueError, match="at least 2 settings"):
        fitted(kind, n=1)


def test_data_that_do_not_fit_together_are_told():
    with pytest.raises(ValueError, match="one row a setting"):
        OutputData(np.zeros((3, 2)), np.zeros((2, 1)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="finite"):
        OutputData(np.zeros((1, 2)), np.full((1, 1), np.nan), np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("gpp", {}, "here: 'gpp': unknown surrogate; allowed: gp, neural; did you mean 'gp'"),
        ("neural", {"members": 1}, "here_options.members: at least 2"),
        ("neural", {"layers": []}, "here_options.layers: at least one layer"),
        ("gp", {"trnd": True}, "here_options.trnd: unknown option"),
    ],
)
def test_wrong_options_are_told(kind, options, told):
    with pytest.raises(CampaignError) as caught:
        create(kind, options, "here")
    assert told in str(caught.value)
