"""Cells taken off alive are learnt from: less bias than dropping or truncating them, made cells."""

import numpy as np
import pytest

from surrogates.censoring import Completion, scatter
from surrogates.cycle_life import CycleLifeModel
from surrogates.elastic_net import ElasticNet

STOP = 800
MODELS = (
    "variance",
    "elastic_net",
    "plsr",
    "extra_trees",
    pytest.param("default", marks=pytest.mark.slow),
)


def scattered(cells, seed):
    """The cells with lives that their curves do not tell to the last: 12 % of scatter."""
    factors = np.exp(0.12 * np.random.default_rng(seed).standard_normal(len(cells)))
    return [cell.with_life(cell.cycle_life * f) for cell, f in zip(cells, factors, strict=True)]


def stopped(cells):
    return [c.with_life(STOP, censored=True) if c.cycle_life > STOP else c for c in cells]


def log_error(model, training, new):
    truth = np.array([cell.cycle_life for cell in new])
    error = np.log(CycleLifeModel(100, model).fit(training).predict(new).mean / truth)
    return error.mean(), error[truth > STOP].mean()


@pytest.mark.parametrize("model", MODELS)
def test_less_bias_than_dropping_and_truncating(make_cells, model):
    rows = []
    for seed in range(3):
        train = scattered(make_cells(40, seed=100 + seed), seed)
        new = scattered(make_cells(60, seed=200 + seed), 50 + seed)
        dropped = [cell for cell in train if cell.cycle_life <= STOP]
        truncated = [cell.with_life(min(cell.cycle_life, STOP)) for cell in train]
        rows.append(
            [log_error(model, cells, new) for cells in (stopped(train), dropped, truncated)]
        )
    ours, dropped, truncated = np.mean(rows, axis=0)
    assert abs(ours[0]) < 0.06
    assert min(-dropped[0], -truncated[0]) > 0.07
    assert abs(ours[1]) < 0.6 * min(-dropped[1], -truncated[1])


def test_intervals_know_of_exact_lives_only(make_cells):
    cells = stopped(make_cells(30, seed=1))
    model = CycleLifeModel().fit(cells)
    n = sum(not cell.censored for cell in cells)
    assert len(model.fitted.training_ids) == len(model.fitted.residuals) == n
    assert len(model.fitted.censored_ids) == 30 - n > 0
    assert CycleLifeModel.from_json(model.to_json()).digest == model.digest
    with pytest.raises(ValueError, match=r"of 30 cells have a known life, at least 8"):
        CycleLifeModel().fit([c.with_life(c.cycle_life, censored=True) for c in cells])


def test_completed_lives_lie_beyond_their_bounds_and_known_ones_stay():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    truth = 2.8 + x @ np.array([0.2, 0.1, 0.0]) + 0.05 * rng.standard_normal(200)
    censored = truth > 2.9
    y = np.minimum(truth, 2.9)
    completion = Completion.choose(x, y, censored)
    found = completion.complete(x, y, censored)
    assert (found[censored] > 2.9).all()
    assert np.array_equal(found[~censored], y[~censored])
    assert np.array_equal(found, completion.complete(x, y, censored))
    # As good as the noise: what is missing is known up to the scatter of the lives.
    assert np.sqrt(np.mean((found - truth)[censored] ** 2)) < 0.06


def test_the_censored_regression_finds_the_line():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2000, 1))
    truth = 2.8 + 0.2 * x[:, 0] + 0.1 * rng.standard_normal(2000)
    censored = truth > 2.8  # half of them
    y = np.where(censored, 2.8, truth)
    found = Completion(ElasticNet(1e-6, 0.5)).complete(x, y, censored)
    slope, level = np.polyfit(x[:, 0], found, 1)
    assert (slope, level) == (pytest.approx(0.2, abs=0.01), pytest.approx(2.8, abs=0.01))
    assert np.polyfit(x[:, 0], y, 1)[0] < 0.15  # taken for exact


def test_the_scatter_of_censored_lives_is_found_again():
    lives = np.random.default_rng(1).normal(2.9, 0.2, 20_000)
    for bound in (2.8, 2.9, 3.1):
        found = scatter(np.minimum(lives, bound), lives > bound)
        assert found == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_stay_finite_with_hardly_more_lives_than_features(seed):
    """Eight lives, six bounds, ten features that tell nothing: the scatter must not run away."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((14, 10)), np.r_[rng.normal(2.9, 0.05, 8), np.full(6, 2.85)]
    censored = np.arange(14) >= 8
    completed = Completion(ElasticNet(1e-3, 0.5)).complete(x, y, censored)
    assert (completed[censored] >= y[censored]).all()
    assert completed.max() < 3.6
