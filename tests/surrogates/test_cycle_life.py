"""Early prediction: golden figures on recorded cells, laws on made ones."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogates.cycle_life import Cell, CycleLifeModel

MODELS = ("variance", "elastic_net")


def lives(cells):
    return np.array([cell.cycle_life for cell in cells])


def rmse(predicted, truth):
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def mape(predicted, truth):
    return float(np.mean(np.abs(predicted - truth) / truth) * 100)


@pytest.fixture(scope="module")
def splits(recorded_cells):
    train = [cell for cell in recorded_cells if cell.id.startswith("train/")]
    test = [cell for cell in recorded_cells if cell.id.startswith("test1/")]
    return train, test, [cell for cell in test if cell.id != "test1/cell22"]


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, make_cells):
    return CycleLifeModel(100, request.param).fit(make_cells(24, seed=1))


def test_variance_model_gives_the_golden_figures(splits):
    model = CycleLifeModel(at_cycle=100, model="variance").fit(splits[0])
    found = [(rmse(model.predict(c).mean, lives(c)), mape(model.predict(c).mean, lives(c)))
             for c in splits]  # fmt: skip
    assert [f[0] for f in found] == pytest.approx([103.6, 138.0, 138.4], abs=1.0)
    assert [f[1] for f in found] == pytest.approx([14.1, 14.8, 13.2], abs=0.1)


def test_elastic_net_beats_the_variance_model(splits):
    train, test, test_without_22 = splits
    model = CycleLifeModel(at_cycle=100, model="elastic_net").fit(train)
    assert rmse(model.predict(test).mean, lives(test)) < 105
    assert mape(model.predict(test_without_22).mean, lives(test_without_22)) < 8.8
    assert model.predict(test).extrapolates[21]  # the cell of 148 cycles


@pytest.mark.parametrize(("model", "horizon"), [(m, h) for m in MODELS for h in (100, 50)])
def test_intervals_cover_the_other_split(splits, model, horizon):
    train, test, _ = splits
    predicted = CycleLifeModel(horizon, model, level=0.9).fit(train).predict(test)
    inside = (predicted.lower <= lives(test)) & (lives(test) <= predicted.upper)
    assert 0.85 <= inside.mean() <= 0.98


def test_sd_fits_the_interval(splits):
    train, test, _ = splits
    p = CycleLifeModel(100, level=0.9).fit(train).predict(test)
    # A normal law with this sd has a 90 % interval 3.29 sd wide.
    ratio = np.log(p.upper / p.lower) / (3.29 * p.log_sd)
    assert 0.8 < np.median(ratio) < 1.25
    assert p.sem == pytest.approx(p.mean * p.log_sd)


# At cycle 20 the made noise of 0.1 % is as large as the fade; the mean life alone errs by 40 %.
@pytest.mark.parametrize(("horizon", "limit"), [(20, 30), (50, 8), (100, 5), (140, 4)])
def test_made_cells_are_predicted_at_any_horizon(make_cells, horizon, limit):
    train, new = make_cells(30, seed=2, last_cycle=140), make_cells(40, seed=3, last_cycle=140)
    predicted = CycleLifeModel(horizon).fit(train).predict(new)
    assert mape(predicted.mean, lives(new)) < limit
    inside = (predicted.lower <= lives(new)) & (lives(new) <= predicted.upper)
    assert inside.mean() > 0.75


@settings(max_examples=25)
@given(chosen=st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_a_cell_is_predicted_alike_alone_and_among_others(fitted, make_cells, chosen):
    cells = make_cells(12, seed=4)
    together = fitted.predict([cells[k] for k in chosen])
    for place, k in enumerate(chosen):
        alone = fitted.predict([cells[k]])
        for name in ("mean", "lower", "upper", "sem", "log_sd", "extrapolates"):
            assert getattr(alone, name)[0] == getattr(together, name)[place]


@pytest.mark.parametrize("model", MODELS)
def test_the_future_of_a_cell_is_never_used(make_cells, model):
    long = make_cells(20, seed=5, last_cycle=200)
    short = [Cell(c.id, c.cycle_life, c.q[:, :99], c.voltage, c.cycles[:99]) for c in long]
    one, other = (CycleLifeModel(100, model).fit(cells) for cells in (long, short))
    assert one.to_json() == other.to_json()
    assert np.array_equal(one.predict(short).mean, other.predict(long).mean)


@pytest.mark.parametrize("model", MODELS)
def test_order_of_training_cells_and_cells_without_life_do_not_matter(make_cells, model):
    cells = make_cells(16, seed=6)
    unknown = Cell("unknown", None, cells[0].q, cells[0].voltage, cells[0].cycles)
    one = CycleLifeModel(100, model).fit(cells)
    other = CycleLifeModel(100, model).fit([unknown, *reversed(cells)])
    assert one.digest == other.digest
    assert "unknown" not in other.fitted.training_ids


def test_json_round_trip_is_bit_identical(fitted, make_cells):
    text = fitted.to_json()
    twin = CycleLifeModel.from_json(text)
    assert twin.to_json() == text
    assert twin.digest == fitted.digest
    assert len(twin.digest) == 64
    cells = make_cells(9, seed=7)
    for level in (0.5, 0.9, 0.99):
        one, other = fitted.predict(cells, level), twin.predict(cells, level)
        for name in ("mean", "lower", "upper", "sem", "log_sd", "extrapolates"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_damaged_json_is_refused(fitted):
    good = json.loads(fitted.to_json())

    def with_fitted(**change):
        return json.dumps(good | {"fitted": good["fitted"] | change})

    for text in (
        "",
        "[]",
        "{}",
        json.dumps(good | {"format": "other"}),
        json.dumps(good | {"extra": 1}),
        json.dumps(good | {"model": ["variance"]}),
        json.dumps(good | {"at_cycle": "soon"}),
        json.dumps(good | {"fitted": None}),
        with_fitted(features=["log_var_dq", "log_abs_min_dq"]),
        with_fitted(residuals=[0.1]),
        with_fitted(residuals="many"),
        with_fitted(full={}),
        with_fitted(voltage=None),
    ):
        with pytest.raises(ValueError, match=r"."):
            CycleLifeModel.from_json(text)


def test_intervals_nest_and_hold_the_mean(fitted, make_cells):
    cells = make_cells(10, seed=8)
    narrow, wide = fitted.predict(cells, 0.5), fitted.predict(cells, 0.95)
    assert (wide.lower <= narrow.lower).all()
    assert (narrow.lower <= narrow.mean).all()
    assert (narrow.mean <= narrow.upper).all()
    assert (narrow.upper <= wide.upper).all()
    assert np.array_equal(narrow.mean, wide.mean)


def test_an_outlandish_cell_is_guarded_and_flagged(make_cells):
    cells = make_cells(24, seed=9)
    model = CycleLifeModel().fit(cells)
    strange = cells[0].q.copy()
    strange[:, 50:] -= 0.4 * np.linspace(0, 1, len(strange))[:, None]
    cell = Cell("strange", None, strange, cells[0].voltage, cells[0].cycles)
    predicted = model.predict([cell])
    assert predicted.extrapolates[0]
    assert 10**-0.08 * lives(cells).min() <= predicted.mean[0] <= 10**0.08 * lives(cells).max()


def test_a_repaired_gap_hardly_moves_the_prediction(make_cells):
    cells = make_cells(24, seed=10)
    model = CycleLifeModel().fit(cells)
    q = cells[3].q.copy()
    q[:, 40:48] = np.nan
    q[:, 97:] = np.nan
    torn = Cell("torn", None, q, cells[3].voltage, cells[3].cycles)
    assert len(torn.repairs) == 10
    assert model.predict([torn]).mean == pytest.approx(model.predict([cells[3]]).mean, rel=0.05)


def test_mistakes_get_one_clear_line(make_cells):
    cells = make_cells(10, seed=11)
    for arguments, message in [
        ({"model": "forest"}, "unknown model 'forest': there are variance, elastic_net"),
        ({"at_cycle": 5}, "at_cycle is 5, it must be at least 12"),
        ({"at_cycle": 99.5}, "it must be a whole number"),
        ({"at_cycle": "adaptive"}, "it must be a whole number"),
        ({"level": 90}, "level is 90, it must lie between 0 and 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            CycleLifeModel(**arguments)
    with pytest.raises(ValueError, match="not fitted"):
        CycleLifeModel().predict(cells)
    with pytest.raises(ValueError, match="7 of 7 cells have a known life, at least 8"):
        CycleLifeModel().fit(cells[:7])
    with pytest.raises(ValueError, match="two training cells have the id made11-000"):
        CycleLifeModel().fit([*cells, cells[0]])
    with pytest.raises(ValueError, match="cell made11-000: there is no curve at cycle 120"):
        CycleLifeModel(at_cycle=120).fit(cells)
    model = CycleLifeModel().fit(cells)
    other = Cell("other", None, cells[0].q, cells[0].voltage + 0.1, cells[0].cycles)
    with pytest.raises(ValueError, match="cell other has another voltage grid"):
        model.predict([other])
    assert len(model.predict([])) == 0


def test_importing_is_light():
    code = (
        "import sys, surrogates.cycle_life; "
        "sys.exit(', '.join({'sklearn', 'pandas', 'scipy', 'torch'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
