"""Bayesian optimisation keeps its contract and finds what random search does not."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import Campaign, parse
from campaigns.options import build
from campaigns.problems import CampaignError
from campaigns.records import (
    Failure,
    FailureKind,
    Observation,
    Proposal,
    Purpose,
    Recommendation,
    Setting,
    TrialState,
)
from loop.events import Body, Ended, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers.base import Exhausted, NothingToRecommend
from loop.optimizers.bo import BayesianOptimizer
from loop.optimizers.bo_data import margins
from loop.optimizers.bo_options import HABIT, exchanged, habit

ROOT = Path(__file__).resolve().parents[2]
Truth = Mapping[str, Callable[[Setting], float]]

TAIL = """
[optimizer]
kind = "bo"
replicates = {replicates}
[recommend]
among = "{among}"
[instrument]
kind = "table"
[budget]
trials = 1000
"""
PLANE = """
[space.parameters]
"E modulus" = { low = -5.0, high = 10.0, unit = "GPa" }
lambda = { low = 0.0, high = 15.0 }
"""
QUICK = BayesianOptimizer(pool=96, starts=1, iterations=10)


def campaign(
    space: str,
    objectives: str = '[[objectives]]\nmetric = "beta"\ngoal = "minimize"\nunit = "V"\n',
    *,
    replicates: int = 1,
    among: str = "tried",
    seed: int = 7,
    files: Mapping[str, bytes] | None = None,
) -> Campaign:
    head = f'name = "test"\nseed = {seed}\n'
    tail = TAIL.format(replicates=replicates, among=among)
    return parse(head + space + objectives + tail, files or {})


class Bench:
    """A campaign whose measurements come from functions, told to a history event by event."""

    def __init__(self, campaign: Campaign, truth: Truth, sem: float | None = None) -> None:
        self.campaign, self.truth, self.sem = campaign, truth, sem
        self.history = History(campaign.space.names)
        self.noise = np.random.default_rng([campaign.seed, 99])

    def apply(self, body: Body) -> None:
        self.history.apply(self.history.seen + 1, body)

    def ask(self, optimizer: BayesianOptimizer, n: int) -> list[Proposal]:
        first = self.history.next_number
        rng = np.random.default_rng([self.campaign.seed, first])
        proposals = optimizer.propose(self.campaign, self.history, n, rng)
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in proposals)
        self.apply(Proposed(0.0, self.history.seen, n, first, "bo", Purpose.SEARCH, trials))
        return proposals

    def tell(self, number: int) -> None:
        setting = self.history.trial(number).parameters
        for metric, truth in self.truth.items():
            value = truth(setting) + (self.sem or 0.0) * float(self.noise.standard_normal())
            self.apply(Observed(0.0, number, 1, Observation(metric, value, self.sem, "1")))
        self.apply(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def fail(self, number: int) -> None:
        failure = Failure(FailureKind.OUT_OF_RANGE, "cannot be made", infeasible=True)
        self.apply(Ended(0.0, number, 1, TrialState.FAILED, 1.0, failure))

    def run(self, optimizer: BayesianOptimizer, rounds: int, n: int) -> Bench:
        for _ in range(rounds):
            first = self.history.next_number
            for offset, _proposal in enumerate(self.ask(optimizer, n)):
                self.tell(first + offset)
        return self

    def recommend(self, optimizer: BayesianOptimizer = QUICK) -> Recommendation:
        return optimizer.recommend(self.campaign, self.history)


def branin(setting: Setting) -> float:
    """Branin 1972; three minima of 0.397887."""
    x, y = (float(value) for value in setting.values())
    valley = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return valley + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def global_state() -> tuple[object, ...]:
    import torch

    legacy = np.random.get_state()  # noqa: NPY002
    return (
        random.getstate(),
        [part.tolist() if isinstance(part, np.ndarray) else part for part in legacy],
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
    )


def checked(bench: Bench, proposals: list[Proposal], n: int) -> None:
    """Exactly n, feasible, and no setting asked more often than once in the whole history."""
    space = bench.campaign.space
    assert len(proposals) == n
    assert all(space.problems(p.parameters) == [] for p in proposals)
    keys = [space.key(trial.parameters) for trial in bench.history.trials.values()]
    assert len(set(keys)) == len(keys)


# the contract ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 16])
def test_batches_are_full_with_trials_pending(n: int) -> None:
    bench = Bench(campaign(PLANE), {"beta": branin}).run(QUICK, 1, 8)
    bench.ask(QUICK, 2)  # stay pending
    proposals = bench.ask(QUICK, n)
    checked(bench, proposals, n)
    assert {p.meta["by"] for p in proposals} == {"log_nei"}
    x = bench.campaign.space.encode([t.parameters for t in bench.history.pending()])
    gaps = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.eye(len(x))
    assert gaps.min() > 1e-3  # pending settings are known: nothing is asked twice over


def test_same_history_and_generator_give_the_same_bits_and_leave_no_trace() -> None:
    bench = Bench(campaign(PLANE), {"beta": branin}, sem=0.5).run(QUICK, 1, 9)
    before = global_state()
    answers = [
        QUICK.propose(bench.campaign, bench.history, 3, np.random.default_rng([7, 10]))
        for _ in range(2)
    ]
    advice = [bench.recommend() for _ in range(2)]
    assert answers[0] == answers[1]
    assert advice[0] == advice[1]
    assert global_state() == before
    other = QUICK.propose(bench.campaign, bench.history, 3, np.random.default_rng([7, 11]))
    assert other != answers[0]


FRESH = """
import json, sys
import numpy as np
from campaigns.campaign import parse
from loop.events import decode
from loop.history import History
from loop.optimizers.bo import BayesianOptimizer
assert not {"torch", "ax", "botorch", "scipy"} & set(sys.modules), "importing does nothing heavy"
text, events = json.load(sys.stdin)
campaign = parse(text)
history = History(campaign.space.names)
for seq, (kind, payload) in enumerate(events, 1):
    history.apply(seq, decode(kind, payload))
quick = BayesianOptimizer(pool=96, starts=1, iterations=10)
answer = quick.propose(campaign, history, 2, np.random.default_rng([7, 10]))
print(json.dumps([dict(p.parameters) for p in answer]))
"""


def test_a_fresh_process_gives_the_same_bits() -> None:
    from loop.events import encode

    told: list[list[str]] = []

    class Recorder(Bench):
        def apply(self, body: Body) -> None:
            told.append([body.kind, encode(body)])
            super().apply(body)

    bench = Recorder(campaign(PLANE), {"beta": branin}).run(QUICK, 1, 9)
    here = QUICK.propose(bench.campaign, bench.history, 2, np.random.default_rng([7, 10]))
    there = subprocess.run(
        [sys.executable, "-c", FRESH],
        input=json.dumps([bench.campaign.text, told]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "11", "OMP_NUM_THREADS": "2"},
    )
    assert json.loads(there.stdout) == [dict(p.parameters) for p in here]
    assert "INFO" not in there.stderr


def test_successive_space_filling_calls_continue_one_design() -> None:
    at_once = Bench(campaign(PLANE), {"beta": branin}).ask(QUICK, 8)
    bench = Bench(campaign(PLANE), {"beta": branin})
    one_by_one = [proposal for _ in range(8) for proposal in bench.ask(QUICK, 1)]
    assert [p.parameters for p in one_by_one] == [p.parameters for p in at_once]


GRID = """
[space.parameters]
a = { low = 1, high = 3, integer = true }
b = { choices = ["x", "y"] }
"""


@pytest.mark.parametrize("known", [0, 5])
def test_used_up_spaces_raise_exhausted_with_what_is_left(known: int) -> None:
    optimizer = BayesianOptimizer(initial=4)
    bench = Bench(campaign(GRID), {"beta": lambda s: float(s["a"])})
    bench.run(optimizer, known, 1)
    with pytest.raises(Exhausted, match="settings are left") as raised:
        bench.ask(optimizer, 9)
    assert len(raised.value.partial) == 6 - known
    keys = {bench.history.key(p.parameters) for p in raised.value.partial}
    assert len(keys) == 6 - known


def test_replicates_allow_repeats_and_infeasible_settings_never_come_back() -> None:
    optimizer = BayesianOptimizer(initial=3)
    bench = Bench(campaign(GRID, replicates=3), {"beta": lambda s: float(s["a"])}, sem=0.3)
    first = bench.ask(optimizer, 6)
    bench.fail(1)
    for number in range(2, 7):
        bench.tell(number)
    asked = bench.ask(optimizer, 10)  # two more of each of the five settings left
    counts = [bench.history.asked(p.parameters) for p in asked]
    assert counts == [3] * 10
    assert first[0].parameters not in [p.parameters for p in asked]
    assert bench.recommend(optimizer).parameters != first[0].parameters


def test_nothing_can_be_recommended_before_an_outcome_and_one_is_enough() -> None:
    bench = Bench(campaign(PLANE), {"beta": branin})
    with pytest.raises(NothingToRecommend):
        bench.recommend()
    bench.run(QUICK, 1, 1)
    advice = bench.recommend()
    assert advice.trial == 1
    assert advice.objectives["beta"].mean == pytest.approx(branin(advice.parameters))
    assert advice.objectives["beta"].unit == "V"


def test_options_are_checked() -> None:
    assert build(BayesianOptimizer, {"initial": 8}, "optimizer.options").initial == 8
    with pytest.raises(CampaignError, match="acquisition"):
        build(BayesianOptimizer, {"acquisition": "best"}, "optimizer.options")
    with pytest.raises(CampaignError, match=r"optimizer\.options\.pool"):
        build(BayesianOptimizer, {"pool": 0}, "optimizer.options")
    two = '[[objectives]]\nmetric = "f"\n[[objectives]]\nmetric = "g"\n'
    truth: Truth = {"f": branin, "g": lambda s: -branin(s)}
    bench = Bench(campaign(PLANE, two), truth).run(QUICK, 1, 5)
    with pytest.raises(ValueError, match="log_ei is not for 2 objectives"):
        bench.ask(BayesianOptimizer(acquisition="log_ei"), 1)


# kinds of spaces ---------------------------------------------------------------------------------

MIXED = """
[space.parameters]
x = { low = 1e-3, high = 1.0, scale = "log" }
n = { low = 1, high = 20, integer = true }
"binder-type" = { choices = ["CMC", "PVDF", "none"] }
yield = { choices = [20, 40, 80], unit = "degC" }
grade = { choices = ["low", "mid", "high"], ordered = true }
"""


def test_mixed_parameters() -> None:
    def truth(s: Setting) -> float:
        binder = {"CMC": 0.0, "PVDF": 1.0, "none": 0.5}[str(s["binder-type"])]
        return (math.log10(float(s["x"])) + 1.5) ** 2 + (float(s["n"]) - 13) ** 2 / 25 - binder

    bench = Bench(campaign(MIXED), {"beta": truth})
    bench.run(QUICK, 1, 16).run(QUICK, 1, 2)
    checked(bench, bench.ask(QUICK, 1), 1)
    for trial in bench.history.trials.values():
        assert type(trial.parameters["n"]) is int
        assert trial.parameters["yield"] in (20, 40, 80)
    best = bench.recommend().parameters
    assert best["binder-type"] == "PVDF"
    assert abs(float(best["n"]) - 13) <= 4


@pytest.mark.parametrize(
    ("space", "needed"),
    [
        (PLANE, 5),
        (PLANE + "".join(f"x{i} = {{ low = 0.0, high = 1.0 }}\n" for i in range(4)), 12),
        (MIXED, 5),
        (MIXED + "m = { low = 0, high = 9 }\nq = { low = 0, high = 9 }\n", 7),
        (MIXED.replace('"none"] }', '"none"], ordered = true }'), 10),
    ],
)
def test_unordered_options_halve_the_first_phase(space: str, needed: int) -> None:
    asked = campaign(space)
    assert BayesianOptimizer().outcomes_needed(asked) == needed
    assert BayesianOptimizer(initial=9).outcomes_needed(asked) == 9
    bench = Bench(asked, {"beta": lambda s: float(next(iter(s.values())))})
    proposals = bench.run(QUICK, 1, needed - 1).ask(QUICK, 1)
    bench.tell(needed)
    proposals += bench.ask(QUICK, 1)
    assert [p.meta["by"] for p in proposals] == ["spread", "log_nei"]


BINDERS = """
[space.parameters]
x = { low = 0.0, high = 1.0 }
binder = { choices = ["CMC", "PVDF", "none"] }
"""


def better_with_pvdf(setting: Setting) -> float:
    """Two options share a slope; the third has a well that is deeper."""
    x = float(setting["x"])
    return -5.0 * math.exp(-10.0 * (x - 0.5) ** 2) if setting["binder"] == "PVDF" else -x


@pytest.mark.parametrize("n", [1, 3])
def test_no_option_is_asked_five_times_in_a_row(n: int) -> None:
    bench = Bench(campaign(BINDERS), {"beta": better_with_pvdf}, sem=0.0)
    bench.run(QUICK, 18 // n, n)
    asked = [str(trial.parameters["binder"]) for trial in bench.history.trials.values()]
    runs = [len(list(group)) for _, group in itertools.groupby(asked[5:])]
    assert max(runs) <= HABIT
    assert bench.recommend().parameters["binder"] == "PVDF"


def test_the_only_option_left_is_asked_on() -> None:
    rule = "exclude = [\"binder != 'CMC'\"]\n"
    one = campaign(BINDERS.replace("[space.parameters]", f"[space]\n{rule}[space.parameters]"))
    bench = Bench(one, {"beta": better_with_pvdf}, sem=0.0).run(QUICK, 1, 6).run(QUICK, 3, 1)
    checked(bench, bench.ask(QUICK, 2), 2)


def test_habit_is_what_the_last_settings_share() -> None:
    space = campaign(BINDERS).space
    same = [space.complete({"x": x, "binder": "CMC"}) for x in (0.1, 0.2, 0.3, 0.4)]
    other = space.complete({"x": 0.5, "binder": "none"})
    assert habit(space, [other, *same]) == {"binder": "CMC"}
    assert habit(space, same[1:]) == {}
    assert habit(space, [*same, other]) == {}
    assert habit(campaign(PLANE).space, [{"E modulus": 0.0, "lambda": 1.0}] * 4) == {}
    found = [setting["binder"] for setting in exchanged(space, other)]
    assert found == ["CMC", "PVDF"]


def test_compositions_add_up_to_one() -> None:
    space = """
    [space]
    sums = [{ of = ["a", "b", "c"], equals = 1.0 }]
    [space.parameters]
    a = { low = 0.0, high = 1.0 }
    b = { low = 0.0, high = 1.0 }
    c = { low = 0.0, high = 0.5 }
    """

    def truth(s: Setting) -> float:
        return sum((float(s[k]) - v) ** 2 for k, v in {"a": 0.6, "b": 0.3, "c": 0.1}.items())

    bench = Bench(campaign(space, among="space"), {"beta": truth})
    bench.run(QUICK, 1, 6).run(QUICK, 2, 2)
    checked(bench, bench.ask(QUICK, 2), 2)
    best = bench.recommend().parameters
    settings = [*(t.parameters for t in bench.history.trials.values()), best]
    assert max(abs(sum(float(s[k]) for k in "abc") - 1) for s in settings) < 1e-9
    assert truth(best) < 0.01


def test_linear_nonlinear_and_excluded_regions() -> None:
    space = """
    [space]
    constraints = ["a + b <= 1.2"]
    exclude = ["a > 0.5 and b < 0.2"]
    [space.parameters]
    a = { low = 0.0, high = 1.0 }
    b = { low = 0.0, high = 1.0 }
    [space.derived]
    area = { expression = "a * b", low = 0.05, high = 0.3 }
    """
    objectives = '[[objectives]]\nmetric = "beta"\n'
    truth: Truth = {"beta": lambda s: float(s["a"]) + float(s["b"])}
    bench = Bench(campaign(space, objectives), truth)
    bench.run(QUICK, 1, 6).run(QUICK, 2, 2)
    proposals = bench.ask(QUICK, 2)
    checked(bench, proposals, 2)
    assert all("area" in p.parameters for p in proposals)
    # the optimum lies where the linear constraint binds
    assert max(truth["beta"](p.parameters) for p in proposals) > 1.15


CSV = "C1,C2\n" + "".join(f"{a},{b}\n" for a in range(1, 8) for b in range(1, 8) if a * b < 30)


def test_listed_candidates() -> None:
    space = '[space]\ncandidates = { file = "c.csv", columns = ["C1", "C2"] }\n'
    truth: Truth = {"beta": lambda s: (float(s["C1"]) - 4) ** 2 + (float(s["C2"]) - 6) ** 2}
    files = {"c.csv": CSV.encode()}
    bench = Bench(campaign(space, files=files, among="space"), truth, sem=0.5)
    bench.run(BayesianOptimizer(), 2, 8)
    checked(bench, bench.ask(BayesianOptimizer(), 4), 4)
    best = bench.recommend().parameters
    assert truth["beta"](best) <= 1.0


# kinds of goals ----------------------------------------------------------------------------------

SQUARE = "[space.parameters]\na = { low = 0.0, high = 1.0 }\nb = { low = 0.0, high = 1.0 }\n"


def schaffer(s: Setting) -> tuple[float, float]:
    """Two parabolas in a; the front is a in [0.3, 0.7] with b = 0."""
    a, b = float(s["a"]), float(s["b"])
    return (a - 0.3) ** 2 + b, (a - 0.7) ** 2 + b


@pytest.mark.parametrize("among", ["tried", "space"])
def test_two_objectives_give_a_front(among: str) -> None:
    goals = '[[objectives]]\nmetric = "E"\ngoal = "minimize"\n[[objectives]]\nmetric = "f 2"\n'
    truth: Truth = {"E": lambda s: schaffer(s)[0], "f 2": lambda s: -schaffer(s)[1]}
    bench = Bench(campaign(SQUARE, goals, among=among), truth)
    bench.run(QUICK, 1, 9).run(QUICK, 1, 3)
    assert bench.history.trial(12).meta["by"] == "log_nehvi"
    advice = bench.recommend()
    assert len(advice.front) >= 3
    assert advice.parameters in [setting for setting, _ in advice.front]
    values = np.array([[-e["E"].mean, e["f 2"].mean] for _, e in advice.front])
    for row in values:
        assert not ((values >= row).all(axis=1) & (values > row).any(axis=1)).any()
    low, high = sorted(schaffer(advice.parameters))
    assert low + high < 0.2  # the knee, a = 0.5 and b = 0, has 0.08


def test_outcome_constraints_and_targets() -> None:
    goals = (
        '[[objectives]]\nmetric = "y"\ngoal = "target"\ntarget = 0.8\n'
        '[[constraints]]\nmetric = "porosity"\nat_least = 0.5\n'
    )
    truth: Truth = {
        "y": lambda s: float(s["a"]) + float(s["b"]),
        "porosity": lambda s: float(s["b"]),
    }
    bench = Bench(campaign(SQUARE, goals, among="space"), truth)
    bench.run(QUICK, 1, 9).run(QUICK, 1, 2)
    best = bench.recommend()
    assert truth["porosity"](best.parameters) > 0.48
    assert best.objectives["y"].mean == pytest.approx(0.8, abs=0.02)
    assert truth["y"](best.parameters) == pytest.approx(0.8, abs=0.05)


def test_while_no_setting_meets_the_constraints_their_probability_is_raised() -> None:
    goals = (
        '[[objectives]]\nmetric = "y"\n[[objectives]]\nmetric = "z"\n'
        '[[constraints]]\nmetric = "w"\nat_most = -1.0\n'
    )
    truth: Truth = {"y": branin, "z": lambda s: 1.0, "w": lambda s: float(s["a"])}
    bench = Bench(campaign(SQUARE, goals), truth).run(QUICK, 2, 4)
    bench_asked = bench.ask(QUICK, 2)
    assert {p.meta["by"] for p in bench_asked} == {"log_feasibility"}
    assert min(float(p.parameters["a"]) for p in bench_asked) < 0.05
    assert len(bench.recommend().front) >= 1


def test_regions_that_fail_are_left_alone() -> None:
    """What is best of the plane cannot be made: the search closes in on the border instead."""

    def truth(s: Setting) -> float:
        return -float(s["E modulus"])  # smallest where it cannot be made

    bench = Bench(campaign(PLANE), {"beta": truth}, sem=0.0)
    asked = []
    for _ in range(20):
        number = bench.history.next_number
        (proposal,) = bench.ask(QUICK, 1)
        asked.append(float(proposal.parameters["E modulus"]))
        if asked[-1] > 3.0:
            bench.fail(number)
        else:
            bench.tell(number)
    assert max(asked[:10]) > 7.0  # of -5 to 10
    assert max(asked[12:]) < 4.5
    assert best_measured(bench) < -2.8


@given(data=st.data())
def test_margins_have_the_sign_of_their_side(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 12))
    seed = data.draw(st.integers(0, 2**32 - 1))
    fine = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    x = np.random.default_rng(seed).random((n, 3))
    margin = margins(x, fine)
    assert (np.sign(margin) == np.where(fine, 1, -1)).all()
    assert np.abs(margin).mean() == pytest.approx(1.0)


def test_noisy_outcomes_are_smoothed_by_their_sem() -> None:
    """The luckiest of many noisy values is not recommended as it stands."""
    bench = Bench(campaign(SQUARE), {"beta": lambda s: float(s["a"])}, sem=1.0)
    bench.ask(QUICK, 12)
    for number in range(1, 13):
        bench.tell(number)
    values = [outcome.mean for _, outcome in bench.history.outcomes("beta")]
    estimate = bench.recommend().objectives["beta"]
    assert min(values) < -0.5 < 0.0 < estimate.upper
    assert estimate.mean > min(values) + 0.5


# regressions against random search ---------------------------------------------------------------


def best_of_random(bench: Bench, n: int) -> float:
    """Median over 50 random searches of the best of n settings."""
    truth, space = bench.truth["beta"], bench.campaign.space
    values = [truth(s) for s in space.sample(50 * n, np.random.default_rng(0))]
    return float(np.median(np.array(values).reshape(50, n).min(axis=1)))


def best_measured(bench: Bench) -> float:
    return min(outcome.mean for _, outcome in bench.history.outcomes("beta"))


def test_branin_beats_random() -> None:
    bench = Bench(campaign(PLANE), {"beta": branin})
    bench.run(QUICK, 1, 6).run(BayesianOptimizer(), 7, 2)
    assert best_measured(bench) - 0.397887 < 0.3 * (best_of_random(bench, 20) - 0.397887)


def hartmann6(setting: Setting) -> float:
    """Hartmann 1973 in six dimensions; minimum -3.32237."""
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14]]
    a += [[3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991]]
    p += [[2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    x = np.array([float(value) for value in setting.values()])
    wells = np.exp(-(np.array(a) * (x - 1e-4 * np.array(p)) ** 2).sum(axis=1))
    return float(-(np.array([1.0, 1.2, 3.0, 3.2]) * wells).sum())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hartmann6_comes_near_its_minimum(seed: int) -> None:
    cube = "".join(f"x{i} = {{ low = 0.0, high = 1.0 }}\n" for i in range(6))
    space = "[space.parameters]\n" + cube
    bench = Bench(campaign(space, seed=seed), {"beta": hartmann6}).run(BayesianOptimizer(), 16, 3)
    assert best_of_random(bench, 48) > -2.5
    assert best_measured(bench) < -2.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_branin_comes_near_its_minimum(seed: int) -> None:
    bench = Bench(campaign(PLANE, seed=seed), {"beta": branin}, sem=0.01)
    bench.run(BayesianOptimizer(), 25, 1)
    assert best_measured(bench) - 0.397887 < 0.1
