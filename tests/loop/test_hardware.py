"""A device that remembers and cannot be run again: every job runs at most once, whatever fails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.records import TrialState
from instruments.base import Unreachable
from loop import amend
from loop.engine import Waiting
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import finish
from tests.loop.press import Crash, HandClock, counts, crashed, press


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def test_an_undisturbed_campaign(store, world):
    campaign_id = press(store)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}
    assert restore(store, campaign_id).cost.instrument_hours == 30


@pytest.mark.parametrize("where", ["before submit", "after submit"])
def test_a_crash_around_the_hand_over_starts_nothing_twice(store, world, where):
    campaign_id = press(store)
    world.faults[where] = [Crash()]
    crashed(store, campaign_id)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}


def test_a_job_that_ended_while_the_engine_was_away_keeps_its_measurement(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    HandClock.time += timedelta(days=2)
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert state.cost.instrument_hours == 30
    assert set(world.starts.values()) == {1}


def test_what_the_device_cannot_tell_is_lost_and_never_sent_again(store, world):
    campaign_id = press(store)
    world.faults["after submit"] = [Crash()]
    crashed(store, campaign_id)
    world.forgotten = {f"{campaign_id}/1/1"}
    with pytest.raises(Waiting):  # a person must say what became of it
        finish(store, campaign_id, patient=False)
    assert counts(store, campaign_id) == {TrialState.LOST: 1, TrialState.COMPLETED: 5}
    assert world.starts[f"{campaign_id}/1/1"] == 1


def test_a_busy_device_is_asked_again(store, world):
    world.places = 1
    campaign_id = press(store)
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}


def test_silence_is_waited_out(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Unreachable("cut"), Unreachable("cut")]
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}


def test_a_lost_answer_is_cleared_up_by_asking(store, world):
    campaign_id = press(store)
    world.faults["after submit"] = [Unreachable("cut")]
    world.faults["find"] = [Unreachable("cut"), Unreachable("cut")]
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}


def test_a_job_that_never_arrived_follows_the_failure_rule(store, world):
    campaign_id = press(store)
    world.faults["before submit"] = [Unreachable("cut")]
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert state.history.trials[1].attempt == 2  # channel_fault = "retry:2"


def test_a_trial_is_over_only_when_the_device_has_stopped(store, world):
    world.obeys = False
    campaign_id = press(store, "lab_days = 0.1")
    finish(store, campaign_id)
    assert not world.running()
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 2}


def test_running_jobs_are_stopped_at_the_deadline(store, world):
    campaign_id = press(store, "lab_days = 0.1")
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.STOPPED: 2}
    assert not world.running()


def test_stopping_a_campaign_stops_its_jobs(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    assert world.running()
    amend.stop(store, campaign_id, "enough")
    state = restore(store, campaign_id)
    assert not world.running()
    assert state.status == "stopped"
    assert not state.attempts


def test_fewer_channels_wait_for_what_runs(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    finish(store, campaign_id, {"instrument.channels": 1})
    assert counts(store, campaign_id) == {TrialState.COMPLETED: 6}
    assert set(world.starts.values()) == {1}
