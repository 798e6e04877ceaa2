"""What `nsga2` promises: known fronts are reached, constraints dominate, and nothing is kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import (
    Failure,
    FailureKind,
    Observation,
    Proposal,
    Purpose,
    TrialState,
)
from loop.events import Ended, Excluded, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.hypervolume import hypervolume
from loop.optimizers.measured import Measured
from loop.optimizers.nsga2 import Nsga2
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import hill, run

TOML = """
name = "front"
seed = {seed}
{space}
{objectives}
[optimizer]
kind = "nsga2"
replicates = {replicates}
[instrument]
kind = "table"
channels = 4
[budget]
trials = 1000
"""
SQUARE = "[space.parameters]\nx = { low = 0.0, high = 1.0 }\ny = { low = 0.0, high = 1.0 }"
MIXED = """
[space.parameters]
rate = { low = 0.01, high = 10.0, scale = "log" }
layers = { low = 1, high = 5, integer = true }
salt = { choices = ["LiPF6", "LiFSI", "LiTFSI"] }
"""
GRID = "[space.parameters]\nx = { choices = [0.0, 0.25, 0.5, 0.75, 1.0] }"
BOTH = (
    '[[objectives]]\nmetric = "f1"\ngoal = "minimize"\n[[objectives]]\nmetric = "f2"\ngoal = "{}"'
)
TWO = BOTH.format("minimize")
ONE = '[[objectives]]\nmetric = "f1"\ngoal = "minimize"'
LIMIT = '\n[[constraints]]\nmetric = "g"\nat_most = 1.0'
Truth = Callable[[np.ndarray], dict[str, float]]


@cache
def campaign(
    space: str = SQUARE, objectives: str = TWO, seed: int = 1, replicates: int = 1
) -> Campaign:
    return parse(TOML.format(space=space, objectives=objectives, seed=seed, replicates=replicates))


def cube(dimension: int) -> str:
    rows = [f"x{i} = {{ low = 0.0, high = 1.0 }}" for i in range(dimension)]
    return "[space.parameters]\n" + "\n".join(rows)


class Bench:
    """A campaign on a history without a store."""

    def __init__(self, case: Campaign) -> None:
        self.campaign = case
        self.history = History(case.space.names)

    def add(self, *bodies: Any) -> None:
        for body in bodies:
            self.history.apply(self.history.seen + 1, body)

    def asked(self, optimizer: Any, n: int) -> list[Proposal]:
        rng = np.random.default_rng([self.campaign.seed, self.history.next_number])
        found: list[Proposal] = optimizer.propose(self.campaign, self.history, n, rng)
        return found

    def enter(self, *settings: Any) -> list[int]:
        first = self.history.next_number
        trials = tuple(
            ProposedTrial(dict(p.parameters), p.author, dict(p.meta))
            if isinstance(p, Proposal)
            else ProposedTrial(p, "file")
            for p in settings
        )
        self.add(Proposed(0.0, self.history.seen, len(trials), first, "x", Purpose.SEARCH, trials))
        return list(range(first, first + len(trials)))

    def ask(self, optimizer: Any, n: int) -> list[int]:
        return self.enter(*self.asked(optimizer, n))

    def tell(self, number: int, values: dict[str, float], sem: float | None = None) -> None:
        for metric, mean in values.items():
            self.add(Observed(0.0, number, 1, Observation(metric, mean, sem, "1")))
        self.add(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def fail(self, number: int, infeasible: bool = True) -> None:
        failure = Failure(FailureKind.OUT_OF_RANGE, "cannot be made", infeasible=infeasible)
        self.add(Ended(0.0, number, 1, TrialState.FAILED, 1.0, failure))

    def point(self, number: int) -> np.ndarray:
        found: np.ndarray = self.campaign.space.encode([self.history.trial(number).parameters])[0]
        return found

    def run(self, optimizer: Any, truth: Truth, n: int, size: int = 20) -> np.ndarray:
        """n trials in rounds; what was measured of all (n x metrics)."""
        rows = []
        while len(rows) < n:
            for number in self.ask(optimizer, size):
                rows.append(truth(self.point(number)))
                self.tell(number, rows[-1])
        return np.array([list(row.values()) for row in rows])


def zdt1(x: np.ndarray) -> dict[str, float]:
    """Zitzler, Deb & Thiele (2000): the front is f2 = 1 - sqrt(f1)."""
    g = 1.0 + 9.0 * float(x[1:].mean())
    return {"f1": float(x[0]), "f2": g * (1.0 - float(np.sqrt(x[0] / g)))}


def bnh(x: np.ndarray) -> dict[str, float]:
    """Binh & Korn (1997) with their first constraint, (x1 - 5)^2 + x2^2 <= 25, drawn in to a radius
    of 2 and scaled to g <= 1: it rules out the whole front that there is without it."""
    a, b = 5.0 * float(x[0]), 3.0 * float(x[1])
    return {
        "f1": 4 * a**2 + 4 * b**2,
        "f2": (a - 5) ** 2 + (b - 5) ** 2,
        "g": ((a - 5) ** 2 + b**2) / 4.0,
    }


def valley(x: np.ndarray) -> dict[str, float]:
    return {"f1": float(((x - 0.3) ** 2).sum()), "f2": float(((x - 0.7) ** 2).sum())}


# what it finds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_front_of_zdt1_is_reached(seed: int) -> None:
    case, reference = campaign(cube(4), seed=seed), np.array([-1.1, -1.1])
    whole = 0.11 + 0.1 + 2.0 / 3.0
    ours = hypervolume(-Bench(case).run(Nsga2(), zdt1, 400), reference)
    random = hypervolume(-Bench(case).run(registry.create("random", {}), zdt1, 400), reference)
    assert ours > 0.85 * whole
    assert ours > 1.5 * random


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_constrained_front_is_kept_to(seed: int) -> None:
    """The front is the arc from (3, 0) to (5, 2): f1 = 116 - 80 cos t and f2 = 29 - 20 sin t, with
    a hypervolume of 400 pi + 80 + 84 up to (120, 30)."""
    bench = Bench(campaign(objectives=TWO + LIMIT, seed=seed))
    measured = bench.run(Nsga2(), bnh, 300)
    found = Nsga2().recommend(bench.campaign, bench.history)
    front = np.array([[e["f1"].mean, e["f2"].mean] for _, e in found.front])
    inside = measured[measured[:, 2] <= 1.0, :2]
    assert {tuple(row) for row in front.tolist()} <= {tuple(row) for row in inside.tolist()}
    assert (measured[200:, 2] <= 1.0).mean() > 0.5
    share = hypervolume(-front, np.array([-120.0, -30.0])) / (400.0 * np.pi + 164.0)
    assert 0.9 < share <= 1.0


def test_one_objective_is_a_plain_genetic_algorithm() -> None:
    bench = Bench(campaign(cube(3), ONE))
    measured = bench.run(Nsga2(), lambda x: {"f1": valley(x)["f1"]}, 200)
    assert measured.min() < 1e-3
    best = Nsga2().recommend(bench.campaign, bench.history)
    assert best.front == ()
    assert best.objectives["f1"].mean == measured.min()


def test_a_number_is_aimed_at() -> None:
    aim = '[[objectives]]\nmetric = "f1"\ngoal = "target"\ntarget = 0.5'
    bench = Bench(campaign(SQUARE, aim))
    bench.run(Nsga2(), lambda x: {"f1": float(x.sum())}, 100)
    best = Nsga2().recommend(bench.campaign, bench.history)
    assert best.objectives["f1"].mean == pytest.approx(0.5, abs=0.01)


def test_choices_and_whole_numbers_are_varied() -> None:
    bench = Bench(campaign(MIXED, ONE))
    wanted = bench.campaign.space.encode([{"rate": 1.0, "layers": 4, "salt": "LiFSI"}])[0]
    bench.run(Nsga2(), lambda x: {"f1": float(((x - wanted) ** 2).sum())}, 160)
    best = Nsga2().recommend(bench.campaign, bench.history).parameters
    assert (best["layers"], best["salt"]) == (4, "LiFSI")
    assert best["rate"] == pytest.approx(1.0, rel=0.1)


# how it goes on --------------------------------------------------------------------------------


def test_first_settings_are_spread_then_come_offspring_of_survivors() -> None:
    bench, nsga2 = Bench(campaign()), Nsga2(population=8)
    first = bench.asked(nsga2, 8)
    assert [dict(p.meta) for p in first] == [
        {"sobol_point": p.meta["sobol_point"], "generation": 0, "parents": []} for p in first
    ]
    for number in bench.enter(*first):
        bench.tell(number, valley(bench.point(number)))
    second = bench.asked(nsga2, 8)
    assert {p.meta["generation"] for p in second} == {1}
    assert all(set(p.meta["parents"]) <= set(range(1, 9)) for p in second)
    for number in bench.enter(*second):
        bench.tell(number, valley(bench.point(number)))
    measured = Measured.of(bench.campaign, bench.history)
    kept = nsga2.survivors(measured, np.random.default_rng(0))
    assert len(kept) == len(set(kept)) == 8
    parents = {number for p in bench.asked(nsga2, 30) for number in p.meta["parents"]}
    assert len(parents) <= 8
    assert set(measured.front()[:8]) & set(kept)


def test_the_order_in_which_trials_end_changes_nothing() -> None:
    found = []
    for order in (range(12), reversed(range(12))):
        bench = Bench(campaign())
        numbers = bench.ask(Nsga2(population=8), 12)
        for i in order:
            bench.tell(numbers[i], valley(bench.point(numbers[i])))
        found.append([(dict(p.parameters), dict(p.meta)) for p in bench.asked(Nsga2(), 5)])
    assert found[0] == found[1]


def test_pending_settings_are_not_asked_for_again() -> None:
    bench = Bench(campaign(GRID, TWO))
    numbers = bench.ask(Nsga2(population=2), 3)
    for number in numbers[:2]:
        bench.tell(number, valley(bench.point(number)))
    last = bench.asked(Nsga2(population=2), 2)
    values = [bench.history.trial(i).parameters["x"] for i in numbers]
    assert sorted([*values, *(p.parameters["x"] for p in last)]) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_replicates_let_a_setting_be_asked_for_again() -> None:
    bench = Bench(campaign(GRID, TWO, replicates=3))
    for number in bench.ask(Nsga2(population=4), 4):
        bench.tell(number, valley(bench.point(number)))
    assert len(bench.asked(Nsga2(population=4), 11)) == 11


def test_a_failed_trial_is_no_parent_and_no_recommendation() -> None:
    bench, nsga2 = Bench(campaign()), Nsga2(population=6)
    numbers = bench.ask(nsga2, 6)
    for number in numbers[:3]:
        bench.tell(number, valley(bench.point(number)))
    bench.fail(numbers[3])
    bench.fail(numbers[4], infeasible=False)
    bench.tell(numbers[5], {"f1": -1.0, "f2": -1.0})
    bench.add(Excluded(0.0, numbers[5], True, "spoiled"))
    children = bench.asked(nsga2, 20)[1:]  # one setting takes the place of the excluded one
    assert {number for p in children for number in p.meta["parents"]} <= set(numbers[:3])
    assert nsga2.recommend(bench.campaign, bench.history).trial in numbers[:3]


def test_what_breaks_a_constraint_least_is_recommended_where_all_do() -> None:
    bench = Bench(campaign(objectives=TWO + LIMIT))
    for x, g in ((0.1, 5.0), (0.2, 3.0), (0.3, 4.0)):
        (number,) = bench.enter({"x": x, "y": x})
        bench.tell(number, {"f1": g, "f2": g, "g": g})
    best = Nsga2().recommend(bench.campaign, bench.history)
    assert best.parameters["x"] == 0.2
    assert len(best.front) == 1
    (number,) = bench.enter({"x": 0.9, "y": 0.9})
    bench.tell(number, {"f1": 9.0, "f2": 9.0, "g": 0.5})
    assert Nsga2().recommend(bench.campaign, bench.history).trial == number


@pytest.mark.parametrize(("channels", "rounds"), [(3, False), (4, True)])
def test_a_campaign_verifies(channels: int, rounds: bool) -> None:
    with Store.open("sqlite://") as store:
        case = hill("nsga2", channels=channels, rounds=rounds, budget="trials = 40")
        verdict = verify(store, run(store, case))
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals == 40


# what it recommends ----------------------------------------------------------------------------


def test_the_front_is_of_mean_outcomes_with_their_intervals() -> None:
    bench = Bench(campaign(GRID, BOTH.format("maximize"), replicates=2))
    told = {0.0: (0.0, 1.0), 0.25: (1.0, 9.0), 0.5: (9.0, 10.0), 0.75: (9.5, 5.0)}
    for x, (f1, f2) in told.items():
        for off in (-0.5, 0.5):
            (number,) = bench.enter({"x": x})
            bench.tell(number, {"f1": f1 + off, "f2": f2 - off}, sem=0.2)
    best = Nsga2().recommend(bench.campaign, bench.history)
    assert [s["x"] for s, _ in best.front] == [0.0, 0.25, 0.5]
    assert best.parameters == {"x": 0.25}
    assert best.trial == 4
    estimate = best.objectives["f2"]
    assert estimate.mean == pytest.approx(9.0)
    assert estimate.upper - estimate.mean == pytest.approx(1.6449 * 0.2 / np.sqrt(2), abs=1e-4)


def test_unstated_noise_is_taken_from_repeats() -> None:
    bench = Bench(campaign(GRID, ONE, replicates=2))
    for x, values in {0.0: (1.0, 3.0), 0.25: (5.0, 7.0)}.items():
        for value in values:
            (number,) = bench.enter({"x": x})
            bench.tell(number, {"f1": value})
    estimate = Nsga2().recommend(bench.campaign, bench.history).objectives["f1"]
    assert estimate.upper - estimate.mean == pytest.approx(1.6449 * np.sqrt(2.0 / 2), abs=1e-3)


def test_nothing_is_recommended_until_every_objective_is_known() -> None:
    bench = Bench(campaign())
    (number,) = bench.ask(Nsga2(), 1)
    bench.add(Observed(0.0, number, 1, Observation("f1", 1.0, None, "1")))
    with pytest.raises(NothingToRecommend, match="every objective"):
        Nsga2().recommend(bench.campaign, bench.history)


# its operators ---------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 9),
    etas=st.tuples(st.floats(1.0, 1000.0), st.floats(1.0, 1000.0)),
    chances=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
)
def test_children_lie_in_the_cube_whatever_the_options(
    seed: int, count: int, etas: tuple[float, float], chances: tuple[float, float]
) -> None:
    nsga2 = Nsga2(4, etas[0], chances[0], etas[1], chances[1])
    bench = Bench(campaign(MIXED, TWO))
    for number in bench.ask(nsga2, 6):
        bench.tell(number, valley(bench.point(number)))
    measured = Measured.of(bench.campaign, bench.history)
    rng = np.random.default_rng(seed)
    children = nsga2.children(bench.campaign.space, measured, count, rng)
    assert len(children) == count
    for child in children:
        assert (child.target >= 0.0).all()
        assert (child.target <= 1.0).all()
        assert child.target[2:].sum() == 1.0
    assert set(nsga2.survivors(measured, rng)) <= set(range(6))


def test_neither_crossed_nor_mutated_a_child_is_its_parent() -> None:
    nsga2 = Nsga2(crossover_probability=0.0, mutation_probability=0.0)
    bench = Bench(campaign(MIXED, TWO))
    for number in bench.ask(nsga2, 6):
        bench.tell(number, valley(bench.point(number)))
    measured = Measured.of(bench.campaign, bench.history)
    for child in nsga2.children(bench.campaign.space, measured, 7, np.random.default_rng(0)):
        np.testing.assert_allclose(child.target, child.start, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"population": 1}, "population: must be at least 2, not 1"),
        ({"crossover_eta": 0.5}, "crossover_eta: must be from 1 to 1000"),
        ({"mutation_eta": 1e4}, "mutation_eta: must be from 1 to 1000, not 10000"),
        ({"crossover_probability": 1.5}, "crossover_probability: must be from 0 to 1"),
        ({"mutation_probability": -0.1}, "mutation_probability: must be from 0 to 1"),
    ],
)
def test_wrong_options_are_told(options: dict[str, float], why: str) -> None:
    with pytest.raises(CampaignError, match=why):
        registry.create("nsga2", options)


def test_it_is_quiet_and_leaves_global_state_alone() -> None:
    script = (
        "import sys, numpy as np\n"
        "from tests.loop.test_optimizer_nsga2 import Bench, Nsga2, campaign, valley\n"
        "assert not {'pymoo', 'moocore', 'torch'} & set(sys.modules)\n"
        "before = repr(np.random.get_state())\n"
        "Bench(campaign()).run(Nsga2(), valley, 40)\n"
        "assert repr(np.random.get_state()) == before\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
