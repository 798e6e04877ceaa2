"""Guarded linear models learn a line and do not leave the range they saw."""

import numpy as np
import pytest

from surrogates.elastic_net import ALPHAS, ElasticNet
from surrogates.guarded_linear import GuardedLinear


def line(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4))
    return x, 2.7 + x @ np.array([0.2, -0.1, 0.0, 0.0]) + 0.02 * rng.standard_normal(n)


def test_the_elastic_net_finds_the_line_and_shrinks_the_rest():
    x, y = line(60)
    penalties = ElasticNet.choose(x, y)
    model = GuardedLinear.fit(x, y, penalties)
    slopes = model.coefficients[0] / model.scale[0]
    assert slopes == pytest.approx([0.2, -0.1, 0.0, 0.0], abs=0.02)
    assert penalties == ElasticNet.choose(x, y)


def test_pure_noise_is_shrunk_to_the_mean():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((30, 8)), rng.standard_normal(30)
    penalties = ElasticNet.choose(x, y)
    assert penalties.alpha == max(ALPHAS)


def test_equal_targets_and_constant_features_are_no_trouble():
    x = np.column_stack([np.arange(10.0), np.ones(10)])
    model = GuardedLinear.fit(x, np.full(10, 2.5), ElasticNet.choose(x, np.full(10, 2.5)))
    assert model.predict(x)[0].tolist() == [2.5] * 10


def test_guards_hold_features_and_prediction():
    x, y = line(40)
    model = GuardedLinear.fit(x, y, ElasticNet(1e-3, 0.5))
    far = np.array([[100.0, 0, 0, 0], [-100.0, 100.0, 0, 0], [0, 0, 0, 0]])
    predicted = model.predict(far)[0]
    assert predicted.max() <= y.max() + 0.08
    assert predicted.min() >= y.min() - 0.08
    edge = x[:, 0].max() + 0.25 * x[:, 0].std(ddof=1)
    assert predicted[0] == model.predict(np.array([[edge, 0, 0, 0]]))[0, 0]
    assert model.outside(far)[0].tolist() == [True, True, False]
    assert not model.outside(x).any()


def test_state_round_trip_is_exact():
    x, y = line(20)
    model = GuardedLinear.fit(x, y, ElasticNet(1e-3, 0.5))
    twin = GuardedLinear.from_state(model.state())
    assert np.array_equal(twin.predict(x), model.predict(x))
    for broken in ({}, model.state() | {"scale": [[0.0] * 4]}, model.state() | {"centre": [[1.0]]}):
        with pytest.raises(ValueError, match=r"fields|positive|shape"):
            GuardedLinear.from_state(broken)
