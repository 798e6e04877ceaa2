"""Cells out of a store: exact lives, censored ones, and those nobody knows yet."""

import numpy as np
import pytest

from campaigns.records import Bound, TrialState
from loop.restoring import restore
from loop.store.errors import CampaignUnknown
from loop.store.store import Store
from loop.stored_cells import stored_cells
from surrogates.cycle_life import CycleLifeModel
from tests.loop.laboratory import charging, hill, run


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def test_each_trial_is_the_cell_that_its_outcome_says(store):
    name = run(store, charging("faults = { early_death = 0.3 }"))
    history = restore(store, name).history
    trials = {**history.training, **history.trials}
    cells = {int(cell.id.removeprefix(f"{name}/")): cell for cell in stored_cells(store, [name])}
    states = set()
    for number, cell in cells.items():
        outcome, state = trials[number].outcomes.get("cycle_life"), trials[number].state
        if state is TrialState.COMPLETED:
            assert (cell.cycle_life, cell.censored) == (outcome.mean, False)
        elif outcome is not None and outcome.bound is Bound.AT_LEAST:
            assert (cell.cycle_life, cell.censored) == (outcome.mean, True)
        else:
            assert (cell.cycle_life, cell.censored) == (None, False)
        states.add((state, cell.censored))
    assert states >= {(TrialState.COMPLETED, False), (TrialState.PREDICTED, False)}
    assert (TrialState.FAILED, True) in states
    assert set(history.training) <= set(cells) | {
        n for n, t in history.training.items() if t.state is TrialState.FAILED
    }


def test_stored_cells_teach_a_model(store):
    name = run(store, charging())
    cells = [c for c in stored_cells(store, until=100) if c.cycle_life is not None]
    assert {cell.id.partition("/")[0] for cell in cells} == {name}
    assert all(cell.cycles[-1] == 100 for cell in cells)
    assert set(cells[0].scalars) == {"resistance_ohm", "charge_temperature_k", "charge_time_h"}
    assert np.isfinite(cells[0].scalars["resistance_ohm"]).all()
    model = CycleLifeModel(at_cycle=100).fit(cells)
    assert np.corrcoef(model.predict(cells).mean, [c.cycle_life for c in cells])[0, 1] > 0.8


def test_a_store_of_other_campaigns_gives_no_cells(store):
    run(store, hill())
    assert stored_cells(store) == []
    with pytest.raises(CampaignUnknown):
        stored_cells(store, ["nothing-1"])
