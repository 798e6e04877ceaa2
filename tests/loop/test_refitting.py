"""Early predictors fitted again: the same bytes, or what differs; what can no longer be fitted."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from loop.cli import answer
from loop.early import EarlyPredictor
from loop.events import EngineStarted, Fitted
from loop.refitting import Refits
from loop.replay import Verdict, verify
from loop.restoring import restore
from loop.store.store import Store
from tests.loop.laboratory import charging, finish, run
from tests.loop.test_correcting import folder_of

FEW = {"budget.trials": 2, "early_prediction.training.simulate": 9}


def fitted(store: Store, campaign_id: str) -> Fitted:
    return next(e.body for e in store.events(campaign_id) if isinstance(e.body, Fitted))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a campaign that made its own training cells, and one that learnt from it."""
    path = tmp_path_factory.mktemp("refit") / "leyden.db"
    with Store.open(str(path)) as store:
        first = run(store, charging(overrides=FEW))
        training = {"early_prediction.training": {"campaign": first}, "name": "second"}
        run(store, charging(overrides=training | {"budget.trials": 2}))
        store.backup(path.with_name("whole.db"))
    return path.with_name("whole.db")


@pytest.fixture
def path(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recorded, tmp_path / "leyden.db"))


def refit(store: Store, campaign_id: str) -> Verdict:
    return verify(store, campaign_id, refits=Refits())


def forge(store: Store, content: bytes) -> None:
    """Add a model to a journal whose chain is sound, as if it had been fitted to the same cells."""
    digest = hashlib.sha256(content).hexdigest()
    body = replace(fitted(store, "charging-1"), model=digest, card="")
    # a predictor is fitted knowing what came before it: here the training cells, as at first
    store.append("charging-1", [body], artifacts={digest: content})


@pytest.mark.parametrize("campaign_id", ["charging-1", "second-1"])
def test_a_model_fitted_again_is_the_same(path: Path, campaign_id: str) -> None:
    with Store.open(str(path)) as store:
        verdict = refit(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert (verdict.models, verdict.refitted, verdict.not_refitted) == (1, 1, ())


def test_an_adaptive_campaign_fits_a_model_a_checkpoint(tmp_path: Path) -> None:
    overrides = FEW | {"early_prediction.at_cycle": "adaptive"}
    with Store.open("sqlite://") as store:
        verdict = refit(store, run(store, charging(overrides=overrides)))
    assert (verdict.ok, verdict.refitted) == (True, 1)


def test_a_forged_model_is_found_by_name(path: Path) -> None:
    """A model of fewer cells, stored with a sound chain: only fitting again tells."""
    with Store.open(str(path)) as store:
        state = restore(store, "charging-1")
        predictor = EarlyPredictor(store, "charging-1", state.campaign)
        cells, _, _ = predictor.cells(state)
        forge(store, predictor.fit(cells[:-1])[1])
        assert verify(store, "charging-1").ok
        first = refit(store, "charging-1").first_divergence
    assert first is not None
    assert first.kind == "fitted"
    assert first.recorded.startswith("model ")
    assert " = " in first.recorded  # the place in the model that differs first


@pytest.mark.parametrize(("change", "same"), [(1e-11, True), (1e-3, False)])
def test_other_versions_may_differ_within_the_tolerance(
    path: Path, change: float, same: bool
) -> None:
    with Store.open(str(path)) as store:
        model = store.artifact(fitted(store, "charging-1").model)
        forge(store, nudged(model, 1.0 + change))
        assert refit(store, "charging-1").first_divergence is not None  # the same versions
        store.append("charging-1", [EngineStarted("host", 1, 9, {"numpy": "0.1"})])
        verdict = refit(store, "charging-1")
    assert verdict.differences[0].startswith("numpy: 0.1 then")
    assert verdict.ok is same
    if not same:
        assert "of cell" in str(verdict.first_divergence)


def nudged(content: bytes, factor: float) -> bytes:
    """A model's text with all its intercepts a little larger."""
    document = json.loads(content)
    for part in ("full", "left_out"):
        values = document["fitted"][part]["intercept"]
        document["fitted"][part]["intercept"] = [factor * value for value in values]
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def test_a_campaign_that_went_on_no_longer_teaches_the_same(path: Path) -> None:
    with Store.open(str(path)) as store:
        finish(store, "charging-1", {"budget.trials": 6})
        verdict = refit(store, "second-1")
    assert verdict.ok
    assert verdict.refitted == 0
    (told,) = verdict.not_refitted
    assert "trained on the campaign charging-1: the cells are not what they were" in told


def test_a_folder_that_is_gone_is_said_plainly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/leyden.db"
    with Store.open(url) as store:
        cells = folder_of(store, run(store, charging(overrides=FEW)), tmp_path / "cells")
        overrides = {
            "name": "elsewhere",
            "early_prediction.training": {"folder": str(cells), "splits": ["train"]},
            "budget.trials": 1,
        }
        run(store, charging(overrides=overrides))
    command = ["replay", "elsewhere-1", "--verify", "--refit", "--store", url]
    assert answer(command) == 0
    assert "1 of 1 models fitted again" in capsys.readouterr().out
    shutil.rmtree(cells)
    assert answer(command) == 1
    told = capsys.readouterr()
    assert "0 of 1 models fitted again" in told.out
    assert f"trained on the folder {cells}" in told.err
    assert answer([*command[:3], *command[4:]]) == 0  # the stored model still explains everything
