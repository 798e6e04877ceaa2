"""What a campaign starts from, what it confirms at its end, and units on the way."""

from __future__ import annotations

from collections import Counter

import pytest

from campaigns.campaign import CampaignError, parse
from campaigns.records import Bound, Purpose, TrialState
from loop.inspection import inspect
from loop.launch import create
from loop.replay import verify
from loop.restoring import restore
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
    times = Counter(state.history.key(t.parameters) for t in repeats)
    assert set(times.values()) == {3}  # a winner that its repeats dethrone has a confirmed heir
    assert state.history.key(state.recommendation.parameters) in times
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


def test_earlier_settings_are_taken_over_in_this_campaigns_unit(store):
    metres = {"space.parameters.a.unit": "m", "instrument.options.units": {"a": "m"}}
    first = run(store, hill(overrides=metres))
    text = CAMPAIGN.format(
        optimizer="gp_ucb", rounds="false", channels=2, hours="days", budget="trials = 2"
    ).replace("choices = [0, 1, 2, 3, 4, 5] }", 'low = 0, high = 5000, unit = "mm" }')
    overrides = {
        "start.campaigns": [first],
        "instrument.options.missing": "nearest",
        "instrument.options.units": {"a": "m"},
    }
    campaign = parse(text, {"hill.csv": TABLE.encode()}, overrides)
    told = restore(store, run(store, campaign)).history.trials
    earlier = restore(store, first).history.trials
    assert told[1].parameters["a"] == pytest.approx(1000 * earlier[1].parameters["a"])


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"space.parameters.c": {"low": 0, "high": 1}}, "table does not look at it"),
        ({"space.parameters.a.choices": ["x", "y"]}, "takes a number, not a text"),
        ({"instrument.options.channels": 4}, "belongs into [instrument]"),
        ({"start.settings": [{"a": 1, "b": 1}] * 20}, "20 settings, but budget.trials = 12"),
        ({"constraints": [{"metric": "cost", "at_most": 1.0}]}, "constraints: table does not"),
    ],
)
def test_parts_that_do_not_fit_together_are_told_before_anything_runs(overrides, told):
    with pytest.raises(CampaignError) as raised:
        inspect(hill(overrides=overrides))
    assert any(told in problem for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"early_prediction.training": {"simulate": 5}}, "too few"),
        ({"early_prediction.training": {"folder": "/nowhere"}}, "nowhere"),
        ({"early_prediction.at_cycle": 2}, "at_cycle"),
        ({"early_prediction.model": "oracle"}, "oracle"),
    ],
)
def test_training_that_cannot_work_is_told_before_any_cell_is_cycled(overrides, told):
    with pytest.raises(CampaignError, match=told):
        inspect(charging(overrides=overrides))


def test_one_training_cell_with_a_gap_is_left_out(store):
    campaign = charging('force_faults = { "5" = "data_gap" }', {"budget.trials": 3})
    campaign_id = run(store, campaign)
    fitted = next(e.body for e in store.events(campaign_id) if e.kind == "fitted")
    assert restore(store, campaign_id).status == "finished"
    assert len(fitted.trials) >= 8


def test_too_few_usable_training_cells_end_the_campaign_as_failed(store):
    overrides = {"early_prediction.training.simulate": 8, "failures.early_death": "exclude"}
    campaign = charging('force_faults = { "5" = "early_death" }', overrides)
    state = restore(store, run(store, campaign))
    assert state.status == "failed"
    assert "at least 8 are needed" in state.reason


def test_a_campaign_in_which_nothing_succeeds_gives_up(store):
    campaign = hill(
        budget="lab_days = 100",
        overrides={"space.parameters.a.choices": [7, 8, 9], "optimizer.replicates": 20},
    )
    state = restore(store, run(store, campaign))
    assert state.status in ("failed", "finished")
    assert len(state.history.trials) < 60
    assert "outcome" in state.reason or "left" in state.reason


def test_zero_hours_do_not_go_on_for_ever(store):
    campaign = hill(budget="lab_days = 1", hours="0", overrides={"optimizer.replicates": 10**6})
    state = restore(store, run(store, campaign))
    assert state.status == "failed"
    assert "without campaign time passing" in state.reason


def test_stall_looks_at_the_search_alone(store):
    """Old results, confirmations and refused trials are no signs of a stall."""
    rows = "a,b,value\n" + "".join(f"0,{b},120\n" for b in range(5)) * 4
    text = CAMPAIGN.format(
        optimizer="random", rounds="false", channels=1, hours="days", budget="stall = 5"
    )
    files = {"hill.csv": TABLE.encode(), "old.csv": rows.encode()}
    campaign = parse(text + '\n[start]\nresults = "old.csv"\n', files)
    state = restore(store, run(store, campaign))
    searched = [t for t in state.history.trials.values() if t.purpose is Purpose.SEARCH]
    assert len(searched) >= 5


def test_a_correction_of_a_finished_campaign_changes_its_recommendation(store):
    from loop import amend

    campaign_id = run(store, hill("gp_ucb"))
    before = restore(store, campaign_id).recommendation
    amend.exclude(store, campaign_id, before.trial, "leaked")
    finish(store, campaign_id)
    after = restore(store, campaign_id)
    assert after.status == "finished"
    assert after.recommendation != before
    assert verify(store, campaign_id).ok


def test_resuming_a_damaged_store_is_refused(tmp_path):
    import sqlite3

    from loop.store.errors import StoreDamaged

    path = tmp_path / "damaged.db"
    with Store.open(f"sqlite:///{path}") as opened:
        campaign_id = run(opened, hill())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE campaign SET text = replace(text, 'seed = 11', 'seed = 12')")
    connection.commit()
    connection.close()
    with Store.open(f"sqlite:///{path}") as opened, pytest.raises(StoreDamaged):
        finish(opened, campaign_id, {"budget.trials": 20})


def test_a_training_folder_is_relative_to_the_campaign_file(tmp_path, monkeypatch, recorded_data):
    from loop.launch import read
    from tests.loop.laboratory import CYCLER

    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "cells").symlink_to(recorded_data / "severson2019")
    text = CYCLER.format(options="").replace("{ simulate = 10 }", '{ folder = "cells" }')
    (tmp_path / "lab" / "campaign.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    campaign = read("lab/campaign.toml")
    assert campaign.early_prediction.training.folder == str(tmp_path / "lab" / "cells")
