"""Trials of which nobody knows what became: a person says, and only then does it go on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.campaign import CampaignError
from campaigns.records import TrialState
from instruments.base import Unreachable
from loop import amend
from loop import engine as loop_engine
from loop.engine import Waiting
from loop.replay import verify
from loop.reporting import record
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import finish
from tests.loop.press import Crash, HandClock, counts, crashed, job_key, press


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture
def lost(store, world):
    """A campaign that waits for a ruling on its trial 1; the job did run to its end."""
    campaign_id = press(store)
    world.faults["after submit"] = [Crash()]
    crashed(store, campaign_id)
    world.forgotten = {job_key(store, campaign_id, 1)}
    with pytest.raises(Waiting):
        finish(store, campaign_id, patient=False)
    assert counts(store, campaign_id) == {TrialState.LOST: 1, TrialState.COMPLETED: 5}
    assert restore(store, campaign_id).status == "running"
    return campaign_id


def test_nothing_goes_on_by_itself(store, world, lost):
    head = store.head(lost)
    with pytest.raises(Waiting):
        finish(store, lost, patient=False)
    kinds = [event.kind for event in store.events(lost, after=head[0])]
    assert kinds == ["engine_started"]


def test_what_did_not_run_is_run(store, world, lost):
    amend.resolve(store, lost, 1, "not_run", "Ada", "the cover was open")
    finish(store, lost)
    assert counts(store, lost) == {TrialState.COMPLETED: 6}
    assert world.starts[job_key(store, lost, 1, 2)] == 1
    assert restore(store, lost).status == "finished"


def test_what_the_device_remembers_after_all_is_adopted(store, world, lost):
    before = restore(store, lost).cost.instrument_hours
    world.forgotten = set()
    amend.resolve(store, lost, 1, "adopt", "Ada")
    finish(store, lost)
    state = restore(store, lost)
    assert counts(store, lost) == {TrialState.COMPLETED: 6}
    assert world.starts[job_key(store, lost, 1)] == 1
    assert set(world.starts.values()) == {1}
    assert state.cost.instrument_hours == 30, "the hours of the lost attempt are not counted twice"
    assert before != 30


def test_what_is_adopted_in_vain_is_lost_again(store, world, lost):
    amend.resolve(store, lost, 1, "adopt", "Ada")
    with pytest.raises(Waiting):
        finish(store, lost, patient=False)
    assert counts(store, lost) == {TrialState.LOST: 1, TrialState.COMPLETED: 5}


def test_what_is_spoilt_has_failed(store, world, lost):
    amend.resolve(store, lost, 1, "failed", "Ada", "the foil tore")
    finish(store, lost)
    assert counts(store, lost) == {TrialState.FAILED: 1, TrialState.COMPLETED: 5}
    assert restore(store, lost).history.trials[1].failure.reason == "the foil tore"


def test_what_was_measured_by_hand_is_completed(store, world, lost):
    amend.resolve(store, lost, 1, "measured", "Ada", results={"value": 4.5})
    finish(store, lost)
    state = restore(store, lost)
    assert counts(store, lost) == {TrialState.COMPLETED: 6}
    assert state.history.trials[1].outcomes["value"].mean == 4.5
    assert len(world.starts) == 6


@pytest.mark.parametrize("verdict", ["not_run", "adopt", "failed", "measured"])
def test_every_ruling_survives_audit_and_rebuilding(store, world, lost, verdict):
    world.forgotten = set()
    amend.resolve(store, lost, 1, verdict, "Ada", results={"value": 4.5})
    finish(store, lost)
    assert verify(store, lost).ok
    assert store.check(lost) == []
    assert sum(counts(store, lost).values()) == 6


def test_only_a_lost_trial_is_resolved(store, world, lost):
    with pytest.raises(CampaignError, match="trial 2: is completed, not lost; lost: 1"):
        amend.resolve(store, lost, 2, "failed", "Ada")
    with pytest.raises(CampaignError, match="trial 9: there is no such trial"):
        amend.resolve(store, lost, 9, "failed", "Ada")
    with pytest.raises(CampaignError, match="its results are missing"):
        amend.resolve(store, lost, 1, "measured", "Ada")
    with pytest.raises(CampaignError, match="the campaign measures value"):
        amend.resolve(store, lost, 1, "measured", "Ada", results={"weight": 1.0})


def test_a_device_that_forgets_a_running_job_makes_it_lost(store, world):
    """Its memory is gone in the middle of the job: nobody invents a result, nobody repeats it."""
    campaign_id = press(store, "trials = 2")
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    world.began.clear()
    HandClock.time += timedelta(hours=1)
    with pytest.raises(Waiting):
        finish(store, campaign_id, patient=False)
    state = restore(store, campaign_id)
    assert set(state.lost) <= {1, 2}
    assert state.lost
    assert set(world.starts.values()) == {1}


def test_a_device_that_forgets_while_the_engine_watches(store, world):
    campaign_id = press(store, "trials = 1")
    world.faults["poll"] = [KeyError("who?")]
    with pytest.raises(Waiting):
        finish(store, campaign_id, patient=False)
    state = restore(store, campaign_id)
    assert "does not know the job" in state.history.trials[1].failure.reason
    assert world.starts[job_key(store, campaign_id, 1)] == 1


def test_a_campaign_can_be_ended_though_its_instrument_is_dead(store, world, monkeypatch):
    monkeypatch.setattr(loop_engine, "SILENCE_S", 0.2)
    campaign_id = press(store)
    world.faults["poll"] = [Crash()]
    crashed(store, campaign_id)
    dead = [Unreachable("no answer")] * 10_000
    world.faults = {"poll": list(dead), "find": list(dead), "abort": list(dead)}
    amend.stop(store, campaign_id, "the lab is closed")
    state = restore(store, campaign_id)
    assert state.status == "stopped"
    assert set(state.lost) == {1, 2}
    assert "may still run" in state.history.trials[1].failure.reason
    amend.resolve(store, campaign_id, 1, "failed", "Ada")
    assert restore(store, campaign_id).status == "stopped"
    assert store.check(campaign_id) == []


def test_lost_and_failed_is_one_fruitless_trial(store, world, lost):
    amend.resolve(store, lost, 1, "failed", "Ada")
    assert restore(store, lost).fruitless <= 1


def test_the_hours_of_an_adopted_job_stand_once_in_the_report(store, world, lost):
    world.forgotten = set()
    amend.resolve(store, lost, 1, "adopt", "Ada")
    finish(store, lost)
    told = record.read(store, lost)
    assert told.lines[1].hours == 5
    assert [run.state for run in told.runs if run.trial == 1] == ["completed"]


def test_what_did_not_run_before_the_campaign_was_ended_never_will(store, world, lost):
    amend.stop(store, lost, "enough")
    assert restore(store, lost).status == "stopped"
    said = amend.resolve(store, lost, 1, "not_run", "Ada")
    assert "will not" in said.line
    state = restore(store, lost)
    assert state.status == "stopped"
    assert state.history.trials[1].state is TrialState.STOPPED
    assert store.check(lost) == []
    assert amend.stop(store, lost).status == "stopped"
