"""Several optimisers in one campaign: whose turn it is, who asked, and what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import Campaign, CampaignError, parse
from campaigns.records import Bound, Observation, Proposal, Purpose, TrialState
from loop.engine import Interrupted
from loop.events import Ended, Excluded, Observed, Proposed, ProposedTrial
from loop.history import History
from loop.launch import create, engine
from loop.optimizers import registry
from loop.optimizers.base import Exhausted, NothingToRecommend
from loop.optimizers.portfolio import Portfolio
from loop.optimizers.portfolio_history import foreseen
from loop.optimizers.portfolio_turns import Record, by_credit, in_turn
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import charging, finish, hill, journal, run

TOML = """
name = "team"
seed = 5
[space.parameters]
{parameters}
[[objectives]]
metric = "value"
goal = "maximize"
{more}
[optimizer]
kind = "portfolio"
replicates = {replicates}
[instrument]
kind = "table"
channels = 4
[budget]
trials = 100
"""
SQUARE = "x = { low = 0.0, high = 1.0 }\ny = { low = 0.0, high = 1.0 }"
FEW = "x = { choices = [1, 2, 3, 4, 5] }"
POROSITY = '[[constraints]]\nmetric = "porosity"\nat_least = 0.25'
COST = '[[objectives]]\nmetric = "cost"\ngoal = "minimize"'
PAIR = {"swarm": {"kind": "pso"}, "spread": {"kind": "sobol"}}
TRIO = {**PAIR, "chance": {"kind": "random"}}


def campaign(parameters: str = SQUARE, more: str = "", replicates: int = 1) -> Campaign:
    return parse(TOML.format(parameters=parameters, more=more, replicates=replicates))


def team(members: Mapping[str, Any] = PAIR, **options: Any) -> Portfolio:
    made = registry.create("portfolio", {"members": members, **options})
    assert isinstance(made, Portfolio)
    return made


class Bench:
    """A campaign on a history without a store."""

    def __init__(self, case: Campaign) -> None:
        self.campaign = case
        self.history = History(case.space.names)

    def add(self, *bodies: Any) -> None:
        for body in bodies:
            self.history.apply(self.history.seen + 1, body)

    def asked(self, portfolio: Portfolio, n: int) -> list[Proposal]:
        rng = np.random.default_rng([self.campaign.seed, self.history.next_number])
        return portfolio.propose(self.campaign, self.history, n, rng)

    def enter(self, found: list[Proposal], purpose: Purpose = Purpose.SEARCH) -> list[int]:
        first = self.history.next_number
        trials = tuple(ProposedTrial(dict(p.parameters), p.author, dict(p.meta)) for p in found)
        self.add(Proposed(0.0, self.history.seen, len(found), first, "x", purpose, trials))
        return list(range(first, first + len(found)))

    def tell(self, number: int, value: float, metric: str = "value") -> None:
        self.add(Observed(0.0, number, 1, Observation(metric, value, 0.1, "1")))
        self.add(Ended(0.0, number, 1, TrialState.COMPLETED, 1.0))

    def by(self, author: str, x: float) -> int:
        return self.enter([Proposal({"x": x, "y": 0.5}, author)])[0]

    def record(self, *names: str) -> Record:
        return Record.of(self.campaign, self.history, names, judged=True)


# turns -------------------------------------------------------------------------------------------


def test_members_take_turns_over_calls_of_any_size():
    bench, portfolio = Bench(campaign()), team(TRIO)
    for n in (1, 1, 1, 4, 2, 3):
        authors = [p.author for p in bench.asked(portfolio, n)]
        assert len(authors) == n
        bench.enter(bench.asked(portfolio, n))
    counts = Counter(trial.author for trial in bench.history.trials.values())
    assert counts == {"swarm": 4, "spread": 4, "chance": 4}
    first_three = [bench.history.trial(i).author for i in (1, 2, 3)]
    assert first_three == ["swarm", "spread", "chance"]


def test_trials_of_others_take_no_turn():
    bench = Bench(campaign())
    bench.enter([Proposal({"x": 0.1, "y": 0.1}, "start")], Purpose.START)
    bench.enter([Proposal({"x": 0.2, "y": 0.1}, "swarm")], Purpose.CONFIRM)
    assert bench.record("swarm", "spread").turns == {"swarm": 0, "spread": 0}


@given(turns=st.lists(st.integers(0, 9), min_size=2, max_size=4), count=st.integers(0, 12))
def test_a_round_robin_evens_out(turns, count):
    had = {str(i): n for i, n in enumerate(turns)}
    given_ = in_turn(Record(had, {}, {}), count)
    assert sum(given_.values()) == count
    after = {name: n + given_.get(name, 0) for name, n in had.items()}
    served = [after[name] for name in given_]
    assert not served or max(served) <= min(after.values()) + 1


def test_success_is_to_be_among_the_best_quarter_now():
    bench = Bench(campaign())
    numbers = [bench.by("a" if i < 4 else "b", i / 10) for i in range(8)]
    for number, value in zip(numbers, (1, 2, 3, 8, 4, 5, 6, 7), strict=True):
        bench.tell(number, float(value))
    record = bench.record("a", "b")
    assert record.successes == {"a": 1, "b": 1}
    assert record.failures == {"a": 3, "b": 3}
    bench.add(Excluded(0.0, numbers[3], True, "spoiled"))  # 7 remain: the best two are of b
    assert bench.record("a", "b").successes == {"a": 0, "b": 2}
    assert bench.record("a", "b").failures == {"a": 3, "b": 2}


def test_failed_trials_are_failures_and_pending_or_censored_ones_nothing():
    bench = Bench(campaign(more=POROSITY))
    good, bad, censored, dense = (bench.by("a", x) for x in (0.1, 0.2, 0.3, 0.4))
    bench.by("a", 0.5)  # under way
    bench.tell(good, 1.0)
    bench.add(Ended(0.0, bad, 1, TrialState.FAILED, 1.0))
    bench.add(Observed(0.0, censored, 1, Observation("value", 9.0, None, "1", Bound.AT_LEAST)))
    bench.add(Observed(0.0, dense, 1, Observation("porosity", 0.1, None, "1")))
    bench.tell(dense, 2.0)
    record = bench.record("a")
    assert record.turns == {"a": 5}
    assert (record.successes, record.failures) == ({"a": 0}, {"a": 3})


def test_credit_prefers_the_better_and_starves_nobody():
    record = Record({"good": 20, "bad": 20}, {"good": 15, "bad": 1}, {"good": 5, "bad": 19})
    rng = np.random.default_rng(1)
    given_ = by_credit(record, 200, 0.1, rng)
    assert sum(given_.values()) == 200
    assert given_["good"] > 170
    starved = Record({"good": 99, "bad": 1}, {"good": 90, "bad": 0}, {"good": 9, "bad": 1})
    late = by_credit(starved, 5, 0.1, rng)
    assert late == {"bad": 5}


def test_credit_is_pure_and_learns_from_the_history():
    bench = Bench(campaign())
    portfolio = team(policy="credit", minimum_share=0.2)
    for _ in range(10):
        found = bench.asked(portfolio, 3)
        assert found == bench.asked(portfolio, 3)
        for number in bench.enter(found):
            trial = bench.history.trial(number)
            bench.tell(number, 1.0 if trial.author == "swarm" else 0.0)
    counts = Counter(trial.author for trial in bench.history.trials.values())
    assert counts["swarm"] > counts["spread"] >= 6


# what members share ------------------------------------------------------------------------------


def test_members_of_one_answer_know_of_each_other():
    bench = Bench(campaign(FEW))
    portfolio = team({"a": {"kind": "sobol"}, "b": {"kind": "pso"}, "c": {"kind": "random"}})
    found = bench.asked(portfolio, 5)
    assert sorted(p.parameters["x"] for p in found) == [1, 2, 3, 4, 5]
    assert Counter(p.author for p in found) == {"a": 2, "b": 2, "c": 1}
    assert bench.history.next_number == 1  # the history itself is as it was


def test_a_foreseen_history_holds_the_proposals_as_pending_trials():
    bench = Bench(campaign())
    bench.tell(bench.by("a", 0.1), 1.0)
    before = dict(bench.history.trials)
    ahead = foreseen(bench.history, [Proposal({"x": 0.9, "y": 0.9}, "b", {"k": 1})])
    assert [t.author for t in ahead.pending()] == ["b"]
    assert ahead.trial(2).meta == {"k": 1}
    assert ahead.asked({"x": 0.9, "y": 0.9}) == 1
    assert dict(bench.history.trials) == before
    assert bench.history.asked({"x": 0.9, "y": 0.9}) == 0
    assert bench.history.pending() == []
    assert foreseen(bench.history, []) is bench.history


def test_two_swarms_keep_their_particles_apart():
    bench = Bench(campaign())
    portfolio = team({"near": {"kind": "pso", "options": {"topology": "ring"}},
                      "far": {"kind": "pso", "options": {"particles": 2}}})  # fmt: skip
    for _ in range(4):
        for number in bench.enter(bench.asked(portfolio, 4)):
            bench.tell(number, float(number))
    paths = Counter((t.author, t.meta["particle"]) for t in bench.history.trials.values())
    assert paths == {**{("near", i): 1 for i in range(8)}, ("far", 0): 4, ("far", 1): 4}


def test_where_one_is_exhausted_the_others_go_on(monkeypatch):
    bench, portfolio = Bench(campaign()), team()

    def tired(self, campaign, history, n, rng):
        raise Exhausted("tired", [Proposal({"x": 0.5, "y": 0.5}, "sobol")])

    monkeypatch.setattr("loop.optimizers.sobol.Sobol.propose", tired)
    found = bench.asked(portfolio, 6)
    assert Counter(p.author for p in found) == {"swarm": 5, "spread": 1}


def test_exhausted_only_where_all_are():
    bench, portfolio = Bench(campaign(FEW)), team()
    with pytest.raises(Exhausted) as caught:
        bench.asked(portfolio, 7)
    assert len(caught.value.partial) == 5
    assert "swarm: all 5 candidates" in caught.value.reason
    assert "spread: all 5 candidates" in caught.value.reason


# recommending ------------------------------------------------------------------------------------


def test_the_recommender_is_asked_where_one_is_named():
    bench = Bench(campaign(replicates=9))
    for x, value in ((0.2, 5.0), (0.2, 5.1), (0.8, 1.0), (0.81, 7.0), (0.79, 1.0)):
        bench.tell(bench.by("swarm", x), value)
    lucky = team(TRIO, recommender="chance").recommend(bench.campaign, bench.history)
    shared = team(TRIO).recommend(bench.campaign, bench.history)
    sobol = registry.create("sobol", {}).recommend(bench.campaign, bench.history)
    assert lucky.parameters["x"] == 0.81
    assert shared == sobol


def test_several_objectives_need_a_recommender_that_takes_them():
    case = campaign(more=COST)
    empty = History(case.space.names)
    with pytest.raises(CampaignError, match=r"optimizer\.options\.recommender: is needed"):
        team().recommend(case, empty)
    with pytest.raises(CampaignError, match="'swarm' takes one objective"):
        team({**PAIR, "bo": {"kind": "bo"}}, recommender="bo").recommend(case, empty)
    models = {"a": {"kind": "bo"}, "b": {"kind": "bo", "options": {"noise": "inferred"}}}
    with pytest.raises(NothingToRecommend):
        team(models, recommender="b").recommend(case, empty)
    assert len(Bench(case).asked(team(models, recommender="b"), 3)) == 3
    with pytest.raises(CampaignError, match=r"optimizer\.options\.policy: 'credit'"):
        team(models, recommender="b", policy="credit").recommend(case, empty)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": {"a": {"kind": "pso"}}}, "members: at least two are needed, not 1"),
        (
            {"members": {**PAIR, "a": {"kind": "portfolio"}}},
            "members.a.kind: a portfolio cannot be a member of a portfolio",
        ),
        ({"members": {**PAIR, "a": {"kind": "psi"}}}, "members.a.kind: 'psi': unknown optimizer"),
        (
            {"members": {**PAIR, "a": {"kind": "pso", "options": {"particles": 0}}}},
            "members.a.options.particles: must be at least 1, not 0",
        ),
        (
            {"members": {**PAIR, "a": {"kind": "pso", "options": {"particle": 3}}}},
            "members.a.options.particle: unknown option",
        ),
        ({"members": {**PAIR, "a": {"options": {}}}}, "members.a.kind: is missing"),
        ({"members": {**PAIR, "start": {"kind": "pso"}}}, "members.start: 'start' names other"),
        ({"recommender": "gp"}, "recommender: 'gp': unknown member; allowed: swarm, bo"),
        ({"policy": "luck"}, "policy: "),
        ({"minimum_share": 0.6}, "minimum_share: must be from 0 to 0.5 with 2 members, not 0.6"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(CampaignError) as caught:
        registry.create("portfolio", options)
    assert str(caught.value).startswith(f"optimizer.options.{message}")
    assert len(caught.value.problems) == 1


# with the engine ---------------------------------------------------------------------------------

MEMBERS = {
    "swarm": {"kind": "pso", "options": {"particles": 3}},
    "bandit": {"kind": "gp_ucb"},
    "spread": {"kind": "sobol"},
}
CAMPAIGNS = {
    "round robin": lambda: hill(
        "portfolio", budget="trials = 24", overrides={"optimizer.options": {"members": MEMBERS}}
    ),
    "credit": lambda: hill(
        "portfolio", channels=4, rounds=True, budget="trials = 24",
        overrides={"optimizer.options": {"members": MEMBERS, "policy": "credit"}},
    ),
    "early prediction": lambda: charging(
        overrides={
            "optimizer.kind": "portfolio",
            "optimizer.options": {"members": MEMBERS, "recommender": "bandit"},
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAMPAIGNS)
def test_an_interrupted_and_resumed_campaign_equals_the_undisturbed_one(case):
    with Store.open("sqlite://") as store:
        whole_id = run(store, CAMPAIGNS[case]())
        whole = journal(store.events(whole_id))
        verdict = verify(store, whole_id)
    assert verdict.ok, verdict.first_divergence
    assert verdict.identical == verdict.proposals > 0

    with Store.open("sqlite://") as store:
        campaign_id = create(store, CAMPAIGNS[case]())
        for limit in (len(whole) // 3, 2 * len(whole) // 3):
            interrupted_after(store, campaign_id, limit)
        finish(store, campaign_id)
        assert journal(store.events(campaign_id)) == whole
        authors = {
            trial.author
            for event in store.events(campaign_id)
            if isinstance(event.body, Proposed) and event.body.purpose is Purpose.SEARCH
            for trial in event.body.trials
        }
    assert authors == set(MEMBERS)


def interrupted_after(store: Store, campaign_id: str, events: int) -> None:
    """Run the campaign until its journal holds so many events, then stop the engine."""

    def listen(_new: Any, state: Any) -> None:
        if state.seq >= events:
            runner.interrupt()

    with engine(store, campaign_id, listener=listen) as runner, pytest.raises(Interrupted):
        runner.run()
