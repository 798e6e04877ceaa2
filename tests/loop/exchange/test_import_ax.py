"""A snapshot that the installed Ax itself writes becomes a campaign."""

from __future__ import annotations

import json
import logging

import pytest

from campaigns.records import FailureKind, TrialState
from loop.cli import answer
from loop.exchange.ax_snapshot import import_ax
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store


def client(objective):
    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    logging.getLogger("ax").setLevel(logging.ERROR)
    made = Client()
    made.configure_experiment(
        name="slurry",
        parameters=[
            RangeParameterConfig(name="gap", parameter_type="float", bounds=(0.1, 2.0)),
            RangeParameterConfig(
                name="rate", parameter_type="float", bounds=(1e-3, 1.0), scaling="log"
            ),
            RangeParameterConfig(name="passes", parameter_type="int", bounds=(1, 5)),
            ChoiceParameterConfig(
                name="binder", parameter_type="str", values=["PVDF", "CMC"], is_ordered=False
            ),
        ],
        parameter_constraints=["gap + 0.25*passes <= 3.0"],
    )
    made.configure_optimization(objective=objective, outcome_constraints=["loading <= 30.0"])
    made.configure_generation_strategy(method="random_search", initialization_random_seed=1)
    return made


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Six trials: completed, failed, abandoned, two completed, one running; and their settings."""
    path = tmp_path_factory.mktemp("ax") / "ax.json"
    made, settings = client("life"), {}
    for _ in range(3):
        for index, setting in made.get_next_trials(max_trials=2).items():
            settings[index] = setting
            if index == 1:
                made.mark_trial_failed(index, failed_reason="fell off")
            elif index == 2:
                made.mark_trial_abandoned(index)
            elif index != 5:
                data = {"life": (10 - setting["gap"], 0.5), "loading": (20.0 + index, 0.1)}
                made.complete_trial(index, raw_data=data)
    made.save_to_json_file(str(path))
    return path, settings


def test_trials_parameters_and_states(snapshot):
    path, settings = snapshot
    with Store.open("sqlite://") as store:
        campaign_id = import_ax(store, path)
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
        assert store.check() == []
    trials = list(state.history.trials.values())
    assert campaign_id == "slurry-1"
    assert [dict(t.parameters) for t in trials] == [settings[i] for i in range(6)]
    first = trials[0]
    assert first.outcomes["life"].mean == 10 - settings[0]["gap"]
    assert (first.outcomes["life"].sem, first.outcomes["loading"].mean) == (0.5, 20.0)
    done, failed = TrialState.COMPLETED, TrialState.FAILED
    assert [t.state for t in trials] == [done, failed, failed, done, done, TrialState.PROPOSED]
    assert trials[1].failure.reason == "fell off"
    assert trials[2].failure.kind is FailureKind.ABORTED
    space = {p.name: p for p in state.campaign.space.parameters}
    assert space["rate"].scale == "log"
    assert set(space["binder"].options) == {"PVDF", "CMC"}
    assert len(state.campaign.space.constraints) == 1
    (bound,) = state.campaign.constraints
    assert (bound.metric, bound.at_most) == ("loading", 30.0)


def test_several_objectives(tmp_path):
    made = client("life, -cost")
    for index in made.get_next_trials(max_trials=1):
        data = {"life": (1.0, 0.1), "cost": (2.0, 0.1), "loading": (20.0, 0.1)}
        made.complete_trial(index, raw_data=data)
    made.save_to_json_file(str(tmp_path / "ax.json"))
    with Store.open("sqlite://") as store:
        state = restore(store, import_ax(store, tmp_path / "ax.json"))
    goals = [(one.metric, one.goal) for one in state.campaign.objectives]
    assert goals == [("life", "maximize"), ("cost", "minimize")]


def cut(told, *way):
    *parents, last = way
    for part in parents:
        told = told[part]
    del told[last]


MISTAKES = {
    "no experiment": (lambda d: d.pop("experiment"), "holds no experiment"),
    "no space": (lambda d: cut(d, "experiment", "search_space"), "not written as Ax 1.x"),
    "no trials": (lambda d: d["experiment"].update(trials={}), "has no trials"),
    "a list": (lambda d: d["experiment"].update(trials=[1]), "not written as Ax 1.x"),
    "another objective": (
        lambda d: d["experiment"]["optimization_config"]["objective"].update(expression="a*b"),
        "minus a metric",
    ),
    "another kind": (
        lambda d: d["experiment"]["search_space"]["parameters"][0].update(__type="Odd"),
        "a Odd of this sort",
    ),
    "a setting outside": (
        lambda d: d["experiment"]["search_space"]["parameters"][0].update(upper=0.11),
        "gap",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_snapshot_that_cannot_be_read_is_one_line(
    snapshot, tmp_path, monkeypatch, capsys, mistake
):
    monkeypatch.chdir(tmp_path)
    told = json.loads(snapshot[0].read_text())
    change, word = MISTAKES[mistake]
    change(told)
    (tmp_path / "ax.json").write_text(json.dumps(told))
    assert answer(["import", "ax", "ax.json"]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert "Traceback" not in err


def test_the_command(snapshot, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert answer(["import", "ax", str(snapshot[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"campaign": "slurry-1"}
    assert answer(["import", "ax", "nowhere.json"]) == 2
    (tmp_path / "no.json").write_text("{")
    assert answer(["import", "ax", "no.json"]) == 2
