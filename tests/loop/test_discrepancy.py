"""Campaigns towards a measured curve: the discrepancy is computed, stored and kept up to date."""

from __future__ import annotations

import math

import pytest

from campaigns.campaign import CampaignError, parse
from campaigns.records import Observation
from loop import amend
from loop.benchmark import Task, run_one
from loop.discrepancy import corrected
from loop.inspection import inspect
from loop.launch import create
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import run

ROWS = "x,y,rho,eta\n" + "".join(
    f"{x},{y},{1 + 0.1 * x},{math.exp(0.5 * y - 0.1 * x)}\n" for x in range(6) for y in range(6)
)
CURVE = f"metric,value,unit,sd\nrho,1300,kg/m^3,5\neta,{math.exp(0.7)},Pa*s,\n"  # x = 3, y = 2
TEXT = """
name = "curve"
seed = 5
[space.parameters]
x = { choices = [0, 1, 2, 3, 4, 5] }
y = { choices = [0, 1, 2, 3, 4, 5] }
[[objectives]]
metric = "misfit"
goal = "target"
target = { file = "curve.csv", scales = { rho = "10 %" }, log = ["eta"] }
[optimizer]
kind = "gp_ucb"
[instrument]
kind = "table"
channels = 2
[instrument.options]
file = "rows.csv"
parameters = { x = "x", y = "y" }
[instrument.options.metrics]
rho = { column = "rho", unit = "g/cm^3", noise_sd = 0.002 }
eta = { column = "eta", unit = "Pa*s", noise_sd = 0.02 }
[budget]
trials = 14
"""
FILES = {"rows.csv": ROWS.encode(), "curve.csv": CURVE.encode()}


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


def campaign(**overrides):
    return parse(TEXT, FILES, {k.replace("__", "."): v for k, v in overrides.items()})


def test_it_is_stored_beside_what_was_measured_in_the_units_of_the_target(store):
    campaign_id = run(store, campaign())
    state = restore(store, campaign_id)
    target = state.campaign.objectives[0].curve
    for trial in state.history.trials.values():
        seen = trial.outcomes
        assert seen["rho"].unit == "kg/m^3"
        assert seen["rho"].mean == pytest.approx(1000 + 100 * trial.parameters["x"], abs=12)
        loss = target.discrepancy({name: seen[name].mean for name in ("rho", "eta")})
        assert seen["misfit"].mean == pytest.approx(loss, rel=1e-12)
        assert seen["misfit"].sem > 0
    best = state.recommendation
    assert dict(best.parameters) == {"x": 3, "y": 2}
    assert verify(store, campaign_id).ok
    assert store.check() == []


@pytest.mark.parametrize("kind", ["random", "sobol", "bayes_gap", "bo"])
def test_every_optimizer_makes_it_small(store, kind):
    made = campaign(optimizer__kind=kind, budget__trials=8)
    inspect(made)
    state = restore(store, run(store, made))
    values = [t.outcomes["misfit"].mean for t in state.history.trials.values()]
    chosen = state.recommendation.objectives["misfit"].mean
    assert chosen < sorted(values)[len(values) // 2]


def test_a_corrected_value_corrects_it(store):
    campaign_id = run(store, campaign(budget__trials=2))
    before = restore(store, campaign_id).history.trials[1].outcomes
    amend.correct(store, campaign_id, 1, "rho", 1300.0, 1.0)
    after = restore(store, campaign_id).history.trials[1].outcomes
    expected = abs(math.log(before["eta"].mean) - 0.7)
    assert after["misfit"].mean == pytest.approx(expected)
    with pytest.raises(CampaignError, match="'misfit': the campaign measures eta, rho"):
        amend.correct(store, campaign_id, 1, "misfit", 0.0)
    with pytest.raises(CampaignError, match="eta: -1 has no logarithm"):
        amend.correct(store, campaign_id, 1, "eta", -1.0)
    assert verify(store, campaign_id).ok


def test_results_given_by_hand_or_file_or_campaign_get_it(store):
    campaign_id = run(store, campaign(budget__trials=2))
    number = amend.add(store, campaign_id, {"x": 3, "y": 2}, {"rho": 1300.0, "eta": math.exp(0.7)})
    outcomes = restore(store, campaign_id).history.trials[number].outcomes
    assert outcomes["misfit"].mean == pytest.approx(0.0, abs=1e-12)
    old = {**FILES, "old.csv": b"x,y,rho,eta\n0,0,1000,1\n"}
    start = {"start.results": "old.csv", "start.campaigns": [campaign_id], "budget.trials": 2}
    state = restore(store, run(store, parse(TEXT, old, start)))
    told = [t for t in state.history.trials.values() if t.author == "record"]
    assert len(told) == 4
    assert told[0].outcomes["misfit"].mean == pytest.approx(math.hypot(0.3 / 0.13, 0.7))
    assert told[3].outcomes["misfit"].mean == pytest.approx(0.0, abs=1e-12)


def test_an_incomplete_trial_has_none():
    change = Observation("rho", 1200.0, None, "kg/m^3")
    assert corrected(campaign(), {}, change) == [change]


def test_an_instrument_that_does_not_measure_a_value_is_told_before_anything_runs():
    files = {**FILES, "curve.csv": b"metric,value\nrho,1.3\ntau,2\n"}
    with pytest.raises(CampaignError, match="table does not measure 'tau'"):
        inspect(parse(TEXT, files, {"objectives.0.target.log": []}))


def test_a_bench_judges_the_discrepancy_of_the_true_values():
    points = run_one(Task(TEXT, FILES, "gp_ucb", 5))
    assert points[-1].true_value == pytest.approx(0.0, abs=1e-12)


NO_UNITS = {**FILES, "curve.csv": CURVE.replace("1300,kg/m^3,5", "1.3,,0.005").encode()}


def test_values_without_a_unit_are_in_the_instruments(store):
    files = {**NO_UNITS, "old.csv": b"x,y,rho,eta\n3,2,1.3,2.0137527\n"}
    made = parse(TEXT, files, {"start.results": "old.csv", "budget.trials": 2})
    campaign_id = run(store, made)
    trials = restore(store, campaign_id).history.trials
    assert {trial.outcomes["rho"].unit for trial in trials.values()} == {"g/cm^3"}
    assert trials[1].outcomes["misfit"].mean == pytest.approx(0.0, abs=1e-6)
    later = parse(TEXT, FILES, {"start.campaigns": [campaign_id], "budget.trials": 1})
    told = restore(store, run(store, later)).history.trials[1].outcomes
    assert (told["rho"].mean, told["rho"].unit) == (pytest.approx(1300.0), "kg/m^3")


def test_a_trial_given_before_any_other_has_the_instruments_unit(store):
    campaign_id = create(store, parse(TEXT, NO_UNITS))
    number = amend.add(store, campaign_id, {"x": 3, "y": 2}, {"rho": 1.3, "eta": 2.0})
    assert restore(store, campaign_id).history.trials[number].outcomes["rho"].unit == "g/cm^3"


def test_an_earlier_result_that_cannot_be_compared_is_bad_input():
    files = {**FILES, "old.csv": b"x,y,rho,eta\n3,2,1300,0\n"}
    with pytest.raises(CampaignError, match=r"line 2: eta: 0 has no logarithm"):
        parse(TEXT, files, {"start.results": "old.csv"})


def test_one_unit_a_value():
    limit = {"constraints": [{"metric": "rho", "at_least": 1.0, "unit": "g/cm^3"}]}
    with pytest.raises(CampaignError, match=r"constraints\[0\]: rho is in 'g/cm\^3' here, in 'kg"):
        parse(TEXT, FILES, limit)
    same = {"constraints": [{"metric": "rho", "at_least": 1.0, "unit": "kg/m^3"}]}
    assert parse(TEXT, FILES, same).constraints[0].unit == "kg/m^3"


@pytest.mark.parametrize("name", ["rho", "eta"])
def test_the_discrepancy_has_a_name_of_its_own(name):
    with pytest.raises(CampaignError, match="is measured; name the discrepancy apart"):
        campaign(objectives__0__metric=name)


def test_the_discrepancy_is_not_called_like_another_metric_of_the_instrument():
    files = {**FILES, "curve.csv": b"metric,value\nrho,1300\n"}
    changes = {"objectives.0.metric": "eta", "objectives.0.target.log": []}
    with pytest.raises(CampaignError, match="give the discrepancy a name of its own"):
        inspect(parse(TEXT, files, changes))


def test_a_ratio_is_a_share_where_logarithms_are_compared():
    scaled = campaign(objectives__0__target__scales="10 %").objectives[0].curve
    assert [aim.scale for aim in scaled.aims] == pytest.approx([130.0, 0.1])
