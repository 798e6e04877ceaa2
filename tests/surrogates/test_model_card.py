"""Model cards: what they say is so, and they come back as they were."""

from __future__ import annotations

import pytest

from surrogates import fitted_features
from surrogates.cycle_life import Cell, CycleLifeModel
from surrogates.model_card import ModelCard, carded, cross_validated, fingerprint


@pytest.fixture(scope="module")
def cells(make_cells):
    return make_cells(20, 3)


@pytest.fixture(scope="module")
def model(cells):
    return CycleLifeModel().fit(cells)


def test_it_tells_the_data_and_the_ranges(cells, model):
    card = carded([model], cells, "made")
    lives = [cell.cycle_life for cell in cells]
    assert (card.data.shortest_life, card.data.longest_life) == (min(lives), max(lives))
    assert (card.data.cells, card.data.exact, card.data.voltages) == (20, 20, 200)
    assert (card.data.highest_v, card.data.lowest_v) == (3.6, 2.0)
    (fit,) = card.fits
    x = fitted_features.table(model, cells)
    assert [one.lowest for one in fit.features] == x.min(axis=0).tolist()
    assert [one.highest for one in fit.features] == x.max(axis=0).tolist()
    assert fit.log_sd == model.cross_validated_log_sd
    assert sum(name.endswith(("alpha", "l1_ratio")) for name in fit.settings) == 2


def test_it_comes_back_and_depends_on_no_order(cells, model):
    card = carded([model], cells, "made")
    assert ModelCard.from_json(card.to_json()) == card
    assert carded([model], cells[::-1], "made").digest == card.digest
    assert carded([model], cells, "found").digest != card.digest


def test_cells_without_a_life_are_counted_and_repairs_named(cells, model):
    q = cells[0].q.copy()
    q[:, 30] = 40.0
    spoilt = Cell("spoilt", None, q, cells[0].voltage, cells[0].cycles)
    card = carded([model], [*cells, spoilt], "made")
    assert (card.data.cells, card.data.exact) == (21, 20)
    assert card.data.repairs == ("spoilt, cycle 32: capacity 40 Ah out of range",)
    assert "1 of them without an exact life" in card.to_markdown()
    assert "spoilt, cycle 32" in card.to_markdown()


def test_several_horizons_stand_on_one_card(cells, model):
    early = CycleLifeModel(at_cycle=50, model="variance").fit(cells)
    card = carded([early, model], cells, "made")
    assert [fit.at_cycle for fit in card.fits] == [50, 100]
    text = card.to_markdown()
    assert text.index("Model at 50 cycles") < text.index("Model at 100 cycles")


def test_cross_validation_predicts_every_cell_once_by_a_model_that_has_not_seen_it(cells, model):
    found = cross_validated(model, cells)
    assert found.cells == 20
    in_sample = abs(model.predict(cells).mean / [c.cycle_life for c in cells] - 1).mean()
    assert in_sample < found.mape < 0.3
    assert cross_validated(model, cells[::-1]) == found
    assert cross_validated(model, cells[:9]) is None


def test_a_fingerprint_is_of_the_data_and_not_of_the_name(cells):
    one = cells[0]
    renamed = Cell("other", one.cycle_life, one.q, one.voltage, one.cycles)
    longer = Cell(one.id, one.cycle_life + 1, one.q, one.voltage, one.cycles)
    assert fingerprint(renamed) == fingerprint(one) != fingerprint(longer)
    assert len({fingerprint(cell) for cell in cells}) == len(cells)


@pytest.mark.parametrize("state", [None, [], {}, {"data": 1, "fits": [], "format": "x"}])
def test_what_is_no_card_is_one_clear_line(state):
    with pytest.raises(ValueError, match="no model card") as told:
        ModelCard.from_state(state)
    assert "\n" not in str(told.value)


def test_a_card_of_another_format_or_of_nothing_is_refused(cells, model):
    state = {**carded([model], cells, "made").state(), "format": "leyden.model_card.2"}
    with pytest.raises(ValueError, match=r"leyden\.model_card\.2"):
        ModelCard.from_state(state)
    with pytest.raises(ValueError, match="needs a model"):
        carded([], cells, "made")
    with pytest.raises(ValueError, match="not fitted"):
        carded([CycleLifeModel()], cells, "made")
