"""What a campaign starts from, what it confirms at its end, and units on the way."""

from __future__ import annotations

import pytest

from campaigns.campaign import CampaignError, parse
from campaigns.records import Bound, Purpose, TrialState
from loop.launch import create, inspect, restore
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import CAMPAIGN, TABLE, charging, finish, hill, run


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def with_results(rows: str):
    text = CAMPAIGN.format(
        optimizer="gp_ucb", rounds="false", channels=2, hours="days", budget="trials = 4"
    )
    files = {"hill.csv": TABLE.encode(), "old.csv": rows.encode()}
    return parse(text + '\n[start]\nresults = "old.csv"\n', files)


def test_settings_of_the_file_are_run_first_and_count_against_the_budget(store):
    campaign = hill(budget="trials = 5", overrides={"start.settings": [{"a": 3, "b": 2}]})
    campaign_id = run(store, campaign)
    trials = restore(store, campaign_id).history.trials
    assert dict(trials[1].parameters) == {"a": 3, "b": 2}
    assert trials[1].purpose is Purpose.START
    assert len(trials) == 5
    assert verify(store, campaign_id).ok


def test_results_of_the_file_are_learnt_from_and_cost_nothing(store):
    campaign_id = run(store, with_results("a,b,value\n3,2,99\n0,0,80\n"))
    state = restore(store, campaign_id)
    assert state.history.trials[1].outcomes["value"].mean == 99
    assert state.history.trials[1].state is TrialState.COMPLETED
    assert len(state.history.trials) == 2 + 4
    assert state.cost.first_start == 0.0
    assert verify(store, campaign_id).ok


def test_an_earlier_campaign_is_learnt_from(store):
    first = run(store, hill(budget="trials = 6"))
    campaign = hill("gp_ucb", budget="trials = 3", overrides={"start.campaigns": [first]})
    state = restore(store, run(store, campaign))
    told = [t for t in state.history.trials.values() if t.author == "record"]
    earlier = restore(store, first).history.trials
    assert [t.outcomes["value"].mean for t in told] == [
        t.outcomes["value"].mean for t in earlier.values()
    ]
    assert len(state.history.trials) == 6 + 3


def test_an_unknown_earlier_campaign_is_one_clear_line(store):
    with pytest.raises(CampaignError, match="hil-1"):
        create(store, hill(overrides={"start.campaigns": ["hil-1"]}))
    assert store.campaigns() == []


def test_the_winner_is_confirmed_by_fresh_repeats(store):
    campaign_id = run(store, hill("gp_ucb", overrides={"recommend.confirm": 3}))
    state = restore(store, campaign_id)
    repeats = [t for t in state.history.trials.values() if t.purpose is Purpose.CONFIRM]
    assert len(repeats) == 3
    assert len({state.history.key(t.parameters) for t in repeats}) == 1
    assert all(t.state is TrialState.COMPLETED for t in repeats)
    assert state.recommended_seen > 0
    assert verify(store, campaign_id).ok


def test_confirmation_cells_run_to_their_end(store):
    state = restore(store, run(store, charging(overrides={"recommend.confirm": 2})))
    repeats = [t for t in state.history.trials.values() if t.purpose is Purpose.CONFIRM]
    assert [t.state for t in repeats] == [TrialState.COMPLETED] * 2


def test_the_predictor_can_be_trained_on_an_earlier_campaign(store):
    first = run(store, charging())
    campaign = charging(
        overrides={"early_prediction.training": {"campaign": first}, "budget.trials": 5}
    )
    campaign_id = run(store, campaign)
    state = restore(store, campaign_id)
    assert not state.history.training
    assert state.cost.training_hours == 0
    assert all(t.outcomes for t in state.history.trials.values())
    assert verify(store, campaign_id).ok


def test_the_predictor_can_be_trained_on_recorded_cells(store, recorded_data):
    """Real cells teach the model; simulated ones share their voltage grid."""
    training = {"folder": str(recorded_data / "severson2019"), "splits": ["train"]}
    campaign = charging(overrides={"early_prediction.training": training, "budget.trials": 6})
    state = restore(store, run(store, campaign))
    predicted = [t for t in state.history.trials.values() if t.state is TrialState.PREDICTED]
    assert predicted
    assert all(200 < t.outcomes["cycle_life"].mean < 2500 for t in predicted)


def test_a_cell_that_dies_early_is_censored_where_the_campaign_says_so(store):
    options = "faults = { early_death = 0.3 }"
    state = restore(store, run(store, charging(options)))
    failed = [t for t in state.history.trials.values() if t.state is TrialState.FAILED]
    assert failed
    for trial in failed:
        assert trial.failure.kind == "early_death"
        assert trial.outcomes["cycle_life"].bound is Bound.AT_LEAST
        assert 0 < trial.outcomes["cycle_life"].mean < 1000


def test_settings_reach_the_instrument_in_its_own_unit(store):
    """The campaign speaks of metres, the table of millimetres."""
    text = CAMPAIGN.format(
        optimizer="random", rounds="false", channels=1, hours="days", budget="trials = 30"
    )
    text = text.replace("choices = [0, 1, 2, 3, 4, 5] }", 'low = 0, high = 0.005, unit = "m" }')
    text = text.replace('file = "hill.csv"', 'file = "hill.csv"\nunits = { a = "mm" }')
    text = text.replace('missing = "error"', "") + ""
    text = text.replace("[budget]", '[execution]\nkind = "inline"\n[budget]')
    campaign = parse(text, {"hill.csv": TABLE.encode()}, {"instrument.options.missing": "nearest"})
    state = restore(store, run(store, campaign))
    for trial in state.history.trials.values():
        a, b = round(trial.parameters["a"] * 1000), trial.parameters["b"]
        true = 100 - (a - 3) ** 2 - 2 * (b - 2) ** 2
        if abs(trial.parameters["a"] * 1000 - a) < 0.45:  # not on the edge between two lines
            assert trial.outcomes["value"].mean == pytest.approx(true, abs=10)


def test_a_unit_that_does_not_fit_is_one_clear_line():
    campaign = hill(
        overrides={"space.parameters.a.unit": "V", "instrument.options.units": {"a": "m"}}
    )
    with pytest.raises(CampaignError, match="'V' cannot be converted to 'm'"):
        inspect(campaign)


def test_more_work_after_the_end_goes_on_from_there(store):
    campaign_id = run(store, hill("gp_ucb", overrides={"recommend.confirm": 1}))
    finish(store, campaign_id, {"budget.trials": 15})
    state = restore(store, campaign_id)
    searched = [t for t in state.history.trials.values() if t.purpose is Purpose.SEARCH]
    assert len(searched) == 15
    assert verify(store, campaign_id).ok
