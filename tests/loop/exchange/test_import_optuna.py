"""A study that Optuna 5.0.0 itself wrote (`recorded/optuna_study.sql`) becomes a campaign."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from campaigns.records import TrialState
from loop.cli import answer
from loop.exchange.optuna_study import import_optuna
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store

DUMP = Path(__file__).parent / "recorded/optuna_study.sql"


def changed(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.executescript(DUMP.read_text())
    connection.close()
    return tmp_path / "study.db"


def test_trials_parameters_and_states(study):
    with Store.open("sqlite://") as store:
        campaign_id, left_out = import_optuna(store, study, "slurry")
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
        assert store.check() == []
    trials = list(state.history.trials.values())
    assert (campaign_id, left_out, len(trials)) == ("slurry-1", 1, 7)
    space = {p.name: p for p in state.campaign.space.parameters}
    assert (space["gap"].low, space["gap"].high, space["gap"].scale) == (0.1, 2.0, "linear")
    assert space["rate"].scale == "log"
    assert (space["passes"].low, space["passes"].high) == (1, 5)
    assert space["load"].options == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert space["binder"].options == ("PVDF", "CMC")
    first = trials[0]
    assert dict(first.parameters) == {
        "gap": 0.8923418089348906, "rate": 0.14486833887239342, "passes": 1, "binder": "PVDF",
        "load": 0.0,
    }  # fmt: skip
    assert first.outcomes["life"].mean == 8.10765819106511
    completed, failed, stopped = TrialState.COMPLETED, TrialState.FAILED, TrialState.STOPPED
    states = [completed] * 3 + [failed, stopped] + [completed] * 2
    assert [trial.state for trial in trials] == states
    assert trials[4].outcomes == {}
    assert state.recommendation.objectives["life"].mean == 9.34564823740499
    assert state.epoch.isoformat() == "2026-12-01T08:14:11.138067+00:00"


def test_several_objectives(study):
    with Store.open("sqlite://") as store:
        campaign_id, _ = import_optuna(store, study, "two")
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
    goals = [(one.metric, one.goal) for one in state.campaign.objectives]
    assert goals == [("value_0", "maximize"), ("value_1", "minimize")]
    assert len(state.recommendation.front) == 3


def test_distributions_of_optuna_2(study):
    """Written by hand after Optuna 2's documented names; that release is not installed here."""
    attributes = '{"low": 0.0, "high": 1.0, "q": 0.25}'
    old = f'{{"name": "DiscreteUniformDistribution", "attributes": {attributes}}}'
    log = '{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}'
    changed(
        study,
        f"UPDATE trial_params SET distribution_json = '{old}' WHERE param_name = 'load'",
        f"UPDATE trial_params SET distribution_json = '{log}' WHERE param_name = 'rate'",
    )
    with Store.open("sqlite://") as store:
        campaign_id, _ = import_optuna(store, study, "slurry")
        space = {p.name: p for p in restore(store, campaign_id).campaign.space.parameters}
    assert space["load"].options == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert space["rate"].scale == "log"


MISTAKES = {
    "SELECT 1": "several studies",
    "UPDATE version_info SET schema_version = 99": "schema 99",
    "DROP TABLE studies": "no study of Optuna",
}


@pytest.mark.parametrize("statement", MISTAKES)
def test_a_file_that_cannot_be_read_is_one_line(study, capsys, statement):
    changed(study, statement)
    assert answer(["import", "optuna", "study.db"]) == 2
    told = capsys.readouterr().err
    assert MISTAKES[statement] in told
    assert "Traceback" not in told


CONTRADICTIONS = {
    "DELETE FROM trial_params WHERE param_id = 3": "trial 0 has no passes",
    "UPDATE trial_params SET distribution_json = '{' WHERE param_id = 3": "cannot be read",
    "UPDATE trial_params SET distribution_json = '{}' WHERE param_id = 3": "cannot be read",
    "UPDATE trial_params SET param_value = 99 WHERE param_id = 3": "passes",
}


@pytest.mark.parametrize("statement", CONTRADICTIONS)
def test_a_study_that_is_no_campaign_is_one_line(study, capsys, statement):
    changed(study, statement)
    assert answer(["import", "optuna", "study.db", "--study", "slurry"]) == 2
    assert CONTRADICTIONS[statement] in capsys.readouterr().err
    with Store.open("sqlite:///leyden.db") as store:
        assert store.campaigns() == []


def test_the_command(study, capsys):
    assert answer(["import", "optuna", "study.db", "--study", "slurry", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"campaign": "slurry-1"}
    assert "1 trials without a complete setting" in told.err
    assert answer(["import", "optuna", "nowhere.db"]) == 2
    assert answer(["import", "optuna", "study.db", "--study", "none"]) == 2
    Path("text.db").write_text("no database at all, but long enough to be read as one")
    assert answer(["import", "optuna", "text.db"]) == 2
    assert answer(["report", "slurry-1", "-o", "r.html"]) == 0
