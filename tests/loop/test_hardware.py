"""A device that remembers and cannot be run again: every job runs at most once, whatever fails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.records import FailureKind, TrialState
from instruments.base import Unreachable
from loop import amend
from loop.engine import Waiting
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import finish
from tests.loop.press import Crash, HandClock, counts, crashed, job_key, press


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
    world.forgotten = {job_key(store, campaign_id, 1)}
    with pytest.raises(Waiting):  # a person must say what became of it
        finish(store, campaign_id, patient=False)
    assert counts(store, campaign_id) == {TrialState.LOST: 1, TrialState.COMPLETED: 5}
    assert world.starts[job_key(store, campaign_id, 1)] == 1


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


def test_two_stores_never_send_the_same_key(world):
    """A device that remembers must not take the first job of a new store for an old one."""
    keys = []
    for _ in range(2):
        with Store.open("sqlite://") as fresh:
            campaign_id = press(fresh, "trials = 1")
            finish(fresh, campaign_id)
            keys.append(job_key(fresh, campaign_id, 1))
    assert keys[0] != keys[1]
    assert set(world.starts.values()) == {1}


def test_an_intent_that_never_arrived_is_not_started_by_stopping(store, world):
    campaign_id = press(store)
    world.faults["before submit"] = [Crash()]
    crashed(store, campaign_id)
    amend.stop(store, campaign_id, "enough")
    assert world.starts == {}
    assert counts(store, campaign_id) == {TrialState.STOPPED: 2}
    assert restore(store, campaign_id).cost.instrument_hours == 0


def test_a_job_that_waits_for_a_busy_device_is_withdrawn_at_the_deadline(store, world):
    world.places = 1
    campaign_id = press(store, "lab_days = 0.1")
    finish(store, campaign_id)
    assert counts(store, campaign_id) == {TrialState.STOPPED: 2}
    assert len(world.starts) == 1


def test_stopping_goes_on_when_the_device_is_silent_once(store, world):
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    world.faults["abort"] = [Unreachable("cut")]
    amend.stop(store, campaign_id, "enough")
    assert restore(store, campaign_id).status == "stopped"
    assert not world.running()


def test_what_is_forgotten_between_poll_and_fetch_is_lost(store, world):
    campaign_id = press(store, "trials = 1")
    world.faults["fetch"] = [KeyError("who?")]
    with pytest.raises(Waiting):
        finish(store, campaign_id, patient=False)
    assert counts(store, campaign_id) == {TrialState.LOST: 1}


def test_a_failure_that_only_persons_give_counts_as_aborted(store, world):
    world.failure = FailureKind.REJECTED
    campaign_id = press(store, "trials = 2")
    finish(store, campaign_id)
    trial = restore(store, campaign_id).history.trials[1]
    assert trial.failure.kind is FailureKind.ABORTED
