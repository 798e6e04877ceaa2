"""What if: other choices on a recorded world, whose truth the tests know."""

from __future__ import annotations

import json

import numpy as np
import pytest

from campaigns.campaign import CampaignError, parse
from campaigns.records import FailureKind
from instruments.base import Busy, Job, JobState
from instruments.clock import EPOCH, SimulatedClock
from loop import cli
from loop.importing import attia2020
from loop.optimizers.gaussian_process import Data, Posterior, Prior
from loop.restoring import restore
from loop.store.store import Store
from loop.whatif import compare
from loop.whatif_emulator import validated
from loop.whatif_record import place_of, read
from loop.whatif_run import Case
from loop.whatif_stage import Question, stage
from loop.whatif_world import RecordedWorld
from tests.loop.laboratory import foothill, hill, run


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def rows(store, campaign_id, question, workers=1):
    *_, last = compare(stage(store, campaign_id, question), question, workers)
    return {row.case: row for row in last.rows()}


def asked(**changes):
    given = {"optimizers": ("random",), "seeds": 2, "faults": False}
    return Question(**{**given, **changes})


def everything(**changes):
    """A record in which every setting of the hill was tested four times."""
    return hill("random", budget="trials = 120", **changes)


def test_the_record_holds_every_test_by_setting(store):
    campaign_id = run(store, hill())
    state, record = restore(store, campaign_id), read(store, campaign_id)
    trials = state.history.trials.values()
    assert record.asked == record.attempts == len(trials) == 12
    for trial in trials:
        place = place_of(state.campaign.space, trial.parameters)
        assert trial.outcomes["value"].mean in record.values(place)
    assert sum(len(tests) for tests in record.tests.values()) == 12
    assert record.fault_rate == 0.0


def test_answers_are_recorded_tests_of_the_same_setting(store):
    campaign_id = run(store, everything())
    world = stage(store, campaign_id, asked()).worlds["recorded"]
    space = restore(store, campaign_id).campaign.space
    clock = SimulatedClock(EPOCH)
    instrument = RecordedWorld(world, space, 500, clock)
    found: dict = {}
    settings = list(world.record.settings.values())
    for number in range(300):
        setting = settings[number % len(settings)]
        instrument.submit(Job(f"x/{number}/1", setting, (0, number, 1), EPOCH))
    clock.wait_until(EPOCH.replace(year=EPOCH.year + 1))
    for number in range(300):
        setting = settings[number % len(settings)]
        value = instrument.fetch(f"x/{number}/1").scalars["value"].value
        tests = world.record.tests[place_of(space, setting)]
        pair = (value, instrument.poll(f"x/{number}/1").hours)
        assert pair in {(test.outcomes["value"].mean, test.hours) for test in tests}
        found.setdefault(place_of(space, setting), set()).add(value)
    assert max(map(len, found.values())) > 1  # resampled, not one value for ever


def test_channels_bound_what_runs_and_the_same_job_always_ends_the_same(store):
    campaign_id = run(store, everything())
    world = stage(store, campaign_id, asked()).worlds["recorded"]
    space = restore(store, campaign_id).campaign.space
    job = Job("x/1/1", {"a": 1, "b": 1}, (5, 1, 1), EPOCH)
    one, two = (RecordedWorld(world, space, 1, SimulatedClock(EPOCH)) for _ in range(2))
    for instrument in (one, two):
        instrument.submit(job)
        instrument.submit(job)  # harmless
    assert one.poll("x/1/1") == two.poll("x/1/1")
    with pytest.raises(Busy, match="1 channels"):
        one.submit(Job("x/2/1", {"a": 1, "b": 1}, (5, 2, 1), EPOCH))
    assert one.abort("x/1/1", "enough").state is JobState.ABORTED


def test_a_full_record_is_covered_and_ranks_optimisers_as_the_truth_does(store):
    campaign_id = run(store, everything())
    question = asked(optimizers=("random", "gp_ucb"), channels=(3,), trials=18, seeds=6)
    found = rows(store, campaign_id, question)
    model, chance = found[Case("gp_ucb", 3)], found[Case("random", 3)]
    assert model.covered == chance.covered == 1.0
    assert model.known == chance.known == 6
    assert 0.0 <= model.regret.mean <= chance.regret.mean
    best = stage(store, campaign_id, question).judge.best
    assert best == pytest.approx(100, abs=3)  # the hill's top, read through noise of 2


def test_lab_days_shrink_with_channels_and_channel_days_do_not(store):
    campaign_id = run(store, everything(hours="48"))
    found = rows(store, campaign_id, asked(channels=(2, 6), trials=12))
    few, many = found[Case("random", 2)], found[Case("random", 6)]
    assert few.channel_days == many.channel_days == pytest.approx(12 * 2.0)
    assert (few.lab_days, many.lab_days) == pytest.approx((12.0, 4.0))


def test_assembly_holds_the_channel_before_each_test(store):
    campaign_id = run(store, everything(hours="48"))
    found = rows(store, campaign_id, asked(channels=(2,), trials=12, assembly_hours=24.0))
    row = found[Case("random", 2)]
    assert (row.channel_days, row.lab_days) == pytest.approx((12 * 3.0, 18.0))


def test_seeds_repeat_whatever_the_number_of_workers(store):
    campaign_id = run(store, everything())
    question = asked(optimizers=("random", "gp_ucb"), channels=(2, 5), trials=10)
    assert rows(store, campaign_id, question, 1) == rows(store, campaign_id, question, 2)


def test_cells_that_are_not_in_the_record_are_counted_and_may_be_left_out(store):
    campaign_id = run(store, hill("random", budget="trials = 14"))
    row = rows(store, campaign_id, asked(trials=12))[Case("random", 3)]
    assert 0.0 < row.covered < 1.0
    assert row.asked == 24
    inside = rows(store, campaign_id, asked(trials=12, unrecorded="exclude"))
    assert inside[Case("random", 3)].covered == 1.0


def test_an_emulator_that_cannot_be_trusted_is_refused_with_a_way_out(store):
    campaign_id = run(store, hill("random", budget="trials = 4"))
    with pytest.raises(CampaignError, match="an emulator needs 8; --unrecorded exclude") as told:
        stage(store, campaign_id, asked())
    assert len(told.value.problems) == 1
    excluded = stage(store, campaign_id, asked(unrecorded="exclude"))
    assert excluded.judge.emulator is None


def continuous(n):
    """A campaign over real numbers, imported as results that were given."""
    space = "[space.parameters]\na = { low = 0.0, high = 5.0 }\nb = { low = 0.0, high = 4.0 }\n"
    text = hill(budget=f"trials = {n}").text
    head, _, tail = text.partition("[space.parameters]")
    text = head + space + "\n" + tail[tail.index("[[objectives]]") :]
    options = 'metrics = { value = { column = "value", noise_sd = 0.5 } }\nmissing = "nearest"'
    text = text.replace(
        'metrics = { value = { column = "value", noise_sd = 2.0 } }', options
    ).replace("replicates = 4", "replicates = 1")
    return parse(text, hill().files)


def test_a_continuous_space_is_emulated_and_says_how_well(store):
    campaign_id = run(store, continuous(60))
    question = asked(optimizers=("random", "gp_ucb"), trials=16, channels=(4,), seeds=3)
    world = stage(store, campaign_id, question)
    assert world.judge.emulator.validation.r2 > 0.7
    assert "R²" in world.notes[0]
    found = rows(store, campaign_id, question)
    assert found[Case("gp_ucb", 4)].regret.mean <= found[Case("random", 4)].regret.mean
    assert found[Case("gp_ucb", 4)].covered > 0.5
    assert 0.75 < found[Case("random", 4)].covered <= 1.0  # drawn like the record: 95 % expected
    listed = stage(store, campaign_id, asked(unrecorded="exclude"))
    assert len(listed.campaign.space.candidates) == 60  # the recorded settings, looked up


def test_leaving_one_out_in_closed_form_is_leaving_one_out():
    rng = np.random.default_rng(3)
    points = rng.random((12, 2))
    y = np.sin(4 * points[:, 0]) + points[:, 1]
    data = Data(points, np.arange(12), y, np.full(12, 0.1))
    prior = Prior(mean=0.5, sd=1.0, length_scale=0.4, mean_sd=0.3, spread_sd=0.05)
    errors = []
    for out in range(12):
        kept = np.arange(12) != out
        less = Data(points[kept], np.arange(11), y[kept], np.full(11, 0.1))
        errors.append(y[out] - Posterior(prior, less, points[out : out + 1]).mean[0])
    told = validated(prior, data)
    assert told.rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)
    assert told.r2 == pytest.approx(1 - np.mean(np.square(errors)) / np.var(y), rel=1e-6)


def test_the_recorded_campaign_of_attia_2020(store, recorded_data):
    """185 predictions at 107 of 224 protocols, 7 of 192 cells lost, 96 h a test."""
    campaign_id = attia2020(store, recorded_data / "attia2020")
    record = read(store, campaign_id)
    assert (len(record.settings), sum(map(len, record.tests.values()))) == (107, 185)
    assert (len(record.faults), record.attempts, record.asked) == (7, 192, 192)
    assert {fault.kind for fault in record.faults} == {FailureKind.DATA_GAP}
    assert record.usual_hours == 96.0
    question = Question(("random", "gp_ucb"), (48,), seeds=2)
    found = rows(store, campaign_id, question)
    for row in found.values():
        assert row.asked == 2 * 192
        assert 0.3 < row.covered < 1.0
        assert row.channel_days >= 192 * 4.0  # lost cells are repeated, and cost their time
    with pytest.raises(CampaignError, match="without curves"):
        stage(store, campaign_id, asked(early=("50",)))


def test_what_earlier_campaigns_taught_comes_along(store):
    earlier = run(store, everything())
    campaign_id = run(
        store, hill(overrides={"start.campaigns": [earlier], "optimizer.replicates": 8})
    )
    there = stage(store, campaign_id, asked(optimizers=("gp_ucb",), trials=6))
    assert len(there.campaign.start.measured) == 120
    assert there.campaign.start.campaigns == ()
    *_, last = compare(there, asked(optimizers=("gp_ucb",), trials=6), workers=1)
    (row,) = last.rows()
    assert (row.asked, row.covered) == (12, 1.0)  # given results are no tests
    assert row.regret.mean < 3  # known from the first test on


def test_other_kinds_of_campaigns_are_refused_in_one_line(store):
    campaign_id = run(store, foothill())
    with pytest.raises(CampaignError, match="has fidelities; what-if replays") as told:
        stage(store, campaign_id, asked())
    assert len(told.value.problems) == 1


@pytest.fixture
def recorded(tmp_path):
    url = f"sqlite:///{tmp_path}/hill.db"
    with Store.open(url) as store:
        campaign_id = run(store, everything())
    return campaign_id, url


def replayed(capsys, recorded, *words):
    campaign_id, url = recorded
    code = cli.answer(["replay", campaign_id, "--store", url, *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command_prints_a_table_and_what_to_know_of_it(capsys, recorded):
    words = ("--optimizer", "random", "--channels", "2,4", "--seeds", "2", "--trials", "8")
    code, out, _ = replayed(capsys, recorded, *words, "--workers", "1")
    assert code == 0
    assert "of the cells it would have asked for are in the record" in out
    assert sum(line.startswith(" random") for line in out.splitlines()) == 2


def test_json_is_one_object_with_the_promised_keys(capsys, recorded):
    words = ("--optimizer", "random", "--seeds", "2", "--trials", "8", "--workers", "1", "--json")
    code, out, _ = replayed(capsys, recorded, *words)
    told = json.loads(out)
    assert code == 0
    assert told["complete"] is True
    assert set(told["rows"][0]) >= {"optimizer", "channels", "early", "value", "sem", "regret"}
    assert told["rows"][0]["coverage"] == 1.0
    assert told["rows"][0]["channels"] == 3  # the campaign's own


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--verify is needed, or --optimizer"),
        (("--optimizer", "gp_ubc"), "did you mean 'gp_ucb'"),
        (("--optimizer", "random", "--channels", "8,x"), "--channels x"),
        (("--optimizer", "random", "--channels", "0"), "--channels 0"),
        (("--optimizer", "random", "--early", "1"), "--early 1: allowed"),
        (("--optimizer", "random", "--early", "50"), "without curves"),
        (("--optimizer", "random", "--seeds", "0"), "--seeds 0: at least 1"),
        (("--optimizer", "random", "--unrecorded", "guess"), "allowed: emulate, exclude"),
        (("--optimizer", "random", "--assembly-hours", "-1"), "--assembly-hours -1"),
        (("--optimizer", "random", "--verify"), "goes without --optimizer"),
        (("--optimizer", "random", "--head", "0" * 64), "--head: belongs to --verify"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, recorded, words, says):
    code, out, err = replayed(capsys, recorded, *words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
