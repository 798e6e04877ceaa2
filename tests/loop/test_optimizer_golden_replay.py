"""The real campaign of Attia et al. 2020, asked again: 240 of 240 protocols, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from campaigns.campaign import Campaign, parse
from campaigns.records import Failure, FailureKind, Prediction, Purpose, TrialState
from loop.events import Ended, Predicted, Proposed, ProposedTrial, Started, Submitting
from loop.history import History
from loop.optimizers.bayes_gap import BayesGap, gaps
from loop.optimizers.evidence import Evidence
from loop.optimizers.registry import create

CAMPAIGN = """
name = "attia2020"
seed = 0
[space]
candidates = { file = "policies.csv", columns = ["cc1", "cc2", "cc3"] }
[[objectives]]
metric = "cycle_life"
goal = "maximize"
[optimizer]
kind = "bayes_gap"
rounds = true
replicates = 5
[optimizer.options]
prior_mean = 947.0
prior_sd = 164.0
noise_sd = 164.0
kernel = "gaussian"
length_scale = 0.7071067811865476     # exp(-|x - x'|²)
coordinates = "raw"
beta = 5.0
decay = 0.5
decimals = 4
ties = "listed"
[instrument]
kind = "cycler.recorded"
channels = 48
[budget]
rounds = 5
"""
ROUNDS = range(5)


@pytest.fixture(scope="module")
def folder(recorded_data: Path) -> Path:
    return recorded_data / "attia2020"


@pytest.fixture(scope="module")
def campaign(folder: Path) -> Campaign:
    policies = np.loadtxt(folder / "policies_all.csv", delimiter=",")[:, :3]
    policies = policies[np.random.RandomState(0).permutation(len(policies))]
    rows = "\n".join(",".join(map(repr, row)) for row in policies.tolist())
    return parse(CAMPAIGN, {"policies.csv": f"cc1,cc2,cc3\n{rows}\n".encode()})


def batch(folder: Path, round_: int) -> list[tuple[float, ...]]:
    return [tuple(r) for r in np.loadtxt(folder / f"batch/{round_}.csv", delimiter=",").tolist()]


def play_round(history: History, folder: Path, round_: int) -> None:
    """The recorded round as events: all proposed, most predicted, missing cells failed."""
    rows = np.loadtxt(folder / f"pred/{round_}.csv", delimiter=",", encoding="utf-8-sig")
    lives = {tuple(row[:3]): row[4] for row in rows.tolist()}
    settings = batch(folder, round_)
    trials = tuple(
        ProposedTrial(dict(zip(history.names, s, strict=True)), "bayes_gap") for s in settings
    )
    first = history.next_number
    events: list[object] = [
        Proposed(0.0, history.seen, 48, first, "bayes_gap", Purpose.SEARCH, trials)
    ]
    for number, setting in enumerate(settings, first):
        events += [Submitting(0.0, number, 1, f"{number}"), Started(0.0, number, 1, "run")]
        if setting in lives:
            life = lives[setting]
            prediction = Prediction(
                "cycle_life", life, 100.0, "1", life - 165, life + 165, 0.9, 100, "model"
            )
            events.append(Predicted(96.0, number, 1, prediction))
            events.append(Ended(96.0, number, 1, TrialState.PREDICTED, 96.0))
        else:
            failure = Failure(FailureKind.DATA_GAP, "no prediction came back")
            events.append(Ended(96.0, number, 1, TrialState.FAILED, 96.0, failure))
    for event in events:
        history.apply(history.seen + 1, event)  # type: ignore[arg-type]


def test_every_batch_comes_out_as_recorded(campaign: Campaign, folder: Path) -> None:
    optimizer = create("bayes_gap", campaign.optimizer.options)
    history = History(campaign.space.names)
    for round_ in ROUNDS:
        rng = np.random.default_rng([campaign.seed, history.next_number])
        proposals = optimizer.propose(campaign, history, 48, rng)
        assert [campaign.space.key(p.parameters) for p in proposals] == batch(folder, round_)
        assert proposals[0].meta["beta"] == [5.0, 2.5, 1.25, 0.625, 0.3125][round_]
        if round_ < 4:
            play_round(history, folder, round_)


def test_leaders_and_gaps_are_the_published_ones(campaign: Campaign, folder: Path) -> None:
    optimizer = create("bayes_gap", campaign.optimizer.options)
    assert isinstance(optimizer, BayesGap)
    history = History(campaign.space.names)
    leaders, gap_of_last = [], []
    for round_ in ROUNDS:
        upper, lower = optimizer.bounds(
            campaign,
            Evidence.of(campaign, history),
            campaign.space.candidates,
            optimizer.beta_in(optimizer.round(campaign, history)),
        )
        gap = gaps(upper, lower)
        if leaders:
            gap_of_last.append(round(float(gap[leaders[-1]]), 4))
        leaders.append(int(np.argmin(gap)))
        if round_ < 4:
            play_round(history, folder, round_)
    assert leaders == [0, 34, 213, 167, 183]
    assert gap_of_last == [605.8984, 176.3518, 69.6467, 34.3984]


def test_final_recommendation_is_the_best_posterior_mean(campaign: Campaign, folder: Path) -> None:
    optimizer = create("bayes_gap", campaign.optimizer.options)
    history = History(campaign.space.names)
    for round_ in range(4):
        play_round(history, folder, round_)
    best = optimizer.recommend(campaign, history)
    assert campaign.space.key(best.parameters) == (4.8, 5.2, 5.2)
    estimate = best.objectives["cycle_life"]
    assert estimate.mean == pytest.approx(1184.58, abs=0.01)
    assert estimate.lower < estimate.mean < estimate.upper
    assert best.trial is not None
    assert history.trial(best.trial).parameters == dict(best.parameters)
