"""Cheaper instruments beside the campaign's own, and the check of what it recommends."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from campaigns.campaign import CampaignError, parse
from campaigns.records import Purpose, TrialState
from loop.checking import checks
from loop.events import Changed, Proposed
from loop.inspection import inspect
from loop.launch import create
from loop.optimizers.bo import BayesianOptimizer
from loop.replay import verify
from loop.restoring import restore
from loop.store.store import Store
from surrogates.fence import fenced
from tests.loop.laboratory import COARSE, TABLE, finish, foothill, hill, run

CHECKED = {
    "recommend.check": {
        "kind": "table",
        "tolerance": 0.02,
        "options": {
            "file": "coarse.csv",
            "parameters": {"a": "a", "b": "b"},
            "metrics": {"value": {"column": "value", "noise_sd": 0.0}},
        },
    }
}


@pytest.fixture(scope="module")
def searched():
    """A finished campaign with a stand-in, as the store gives it back."""
    with Store.open("sqlite://") as store:
        campaign_id = run(store, foothill(budget="cost = 9"))
        verdict = verify(store, campaign_id)
        yield restore(store, campaign_id), verdict, store.events(campaign_id)


def test_the_budget_of_costs_is_never_passed_and_ends_when_no_own_trial_can_be_paid(searched):
    state, _, _ = searched
    trials = [t for t in state.history.trials.values() if t.purpose is Purpose.SEARCH]
    cost = sum(0.25 if trial.fidelity else 1.0 for trial in trials)
    assert state.outlay == pytest.approx(cost)
    assert 8 < cost <= 9
    assert state.reason == "budget.cost = 9 reached"
    assert {trial.fidelity for trial in trials} == {"", "coarse"}


def test_what_is_recommended_was_measured_by_the_instrument_itself(searched):
    state, verdict, _ = searched
    best = state.recommendation
    trial = state.history.trial(best.trial)
    assert trial.fidelity == ""
    assert trial.parameters == best.parameters
    assert best.objectives["value"].mean > 95  # of 100; the best of twelve random ones is 92 mostly
    assert verdict.ok
    assert verdict.identical == verdict.proposals == len(state.history.trials)


def test_channels_of_all_instruments_are_filled_and_none_is_overfilled(searched):
    _, _, events = searched
    most: dict[str, int] = {"": 0, "coarse": 0}
    under_way: dict[int, str] = {}
    for event in events:
        if event.kind == "submitting":
            under_way[event.body.trial] = event.body.step
        elif event.kind in ("ended", "attempt_failed"):
            under_way.pop(event.body.trial)
        for name in most:
            most[name] = max(most[name], list(under_way.values()).count(name))
    assert most == {"": 1, "coarse": 2}
    assert all(
        {trial.fidelity for trial in event.body.trials} <= {"", "coarse"}
        for event in events
        if isinstance(event.body, Proposed)
    )


def test_a_stand_in_teaches_only_those_who_ask_for_it(searched):
    state, _, _ = searched
    history = state.history
    own, coarse = history.outcomes("value"), history.outcomes("value", fidelity="coarse")
    assert len(own) + len(coarse) == len(history.trials)
    assert all(trial.fidelity == "" for trial, _ in own)
    asked = Counter((trial.fidelity, history.key(trial.parameters)) for trial, _ in own + coarse)
    for (fidelity, key), times in asked.items():
        assert history.asked(dict(zip(history.names, key, strict=True)), fidelity) == times


def test_channels_of_a_fidelity_may_change():
    with Store.open("sqlite://") as store:
        campaign_id = create(store, foothill(budget="cost = 4"))
        finish(store, campaign_id, {"fidelities.0.channels": 3})
        assert any(isinstance(event.body, Changed) for event in store.events(campaign_id))
        state = restore(store, campaign_id)
        assert state.campaign.fidelities[0].instrument.channels == 3
        assert verify(store, campaign_id).ok


def test_the_check_flags_what_differs_and_teaches_nothing():
    files = {"hill.csv": TABLE.encode(), "coarse.csv": COARSE.encode()}
    plain = hill("gp_ucb", budget="trials = 8")
    campaign = parse(plain.text, files, CHECKED)
    with Store.open("sqlite://") as store:
        unchecked = restore(store, run(store, plain))
        campaign_id = run(store, campaign)
        state = restore(store, campaign_id)
        assert verify(store, campaign_id).ok
    assert state.recommendation == unchecked.recommendation
    assert state.asked == unchecked.asked
    (check,) = checks(state)
    trial = state.history.trial(check.trial)
    assert (trial.purpose, trial.fidelity) == (Purpose.CHECK, "check")
    (compared,) = check.comparisons
    a, b = check.parameters["a"], check.parameters["b"]
    assert compared.measured == 97 + a - (a - 3) ** 2 - 2 * (b - 2) ** 2
    assert compared.predicted == state.recommendation.objectives["value"].mean
    assert check.agrees is (abs(compared.difference) <= 0.02)


def test_a_check_that_fails_agrees_with_nothing():
    files = {"hill.csv": TABLE.encode(), "coarse.csv": b"a,b,value\n9,9,1.0\n"}
    campaign = parse(hill("gp_ucb", budget="trials = 8").text, files, CHECKED)
    with Store.open("sqlite://") as store:
        state = restore(store, run(store, campaign))
    (check,) = checks(state)
    assert state.history.trial(check.trial).state in (TrialState.FAILED, TrialState.REFUSED)
    assert not check.agrees
    assert check.reason
    assert state.status == "finished"
    assert state.fruitless == 0  # a check in vain says nothing of the search


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"optimizer.kind": "sobol"}, "fidelities: 'sobol' asks for the instrument alone"),
        ({"fidelities.0.name": "check"}, "fidelities[0].name: 'check' is taken"),
        ({"fidelities.0.name": "a b"}, "fidelities[0].name: 'a b' is not allowed"),
        ({"fidelities.0.cost": 1.0}, "fidelities[0].cost: 1.0 is not allowed"),
        ({"recommend.among": "space"}, "recommend.confirm: at least 1 is needed"),
        (
            {"fidelities.0.options.metrics": {"other": {"column": "value"}}},
            "fidelities[0]: objectives: table does not measure 'value'",
        ),
        ({"budget.cost": 0}, "budget.cost: 0 is not allowed"),
    ],
)
def test_what_does_not_go_together_is_told(changes, line):
    with pytest.raises(CampaignError) as caught:
        inspect(foothill(overrides=changes))
    assert any(problem.startswith(line) for problem in caught.value.problems), caught.value.problems


def test_fidelities_do_not_go_with_steps():
    text = foothill().text.replace("[instrument]", '[[steps]]\nname = "one"')
    text = text.replace("[instrument.options]", "[steps.options]")
    with pytest.raises(CampaignError, match="fidelities: stand in for one"):
        parse(text, {"hill.csv": TABLE.encode(), "coarse.csv": COARSE.encode()})


# the model -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(searched):
    from loop.optimizers.bo_sources import fit, samples

    state, _, _ = searched
    with fenced(1):
        return fit(state.campaign, samples(state.campaign, state.history))


def test_shares_lie_between_none_and_all(model):
    rng = np.random.default_rng(4)
    with fenced(2):
        shares = [model.share_explained(x, 1) for x in rng.random((20, 2))]
        own = [model.share_explained(x, 0) for x in rng.random((5, 2))]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert own == pytest.approx([1.0] * 5, abs=1e-2)  # it explains all that is not known of itself


def test_a_stand_in_explains_less_where_it_was_asked_already(searched, model):
    state, _, _ = searched
    outcomes = state.history.outcomes("value", fidelity="coarse")
    known = state.campaign.space.encode([trial.parameters for trial, _ in outcomes])
    with fenced(3):
        told = np.mean([model.share_explained(x, 1) for x in known])
        elsewhere = np.mean([model.share_explained(x, 1) for x in np.array([[3.0, 3], [-2, -2]])])
    assert told < elsewhere


def test_where_a_stand_in_fails_the_instrument_is_believed_to_fail_too():
    from loop.optimizers.bo_data import FEASIBLE
    from loop.optimizers.bo_sources import fit, samples

    known = [line for line in COARSE.splitlines() if not line.startswith(("4,", "5,"))]
    files = {"hill.csv": TABLE.encode(), "coarse.csv": "\n".join(known).encode()}
    with Store.open("sqlite://") as store:
        state = restore(store, run(store, parse(foothill(budget="cost = 5").text, files)))
    failed = [t for t in state.history.trials.values() if t.failure is not None]
    assert failed
    assert {trial.fidelity for trial in failed} == {"coarse"}
    told = samples(state.campaign, state.history)
    assert told[-1].metric == FEASIBLE
    assert (told[-1].y <= 0).sum() >= len(failed)  # 0: the instrument did what the stand-in did not
    with fenced(1):
        model = fit(state.campaign, told)
        means, _ = model.moments(np.array([[0.2, 0.5], [1.0, 0.75]]))  # a = 1 and a = 5
    assert means[0, -1] > 0.5
    assert means[1, -1] < 0.2


def test_the_kernel_is_the_sum_it_claims_and_positive():
    import torch

    from loop.optimizers.bo_sources_kernel import sources_kernel

    with fenced(5):
        kernel = sources_kernel(3, 2).double()
        points = torch.rand(40, 4, dtype=torch.float64)
        points[:, -1] = torch.arange(40) % 3
        dense = kernel(points).to_dense().detach()
        diagonal = kernel(points, diag=True).detach()
    assert torch.allclose(dense.diagonal(), diagonal)
    assert torch.linalg.eigvalsh(dense).min() > -1e-9
    shared = kernel.kernels[0](points).to_dense().detach()
    assert torch.allclose(
        dense[0, 1:3], shared[0, 1:3]
    )  # sources 0, 1, 2: nothing but what is shared
    assert dense[1, 4] > shared[1, 4]  # both of source 1


def test_the_instrument_alone_says_what_is_worth_knowing():
    """With no outcome of its own there is nothing to recommend, whatever stand-ins have told."""
    from loop.history import History
    from loop.optimizers.base import NothingToRecommend

    campaign = foothill()
    with pytest.raises(NothingToRecommend):
        BayesianOptimizer().recommend(campaign, History(campaign.space.names))
