"""The swarm with a surrogate of the outputs: what it learns from, and that it finds a curve."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np
import pytest

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import (
    Failure,
    FailureKind,
    Observation,
    Proposal,
    Purpose,
    TrialState,
)
from loop.derive import generator
from loop.discrepancy import completed
from loop.events import Corrected, Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.output_evidence import OutputEvidence, Score
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from surrogates.output_gp import GaussianOutputs
from tests.loop.laboratory import run

NOISE = 0.03  # of every output, relative
AIM = {"a": 2.0, "b": 0.5, "c": 20.0}
TEXT = """
name = "curve"
seed = 4
[space.parameters]
x = { low = 0.1, high = 10.0, scale = "log" }
y = { low = -1.0, high = 1.0 }
z = { low = 0.0, high = 1.0 }
[[objectives]]
metric = "misfit"
goal = "target"
[objectives.target]
file = "aim.csv"
log = ["*"]
weights = { "*" = 1.0 }
[optimizer]
kind = "ml_pso"
[recommend]
among = "tried"
[instrument]
kind = "table"
channels = 4
[instrument.options]
file = "grid.csv"
parameters = { x = "x", y = "y", z = "z" }
missing = "nearest"
[instrument.options.metrics]
a = { column = "a", noise_sd = 0.02 }
b = { column = "b", noise_sd = 0.02 }
c = { column = "c", noise_sd = 0.02 }
[budget]
trials = 16
"""
AIMS = "metric,value\n" + "".join(f"{name},{value}\n" for name, value in AIM.items())


def outputs(setting) -> dict[str, float]:
    """Smooth, monotone, met by a whole line of settings: z is tied to y."""
    lx, y, z = math.log(setting["x"]), setting["y"], setting["z"]
    return {
        "a": 2.0 * math.exp(0.5 * lx + 0.8 * y),
        "b": 0.5 * math.exp(-0.7 * lx + 0.3 * y),
        "c": 20.0 * math.exp(y + 1.5 * z - 0.6 + 0.2 * lx * lx),
    }


@cache
def grid() -> bytes:
    rows = ["x,y,z,a,b,c"]
    for x in np.geomspace(0.1, 10.0, 21):
        for y in np.linspace(-1, 1, 21):
            for z in np.linspace(0, 1, 11):
                found = outputs({"x": x, "y": y, "z": z})
                rows.append(",".join(f"{v:.6g}" for v in (x, y, z, *found.values())))
    return ("\n".join(rows) + "\n").encode()


def campaign(**overrides) -> Campaign:
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    return parse(TEXT, {"aim.csv": AIMS.encode(), "grid.csv": grid()}, changes)


class Bench:
    """A campaign driven by hand: outputs with noise, kept in a history."""

    def __init__(self, made: Campaign, options=None):
        self.campaign = made
        self.optimizer = registry.create("ml_pso", options or {})
        self.history = History(made.space.names)
        self.rng = np.random.default_rng(8)

    def add(self, body):
        self.history.apply(self.history.seen + 1, body)

    def proposed(self, proposals):
        first = self.history.next_number
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in proposals)
        self.add(Proposed(0.0, self.history.seen, len(trials), first, "x", Purpose.SEARCH, trials))
        return range(first, first + len(trials))

    def ask(self, n):
        rng = generator(self.campaign.seed, self.history.next_number)
        return self.optimizer.propose(self.campaign, self.history, n, rng)

    def measure(self, number):
        means = outputs(self.history.trial(number).parameters)
        seen = {
            name: Observation(name, m * (1 + NOISE * self.rng.standard_normal()), m * NOISE, "1")
            for name, m in means.items()
        }
        for one in completed(self.campaign, seen).values():
            self.add(Observed(0.0, number, 1, one))
        self.add(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def go(self, rounds, n=4):
        for _ in range(rounds):
            for number in self.proposed(self.ask(n)):
                self.measure(number)
        return self

    def loss(self, setting):
        return self.campaign.objectives[0].curve.discrepancy(outputs(setting))


def test_swarm_and_surrogate_propose_side_by_side():
    bench = Bench(campaign())
    for _ in range(4):
        proposals = bench.ask(4)
        assert [p.meta["by"] for p in proposals] == ["swarm"] * 2 + ["surrogate"] * 2
        assert all("velocity" in p.meta for p in proposals[:2])
        for number in bench.proposed(proposals):
            bench.measure(number)
    single = [p.meta["by"] for _ in range(6) for p in [bench.ask(1)[0]] if bench.proposed([p])]
    assert sorted(single) == ["surrogate"] * 3 + ["swarm"] * 3


def test_the_share_is_the_swarms():
    assert {p.meta["by"] for p in Bench(campaign(), {"swarm_share": 1.0}).ask(4)} == {"swarm"}
    assert {p.meta["by"] for p in Bench(campaign(), {"swarm_share": 0.0}).ask(4)} == {"surrogate"}


@pytest.mark.parametrize("surrogate", ["gp", "neural"])
def test_it_finds_the_curve_and_says_how_well(surrogate):
    bench = Bench(campaign(), {"surrogate": surrogate}).go(6)
    best = bench.optimizer.recommend(bench.campaign, bench.history)
    noise_alone = NOISE  # the weights add up to one
    assert bench.loss(best.parameters) < 2 * noise_alone
    told = best.objectives["misfit"]
    assert told.lower <= told.mean <= told.upper
    assert noise_alone < told.mean < 4 * noise_alone
    assert best.trial in bench.history.trials


def test_it_is_far_better_than_the_same_number_of_spread_trials():
    bench = Bench(campaign()).go(6)
    best = bench.optimizer.recommend(bench.campaign, bench.history)
    rng = np.random.default_rng(0)
    spread = [min(bench.loss(s) for s in bench.campaign.space.sample(24, rng)) for _ in range(20)]
    assert bench.loss(best.parameters) < 0.5 * np.median(spread)


def test_in_the_whole_space_the_recommendation_is_at_least_as_good():
    tried = Bench(campaign()).go(3)
    anywhere = campaign(recommend__among="space")
    best = tried.optimizer.recommend(anywhere, tried.history)
    among = tried.optimizer.recommend(tried.campaign, tried.history)
    assert best.objectives["misfit"].mean <= among.objectives["misfit"].mean + 1e-9
    assert anywhere.space.problems(best.parameters) == []


def test_a_correction_teaches_it_anew():
    bench = Bench(campaign()).go(4)
    best = bench.optimizer.recommend(bench.campaign, bench.history)
    for metric in AIM:
        bench.add(Corrected(0.0, best.trial, Observation(metric, 100.0, 0.1, "1"), "typing error"))
    again = bench.optimizer.recommend(bench.campaign, bench.history)
    assert again.trial != best.trial


def test_repeats_make_the_surrogate_surer_there():
    bench = Bench(campaign()).go(3)
    setting = bench.history.trial(1).parameters
    x = bench.campaign.space.encode([setting])

    def doubt():
        data = OutputEvidence.of(bench.campaign, bench.history).data
        return GaussianOutputs().fit(data, np.random.default_rng(0)).moments(x)[1]

    before = doubt()
    for number in bench.proposed([Proposal(setting, "confirm")] * 8):
        bench.measure(number)
    assert (doubt() < before).all()


def test_it_stays_away_from_where_trials_fail():
    bench = Bench(campaign(), {"swarm_share": 0.0}).go(2)
    corner = {"x": 9.9, "y": 0.99, "z": 0.99}
    number = bench.proposed([Proposal(corner, "person")])[0]
    failure = Failure(FailureKind.NOT_CONVERGED, "lost atoms")
    bench.add(Ended(0.0, number, 1, TrialState.FAILED, 1.0, failure))
    evidence = OutputEvidence.of(bench.campaign, bench.history)
    near, far = bench.campaign.space.encode([{"x": 9.8, "y": 0.98, "z": 0.98},
                                             bench.history.trial(1).parameters])  # fmt: skip
    assert evidence.hopeful(np.array([near, far])).tolist() == [False, True]
    points = bench.campaign.space.encode([p.parameters for p in bench.ask(4)])
    assert evidence.hopeful(points).all()


def test_trials_without_all_outputs_are_left_out():
    bench = Bench(campaign())
    number = bench.proposed(bench.ask(1))[0]
    bench.add(Observed(0.0, number, 1, Observation("a", 2.0, 0.1, "1")))
    bench.add(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))
    with pytest.raises(NothingToRecommend, match="a, b, c"):
        bench.optimizer.recommend(bench.campaign, bench.history)


def test_the_loss_is_the_objective_and_noise_adds_to_it():
    score = Score(campaign().objectives[0])
    z = np.array([[0.0, 0.0, 0.0], [0.3, -0.1, 0.2]])
    assert score.loss(z) == pytest.approx([0.0, math.sqrt((0.09 + 0.01 + 0.04) / 3)])
    assert score.loss(z, np.full(3, 0.1))[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"surrogate": "gpp"}, "optimizer.options.surrogate"),
        ({"surrogate_options": {"members": 3}}, "optimizer.options.surrogate_options.members"),
        ({"swarm": {"particle": 3}}, "optimizer.options.swarm.particle"),
        ({"swarm_share": 1.5}, "optimizer.options.swarm_share: must lie in 0 to 1"),
        ({"initial": 1}, "optimizer.options.initial: must be at least 2"),
        ({"candidates": 0}, "optimizer.options.candidates: must be at least 1"),
    ],
)
def test_wrong_options_are_told(options, told):
    with pytest.raises(CampaignError) as caught:
        registry.create("ml_pso", options)
    assert told in str(caught.value)


@pytest.mark.parametrize("rounds", [True, False])
def test_a_campaign_is_derived_again_bit_for_bit(rounds):
    made = campaign(optimizer__rounds=rounds, recommend__confirm=4, recommend__among="space")
    with Store.open("sqlite://") as store:
        campaign_id = run(store, made)
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
    repeats = [t for t in state.history.trials.values() if t.purpose is Purpose.CONFIRM]
    winner = [t for t in repeats if dict(t.parameters) == dict(state.recommendation.parameters)]
    assert len(winner) >= 4


def test_beside_other_optimizers_it_keeps_its_share():
    bench = Bench(campaign())
    members = {"mine": {"kind": "ml_pso"}, "other": {"kind": "ml_pso"}, "far": {"kind": "sobol"}}
    bench.optimizer = registry.create("portfolio", {"members": members})
    asked = Counter()
    for _ in range(2):
        proposals = bench.ask(12)
        asked.update((p.author, p.meta.get("by")) for p in proposals)
        for number in bench.proposed(proposals):
            bench.measure(number)
    assert {asked[name, by] for name in ("mine", "other") for by in ("swarm", "surrogate")} == {4}
