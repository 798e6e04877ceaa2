"""The engine on a recorded table: channels, budgets, clocks, amendments."""

from __future__ import annotations

import pytest

from campaigns.records import Observation, TrialState
from loop import amend
from loop.events import Ended, Proposed, Submitting
from loop.launch import engine
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import LeaseHeld, Store
from tests.loop.laboratory import charging, finish, hill, run


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def test_every_trial_is_measured_and_the_budget_is_kept(store):
    state = restore(store, run(store, hill(budget="trials = 12")))
    assert state.status == "finished"
    assert state.counts[TrialState.COMPLETED] == 12
    assert not state.attempts
    assert not state.queue
    assert "trials" in state.reason
    for trial in state.history.trials.values():
        assert isinstance(trial.outcomes["value"], Observation)
        assert trial.outcomes["value"].sem == 2.0


def test_no_more_trials_run_at_once_than_there_are_channels(store):
    events = store.events(run(store, hill(channels=4, budget="trials = 20")))
    running = 0
    for event in events:
        running += isinstance(event.body, Submitting) - isinstance(event.body, Ended)
        assert running <= 4


def test_a_freed_channel_is_filled_at_once(store):
    """Asynchronous: while there is budget, no channel waits for another."""
    events = store.events(run(store, hill(channels=3, budget="trials = 15")))
    ends = [e.body.time for e in events if isinstance(e.body, Ended)]
    starts = [e.body.time for e in events if isinstance(e.body, Submitting)]
    assert starts[:3] == [0.0, 0.0, 0.0]
    assert sorted(starts[3:]) == sorted(ends)[: len(starts) - 3]


def test_rounds_wait_for_the_whole_batch(store):
    events = store.events(run(store, hill(channels=3, rounds=True, budget="rounds = 4")))
    proposals = [e.body for e in events if isinstance(e.body, Proposed)]
    assert [len(p.trials) for p in proposals] == [3, 3, 3, 3]
    starts = [e.body.time for e in events if isinstance(e.body, Submitting)]
    assert len(set(starts)) == 4


def test_cost_is_the_sum_of_the_hours_channels_were_held(store):
    state = restore(store, run(store, hill(channels=1, budget="trials = 10")))
    days = {(a, b): 1 + (a * b) % 3 for a in range(6) for b in range(5)}
    settings = [t.parameters for t in state.history.trials.values()]
    assert state.cost.instrument_hours == sum(days[s["a"], s["b"]] for s in settings)
    assert state.cost.lab_days == pytest.approx(state.cost.instrument_hours / 24)


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ("instrument_hours = 20", "instrument_hours"),
        ("lab_days = 0.5", "lab_days"),
        ("stall = 5\ntrials = 100", "stall"),
        ("rounds = 3", "rounds"),
    ],
)
def test_every_kind_of_budget_ends_a_campaign(store, budget, reason):
    state = restore(store, run(store, hill(budget=budget)))
    assert state.status == "finished"
    assert reason in state.reason


def test_trials_still_running_at_the_deadline_are_stopped(store):
    state = restore(store, run(store, hill(channels=5, budget="lab_days = 0.2")))
    assert state.time == pytest.approx(0.2 * 86400)
    assert state.counts[TrialState.STOPPED] > 0
    assert not state.attempts


def test_a_finite_space_used_up_ends_the_campaign(store):
    campaign = hill(budget="trials = 100", overrides={"optimizer.replicates": 1})
    state = restore(store, run(store, campaign))
    assert state.counts[TrialState.COMPLETED] == 30
    assert state.status == "finished"
    assert state.reason


def test_more_budget_reopens_a_finished_campaign(store):
    campaign_id = run(store, hill(budget="trials = 6"))
    finish(store, campaign_id, {"budget.trials": 9})
    state = restore(store, campaign_id)
    assert state.counts[TrialState.COMPLETED] == 9
    assert verify(store, campaign_id).ok


def test_more_channels_are_used_from_the_next_resume_on(store):
    campaign_id = run(store, hill(channels=1, budget="trials = 3"))
    finish(store, campaign_id, {"instrument.channels": 4, "budget.trials": 11})
    proposals = [e.body.n for e in store.events(campaign_id) if isinstance(e.body, Proposed)]
    assert proposals[:3] == [1, 1, 1]
    assert 4 in proposals
    assert verify(store, campaign_id).ok


def test_a_live_engine_is_not_started_twice(store):
    campaign_id = run(store, hill())
    with engine(store, campaign_id), pytest.raises(LeaseHeld), engine(store, campaign_id):
        pass


def test_corrected_and_excluded_trials_are_learnt_from_at_their_position(store):
    campaign_id = run(store, hill("gp_ucb", budget="trials = 8"))
    amend.correct(store, campaign_id, 2, "value", 55.0, reason="wrong cell")
    amend.exclude(store, campaign_id, 3, "leaked")
    finish(store, campaign_id, {"budget.trials": 12})
    state = restore(store, campaign_id)
    assert state.history.trials[2].outcomes["value"].mean == 55.0
    assert all(trial.number != 3 for trial, _ in state.history.outcomes("value"))
    verdict = verify(store, campaign_id)
    assert verdict.ok
    assert verdict.identical == verdict.proposals == 12


def test_a_trial_added_by_hand_is_run_and_one_with_results_is_believed(store):
    campaign_id = run(store, hill(budget="trials = 4"))
    asked = amend.add(store, campaign_id, {"a": 3, "b": 2})
    given = amend.add(store, campaign_id, {"a": 0, "b": 0}, {"value": 12.5})
    finish(store, campaign_id)
    trials = restore(store, campaign_id).history.trials
    assert trials[asked].state is TrialState.COMPLETED
    assert trials[asked].outcomes["value"].mean == pytest.approx(100, abs=10)
    assert trials[given].outcomes["value"].mean == 12.5
    assert verify(store, campaign_id).ok


def test_a_stopped_campaign_stays_stopped(store):
    campaign_id = run(store, hill(budget="trials = 4"))
    finish(store, campaign_id, {"budget.trials": 5})
    amend.stop(store, campaign_id)
    assert restore(store, campaign_id).status in ("finished", "stopped")


def test_a_setting_the_table_does_not_hold_is_refused_and_not_asked_again(store):
    campaign = hill(overrides={"space.parameters.a.choices": [0, 1, 2, 3, 4, 5, 9]})
    state = restore(store, run(store, campaign))
    refused = [t for t in state.history.trials.values() if t.state is TrialState.REFUSED]
    assert all(t.parameters["a"] == 9 for t in refused)
    assert len({state.history.key(t.parameters) for t in refused}) == len(refused)


def test_cells_are_predicted_stopped_or_run_on(store):
    campaign_id = run(store, charging())
    state = restore(store, campaign_id)
    assert len(state.history.training) == 10
    assert state.counts[TrialState.PREDICTED] + state.counts[TrialState.COMPLETED] == 14
    assert state.counts[TrialState.PREDICTED] > state.counts[TrialState.COMPLETED] > 0
    predicted = [t for t in state.history.trials.values() if t.state is TrialState.PREDICTED]
    assert state.cost.training_hours > 10 * 96
    hours = {
        e.body.trial: e.body.hours for e in store.events(campaign_id) if isinstance(e.body, Ended)
    }
    assert all(hours[t.number] == pytest.approx(96.0) for t in predicted)
    verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.predictions == 14


def test_faults_follow_the_rules_of_the_campaign(store):
    options = "faults = { early_death = 0.1, channel_hang = 0.2, data_gap = 0.1, nan = 0.1 }"
    campaign_id = run(store, charging(options))
    state = restore(store, campaign_id)
    kinds = {e.kind for e in store.events(campaign_id)}
    assert "attempt_failed" in kinds
    assert state.status == "finished"
    for trial in state.history.trials.values():
        assert trial.attempt <= 3
        if trial.state is TrialState.FAILED:
            assert trial.failure.reason
    assert verify(store, campaign_id).ok
