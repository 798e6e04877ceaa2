"""Adaptive stopping: what a prediction is worth, what is weighed, and a whole campaign."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.events import Decided, Predicted
from loop.replay import verify
from loop.restoring import restore
from loop.stages import Stages
from loop.stopping import Outlook, Stage
from loop.stopping_adaptive import _rates, _verdict
from loop.store.store import Store
from surrogates.cycle_life import Cell, CycleLifeModel
from tests.loop.laboratory import charging, run

ADAPTIVE = {
    "early_prediction.at_cycle": "adaptive",
    "early_prediction.model": "elastic_net",
    "early_prediction.training.simulate": 20,
    "early_prediction.checkpoints": [16, 20, 25, 35, 50, 100],
    "early_prediction.run_on": 0.0,
    "budget.trials": 30,
}
STAGES = (Stage(20, 0.12, 0.2), Stage(40, 0.06, 0.2), Stage(100, 0.03, 0.2))


def test_what_the_training_lives_say_anyway_is_taken_out() -> None:
    """Lives y = N(0, t^2), a measurement m = y + N(0, v): regression on m leaves the variance
    s^2 = 1/(1/v + 1/t^2), and from s and t the stage tells v again."""
    v, t = 0.02, 0.2
    s = (1.0 / v + 1.0 / t**2) ** -0.5
    assert Stage(50, s, t).log_variance == pytest.approx(v)
    rng = np.random.default_rng(1)
    y = rng.normal(0.0, t, 200_000)
    m = y + rng.normal(0.0, math.sqrt(v), y.size)
    slope = float((m * y).sum() / (m * m).sum())
    left = float(np.std(y - slope * m))
    assert Stage(50, left, t).log_variance == pytest.approx(v, rel=0.03)


def test_a_model_that_has_learnt_nothing_is_worth_nothing() -> None:
    assert Stage(12, 0.2, 0.2).log_variance == math.inf
    assert Stage(12, 0.3, 0.2).log_variance == math.inf


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.sampled_from(STAGES[:2]))
def test_what_is_more_promising_is_never_stopped_before_what_is_less(
    one: float, other: float, here: Stage
) -> None:
    going_on, fresh, to = _rates(STAGES, here, 0.12)
    stops = [
        _verdict(p * going_on, fresh, to, {"at_cycle": here.at_cycle, "promise": p}).stop
        for p in sorted((one, other))
    ]
    assert stops[0] >= stops[1]


def test_going_on_is_weighed_per_cycle() -> None:
    """Worths 1/(v + s^2) by hand: v = 0.0225 and 0.0989^-1 ... of the three stages, s = 0.1."""
    worth = [1.0 / (stage.log_variance + 0.01) for stage in STAGES]
    going_on, fresh, to = _rates(STAGES, STAGES[0], 0.1)
    assert fresh == pytest.approx(max(w / s.at_cycle for w, s in zip(worth, STAGES, strict=True)))
    assert going_on == pytest.approx((worth[1] - worth[0]) / 20)
    assert to == 40


def test_the_checkpoints_ahead() -> None:
    outlook = Outlook(STAGES, 0.96)
    assert [stage.at_cycle for stage in outlook.ahead(20)] == [40, 100]
    assert outlook.ahead(100) == ()


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture(scope="module")
def campaign_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("adaptive") / "store.db"
    with Store.open(f"sqlite:///{path}") as store:
        yield store, run(store, charging(overrides=ADAPTIVE))


def test_poor_settings_are_stopped_sooner_than_contenders(campaign_run) -> None:
    store, campaign_id = campaign_run
    decisions = [e.body for e in store.events(campaign_id) if isinstance(e.body, Decided)]
    stops = [one for one in decisions if one.action == "stop"]
    assert len(stops) == 30
    weighed = [one.weighed for one in stops if "promise" in one.weighed]
    poor = [w["at_cycle"] for w in weighed if w["promise"] < 0.2]
    good = [w["at_cycle"] for w in weighed if w["promise"] > 0.8]
    assert poor
    assert good
    assert np.mean(poor) < np.mean(good)
    for one in decisions:
        assert one.weighed["saves_hours"] == pytest.approx((100 - one.weighed["at_cycle"]) * 0.96)


def test_it_takes_fewer_hours_than_looking_at_a_hundred_cycles_of_each(campaign_run) -> None:
    store, campaign_id = campaign_run
    state = restore(store, campaign_id)
    assert state.cost.instrument_hours < 0.6 * 30 * 96
    assert state.ended == 30


def test_every_prediction_and_decision_is_derived_again(campaign_run) -> None:
    store, campaign_id = campaign_run
    verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.predictions == verdict.decisions
    made = [e.body for e in store.events(campaign_id) if isinstance(e.body, Predicted)]
    assert verdict.predictions == len(made) > 30


def test_checkpoints_that_no_training_cell_lived_to_see_have_no_model() -> None:
    rng = np.random.default_rng(6)
    cells = [_cell(f"c{i}", 60 + 5 * i, rng) for i in range(12)]
    stages = Stages.fit(
        lambda at: CycleLifeModel(at, "elastic_net"),
        (20, 50, 100),
        [cell.until(min(cell.cycles[-1], 100)) for cell in cells],
    )
    assert list(stages.models) == [20, 50]
    text = stages.to_json()
    again = Stages.from_json(text, CycleLifeModel.from_json)
    assert again.to_json() == text
    assert again.worth == stages.worth
    with pytest.raises(ValueError, match="known life"):
        Stages.fit(lambda at: CycleLifeModel(at, "elastic_net"), (90, 100), cells)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "leyden.stages.1"}', "null"])
def test_damaged_stages_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Stages.from_json(text, CycleLifeModel.from_json)


def _cell(name: str, life: int, rng: np.random.Generator) -> Cell:
    """Curves that sink with age, up to the end of life."""
    voltage = np.linspace(3.6, 2.0, 60)
    cycles = np.arange(2, life + 1)
    shape = 1.0 / (1.0 + np.exp((voltage - 3.1) / 0.08))
    fade = 1.0 - 0.2 * (cycles / life) ** 2
    q = shape[:, None] * fade + 1e-4 * rng.standard_normal((60, len(cycles)))
    return Cell(name, float(life), q, voltage, cycles)


def test_a_gap_at_one_checkpoint_is_no_reason_to_give_a_cell_up(store) -> None:
    """Cycles missing where the first model looks: the next checkpoint has them."""
    overrides = {
        **ADAPTIVE,
        "early_prediction.training.simulate": 12,
        "early_prediction.checkpoints": [30, 100],
        "budget.trials": 12,
    }
    faults = "faults = { data_gap = 0.5 }"
    campaign_id = run(store, charging(faults, overrides))
    decisions = [e.body for e in store.events(campaign_id) if isinstance(e.body, Decided)]
    passed = [one for one in decisions if not one.weighed]
    assert passed
    assert all(one.action == "go_on" for one in passed)
    looked = {one.trial for one in decisions if one.weighed}
    assert looked & {one.trial for one in passed}
    assert verify(store, campaign_id).ok


def test_cells_chosen_to_run_on_are_predicted_at_every_checkpoint(store) -> None:
    overrides = {
        **ADAPTIVE,
        "early_prediction.checkpoints": [20, 40, 60],
        "early_prediction.run_on": 1.0,
        "budget.trials": 4,
    }
    campaign_id = run(store, charging(overrides=overrides))
    state = restore(store, campaign_id)
    for trial in state.history.trials.values():
        assert list(trial.predictions) == [20, 40, 60]
        assert trial.state == "completed"
    assert state.ended == 4
