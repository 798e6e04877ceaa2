"""The bias of predictions in the loop: seen in cells that reach their end, and taken off."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from campaigns.records import Observation, Prediction
from loop.correcting import Correction
from loop.events import Fitted, Predicted, Revised
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import charging, finish, run

# the model has seen cells that were held to another end of life: all lives a fifth shorter
SHORTER = 0.8


def folder_of(store: Store, campaign_id: str, target: Path) -> Path:
    """Training cells of a campaign in the public layout, with shorter lives."""
    trials = restore(store, campaign_id).history.training.values()
    lives = []
    (target / "train").mkdir(parents=True)
    for place, trial in enumerate(trials, start=1):
        series = store.series(campaign_id, trial.number, 1, until=100)
        np.savetxt(
            target / "train" / f"cell{place}.csv", series.curves.T, fmt="%.7g", delimiter=","
        )
        lives.append(trial.outcomes["cycle_life"].mean * SHORTER)
    (target / "cycle_lives").mkdir()
    text = "".join(f"{life}\n" for life in lives)
    (target / "cycle_lives" / "train_cycle_lives.csv").write_text(text)
    return target


@pytest.fixture
def store():
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture(scope="module")
def biased(tmp_path_factory):
    """A campaign whose predictor was trained elsewhere, on lives that are a fifth too short."""
    folder = tmp_path_factory.mktemp("biased")
    with Store.open(f"sqlite:///{folder}/store.db") as store:
        first = {"early_prediction.training.simulate": 16, "budget.trials": 1}
        cells = folder_of(store, run(store, charging(overrides=first)), folder / "cells")
        overrides = {
            "name": "corrected",
            "early_prediction.training": {"folder": str(cells), "splits": ["train"]},
            "early_prediction.run_on": 0.4,
            "budget.trials": 24,
        }
        yield store, run(store, charging(overrides=overrides))


def test_predictors_from_elsewhere_are_corrected_unless_told_otherwise(biased) -> None:
    store, campaign_id = biased
    fitted = next(e.body for e in store.events(campaign_id) if isinstance(e.body, Fitted))
    assert fitted.bias_sd == 0.15


def test_the_bias_that_measured_cells_show_is_taken_off(biased) -> None:
    store, campaign_id = biased
    history = restore(store, campaign_id).history
    errors = [
        math.log(trial.outcomes["cycle_life"].mean / trial.predictions[100].uncorrected.mean)
        for trial in history.trials.values()
        if isinstance(trial.outcomes.get("cycle_life"), Observation)
    ]
    assert len(errors) >= 5
    bias = Correction(history, "cycle_life", 0.15).bias(100)
    mean = sum(errors) / len(errors)
    assert mean == pytest.approx(-math.log(SHORTER), abs=0.1)
    assert abs(mean - bias.shift) < 0.3 * abs(mean)


def test_the_first_prediction_is_as_wide_as_the_doubt_and_later_ones_narrower(biased) -> None:
    store, campaign_id = biased
    made = [e.body.prediction for e in store.events(campaign_id) if isinstance(e.body, Predicted)]
    first, last = made[0], made[-1]
    assert first.mean == pytest.approx(first.uncorrected.mean)
    assert first.sem / first.mean >= 0.15
    assert last.sem / last.mean < 0.6 * first.sem / first.mean
    assert last.mean != pytest.approx(last.uncorrected.mean, rel=0.01)
    for one in made:
        assert one.lower < one.mean < one.upper


def test_standing_predictions_follow_what_is_learnt(biased) -> None:
    store, campaign_id = biased
    events = store.events(campaign_id)
    revised = [e for e in events if isinstance(e.body, Revised)]
    assert revised
    history = restore(store, campaign_id).history
    correction = Correction(history, "cycle_life", 0.15)
    for trial in history.trials.values():
        outcome = trial.outcomes.get("cycle_life")
        if isinstance(outcome, Prediction):
            assert correction.of(outcome) == outcome


def test_predictions_revisions_and_stops_are_derived_again(biased) -> None:
    store, campaign_id = biased
    verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals
    assert store.check() == []


def test_without_doubt_predictions_stand_as_they_are_made(store) -> None:
    campaign_id = run(store, charging(overrides={"budget.trials": 6}))
    events = store.events(campaign_id)
    assert not any(isinstance(e.body, Revised) for e in events)
    for event in events:
        if isinstance(event.body, Predicted):
            assert event.body.prediction.raw is None


def test_a_corrected_life_revises_the_others(store) -> None:
    """A person's correction of a measured life is evidence like the measurement itself."""
    from loop.amend import correct

    overrides = {
        "early_prediction.bias_sd": 0.15,
        "early_prediction.run_on": 0.5,
        "budget.trials": 8,
    }
    campaign_id = run(store, charging(overrides=overrides))
    history = restore(store, campaign_id).history
    measured = next(t for t in history.trials.values() if t.state == "completed" and t.predictions)
    life = measured.outcomes["cycle_life"].mean
    before = len([e for e in store.events(campaign_id) if isinstance(e.body, Revised)])
    correct(store, campaign_id, measured.number, "cycle_life", life * 1.2, reason="misread")
    finish(store, campaign_id)
    after = len([e for e in store.events(campaign_id) if isinstance(e.body, Revised)])
    assert after > before
    assert verify(store, campaign_id).ok
