"""kill -9 at any moment: nothing is lost, nothing is done twice, the run repeats itself."""

from __future__ import annotations

import os
import random
import time

import pytest

from loop.launch import create
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import (
    charging,
    coat_and_cycle,
    finish,
    foothill,
    hill,
    journal,
    kill_after,
    spawn,
)

ADAPTIVE = {
    "early_prediction.at_cycle": "adaptive",
    "early_prediction.model": "elastic_net",
    "early_prediction.checkpoints": [20, 30, 50, 100],
    "early_prediction.bias_sd": 0.15,
    "budget.trials": 30,
}
CASES = {
    "random": lambda: hill("random", channels=3, budget="trials = 40"),
    "rounds": lambda: hill("gp_ucb", channels=4, rounds=True, budget="trials = 24"),
    "bandit": lambda: hill("bayes_gap", channels=2, budget="trials = 16"),
    "swarm": lambda: hill("pso", channels=4, budget="trials = 40"),
    "early prediction": lambda: charging("faults = { channel_hang = 0.2, nan = 0.1 }"),
    "adaptive, corrected": lambda: charging(overrides=ADAPTIVE),
    "fidelities": lambda: foothill(budget="cost = 9"),
    "steps": lambda: coat_and_cycle({"budget.trials": 24}),
    "gaps": lambda: charging("faults = { data_gap = 0.6 }", {"budget.trials": 8}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_and_resumed_campaign_equals_the_undisturbed_one(tmp_path, case):
    campaign = CASES[case]()
    with Store.open("sqlite://") as store:  # loads what is imported late, so that lives are alike
        finish(store, create(store, campaign))
    undisturbed = tmp_path / "whole.db"
    with Store.open(f"sqlite:///{undisturbed}") as store:
        whole_id = create(store, campaign)
    began = time.monotonic()
    os.waitpid(spawn(undisturbed, whole_id), 0)
    duration = time.monotonic() - began
    with Store.open(f"sqlite:///{undisturbed}") as store:
        whole = journal(store.events(whole_id))

    path = tmp_path / "killed.db"
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, campaign)
    rng = random.Random(20)
    kills = 0
    while kills < 10:
        # a life is at most a quarter of the whole: the end comes anywhere, and more than once
        killed = kill_after(spawn(path, campaign_id), duration * rng.uniform(0.02, 0.25))
        if not killed:
            break
        kills += 1
    with Store.open(f"sqlite:///{path}") as store:
        finish(store, campaign_id)
        assert journal(store.events(campaign_id)) == whole
        assert store.check() == []
        verdict = verify(store, campaign_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals > 0
    assert kills >= 3


GAPS = {
    "bandit": (hill("gp_ucb", channels=2, budget="trials = 6"), 12),
    "deadline": (hill("random", channels=4, budget="lab_days = 0.3"), 12),
    "confirmed": (hill("random", budget="trials = 3", overrides={"recommend.confirm": 2}), 8),
    "data gaps": (
        charging(
            'force_faults = { "9" = "data_gap", "10" = "data_gap" }',
            {"budget.trials": 4, "early_prediction.training.simulate": 8},
        ),
        30,
    ),
}


@pytest.mark.parametrize("case", GAPS)
def test_killed_behind_every_single_transaction(tmp_path, monkeypatch, case):
    """The exhaustive version: one life a transaction, killed right behind its commit."""
    campaign, least = GAPS[case]
    with Store.open("sqlite://") as store:
        whole_id = create(store, campaign)
        finish(store, whole_id)
        whole = journal(store.events(whole_id))

    path = tmp_path / "gaps.db"
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, campaign)
    append = Store.append
    lives = 0

    def fatal(self, *args, **kwargs):
        events = append(self, *args, **kwargs)
        if events[0].kind != "engine_started":
            os.kill(os.getpid(), 9)
        return events

    monkeypatch.setattr(Store, "append", fatal)
    while True:
        pid = spawn(path, campaign_id)
        _, status = os.waitpid(pid, 0)
        lives += 1
        with Store.open(f"sqlite:///{path}") as store:
            if store.events(campaign_id)[-1].kind == "finished":
                break
        assert os.WIFSIGNALED(status)
        assert lives < 200
    with Store.open(f"sqlite:///{path}") as store:
        assert journal(store.events(campaign_id)) == whole
    assert lives >= least
