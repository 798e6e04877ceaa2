"""Networks, trees and Gaussian processes as plain arrays, against known truths."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from surrogates.electrode_fit import FOLDS, KINDS, Ensemble, Logistic, cross_fitted
from surrogates.electrode_kernel import KernelMean, fit_kernel, matern
from surrogates.electrode_network import Network
from surrogates.electrode_trees import Trees, fit_forest

RNG = np.random.default_rng(1)
X = RNG.random((220, 3))
Y = np.stack([X[:, 0] + X[:, 1] ** 2, np.sin(3.0 * X[:, 0]) - X[:, 2]], axis=1)
NEW = RNG.random((200, 3))
TRUE = np.stack([NEW[:, 0] + NEW[:, 1] ** 2, np.sin(3.0 * NEW[:, 0]) - NEW[:, 2]], axis=1)


def explained(true, found):
    return 1.0 - ((true - found) ** 2).sum(axis=0) / ((true - true.mean(axis=0)) ** 2).sum(axis=0)


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("neural_network", 0.99),
        ("gaussian_process", 0.999),
        ("gradient_boosting", 0.93),
        ("random_forest", 0.85),
    ],
)
def test_every_kind_learns_and_comes_back_from_its_arrays(kind, least):
    made = KINDS[kind]
    model = made.fit(X, Y, 0)
    found = model.predict(NEW)
    assert (explained(TRUE, found) > least).all()
    again = made.load(model.arrays())
    np.testing.assert_array_equal(again.predict(NEW), found)
    np.testing.assert_array_equal(made.fit(X, Y, 0).predict(NEW), found)
    assert made.load(model.arrays()).predict(NEW[:0]).shape == (0, 2)


def test_a_network_is_its_formula():
    w = (np.array([[0.5, -1.0]], dtype=np.float32), np.array([[2.0], [1.0]], dtype=np.float32))
    b = (np.array([0.1, 0.2], dtype=np.float32), np.array([0.3], dtype=np.float32))
    x = np.array([[0.7]])
    expected = 2.0 * np.tanh(0.35 + 0.1) + np.tanh(-0.7 + 0.2) + 0.3
    assert Network(w, b).predict(x)[0, 0] == pytest.approx(expected, rel=1e-6)


def test_layers_that_do_not_fit_are_no_network():
    w = (np.zeros((1, 2), dtype=np.float32), np.zeros((3, 1), dtype=np.float32))
    b = (np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float32))
    with pytest.raises(ValueError, match="no network"):
        Network(w, b)


def test_a_stump_splits_where_it_says():
    stump = Trees(
        roots=np.array([0], dtype=np.int32),
        feature=np.array([1, 0, 0], dtype=np.int16),
        threshold=np.array([0.5, 0.0, 0.0]),
        left=np.array([1, 1, 2], dtype=np.int32),
        right=np.array([2, 1, 2], dtype=np.int32),
        value=np.array([[0.0], [10.0], [20.0]], dtype=np.float32),
        base=np.array([1.0]),
        factor=np.array([0.5]),
    )
    x = np.array([[9.0, 0.5], [9.0, 0.6]])
    np.testing.assert_array_equal(stump.predict(x)[:, 0], [6.0, 11.0])


def test_links_that_lead_nowhere_are_no_trees():
    arrays = fit_forest(X, Y, 0).arrays()
    arrays["left"] = arrays["left"] + len(arrays["left"])
    with pytest.raises(ValueError, match="no trees"):
        Trees.from_arrays(arrays)


def test_a_forest_is_scikit_learns():
    target = Y[:, :1]
    scaled = (target[:, 0] - target.mean()) / target.std()
    theirs = RandomForestRegressor(
        n_estimators=40, max_features=0.5, min_samples_leaf=2, random_state=3
    ).fit(X, scaled)
    expected = theirs.predict(NEW) * target.std() + target.mean()
    np.testing.assert_allclose(fit_forest(X, target, 3).predict(NEW)[:, 0], expected, rtol=1e-6)


def test_a_gaussian_process_passes_through_what_it_knows():
    model = fit_kernel(X, Y, 0)
    np.testing.assert_allclose(model.predict(X), Y, atol=2e-3)
    assert KernelMean.from_arrays(model.arrays()).scales.shape == (2, 3)


def test_correlation_falls_from_one_with_the_distance():
    at = np.linspace(0.0, 5.0, 20)[:, None]
    found = matern(at[:1], at)[0]
    assert found[0] == pytest.approx(1.0)
    assert (np.diff(found) < 0).all()


def test_each_design_is_predicted_by_a_model_that_has_not_seen_it():
    folds = np.arange(len(X)) % FOLDS
    ensemble, unseen = cross_fitted(KINDS["random_forest"], X, Y, folds, 0)
    for fold, member in enumerate(ensemble.members):
        own = folds == fold
        np.testing.assert_array_equal(member.predict(X[own]), unseen[own])
        np.testing.assert_array_equal(
            KINDS["random_forest"].fit(X[~own], Y[~own], fold).predict(X[own]), unseen[own]
        )
    mean = np.mean([member.predict(NEW) for member in ensemble.members], axis=0)
    np.testing.assert_allclose(ensemble.predict(NEW), mean, rtol=1e-12)
    again = Ensemble.from_arrays(ensemble.arrays("p"), "p", KINDS["random_forest"])
    np.testing.assert_array_equal(again.predict(NEW), ensemble.predict(NEW))


def test_scores_become_probabilities():
    score = RNG.normal(size=4000)
    true = RNG.random(4000) < 1.0 / (1.0 + np.exp(-(0.5 + 2.0 * score)))
    found = Logistic.fit(score, true)
    assert found.offset == pytest.approx(0.5, abs=0.15)
    assert found.slope == pytest.approx(2.0, abs=0.25)


@pytest.mark.parametrize("true", [np.ones(50, bool), np.zeros(50, bool), np.arange(50) >= 20])
def test_one_sort_or_a_perfect_score_does_no_harm(true):
    found = Logistic.fit(np.arange(50) - 19.5, true)(np.arange(50) - 19.5)
    assert np.isfinite(found).all()
    assert ((found >= 0.5) == true).all()
