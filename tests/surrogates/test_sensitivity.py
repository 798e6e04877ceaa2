"""Sensitivity: indices of known functions, of inputs that do nothing, of models in doubt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.output_gp import GaussianOutputs
from surrogates.outputs import OutputData
from surrogates.sensitivity import effect, explained, indices, relevance

# Ishigami and Homma 1990 with a = 7, b = 0.1: exact indices
FIRST, TOTAL = (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)


def ishigami(u):
    x = math.pi * (2.0 * u - 1.0)
    value = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    return value[None]


def values(told):
    return [one.value for one in told]


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_indices_of_the_ishigami_function():
    fine = indices(ishigami, 3, rng(), 8192)
    assert values(fine.first) == pytest.approx(FIRST, abs=0.01)
    assert values(fine.total) == pytest.approx(TOTAL, abs=0.01)
    usual = indices(ishigami, 3, rng())
    assert values(usual.first) == pytest.approx(FIRST, abs=0.05)
    assert values(usual.total) == pytest.approx(TOTAL, abs=0.05)
    for one, truth in zip((*usual.first, *usual.total), (*FIRST, *TOTAL), strict=True):
        assert one.low - 0.01 <= truth <= one.high + 0.01


@given(st.lists(st.floats(0.5, 5.0), min_size=2, max_size=5), st.floats(-1e5, 1e5))
def test_an_additive_function_has_no_interactions_and_shares_that_add_up(weights, offset):
    squares = np.square(weights)
    found = indices(lambda u: (u @ np.array(weights) + offset)[None], len(weights), rng(), 2048)
    assert values(found.first) == pytest.approx(squares / squares.sum(), abs=0.05)
    assert values(found.total) == pytest.approx(values(found.first), abs=0.06)


def test_an_input_that_does_nothing_has_an_index_of_zero():
    found = indices(lambda u: (u[:, 0] * u[:, 1])[None], 3, rng(), 2048)
    assert found.first[2].value == pytest.approx(0.0, abs=1e-9)
    assert found.total[2].high == pytest.approx(0.0, abs=1e-9)


def test_what_two_inputs_do_together_only_is_in_the_total_index():
    found = indices(lambda u: ((u[:, 0] - 0.5) * (u[:, 1] - 0.5))[None], 2, rng(), 4096)
    assert values(found.first) == pytest.approx([0.0, 0.0], abs=0.03)
    assert values(found.total) == pytest.approx([1.0, 1.0], abs=0.05)


def test_a_constant_has_no_influence_and_no_warnings():
    found = indices(lambda u: np.ones((4, len(u))), 3, rng())
    assert values(found.first) == values(found.total) == [0.0, 0.0, 0.0]


def test_the_doubt_of_other_functions_widens_the_interval():
    def certain(u):
        return (u @ np.array([1.0, 1.0]))[None]

    def doubtful(u):
        slopes = np.linspace(0.2, 3.0, 32)
        others = [u @ np.array([1.0, slope]) for slope in slopes]
        return np.vstack([certain(u), *others])

    narrow, wide = (indices(f, 2, rng(1), 1024).first[0] for f in (certain, doubtful))
    assert narrow.value == pytest.approx(wide.value)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert 0.0 <= wide.low <= wide.value <= wide.high <= 1.0


def test_the_same_generator_gives_the_same_bits():
    assert indices(ishigami, 3, rng(4)) == indices(ishigami, 3, rng(4))


def test_a_model_of_data_ranks_the_inputs_as_the_truth_does():
    x = rng().random((60, 4))
    y = 3.0 * x[:, :1] + np.sin(6.0 * x[:, 1:2]) + 0.05 * rng(1).standard_normal((60, 1))
    model = GaussianOutputs().fit(OutputData(x, y, np.full_like(y, np.nan)), rng(2))

    def outputs(u):
        return np.concatenate([model.moments(u)[0].T, model.draws(u, 16)[:, :, 0]])

    found = indices(outputs, 4, rng(3))
    truth = indices(lambda u: (3.0 * u[:, 0] + np.sin(6.0 * u[:, 1]))[None], 4, rng(3))
    assert values(found.total) == pytest.approx(values(truth.total), abs=0.06)
    assert max(found.total[2].high, found.total[3].high) < 0.05
    scales = model.length_scales()
    assert scales.shape == (1, 4)
    relevant = relevance(scales[0])
    assert relevant.max() == 1.0
    assert relevant[2:].max() < 0.5 * relevant[1]
    assert explained(y[:, 0], model.left_out()[:, 0]) > 0.95


def test_what_is_predicted_without_a_trial_is_what_a_model_without_it_predicts():
    x = rng().random((20, 2))
    y = np.sin(5.0 * x[:, :1])
    model = GaussianOutputs().fit(OutputData(x, y, np.full_like(y, 1e-3)), rng(1))
    told = model.left_out()
    assert told.shape == (20, 1)
    assert not np.allclose(told, model.moments(x)[0], atol=1e-4)
    assert np.sqrt(np.mean((told - y) ** 2)) < 0.2


def test_a_main_effect_is_the_mean_at_each_level_or_bin():
    levels = np.array([1.0, 2.0, 2.0, 1.0, 5.0])
    outputs = np.array([[1.0, 2.0, 4.0, 3.0, 7.0], [2.0, 3.0, 5.0, 4.0, 8.0]])
    found = effect(levels, outputs)
    assert found.at.tolist() == [1.0, 2.0, 5.0]
    assert found.mean.tolist() == [2.0, 3.0, 7.0]
    assert found.high.tolist() == [3.0, 4.0, 8.0]
    column = rng().random(4000)
    smooth = effect(column, np.vstack([column**2, column**2]))
    assert len(smooth.at) == 12
    assert smooth.mean == pytest.approx(smooth.at**2, abs=0.01)


def test_predictions_as_bad_as_the_mean_explain_nothing():
    y = np.array([1.0, 2.0, 3.0])
    assert explained(y, y) == 1.0
    assert explained(y, np.full(3, 2.0)) == 0.0
    assert explained(np.ones(3), np.ones(3)) == 0.0
