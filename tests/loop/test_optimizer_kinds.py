"""What each optimiser does that the shared promises do not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from scipy.stats.qmc import discrepancy

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Bound, Observation, Proposal, Purpose, Setting, TrialState
from loop.events import Ended, Excluded, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.bayes_gap import BayesGap, gaps, pick
from loop.optimizers.evidence import Evidence
from loop.optimizers.gp_ucb import GpUcb

TOML = """
name = "small"
seed = 1
[space.parameters]
{parameters}
{constraints}
[[objectives]]
metric = "life"
goal = "{goal}"
[optimizer]
kind = "{kind}"
rounds = {rounds}
replicates = {replicates}
[instrument]
kind = "table"
channels = 4
[budget]
trials = 100
"""
GRID = "x = { choices = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }"
SQUARE = "x = { low = 0.0, high = 1.0 }\ny = { low = 0.0, high = 1.0 }"
POROSITY = '[[constraints]]\nmetric = "porosity"\nat_least = 0.25'


def campaign(kind: str, parameters: str = GRID, **changes: Any) -> Campaign:
    given_ = {"constraints": "", "goal": "maximize", "rounds": "false", "replicates": 1} | changes
    return parse(TOML.format(kind=kind, parameters=parameters, **given_))


def ask(kind: str, case: Campaign, history: History, n: int, **options: Any) -> list[Proposal]:
    rng = np.random.default_rng([case.seed, history.next_number])
    return registry.create(kind, options).propose(case, history, n, rng)


def propose(history: History, parameters: list[Setting]) -> range:
    first = history.next_number
    trials = tuple(ProposedTrial(dict(p), "x") for p in parameters)
    event = Proposed(0.0, history.seen, len(trials), first, "x", Purpose.SEARCH, trials)
    history.apply(history.seen + 1, event)
    return range(first, first + len(trials))


def measure(history: History, number: int, *observations: Observation) -> None:
    for observation in observations:
        history.apply(history.seen + 1, Observed(0.0, number, 1, observation))
    history.apply(history.seen + 1, Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))


def life(mean: float, sem: float | None = 1.0, bound: Bound = Bound.EXACT) -> Observation:
    return Observation("life", mean, sem, "1", bound)


def told(case: Campaign, values: dict[int, list[float]], sem: float | None = 1.0) -> History:
    history = History(case.space.names)
    for x, means in values.items():
        for mean in means:
            measure(history, propose(history, [{"x": x}])[0], life(mean, sem))
    return history


# random and sobol ------------------------------------------------------------------------------


def test_random_is_uniform_over_the_candidates() -> None:
    case = campaign("random", replicates=1000)
    drawn = [p.parameters["x"] for p in ask("random", case, History(["x"]), 2000)]
    assert chisquare(np.bincount(np.array(drawn, dtype=int))).pvalue > 0.001


def test_random_goes_through_what_hardly_a_draw_meets() -> None:
    case = campaign("random", "x = { low = 1, high = 5000, integer = true }")
    history = History(["x"])
    propose(history, [{"x": x} for x in range(1, 5001) if x not in (17, 4321)])
    assert sorted(p.parameters["x"] for p in ask("random", case, history, 2)) == [17, 4321]


def test_random_recommends_the_luckiest_mean() -> None:
    case = campaign("random")
    history = told(case, {1: [10.0, 4.0], 2: [8.0], 3: [1.0]})
    best = registry.create("random", {}).recommend(case, history)
    assert best.parameters == {"x": 2}
    estimate = best.objectives["life"]
    assert estimate.upper - estimate.mean == pytest.approx(1.6449, abs=1e-3)


def test_unstated_noise_is_taken_from_repeats() -> None:
    case = campaign("random")
    history = told(case, {1: [10.0, 12.0], 2: [3.0, 5.0]}, sem=None)
    estimate = registry.create("random", {}).recommend(case, history).objectives["life"]
    assert estimate.upper - estimate.mean == pytest.approx(1.6449 * np.sqrt(2.0 / 2), abs=1e-3)


def test_sobol_one_by_one_is_sobol_at_once() -> None:
    case = campaign("sobol", SQUARE)
    together = [p.parameters for p in ask("sobol", case, History(["x", "y"]), 150)]
    history = History(case.space.names)
    for _ in range(150):
        (proposal,) = ask("sobol", case, history, 1)
        trial = ProposedTrial(dict(proposal.parameters), "sobol", dict(proposal.meta))
        event = Proposed(0.0, 0, 1, history.next_number, "sobol", Purpose.SEARCH, (trial,))
        history.apply(history.seen + 1, event)
    assert [dict(t.parameters) for t in history.trials.values()] == together


def test_sobol_fills_the_space_evenly() -> None:
    space = campaign("sobol", SQUARE).space
    even, loose = (
        discrepancy(space.encode([p.parameters for p in ask(kind, case, History(["x", "y"]), 64)]))
        for kind, case in ((k, campaign(k, SQUARE)) for k in ("sobol", "random"))
    )
    assert even < 0.3 * loose


def test_sobol_on_a_grid_takes_every_other_place_first() -> None:
    case = campaign("sobol")
    first = sorted(p.parameters["x"] for p in ask("sobol", case, History(["x"]), 5))
    assert max(np.diff(first)) <= 4
    assert len(set(first)) == 5


# bayes_gap -------------------------------------------------------------------------------------


def test_gap_is_to_the_best_other_arm() -> None:
    upper, lower = np.array([5.0, 9.0, 7.0]), np.array([1.0, 6.0, 2.0])
    np.testing.assert_array_equal(gaps(upper, lower), [8.0, 1.0, 7.0])


def test_the_less_certain_of_leader_and_rival_is_picked() -> None:
    upper, lower = np.array([5.0, 9.0, 7.0]), np.array([1.0, 6.0, 2.0])
    gap = gaps(upper, lower)
    assert pick(gap, upper, lower, np.array([True, True, True])) == 2  # rival: 5 wide against 3
    assert pick(gap, upper, lower, np.array([True, True, False])) == 0
    assert pick(gap, upper, lower, np.array([False, True, False])) == 1


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=2, max_size=8))
@settings(max_examples=50)
def test_gaps_against_their_definition(arms: list[tuple[float, float]]) -> None:
    lower = np.array([a for a, _ in arms])
    upper = lower + np.array([w for _, w in arms])
    for k, gap in enumerate(gaps(upper, lower)):
        assert gap == max(u for i, u in enumerate(upper) if i != k) - lower[k]


def test_rounds_are_proposals_or_full_sets_of_channels() -> None:
    optimizer = BayesGap()
    history = History(["x"])
    for x in range(6):
        propose(history, [{"x": x}])
    assert optimizer.round(campaign("bayes_gap", rounds="true"), history) == 6
    assert optimizer.round(campaign("bayes_gap"), history) == 1
    assert BayesGap(round_trials=2).round(campaign("bayes_gap"), history) == 3
    assert [BayesGap(decimals=4).beta_in(r) for r in (0, 1, 5)] == [5.0, 2.5, 0.1562]


def test_no_arm_twice_in_a_batch_nor_while_pending() -> None:
    case = campaign("bayes_gap", replicates=3)
    history = told(case, {x: [float(x)] for x in range(10)})
    propose(history, [{"x": 9}, {"x": 8}])
    first = [p.parameters["x"] for p in ask("bayes_gap", case, history, 8)]
    assert sorted(first) == list(range(8))
    assert len(ask("bayes_gap", case, history, 18)) == 18  # more than arms: repeats after all


# gp_ucb ----------------------------------------------------------------------------------------


def test_an_empty_campaign_is_filled_evenly() -> None:
    case = campaign("gp_ucb", SQUARE)
    settings_ = [p.parameters for p in ask("gp_ucb", case, History(["x", "y"]), 16)]
    x = case.space.encode(settings_)
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1)) + 9.0 * np.eye(16)
    assert distance.min() > 0.12


def test_pending_trials_turn_the_next_pick_elsewhere() -> None:
    case = campaign("gp_ucb", replicates=5)
    history = told(case, {1: [0.0], 5: [1.0], 9: [0.0]}, sem=0.3)
    (first,) = ask("gp_ucb", case, history, 1, length_scale=0.1)
    for _ in range(3):
        propose(history, [first.parameters])
    (second,) = ask("gp_ucb", case, history, 1, length_scale=0.1)
    assert second.parameters != first.parameters


def test_the_best_is_repeated_when_repeats_are_allowed() -> None:
    values = {x: [10.0 - abs(x - 5.0)] * 2 for x in range(10)}
    case = campaign("gp_ucb", replicates=50)
    again = [p.parameters["x"] for p in ask("gp_ucb", case, told(case, values, 2.0), 12, beta=0.5)]
    assert len(set(again)) < 12
    assert np.mean(np.abs(np.array(again) - 5)) < 2.0


def test_endless_spaces_are_searched_where_it_is_good() -> None:
    case = campaign("gp_ucb", SQUARE, goal="minimize")
    history = History(case.space.names)
    for _ in range(12):
        proposals = ask("gp_ucb", case, history, 2, candidates=200)
        for number in propose(history, [p.parameters for p in proposals]):
            point = history.trial(number).parameters
            x, y = float(point["x"]), float(point["y"])
            measure(history, number, life((x - 0.3) ** 2 + (y - 0.7) ** 2, 0.01))
    best = GpUcb().recommend(case, history).parameters
    assert float(best["x"]) == pytest.approx(0.3, abs=0.1)
    assert float(best["y"]) == pytest.approx(0.7, abs=0.1)


# what they learn from --------------------------------------------------------------------------


def test_recommendation_weighs_repeats_and_neighbours_against_luck() -> None:
    case = campaign("gp_ucb")
    values = {x: [10.0 - abs(x - 6.0)] * 4 for x in range(10)} | {0: [14.0]}
    assert GpUcb().recommend(case, told(case, values, 4.0)).parameters["x"] in (5, 6, 7)


def test_only_exact_and_included_outcomes_count() -> None:
    case = campaign("gp_ucb", goal="minimize")
    history = told(case, {1: [5.0], 2: [7.0]})
    measure(history, propose(history, [{"x": 3}])[0], life(1.0, bound=Bound.AT_LEAST))
    history.apply(history.seen + 1, Excluded(0.0, 1, True, "spilled"))
    evidence = Evidence.of(case, history)
    assert evidence.settings == ({"x": 2},)
    np.testing.assert_array_equal(evidence.y, [-7.0])


@pytest.mark.parametrize("kind", ["random", "sobol", "bayes_gap", "gp_ucb"])
def test_settings_that_break_an_outcome_constraint_are_not_recommended(kind: str) -> None:
    case = campaign(kind, constraints=POROSITY)
    history = History(["x"])
    for x, porosity in ((1, 0.1), (2, 0.3)):
        number = propose(history, [{"x": x}])[0]
        measure(history, number, life(10.0 / x), Observation("porosity", porosity, 0.01, "1"))
    optimizer = registry.create(kind, {})
    assert optimizer.recommend(case, history).parameters == {"x": 2}
    history.apply(history.seen + 1, Excluded(0.0, 2, True, "mislabelled"))
    with pytest.raises(NothingToRecommend, match="constraint"):
        optimizer.recommend(case, history)


@pytest.mark.parametrize("kind", ["bayes_gap", "gp_ucb"])
def test_several_objectives_are_for_another_optimiser(kind: str) -> None:
    second = '[[objectives]]\nmetric = "cost"\ngoal = "minimize"'
    case = campaign(kind, constraints=second)
    line = "takes one objective, not 2; 'bo' and 'nsga2' take several"
    with pytest.raises(CampaignError, match=line):
        ask(kind, case, History(["x"]), 1)


def test_raw_coordinates_need_numbers() -> None:
    case = campaign("gp_ucb", 'salt = { choices = ["LiPF6", "LiFSI"] }')
    with pytest.raises(CampaignError, match="'raw' needs numeric parameters, but 'salt' is not"):
        ask("gp_ucb", case, History(["salt"]), 1, coordinates="raw", length_scale=1.0)


# the registry ----------------------------------------------------------------------------------


def test_mistakes_in_kind_and_options_are_told() -> None:
    with pytest.raises(CampaignError, match="did you mean 'sobol'"):
        registry.create("sobl", {})
    with pytest.raises(CampaignError, match="did you mean 'length_scale'"):
        registry.create("gp_ucb", {"lenght_scale": 1.0})
    for options, message in (
        ({"beta": -1.0}, "beta: must be 0 or more"),
        ({"prior_sd": 0.0}, "prior_sd: must be above 0"),
        ({"coordinates": "raw"}, "length_scale: must be given"),
    ):
        with pytest.raises(CampaignError, match=message):
            registry.create("gp_ucb", options)
    for options, message in (
        ({"decay": 1.5}, "decay: must be above 0 and at most 1"),
        ({"round_trials": 0}, "round_trials: must be 1 or more"),
        ({"decimals": -1}, "decimals: must be 0 to 15"),
    ):
        with pytest.raises(CampaignError, match=message):
            registry.create("bayes_gap", options)


def test_ours_are_known() -> None:
    assert registry.known()[:5] == ("random", "sobol", "bayes_gap", "gp_ucb", "bo")
