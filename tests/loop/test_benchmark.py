"""The bench: the same campaign, several optimisers, many seeds."""

from __future__ import annotations

import pytest

from campaigns.campaign import CampaignError
from loop.benchmark import bench
from tests.loop.laboratory import charging, hill


def test_checkpoints_stand_at_every_multiple_of_the_channels():
    outcome = bench(hill(channels=3, budget="trials = 10"), ["random"], seeds=2, workers=1)
    assert [r.trials for r in outcome.rounds("random")] == [3, 6, 9, 10]


def test_the_true_value_is_free_of_noise_and_improves():
    campaign = hill("gp_ucb", channels=1, budget="trials = 15", hours="2")
    outcome = bench(campaign, ["gp_ucb", "random"], seeds=6, workers=2)
    truths = {100 - (a - 3) ** 2 - 2 * (b - 2) ** 2 for a in range(6) for b in range(5)}
    for name in ("gp_ucb", "random"):
        rounds = outcome.rounds(name)
        assert rounds[-1].true_value > rounds[0].true_value
        assert [r.instrument_hours for r in rounds] == [2.0 * r.trials for r in rounds]
        assert {p.true_value for run in outcome.runs[name] for p in run} <= truths
    assert outcome.first_reaching("gp_ucb", 1000) is None


def test_seeds_are_repeatable_whatever_the_number_of_workers():
    campaign = hill("random", channels=2, budget="trials = 6")
    one = bench(campaign, ["random", "gp_ucb"], seeds=3, workers=1)
    two = bench(campaign, ["random", "gp_ucb"], seeds=3, workers=2)
    assert one.as_dict() == two.as_dict()


def test_the_dictionary_has_the_promised_keys():
    found = bench(hill(budget="trials = 4"), ["random"], seeds=2, workers=1).as_dict()
    assert set(found) == {"campaign", "seeds", "optimizers"}
    random = found["optimizers"]["random"]
    assert set(random["rounds"][0]) == {"trials", "true_value", "sem", "instrument_hours"}
    assert len(random["values"]) == 2
    assert len(random["values"][0]) == len(random["rounds"])


def test_an_unknown_optimiser_is_one_clear_line():
    with pytest.raises(CampaignError, match="did you mean 'gp_ucb'") as told:
        bench(hill(), ["gp_ubc"], seeds=1, workers=1)
    assert len(told.value.problems) == 1


def test_named_alternatives_of_the_campaign_compete_with_their_own_options():
    overrides = {"bench.stiff": {"kind": "gp_ucb", "options": {"length_scale": 5.0}}}
    outcome = bench(hill(budget="trials = 6", overrides=overrides), ["stiff", "gp_ucb"], 2, 1)
    assert set(outcome.runs) == {"stiff", "gp_ucb"}


@pytest.mark.slow
def test_a_campaign_with_early_prediction_can_be_benched():
    outcome = bench(charging(), ["gp_ucb"], seeds=2, workers=2)
    assert all(r.true_value > 400 for r in outcome.rounds("gp_ucb"))
