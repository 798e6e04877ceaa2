"""The sampler against posteriors that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.identification import compatible, marginals


def anywhere(x):
    return x, np.ones(len(x), dtype=bool)


def test_a_gaussian_likelihood_gives_its_own_mean_and_spread():
    rng = np.random.default_rng(1)
    start = rng.random((2000, 2))
    centre, sd = np.array([0.4, 0.6]), np.array([0.02, 0.08])
    found = compatible(
        start, lambda x: -0.5 * (((x - centre) / sd) ** 2).sum(axis=1), anywhere, rng
    )
    assert found.mean(axis=0) == pytest.approx(centre, abs=0.006)
    assert found.std(axis=0) == pytest.approx(sd, rel=0.1)


def test_what_the_data_do_not_see_stays_as_wide_as_before():
    rng = np.random.default_rng(2)
    start = rng.random((2000, 3))
    found = compatible(start, lambda x: -0.5 * ((x[:, 0] - 0.5) / 0.01) ** 2, anywhere, rng)
    seen, *unseen = marginals(start, found)
    assert seen.share == pytest.approx(2 * 1.645 * 0.01 / 0.9, rel=0.15)
    assert all(one.share > 0.9 for one in unseen)


def test_a_sum_is_identified_and_its_parts_are_not():
    rng = np.random.default_rng(3)
    start = rng.random((2000, 2))
    found = compatible(start, lambda x: -0.5 * ((x.sum(axis=1) - 1.0) / 0.01) ** 2, anywhere, rng)
    assert np.corrcoef(found.T)[0, 1] < -0.99
    assert all(one.share > 0.8 for one in marginals(start, found))
    assert found.sum(axis=1).std() == pytest.approx(0.01, rel=0.15)


def test_forbidden_points_are_never_visited():
    rng = np.random.default_rng(4)
    start = rng.random((500, 2)) * [0.5, 1.0]
    found = compatible(start, lambda x: x[:, 0] * 5.0, lambda x: (x, x[:, 0] <= 0.5), rng)
    assert found[:, 0].max() <= 0.5
    assert found.min() >= 0.0


def test_it_repeats_bit_for_bit():
    start = np.random.default_rng(5).random((200, 2))
    one, other = (
        compatible(start, lambda x: -50 * (x**2).sum(axis=1), anywhere, np.random.default_rng(6))
        for _ in range(2)
    )
    assert one.tobytes() == other.tobytes()
