"""Trials that pass several instruments: the sample travels, every step keeps its own results."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from campaigns.campaign import CampaignError, load
from campaigns.records import TrialState
from loop import amend, report
from loop.benchmark import bench
from loop.inspection import inspect
from loop.launch import create, engine
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import coat_and_cycle, finish


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture
def run(store):
    """An ended campaign: its state and its events."""
    cracked = {"steps.0.options": {"force_faults": {"3": "cracks"}}, "failures.assembly": "exclude"}
    campaign_id = create(store, coat_and_cycle(cracked))
    finish(store, campaign_id)
    return restore(store, campaign_id), store.events(campaign_id)


def bodies(events, kind):
    return [event.body for event in events if event.kind == kind]


def test_every_step_has_its_own_observations(run):
    state, events = run
    passed = [body.trial for body in bodies(events, "passed")]
    assert passed, "some coatings must be sound, or the test shows nothing"
    for number in passed:
        outcomes = state.history.trials[number].outcomes
        assert {"porosity", "areal_capacity_mah_cm2", "cycle_life"} <= set(outcomes)
    kinds = Counter(event.kind for event in events)
    assert kinds["submitting"] == kinds["started"] == 8 + len(passed)


def test_a_failed_step_fails_the_trial_there(run):
    state, events = run
    failed = [trial for trial in state.history.trials.values() if trial.state is TrialState.FAILED]
    assert 3 in [trial.number for trial in failed]
    for trial in failed:
        ended = next(body for body in bodies(events, "ended") if body.trial == trial.number)
        assert ended.step == "coat"
        assert not trial.outcomes
        steps = {body.step for body in bodies(events, "submitting") if body.trial == trial.number}
        assert steps == {"coat"}


def test_the_order_and_the_channels_are_kept(run):
    state, events = run
    held = defaultdict(set)
    most = Counter()
    for event in events:
        body = event.body
        if event.kind == "submitting":
            held[body.step].add(body.trial)
            most[body.step] = max(most[body.step], len(held[body.step]))
        elif event.kind in ("passed", "ended", "attempt_failed"):
            held[body.step].discard(body.trial)
    assert most["coat"] == 1
    assert 2 <= most["cycle"] <= 4
    assert [step.instrument.channels for step in state.campaign.steps] == [1, 4]


def test_the_hours_of_all_steps_are_counted(run):
    state, events = run
    over = [*bodies(events, "passed"), *bodies(events, "ended")]
    assert state.cost.instrument_hours == pytest.approx(sum(body.hours for body in over))


def test_no_coating_is_made_while_one_waits_for_the_cycler(store):
    """With one slow cycler channel the coater stops: what is learnt meanwhile is worth more."""
    campaign_id = create(store, coat_and_cycle({"steps.1.channels": 1, "budget.trials": 6}))
    finish(store, campaign_id)
    waiting = set()
    for event in store.events(campaign_id):
        if event.kind == "passed":
            waiting.add(event.body.trial)
        elif event.kind == "submitting" and event.body.step == "cycle":
            waiting.discard(event.body.trial)
        elif event.kind == "proposed":
            assert not waiting
        assert len(waiting) <= 1


def test_the_sample_travels_and_each_step_gets_what_it_takes(store, monkeypatch):
    campaign_id = create(store, coat_and_cycle())
    jobs = []
    with engine(store, campaign_id) as runner:
        for station in runner.lab.stations.values():
            submit = station.instrument.submit

            def seen(job, submit=submit, name=station.name):
                jobs.append((name, job))
                return submit(job)

            monkeypatch.setattr(station.instrument, "submit", seen)
        runner.run()
    state = restore(store, campaign_id)
    by_trial = defaultdict(dict)
    for name, job in jobs:
        by_trial[job.seed[1]][name] = job
    both = [pair for pair in by_trial.values() if len(pair) == 2]
    assert both
    for pair in both:
        coat, cycle = pair["coat"], pair["cycle"]
        number = coat.seed[1]
        assert coat.sample == cycle.sample == f"{campaign_id}-{number}.1"
        assert coat.key != cycle.key
        assert coat.seed != cycle.seed, "two instruments must not draw the same noise"
        assert set(coat.parameters) == set(state.campaign.space.names)
        outcomes = state.history.trials[number].outcomes
        capacity = outcomes["areal_capacity_mah_cm2"].mean / 1.7
        assert cycle.parameters["cathode_capacity"] == pytest.approx(capacity)
        assert cycle.parameters["cc1"] == 4.8


def test_a_failed_cell_is_made_anew(store):
    """A channel that hangs spoils the cell: the next attempt starts with a new coating."""
    faults = {"steps.1.options": {"faults": {"channel_hang": 1.0}}, "budget.trials": 8}
    campaign_id = create(store, coat_and_cycle(faults))
    finish(store, campaign_id)
    events = store.events(campaign_id)
    again = [body for body in bodies(events, "attempt_failed") if body.step == "cycle"]
    assert again
    for body in again:
        following = next(
            one
            for one in bodies(events, "submitting")
            if one.trial == body.trial and one.attempt == body.attempt + 1
        )
        assert following.step == "coat"


def test_the_audit_and_the_store_agree(store):
    campaign_id = create(store, coat_and_cycle())
    finish(store, campaign_id)
    assert verify(store, campaign_id).ok
    assert store.check() == []
    page, _ = report.render(store, campaign_id)
    assert "coat: coater.simulated, 1 channel; cycle: cycler.simulated, 4 channels" in page


def test_more_channels_for_one_step(store):
    campaign_id = create(store, coat_and_cycle({"budget.trials": 2}))
    finish(store, campaign_id)
    finish(store, campaign_id, {"steps.1.channels": 6, "budget.trials": 8})
    assert restore(store, campaign_id).campaign.steps[1].instrument.channels == 6
    with pytest.raises(CampaignError, match=r"instrument\.channels: cannot be changed"):
        finish(store, campaign_id, {"instrument.channels": 2})


def test_a_line_knows_its_truth():
    found = bench(coat_and_cycle({"budget.trials": 6}), ["random"], seeds=1, workers=1)
    values = [point.true_value for run in found.runs["random"] for point in run]
    assert len(values) == 6
    assert all(0 <= value <= 3000 for value in values)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"steps.1.name": "coat"}, "steps[1].name: 'coat' is the name of an earlier step"),
        ({"steps.1.name": "a b"}, "letters, digits and _ only"),
        ({"steps.1.kind": "cycler.simulatd"}, "did you mean 'cycler.simulated'?"),
        ({"steps.1.inputs.cc1": "4.8 +"}, "steps[1].inputs.cc1: "),
        ({"steps.1.inputs.cc1": "loading"}, "steps[1].inputs: "),
        ({"steps.0.inputs": {"dryer_c": "cycle_life"}}, "steps[0].inputs: "),
        ({"steps.1.inputs.cc9": "1"}, "steps[1].inputs.cc9: cycler.simulated takes no such"),
        ({"steps.0.inputs": {"gap_um": "100"}}, "is a parameter of the campaign"),
        ({"steps.1.inputs.cc1": "99"}, "steps[1].inputs.cc1: 99 1/h is above the limit 10 1/h"),
        ({"space.parameters.gap_um.high": 900.0}, "180 to 900 um reaches beyond the limits of"),
        ({"steps.1.inputs.cc1": None}, "cycler.simulated needs 'cc1'"),
        ({"steps.1.kind": "coater.simulated", "steps.1.inputs": {}}, "as step 'coat' does"),
        ({"steps.0.options.channels": 2}, "belongs into [steps[0]] as channels"),
        ({"instrument.kind": "table"}, "the campaign has an [instrument] already"),
        ({"objectives.0.metric": "life"}, "do not measure 'life'"),
        ({"steps": None}, "instrument: is missing; [instrument] or [[steps]] is needed"),
    ],
)
def test_what_does_not_fit_is_told(changes, told):
    from loop.launch import known

    with pytest.raises(CampaignError) as caught:
        inspect(load("coat-and-cycle", changes, known=known()))
    assert any(told in problem for problem in caught.value.problems), caught.value.problems


def test_the_first_step_is_the_instrument_of_the_campaign():
    assert coat_and_cycle().instrument.kind == "coater.simulated"


def test_a_step_that_does_not_measure_what_the_next_one_is_set_by_has_failed(store, monkeypatch):
    campaign_id = create(
        store, coat_and_cycle({"budget.trials": 2, "failures.data_gap": "exclude"})
    )
    with engine(store, campaign_id) as runner:
        coater = runner.lab.stations["coat"].instrument
        fetch = coater.fetch

        def forgetful(key, since=0):
            result = fetch(key, since)
            kept = {m: s for m, s in result.scalars.items() if m != "porosity"}
            return replace(result, scalars=kept)

        monkeypatch.setattr(coater, "fetch", forgetful)
        runner.run()
    trial = restore(store, campaign_id).history.trials[1]
    assert trial.state is TrialState.FAILED
    assert trial.failure.reason == "porosity was not measured"


def test_a_line_that_never_gives_the_objective_is_given_up(store):
    """Every cell fails at the second step; what the coater measured is no success."""
    endless = {"steps.1.options": {"max_cycles": 50}, "steps.1.inputs.cathode_capacity": "1.0"}
    campaign_id = create(store, coat_and_cycle({**endless, "budget.trials": 60}))
    finish(store, campaign_id)
    state = restore(store, campaign_id)
    assert state.status == "failed"
    assert len(state.history.trials) < 60


def test_a_made_sample_is_not_changed(store):
    """Between two steps a person may reject a trial, no more: its sample is what it is."""
    campaign = coat_and_cycle({"steps.1.channels": 1, "budget.trials": 4})
    campaign_id = create(store, campaign)
    with engine(store, campaign_id) as runner:
        while not any(step == "cycle" for step in runner.state.queue.values()):
            runner._step()
    (number,) = [n for n, step in restore(store, campaign_id).queue.items() if step == "cycle"]
    with pytest.raises(CampaignError, match="its sample is made already"):
        amend.modify(store, campaign_id, number, {"gap_um": 200.0}, "Ada")
    amend.reject(store, campaign_id, number, "Ada", "it fell down")
    finish(store, campaign_id)
    assert restore(store, campaign_id).history.trials[number].state is TrialState.REFUSED
    assert verify(store, campaign_id).ok
    assert store.check(campaign_id) == []
