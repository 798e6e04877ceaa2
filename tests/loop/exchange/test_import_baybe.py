"""A campaign that BayBE 0.15.0 itself wrote (`recorded/baybe_*`) becomes a campaign of ours."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from loop.cli import answer
from loop.exchange.baybe_campaign import import_baybe
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(RECORDED / "baybe_campaign.json", "bay.json")
    shutil.copy(RECORDED / "baybe_measurements.csv", "bay.csv")
    return Path("bay.json"), Path("bay.csv")


def test_space_goal_and_measurements(files, monkeypatch):
    def opened(*_args, **_options):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(pickle, "loads", opened)
    with Store.open("sqlite://") as store:
        campaign_id, _ = import_baybe(store, *files)
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
        assert store.check() == []
    space = {p.name: p for p in state.campaign.space.parameters}
    assert space["gap"].options == (0.5, 1.0, 2.0)
    assert set(space["binder"].options) == {"CMC", "PVDF"}
    assert (space["rate"].low, space["rate"].high) == (0.0, 1.0)
    trials = list(state.history.trials.values())
    assert [t.batch for t in trials] == [1, 1, 2, 2]
    assert all(t.outcomes["life"].mean == 10 - t.parameters["gap"] for t in trials)
    assert state.campaign.objectives[0].goal == "maximize"


def changed(change):
    told = json.loads(Path("bay.json").read_text())
    change(told)
    Path("bay.json").write_text(json.dumps(told))


MISTAKES = {
    "no space": (lambda d: d.pop("searchspace"), "no campaign of BayBE"),
    "no objective": (lambda d: d.update(objective=None), "has no objective"),
    "a transformation": (
        lambda d: d["objective"]["target"].update(transformation={"type": "Bell"}),
        "is transformed",
    ),
    "a constraint": (
        lambda d: d["searchspace"]["continuous"].update(constraints_lin_eq=[{}]),
        "constraints is not read",
    ),
    "another parameter": (
        lambda d: d["searchspace"]["discrete"]["parameters"][0].pop("values"),
        "'binder'",
    ),
    "another layout": (lambda d: d.update(searchspace={}), "not written as BayBE does"),
    "a setting outside": (
        lambda d: d["searchspace"]["discrete"]["parameters"][1].update(values=[7.0]),
        "bay.csv: line 2: gap",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_campaign_that_cannot_be_read_is_one_line(files, capsys, mistake):
    change, word = MISTAKES[mistake]
    changed(change)
    assert answer(["import", "baybe", "bay.json", "--measurements", "bay.csv"]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert "Traceback" not in err


def test_the_command(files, capsys):
    words = ("import", "baybe", "bay.json", "--measurements")
    assert answer([*words, "bay.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"campaign": "bay-1"}
    assert answer([*words, "nowhere.csv"]) == 2
    assert answer(["import", "baybe", "bay.json"]) == 2
