"""What if tests had ended at other cycles: on the curves of a recorded campaign."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from campaigns.campaign import CampaignError
from campaigns.records import Prediction, Purpose
from loop import cli
from loop.restoring import restore
from loop.store.store import Store
from loop.whatif import compare
from loop.whatif_record import read
from loop.whatif_run import Case
from loop.whatif_stage import Question, stage
from tests.loop.laboratory import charging, run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A campaign of 24 cells on the simulated cycler, stopped at cycle 100 but for some."""
    url = f"sqlite:///{tmp_path_factory.mktemp('early')}/charging.db"
    with Store.open(url) as store:
        return url, run(store, charging(overrides={"budget.trials": 24}))


@pytest.fixture
def store(recorded):
    with Store.open(recorded[0], create=False, read_only=True) as opened:
        yield opened


def asked(*early, **changes):
    return Question(**{"optimizers": ("random",), "seeds": 2, "early": early, **changes})


def test_the_recorded_horizon_predicts_what_was_recorded(store, recorded):
    """A known truth: at the campaign's own cycle the model said this of each cell before."""
    name = recorded[1]
    horizon = stage(store, name, asked("100")).worlds["100"].horizon
    trials = restore(store, name).history.trials
    made = {n: t.predictions[100].uncorrected for n, t in trials.items() if 100 in t.predictions}
    assert len(made) > 15
    for number, before in made.items():
        said = horizon.predictions[number][100]
        assert (said.mean, said.sem) == pytest.approx((before.mean, before.sem), rel=1e-9)


def test_tests_that_were_stopped_live_as_long_as_was_predicted(store, recorded):
    name = recorded[1]
    before = {test.trial: test for test in read(store, name).every()}
    world = stage(store, name, asked("none")).worlds["none"]
    assert {restore(store, name).history.trial(test.trial).purpose
            for test in world.record.every()} == {Purpose.SEARCH}  # fmt: skip
    for test in world.record.every():
        was = before[test.trial]
        outcome = test.outcomes["cycle_life"]
        assert not isinstance(outcome, Prediction)
        assert outcome.mean == was.outcomes["cycle_life"].mean
        if was.predicted:
            pace = was.hours / was.cycles
            assert test.hours == pytest.approx(pace * max(outcome.mean, was.cycles))
        else:
            assert test.hours == was.hours


def test_earlier_ends_cost_less_and_training_is_counted(store, recorded):
    question = asked("20", "100", "none", channels=(5,), trials=20, faults=False)
    world = stage(store, recorded[1], question)
    *_, last = compare(world, question, workers=1)
    days = {row.case.early: row.channel_days for row in last.rows()}
    training = world.worlds["20"].horizon.training_hours / 24
    assert training > 0
    assert days["20"] < days["100"] < days["none"] + training
    assert all(row.covered == 1.0 for row in last.rows())
    assert any("training cells" in line for line in last.told())


def test_without_running_on_every_test_ends_at_the_checkpoint(store, recorded):
    """Hours by hand: 20 tests of 100 cycles at the pace of the recorded cells."""
    question = asked("100", channels=(5,), trials=20, seeds=1, assembly_hours=5.0, faults=False)
    there = stage(store, recorded[1], question)
    world = there.worlds["100"]
    changes = {**world.horizon.changes, "early_prediction.run_on": 0.0}
    world = replace(world, horizon=replace(world.horizon, changes=changes))
    *_, last = compare(replace(there, worlds={"100": world}), question, workers=1)
    (run_,) = last.runs[Case("random", 5, "100")]
    paces = [test.hours / (test.life or test.cycles) for test in world.record.every()]
    hours = run_.channel_hours - world.horizon.training_hours
    assert 20 * (100 * min(paces) + 5) - 1e-6 <= hours <= 20 * (100 * max(paces) + 5) + 1e-6


def test_adaptive_stops_look_where_the_record_reaches(store, recorded):
    question = asked("adaptive", trials=12, channels=(4,))
    world = stage(store, recorded[1], question)
    horizon = world.worlds["adaptive"].horizon
    looks = {at_cycle for said in horizon.predictions.values() for at_cycle in said}
    assert looks == {15, 20, 25, 30, 35, 40, 50, 75, 100}
    *_, last = compare(world, question, workers=1)
    (row,) = last.rows()
    assert row.known == 2
    assert row.channel_days > 0


def test_horizons_beyond_the_record_are_refused(store, recorded):
    with pytest.raises(CampaignError, match="stopped at cycle 100; allowed: up to 100") as told:
        stage(store, recorded[1], asked("150"))
    assert len(told.value.problems) == 1
    with pytest.raises(CampaignError, match="curves cannot be emulated"):
        stage(store, recorded[1], asked("50", unrecorded="emulate"))


def test_training_cells_at_settings_of_their_own_are_no_candidates(store, recorded):
    """They teach the emulator all the same."""
    name = recorded[1]
    there = stage(store, name, asked("50"))
    searched = {tuple(sorted(t.parameters.items()))
                for t in restore(store, name).history.trials.values()}  # fmt: skip
    for setting in there.campaign.space.candidates:
        assert tuple(sorted(setting.items())) in searched
    assert len(read(store, name).settings) >= len(there.campaign.space.candidates)


def test_the_command_compares_horizons(capsys, recorded):
    url, name = recorded
    words = ["--optimizer", "random", "--early", "50,none", "--seeds", "1", "--workers", "1"]
    assert cli.answer(["replay", name, "--store", url, *words, "--trials", "6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["early"] for row in told["rows"]] == ["50", "none"]
