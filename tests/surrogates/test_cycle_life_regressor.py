"""The regressor keeps scikit-learn's conventions."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from surrogates.cycle_life import CycleLifeModel
from surrogates.cycle_life_regressor import CycleLifeRegressor


def lives(cells):
    return np.array([cell.cycle_life for cell in cells])


def test_it_is_the_model(make_cells):
    cells, new = make_cells(24, seed=1), make_cells(10, seed=2)
    model = CycleLifeModel(60, "ridge").fit(cells)
    for y in (None, lives(cells)):
        found = CycleLifeRegressor(60, "ridge").fit(cells, y).predict(new)
        assert np.array_equal(found, model.predict(new).mean)


def test_parameters_are_get_set_and_cloned(make_cells):
    one = CycleLifeRegressor(at_cycle=60, model="plsr", level=0.8)
    assert one.get_params() == CycleLifeModel(60, "plsr", 0.8).get_params()
    assert clone(one).get_params() == one.get_params()
    assert one.set_params(model="variance").model == "variance"
    with pytest.raises(NotFittedError):
        clone(one).predict(make_cells(1, seed=3))


def test_it_works_in_cross_validation_and_search(make_cells):
    cells = make_cells(30, seed=4)
    folds = KFold(3, shuffle=True, random_state=0)
    error = -cross_val_score(
        CycleLifeRegressor(), cells, lives(cells), cv=folds,
        scoring="neg_mean_absolute_percentage_error",
    )  # fmt: skip
    assert error.shape == (3,)
    assert error.mean() < 0.1
    search = GridSearchCV(CycleLifeRegressor(), {"at_cycle": [10, 100]}, cv=folds)
    assert search.fit(cells, lives(cells)).best_params_ == {"at_cycle": 100}


def test_lives_must_match(make_cells):
    cells = make_cells(10, seed=5)
    with pytest.raises(ValueError, match=r"y has shape \(3,\), expected \(10,\)"):
        CycleLifeRegressor().fit(cells, [1, 2, 3])
