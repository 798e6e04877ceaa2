"""Mixture designs: known optimal designs, rules kept, one plan a campaign, and what is learnt."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.campaign import Campaign, parse
from campaigns.problems import CampaignError
from campaigns.records import Failure, FailureKind, Observation, Purpose, TrialState
from loop.events import Ended, Excluded, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.launch import create
from loop.optimizers.base import Exhausted
from loop.optimizers.mixture_design import PLAN, RUN, MixtureDesign
from loop.optimizers.mixture_exchange import farthest
from loop.optimizers.mixture_plan import Ground
from loop.optimizers.mixture_region import candidates, sampled
from loop.optimizers.mixture_terms import Basis
from loop.optimizers.registry import create as made
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import finish, hill, run

TOML = """
name = "blend"
seed = {seed}
[space]
{rules}
[space.parameters]
{parameters}
{objectives}
[optimizer]
kind = "mixture_design"
replicates = {replicates}
[recommend]
among = "{among}"
[instrument]
kind = "table"
[budget]
trials = 40
"""
SIMPLEX = (
    "a = { low = 0.0, high = 1.0 }\nb = { low = 0.0, high = 1.0 }\nc = { low = 0.0, high = 1.0 }"
)
WHOLE = 'sums = [{ of = ["a", "b", "c"], equals = 1.0 }]'
SQUARE = "x = { low = -1.0, high = 1.0 }\ny = { low = 10.0, high = 30.0 }"
PROCESS = f'{SIMPLEX}\nz = {{ low = 0.1, high = 10.0, scale = "log" }}'
YIELD = '[[objectives]]\nmetric = "yield"'


def campaign(
    parameters: str = SIMPLEX,
    rules: str = WHOLE,
    objectives: str = YIELD,
    *,
    seed: int = 3,
    replicates: int = 1,
    among: str = "space",
) -> Campaign:
    return parse(
        TOML.format(
            parameters=parameters, rules=rules, objectives=objectives, seed=seed,
            replicates=replicates, among=among,
        )
    )  # fmt: skip


class Bench:
    """A campaign followed on a history, without a store."""

    def __init__(self, case: Campaign, **options: Any) -> None:
        self.case, self.history = case, History(case.space.names)
        self.optimizer = MixtureDesign(**options)

    def apply(self, body: Any) -> None:
        self.history.apply(self.history.seen + 1, body)

    def ask(self, n: int) -> list[dict[str, Any]]:
        """Enter the next n runs as trials; their settings."""
        first = self.history.next_number
        rng = np.random.default_rng([self.case.seed, first])
        found = self.optimizer.propose(self.case, self.history, n, rng)
        trials = tuple(
            ProposedTrial(dict(p.parameters), p.author, json.loads(json.dumps(dict(p.meta))))
            for p in found
        )
        body = Proposed(0.0, self.history.seen, n, first, "x", Purpose.SEARCH, trials)
        self.apply(body)
        return [dict(p.parameters) for p in found]

    def tell(self, number: int, **outcomes: float) -> None:
        for metric, value in outcomes.items():
            self.apply(Observed(0.0, number, 1, Observation(metric, value, None, "1")))
        self.apply(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def fail(self, number: int) -> None:
        failure = Failure(FailureKind.OUT_OF_RANGE, "cannot be made", infeasible=True)
        self.apply(Ended(0.0, number, 1, TrialState.FAILED, 1.0, failure))


def points(found: list[dict[str, Any]], names: str = "abc") -> set[tuple[float, ...]]:
    return {tuple(round(float(one[name]), 6) for name in names) for one in found}


def basis(case: Campaign, model: str) -> Basis:
    """Over a sample that no design was made with."""
    sample = case.space.encode(case.space.sample(5000, np.random.default_rng(77)))
    return Basis.of(case.space, model, sample)  # type: ignore[arg-type]


def information(case: Campaign, model: str, found: list[dict[str, Any]]) -> Any:
    functions = basis(case, model).values(case.space.encode(found))
    return functions.T @ functions


VERTICES = {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)}
MIDDLES = {(0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)}
CENTROID = {(0.333333, 0.333333, 0.333333)}


@pytest.mark.parametrize(
    ("model", "optimum"),
    [
        ("linear", VERTICES),
        ("quadratic", VERTICES | MIDDLES),  # the {3,2} simplex lattice (Kiefer 1961)
        ("special_cubic", VERTICES | MIDDLES | CENTROID),  # (Uranisi 1964)
    ],
)
def test_d_optimal_designs_on_the_simplex_are_the_known_ones(
    model: str, optimum: set[tuple[float, ...]]
) -> None:
    bench = Bench(campaign(), criterion="D", model=model, runs=len(optimum))
    assert points(bench.ask(len(optimum))) == optimum


def test_every_lattice_point_is_run_twice_where_that_is_allowed() -> None:
    bench = Bench(campaign(replicates=2), criterion="D", runs=12)
    found = bench.ask(12)
    assert points(found) == VERTICES | MIDDLES
    keys = [bench.case.space.key(one) for one in found]
    assert all(keys.count(key) == 2 for key in keys)


def test_the_d_efficiency_reaches_the_best_known_design_of_a_square() -> None:
    case = campaign(SQUARE, "", replicates=2)
    grid = [{"x": x, "y": y} for x, y in itertools.product((-1, 0, 1), (10, 20, 30))]
    found = Bench(case, criterion="D", runs=9).ask(9)  # nine runs: the 3 x 3 factorial
    best = np.linalg.slogdet(information(case, "quadratic", grid))[1]
    mine = np.linalg.slogdet(information(case, "quadratic", found))[1]
    assert np.exp((mine - best) / 6.0) >= 0.99


def test_the_i_optimal_design_predicts_better_and_the_d_optimal_one_estimates_better() -> None:
    case = campaign(PROCESS)
    told = {}
    for criterion in ("I", "D"):
        told[criterion] = information(
            case, "quadratic", Bench(case, criterion=criterion, runs=20).ask(20)
        )
    variance = {name: np.trace(np.linalg.inv(m)) for name, m in told.items()}
    volume = {name: np.linalg.slogdet(m)[1] for name, m in told.items()}
    assert variance["I"] < 0.95 * variance["D"]
    assert volume["D"] > volume["I"]


def test_a_space_filling_design_keeps_its_runs_apart() -> None:
    case = campaign(PROCESS)

    def nearest(found: Any) -> float:
        x = case.space.encode(found)
        distance = np.linalg.norm(x[:, None] - x[None], axis=-1)
        return float(distance[np.triu_indices(len(x), 1)].min())

    mine = nearest(Bench(case, criterion="space-filling", runs=20).ask(20))
    rng = np.random.default_rng(0)
    chance = max(nearest(case.space.sample(20, rng)) for _ in range(50))
    assert mine > 1.5 * chance


def test_the_farthest_points_of_a_line_are_its_middle_and_its_ends() -> None:
    x = np.linspace(0.0, 1.0, 11)[:, None]
    room = np.ones(11, dtype=np.intp)
    assert sorted(farthest(x, np.empty((0, 1)), 5, room)) in ([0, 2, 5, 8, 10], [0, 2, 5, 7, 10])
    assert farthest(x, x[[0]], 1, room) == [10]


@settings(max_examples=8)
@given(st.integers(0, 2**20), st.sampled_from(["I", "D", "space-filling"]))
def test_rules_of_the_space_hold(seed: int, criterion: str) -> None:
    rules = (
        f'{WHOLE}\nconstraints = ["a <= 0.6", "2*b + z <= 3"]\nexclude = ["a > 0.5 and c > 0.3"]'
    )
    parameters = (
        f"{SIMPLEX}\nz = {{ low = 0.0, high = 3.0 }}\nn = {{ low = 1, high = 9, integer = true }}"
    )
    case = campaign(f'{parameters}\nkind = {{ choices = ["p", "q", "r"] }}', rules, seed=seed)
    found = Bench(case, criterion=criterion, model="linear").ask(12)
    assert all(case.space.problems(one) == [] for one in found)
    assert len({case.space.key(one) for one in found}) == 12
    assert max(one["a"] for one in found) > 0.55  # corners are looked for, not only the inside


def test_the_corners_of_a_constrained_mixture_are_candidates() -> None:
    small = "{ low = 1.0, high = 5.0 }"
    parameters = f"a = {{ low = 90.0, high = 98.0 }}\nb = {small}\nc = {small}"
    case = campaign(parameters, 'sums = [{ of = ["a", "b", "c"], equals = 100.0 }]')
    rng = np.random.default_rng(0)
    found = points([dict(s) for s in candidates(case.space, sampled(case.space, rng), rng)])
    assert {(98, 1, 1), (94, 5, 1), (94, 1, 5), (90, 5, 5)} <= found
    assert {(96, 3, 1), (96, 1, 3), (92, 5, 3), (92, 3, 5)} <= found  # middles of the edges


def test_the_functions_of_the_basis_are_orthonormal_and_as_many_as_the_model_has() -> None:
    mixed = f'{PROCESS}\nkind = {{ choices = ["p", "q", "r"] }}'
    for parameters, rules, model, count in (
        (SIMPLEX, WHOLE, "linear", 3),
        (SIMPLEX, WHOLE, "quadratic", 6),
        (SIMPLEX, WHOLE, "special_cubic", 7),
        (SQUARE, "", "quadratic", 6),
        (PROCESS, WHOLE, "quadratic", 6 + 3 + 1),
        (mixed, WHOLE, "linear", 3 + 1 + 2),
    ):
        case = campaign(parameters, rules)
        rng = np.random.default_rng(1)
        x = case.space.encode(sampled(case.space, rng))
        functions = Basis.of(case.space, model, x).values(x)  # type: ignore[arg-type]
        assert functions.shape[1] == count
        assert functions.T @ functions / len(x) == pytest.approx(np.eye(count), abs=1e-6)


def test_scheffe_s_polynomials_are_in_the_span() -> None:
    case = campaign(PROCESS)
    found = case.space.sample(200, np.random.default_rng(5))
    functions = basis(case, "quadratic").values(case.space.encode(found))
    a, b, c = (np.array([one[name] for one in found]) for name in "abc")
    z = np.log10(np.array([one["z"] for one in found]))
    surface = 3 * a - b + 2 * c + 4 * a * b - b * c + 2 * a * z - c * z + 0.5 * z * z
    weights = np.linalg.lstsq(functions, surface, rcond=None)[0]
    assert functions @ weights == pytest.approx(surface, abs=1e-9)


def test_one_by_one_and_all_at_once_are_the_same_design() -> None:
    case = campaign(PROCESS)
    single, whole = Bench(case), Bench(case)
    one_by_one = [single.ask(1)[0] for _ in range(18)]
    assert one_by_one == whole.ask(18)  # a design of 15 and three runs behind it
    metas = [trial.meta for trial in single.history.trials.values()]
    assert [RUN in meta for meta in metas] == 15 * [True] + 3 * [False]
    assert [PLAN in meta for meta in metas] == [True] + 17 * [False]
    assert len(metas[0][PLAN]) == 15
    assert Bench(campaign(PROCESS, seed=4)).ask(15) != one_by_one[:15]


def test_the_end_of_the_design_is_the_end_where_nothing_is_to_be_added() -> None:
    bench = Bench(campaign(), runs=6, augment=False)
    bench.ask(4)
    with pytest.raises(Exhausted, match="the design of 6 runs is complete") as caught:
        bench.ask(3)
    assert len(caught.value.partial) == 2


def test_what_is_run_already_is_part_of_the_design() -> None:
    case = campaign()
    bench = Bench(case, criterion="D", runs=3)
    given_ = tuple(
        ProposedTrial(case.space.complete(dict(zip("abc", row, strict=True))), "start", {})
        for row in sorted(MIDDLES)
    )
    bench.apply(Proposed(0.0, 1, 3, 1, "start", Purpose.START, given_))
    assert points(bench.ask(3)) == VERTICES


def test_an_excluded_run_is_replaced_behind_the_design() -> None:
    bench = Bench(campaign(), criterion="D", runs=6)
    found = bench.ask(6)
    for number in range(1, 7):
        bench.tell(number, **{"yield": 1.0})
    bench.apply(Excluded(0.0, 2, True, "spoiled"))
    assert points(bench.ask(1)) == points(found[1:2])


def test_the_neighbourhood_of_what_cannot_be_made_comes_last() -> None:
    bench = Bench(campaign(), criterion="D", model="linear", runs=3)
    found = bench.ask(3)
    for number, one in enumerate(found, start=1):
        if one["a"] == 1.0:
            bench.fail(number)
        else:
            bench.tell(number, **{"yield": 1.0})
    later = bench.ask(10)
    assert max(one["a"] for one in later) < 0.8
    assert all(bench.case.space.key(one) not in map(bench.case.space.key, found) for one in later)


def surface(one: dict[str, Any]) -> float:
    """Best at a = 0.5, b = 0.3, c = 0.2, z = 1."""
    z = np.log10(one["z"])
    return float(10 - 20 * (one["a"] - 0.5) ** 2 - 20 * (one["b"] - 0.3) ** 2 - 3 * z * z)


@pytest.mark.parametrize("criterion", ["I", "D", "space-filling"])
def test_the_optimum_of_a_polynomial_is_found_where_nothing_was_run(criterion: str) -> None:
    bench = Bench(campaign(PROCESS), criterion=criterion)
    noise = np.random.default_rng(2)
    for number, one in enumerate(bench.ask(24), start=1):
        bench.tell(number, **{"yield": surface(one) + 0.05 * noise.standard_normal()})
    best = bench.optimizer.recommend(bench.case, bench.history)
    assert surface(dict(best.parameters)) > 9.9
    told = best.objectives["yield"]
    assert told.lower <= told.mean <= told.upper
    assert told.mean == pytest.approx(10.0, abs=0.3)
    assert best.trial is None
    tried = Bench(campaign(PROCESS, among="tried"), criterion=criterion)
    tried.history = bench.history
    assert tried.optimizer.recommend(tried.case, tried.history).trial is not None


def test_outcome_constraints_are_kept_by_the_model() -> None:
    limits = f'{YIELD}\n[[constraints]]\nmetric = "porosity"\nat_most = 0.3'
    bench = Bench(campaign(PROCESS, objectives=limits))
    for number, one in enumerate(bench.ask(24), start=1):
        bench.tell(number, **{"yield": surface(one), "porosity": one["a"]})
    best = bench.optimizer.recommend(bench.case, bench.history)
    assert best.parameters["a"] == pytest.approx(0.3, abs=0.03)


def test_several_objectives_have_a_front() -> None:
    two = f'{YIELD}\n[[objectives]]\nmetric = "cost"\ngoal = "minimize"'
    bench = Bench(campaign(PROCESS, objectives=two))
    for number, one in enumerate(bench.ask(24), start=1):
        bench.tell(number, **{"yield": surface(one), "cost": 5.0 * one["a"]})
    best = bench.optimizer.recommend(bench.case, bench.history)
    assert len(best.front) > 3
    front = sorted((told["cost"].mean, told["yield"].mean) for _, told in best.front)
    assert [y for _, y in front] == sorted(y for _, y in front)  # more of a costs, and yields


def test_wrong_options_are_told() -> None:
    with pytest.raises(CampaignError, match=r"optimizer\.options\.runs: must be at least 1, not 0"):
        made("mixture_design", {"runs": 0})
    with pytest.raises(CampaignError, match="criterion"):
        made("mixture_design", {"criterion": "A"})
    bench = Bench(campaign(SQUARE, ""), model="special_cubic")
    with pytest.raises(CampaignError, match="needs a composition of three or more"):
        bench.ask(1)


def test_fewer_runs_than_terms_still_spread() -> None:
    bench = Bench(campaign(PROCESS), criterion="D", runs=4)
    functions = basis(bench.case, "quadratic").values(bench.case.space.encode(bench.ask(4)))
    assert np.linalg.matrix_rank(functions) == 4


def test_the_usual_size_is_the_terms_and_five_without_what_there_is() -> None:
    case = campaign()
    history = History(case.space.names)
    ground = Ground.of(case, history, "quadratic")
    assert len(ground.basis.terms) == 6
    assert (
        len(MixtureDesign().propose(case, history, 1, np.random.default_rng(0))[0].meta[PLAN]) == 11
    )


def test_a_campaign_by_design_replays(tmp_path: Any) -> None:
    with Store.open(f"sqlite:///{tmp_path}/a.db") as store:
        case = hill("mixture_design", overrides={"recommend.among": "space"})
        campaign_id = run(store, case)
        found = verify(store, campaign_id)
        assert found.identical == found.proposals
        assert create(store, case) != campaign_id
        finish(store, campaign_id)
