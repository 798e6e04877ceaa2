"""Stopped tests in the optimisers' models, against lives whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from campaigns.campaign import Campaign, parse
from campaigns.records import Bound, Observation, Purpose, TrialState
from loop.events import (
    Created,
    Ended,
    Observed,
    Proposed,
    ProposedTrial,
    Recommended,
    Started,
    Submitting,
)
from loop.history import History
from loop.optimizers import registry
from loop.optimizers.base import NothingToRecommend
from loop.optimizers.bo_censored import outcomes_told, with_bounds
from loop.optimizers.bo_data import encoded, gather
from loop.optimizers.evidence import Evidence, violating
from loop.optimizers.gaussian_model import GaussianModel
from loop.optimizers.gaussian_process import Array
from loop.replay import verify
from loop.report import render
from loop.restoring import restore
from loop.store.store import Store
from loop.summary import summary
from surrogates.fence import fenced
from tests.loop.laboratory import charging, foothill, run
from tests.loop.stopped_bench import Z90, Stopped, add, campaign

WAYS = ("dropped", "truncated", "bounds")
QUICK_BO = {"pool": 64, "starts": 1, "iterations": 5, "initial": 4}


def by_gp(case: Campaign, history: History, stopped: Stopped) -> tuple[Array, Array]:
    evidence = Evidence.of(case, history)
    belief = GaussianModel().posterior(case.space, evidence, stopped.settings)
    return belief.mean, belief.sd


def by_bo(case: Campaign, history: History, stopped: Stopped) -> tuple[Array, Array]:
    from loop.optimizers.bo_model import fit

    with fenced(1):
        evidence = with_bounds(gather(case, history, "observed"), case, history)
        mean, sd = fit(evidence).moments(encoded(case, stopped.settings))
    one = evidence.series[0]
    return one.offset + one.scale * mean[:, 0], one.scale * sd[:, 0]


def study(model: Any, seeds: int) -> dict[str, tuple[float, float, float]]:
    """(bias, RMSE, coverage of 90 % intervals) at the stopped settings, by way of telling them."""
    case, found = campaign(), {}
    for way in WAYS:
        errors, inside = [], []
        for seed in range(seeds):
            stopped = Stopped.drawn(seed)
            mean, sd = model(case, stopped.told(way), stopped)
            error = (mean - stopped.truth)[stopped.over]
            errors.append(error)
            inside.append(np.abs(error) <= Z90 * sd[stopped.over])
        every = np.concatenate(errors)
        found[way] = (
            float(every.mean()), float(np.sqrt((every**2).mean())),
            float(np.concatenate(inside).mean()),
        )  # fmt: skip
    return found


def check(found: dict[str, tuple[float, float, float]], least_coverage: float) -> None:
    bias, rmse, covered = found["bounds"]
    for other in ("dropped", "truncated"):
        assert found[other][0] < -80.0  # cycles: where the mistake lies
        assert abs(bias) < 0.25 * abs(found[other][0])
        assert rmse < 0.75 * found[other][1]
        assert covered > found[other][2] + 0.3
    assert least_coverage < covered < 0.97


def test_bounds_take_the_bias_out_of_the_gaussian_process() -> None:
    check(study(by_gp, 24), 0.82)


@pytest.mark.slow
def test_bounds_take_the_bias_out_of_bo() -> None:
    check(study(by_bo, 24), 0.74)


def test_bo_hears_bounds_on_a_few_histories() -> None:
    found = study(by_bo, 4)
    for other in ("dropped", "truncated"):
        assert abs(found["bounds"][0]) < 0.5 * abs(found[other][0])


@pytest.mark.parametrize("model", [by_gp, by_bo])
def test_the_turned_round_campaign_believes_the_same(model: Any) -> None:
    """Minimising the negated life, told by upper bounds, is the same problem."""
    stopped = Stopped.drawn(2)
    mean, sd = model(campaign(), stopped.told("bounds"), stopped)
    turned, same = model(campaign(goal="minimize"), stopped.told("bounds", -1.0), stopped)
    sign = 1.0 if model is by_gp else -1.0  # `Evidence` has the sign of the objective in it
    np.testing.assert_allclose(sign * turned, mean, atol=2.0)
    np.testing.assert_allclose(same, sd, atol=2.0)


@pytest.mark.parametrize("sem", [None, 0.0])
def test_bo_takes_bounds_where_the_noise_is_inferred_or_none(sem: float | None) -> None:
    stopped, case = Stopped.drawn(5), campaign()
    mean, _ = by_bo(case, stopped.told("bounds", sem=sem), stopped)
    dropped, _ = by_bo(case, stopped.told("dropped", sem=sem), stopped)
    over = stopped.over
    assert (mean - stopped.truth)[over].mean() > (dropped - stopped.truth)[over].mean() + 50.0


# what optimisers do with them ----------------------------------------------------------------


def hinted(kind: str, bound: Bound = Bound.AT_LEAST, goal: str = "maximize") -> History:
    """Five exact lives, and a sixth setting known by a bound that is better than all of them."""
    sign = 1.0 if goal == "maximize" else -1.0
    history = History(["x", "y"])
    for i in range(5):
        setting = {"x": 0.1 + 0.15 * i, "y": 0.2 * i}
        add(history, setting, Observation("life", sign * (300.0 + 20.0 * i), 10.0, "1"))
    add(history, {"x": 0.9, "y": 0.9}, Observation("life", sign * 500.0, 10.0, "1", bound))
    return history


@pytest.mark.parametrize("kind", ["gp_ucb", "bayes_gap", "sobol", "bo"])
@pytest.mark.parametrize(
    ("goal", "bound"), [("maximize", Bound.AT_LEAST), ("minimize", Bound.AT_MOST)]
)
def test_a_setting_known_by_a_good_bound_alone_is_recommended(
    kind: str, goal: str, bound: Bound
) -> None:
    history = hinted(kind, bound, goal)
    best = registry.create(kind, {}).recommend(campaign(kind, goal), history)
    assert best.parameters == {"x": 0.9, "y": 0.9}
    assert best.trial == 6
    estimate = best.objectives["life"]
    assert abs(estimate.mean) > 490.0
    assert estimate.lower < estimate.mean < estimate.upper


@pytest.mark.parametrize("kind", ["random", "pso", "nsga2"])
def test_others_leave_bounds_out(kind: str) -> None:
    options = {"recommend_by": "best_observed"} if kind == "pso" else {}
    best = registry.create(kind, options).recommend(campaign(kind), hinted(kind))
    assert best.parameters == {"x": 0.7, "y": 0.8}


KINDS = ["bayes_gap", "bo", "gp_ucb", "ml_pso", "mixture_design", "nsga2", "pso", "random", "sobol"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_on_with_bounds_alone_and_beside_values(kind: str) -> None:
    case = campaign(kind)
    options: dict[str, Any] = QUICK_BO if kind == "bo" else {}
    optimizer = registry.create(kind, options)
    alone = History(["x", "y"])
    for i in range(5):
        add(alone, {"x": 0.2 * i, "y": 0.1}, Observation("life", 400.0, None, "1", Bound.AT_LEAST))
    for history in (alone, hinted(kind)):
        rng = np.random.default_rng(0)
        first = optimizer.propose(case, history, 2, rng)
        again = optimizer.propose(case, history, 2, np.random.default_rng(0))
        assert len(first) == 2
        assert [p.parameters for p in first] == [p.parameters for p in again]
    with pytest.raises(NothingToRecommend):
        optimizer.recommend(case, alone)


def test_evidence_keeps_values_and_bounds_apart() -> None:
    history = hinted("gp_ucb")
    add(history, {"x": 0.1, "y": 0.0}, Observation("life", 250.0, None, "1", Bound.AT_MOST))
    evidence = Evidence.of(campaign(goal="minimize"), history)
    assert len(evidence.settings) == 5
    assert evidence.bounded == ({"x": 0.9, "y": 0.9},)
    np.testing.assert_array_equal(evidence.limits.value, [-500.0, -250.0])
    np.testing.assert_array_equal(evidence.limits.side, [-1.0, 1.0])
    assert evidence.limits.trials == (6, 7)
    assert len(evidence.tried()) == 6


def test_bo_counts_bounds_once_two_values_are_known() -> None:
    case, history = campaign("bo"), History(["x", "y"])
    counts = []
    for i, bound in enumerate([Bound.AT_LEAST, Bound.EXACT, Bound.AT_LEAST, Bound.EXACT]):
        add(history, {"x": 0.2 * i, "y": 0.1}, Observation("life", 400.0 + i, 1.0, "1", bound))
        counts.append(outcomes_told(case, history))
    assert counts == [0, 1, 1, 4]


def test_a_bound_beyond_an_outcome_constraint_rules_a_setting_out() -> None:
    text = """
name = "kept"
seed = 1
[space.parameters]
x = { low = 0.0, high = 1.0 }
y = { low = 0.0, high = 1.0 }
[[objectives]]
metric = "life"
goal = "maximize"
[[constraints]]
metric = "swelling"
at_most = 5.0
[optimizer]
kind = "gp_ucb"
[instrument]
kind = "table"
[budget]
trials = 10
"""
    history = History(["x", "y"])
    told = [(6.0, Bound.AT_LEAST), (4.0, Bound.AT_LEAST), (6.0, Bound.AT_MOST)]
    for i, (value, bound) in enumerate(told):
        add(history, {"x": 0.1 * i, "y": 0.0}, Observation("swelling", value, 0.1, "1", bound))
    assert violating(parse(text), history) == {(0.0, 0.0)}


# in the loop ---------------------------------------------------------------------------------


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.mark.parametrize("kind", ["gp_ucb", "bo"])
def test_a_campaign_whose_cells_die_early_is_derived_again(store: Store, kind: str) -> None:
    overrides = {"optimizer.kind": kind, "budget.trials": 12}
    if kind == "bo":
        overrides |= {f"optimizer.options.{k}": v for k, v in QUICK_BO.items()}
    options = "faults = { early_death = 0.35 }"
    campaign_id = run(store, charging(options, overrides))
    state = restore(store, campaign_id)
    trials = state.history.trials.values()
    bounded = [t for t in trials if t.state is TrialState.FAILED and t.outcomes]
    assert bounded
    assert all(t.outcomes["cycle_life"].bound is Bound.AT_LEAST for t in bounded)
    assert verify(store, campaign_id).ok
    best = state.recommendation
    assert best is not None
    exact = [one.mean for _, one in state.history.outcomes("cycle_life")]
    assert min(exact) < best.objectives["cycle_life"].mean < 1.3 * max(exact)
    assert best.trial is not None


def test_a_report_shows_a_recommendation_known_by_a_bound_alone(store: Store) -> None:
    case = campaign("gp_ucb")
    trials = tuple(ProposedTrial({"x": 0.2 * i, "y": 0.2 * i}, "gp_ucb") for i in range(4))
    events: list[Any] = [Proposed(0.0, 1, 4, 1, "gp_ucb", Purpose.SEARCH, trials)]
    for i in range(4):
        bound = Bound.AT_LEAST if i == 3 else Bound.EXACT
        events += [
            Submitting(3600.0, i + 1, 1, f"stopped-1/{i + 1}/1"),
            Started(3600.0, i + 1, 1, ""),
            Observed(7200.0, i + 1, 1, Observation("life", 100.0 * (1 + i), 5.0, "1", bound)),
            Ended(7200.0, i + 1, 1, TrialState.COMPLETED, 1.0),
        ]
    created = Created("stopped", case.digest, 1, "2000-01-01T00:00:00+00:00", {})
    campaign_id = store.create("stopped", case.text, {}, created)
    lease = store.acquire(campaign_id)
    store.append(campaign_id, events, fence=lease.fence)
    history = restore(store, campaign_id).history
    best = registry.create("gp_ucb", {}).recommend(case, history)
    assert best.trial == 4
    told = Recommended(7200.0, history.seen, "gp_ucb", best)
    store.append(campaign_id, [told], fence=lease.fence)
    text, _ = render(store, campaign_id)
    assert "≥ 400" in text
    assert "90 % interval" in text
    shown = summary(campaign_id, restore(store, campaign_id), store.url)
    assert shown["recommendation"]["trial"] == 4
    store.release(lease)


def test_bounds_of_stand_ins_are_heard() -> None:
    from loop.optimizers.bo_sources import fit, samples

    case = foothill("bo")
    beliefs = []
    for way in (Bound.EXACT, Bound.AT_LEAST):
        history = History(case.space.names)
        for a, b in ((0, 0), (1, 3), (2, 1), (4, 4), (5, 0)):
            value = float(60 + 10 * a - b)
            add(history, {"a": a, "b": b}, Observation("value", value, 0.5, "1"))
        told = Observation("value", 80.0, 0.5, "1", way)
        add(history, {"a": 3, "b": 2}, told, fidelity="coarse")
        with fenced(1):
            found = samples(case, history)
            mean, _ = fit(case, found).moments(encoded(case, [{"a": 3, "b": 2}]))
        beliefs.append(found[0].offset + found[0].scale * float(mean[0, 0]))
    assert beliefs[1] > beliefs[0] + 1.0
