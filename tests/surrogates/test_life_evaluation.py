"""Scores of predicted lives against known truths, and what models rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogates.cycle_life import Cell, CycleLifeModel
from surrogates.feature_importance import BANDS, _bands, importance
from surrogates.life_evaluation import cross_fitted, examined, fitted_before, fitted_on, reached
from surrogates.life_scores import Answers, called, folds, joined, known, scored


def answers(life, mean, half=100.0, flagged=()):
    life, mean = np.array(life, dtype=float), np.array(mean, dtype=float)
    return Answers(
        ids=tuple(str(i) for i in range(len(life))),
        life=life,
        mean=mean,
        extrapolates=np.isin(np.arange(len(life)), flagged),
        intervals={0.9: (mean - half, mean + half)},
    )


def test_errors_are_those_of_the_book():
    found = scored(answers([100, 200, 400], [110, 180, 600]))
    assert found.rmse_cycles == pytest.approx(np.sqrt((100 + 400 + 40000) / 3))
    assert found.bias_cycles == pytest.approx(190 / 3)
    assert found.mape == pytest.approx((0.1 + 0.1 + 0.5) / 3)
    assert found.median_error == pytest.approx(0.1)
    (one,) = found.coverage
    assert one.covered == pytest.approx(2 / 3)
    assert one.median_width == pytest.approx(200 / 180)
    assert scored(answers([], [])) is None


def test_the_band_holds_a_true_level_as_often_as_it_says():
    """10,000 draws of 40 intervals that cover with exactly 90 %."""
    one = scored(answers([500.0] * 40, [500.0] * 40)).coverage[0]
    shares = np.random.default_rng(1).binomial(40, 0.9, 10_000) / 40
    assert np.mean((one.band_low <= shares) & (shares <= one.band_high)) >= 0.95


def test_calls_are_counted_by_their_kind():
    found = called(answers([500, 600, 700, 300], [560, 540, 900, 200]), 550.0)
    assert (found.longer, found.wrongly_longer, found.wrongly_shorter) == (2, 1, 1)
    assert found.error_rate == 0.5


def test_flagged_cells_can_be_left_out():
    told = answers([100, 200], [110, 900], flagged=(1,))
    kept = told.where(~told.extrapolates)
    assert kept.ids == ("0",)
    assert scored(kept).rmse_cycles == pytest.approx(10.0)


@given(st.lists(st.tuples(st.floats(50, 3000), st.floats(50, 3000)), min_size=2, max_size=30))
def test_parts_joined_score_as_the_whole(pairs):
    life, mean = zip(*pairs, strict=True)
    whole = answers(life, mean)
    parts = [answers(life[:1], mean[:1]), answers(life[1:], mean[1:])]
    one, other = scored(whole), scored(joined(parts))
    assert one.rmse_cycles == other.rmse_cycles
    assert one.coverage == other.coverage


def test_folds_hold_each_known_cell_once_whatever_the_order(make_cells):
    cells = make_cells(23, 4)
    unknown = Cell("unknown", None, cells[0].q, cells[0].voltage, cells[0].cycles)
    alive = Cell("alive", 400.0, cells[0].q, cells[0].voltage, cells[0].cycles, censored=True)
    made = folds([*cells[::-1], unknown, alive])
    held = [cell.id for _, part in made for cell in part]
    assert sorted(held) == sorted(cell.id for cell in known([*cells, unknown, alive]))
    for rest, part in made:
        assert not {c.id for c in rest} & {c.id for c in part}
        assert len(rest) + len(part) == 23
    assert [[c.id for c in p] for _, p in folds(cells)] == [[c.id for c in p] for _, p in made]


def test_the_published_errors_come_out(recorded_cells):
    """The variance model on the recorded cells: 138.4 +- 1 cycles, as its authors found."""
    train = [c for c in recorded_cells if c.id.startswith("train/")]
    test = [c for c in recorded_cells if c.id.startswith("test1/")]
    found = examined(fitted_on("variance", 100, train, test))
    assert found.scores.rmse_cycles == pytest.approx(138.4, abs=1.0)
    assert found.scores.cells == 43
    assert found.state()["predictions"][0]["cell"] == "test1/cell1"


def test_cross_validation_and_fitted_models_are_examined_alike(make_cells):
    cells = make_cells(30, 5)
    crossed = examined(cross_fitted("variance", 100, cells))
    assert sorted(crossed.answers.ids) == sorted(cell.id for cell in cells)
    model = CycleLifeModel(model="variance").fit(cells)
    fresh = make_cells(10, 6)
    assert examined(fitted_before(model, fresh)).scores.cells == 10
    assert reached(cells) == 100
    nameless = [Cell(c.id, None, c.q, c.voltage, c.cycles) for c in fresh]
    with pytest.raises(ValueError, match="none of the 10 cells"):
        fitted_before(model, nameless)


def test_a_feature_that_does_not_count_has_no_importance(make_cells):
    cells, fresh = make_cells(40, 7), make_cells(20, 8)
    model = CycleLifeModel(model="elastic_net").fit(cells)
    found = {one.name: one for one in importance([model], [fresh])}
    weights = dict(zip(model.fitted.features, model.fitted.full.coefficients[0], strict=True))
    assert set(found) == set(weights)
    idle = [name for name, weight in weights.items() if weight == 0.0]
    assert all(found[name].mean == 0.0 == found[name].sd for name in idle)
    heaviest = max(weights, key=lambda name: abs(weights[name]))
    assert found[heaviest].mean > 0.05
    assert importance([model], [fresh]) == importance([model], [fresh])


def test_one_cell_tells_no_importance(make_cells):
    model = CycleLifeModel().fit(make_cells(12, 9))
    with pytest.raises(ValueError, match="two held-out cells"):
        importance([model], [make_cells(1, 10)])


@given(st.integers(1, 300))
def test_bands_hold_every_feature_once(n):
    names, bands = _bands([f"f{j}" for j in range(n)])
    assert np.concatenate(bands).tolist() == list(range(n))
    assert len(names) == len(bands) == (n if n <= 40 else BANDS)


def test_too_few_cells_to_cross_validate_are_told_with_their_number(make_cells):
    with pytest.raises(ValueError, match="9 of 9 cells have a known life, at least 10"):
        cross_fitted("variance", 100, make_cells(9, 5))
    assert len(cross_fitted("variance", 100, make_cells(10, 5))) == 5
