"""Trees and Gaussian processes of log life answer as the libraries that fitted them do."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates import life_trees
from surrogates.life_gp import (
    GaussianProcess,
    Hyperparameters,
    _marginal_likelihood,
    fit_hyperparameters,
)
from surrogates.life_models import GuardedCurves, from_state


def wave(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    return x, 2.7 + 0.2 * np.sin(2 * x[:, 0]) + 0.1 * x[:, 1] + 0.01 * rng.standard_normal(n)


@pytest.fixture(scope="module")
def process():
    x, y = wave(50)
    return GaussianProcess.condition(x, y, fit_hyperparameters(x, y, Hyperparameters.start(3)))


def test_the_process_agrees_with_gpytorch():
    import torch

    x, y = wave(30)
    hyper = Hyperparameters((0.8, 1.5, 4.0), 0.7, 0.2, 0.05)
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    target = torch.tensor((y - y.mean()) / y.std())
    new, _ = wave(20, seed=1)
    model = _marginal_likelihood(torch.tensor(z), target, hyper).model.eval()
    with torch.no_grad():
        asked = torch.tensor((new - x.mean(axis=0)) / x.std(axis=0, ddof=1))
        expected = model(asked).mean.ravel().numpy() * y.std() + y.mean()
    assert GaussianProcess.condition(x, y, hyper).predict(new) == pytest.approx(expected, abs=1e-6)


def test_the_process_learns_and_finds_the_feature_that_does_nothing(process):
    new, truth = wave(200, seed=2)
    assert np.sqrt(np.mean((process.predict(new) - truth) ** 2)) < 0.03
    assert process.length.argmax() == 2


@given(rows=st.lists(st.integers(0, 49), min_size=1, max_size=20))
def test_a_point_is_predicted_alike_alone_and_among_others(process, rows):
    x, _ = wave(50)
    together = process.predict(x[rows])
    assert together.tolist() == [process.predict(x[[row]])[0] for row in rows]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("RandomForestRegressor", life_trees.random_forest),
        ("ExtraTreesRegressor", life_trees.extra_trees),
        ("GradientBoostingRegressor", life_trees.gradient_boosting),
        ("AdaBoostRegressor", life_trees.adaboost),
    ],
)
def test_trees_answer_as_scikit_learn_and_survive_json(name, ours, monkeypatch):
    import sklearn.ensemble

    kept = []

    class Kept(getattr(sklearn.ensemble, name)):
        def fit(self, *args, **kwargs):
            kept.append(self)
            return super().fit(*args, **kwargs)

    monkeypatch.setattr(sklearn.ensemble, name, Kept)
    x, y = wave(40)
    new, _ = wave(70, seed=3)
    model = ours(x, y)
    offset = 0.0 if name == "GradientBoostingRegressor" else y.mean()
    assert model.predict(new) == pytest.approx(kept[0].predict(new) + offset, abs=1e-6)
    twin = life_trees.LifeTrees.from_state(json.loads(json.dumps(model.state())))
    assert np.array_equal(twin.predict(new), model.predict(new))
    assert model.predict(new[5:6])[0] == model.predict(new)[5]


def test_damaged_models_are_refused(process):
    x, y = wave(50)
    trees = GuardedCurves.of(life_trees.gradient_boosting(x, y), x, y).state()
    gp = GuardedCurves.of(process, x, y).state()

    def damaged(state, **change):
        return state | {"curves": [state["curves"][0] | change]}

    nodes = trees["curves"][0]["trees"]
    for state in (
        {"type": "oracle"},
        gp | {"floor": []},
        gp | {"lowest": [[0.0, 0.0, float("nan")]]},
        gp | {"lowest": [[0.0, 0.0]], "highest": [[1.0, 1.0]]},
        damaged(gp, length=[1.0, 0.0, 1.0]),
        damaged(gp, weights=[1.0]),
        damaged(gp, extra=1),
        damaged(trees, trees=nodes | {"left": nodes["roots"] * len(nodes["left"])}),
        damaged(trees, trees=nodes | {"feature": [0] * (len(nodes["feature"]) - 1) + [7]}),
        damaged(trees, trees=nodes | {"roots": []}),
        damaged(trees, weights=[1.0]),
    ):
        with pytest.raises((ValueError, KeyError, IndexError)):
            from_state(state)
