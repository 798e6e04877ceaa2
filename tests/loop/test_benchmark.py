"""The bench: the same campaign, several optimisers, many seeds."""

from __future__ import annotations

import pytest

from campaigns.campaign import Campaign, CampaignError, parse
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


TRADE = """\
name = "trade"
seed = 2
[space.parameters]
x = {{ choices = [1, 2, 3, 4, 5, 6] }}
[[objectives]]
metric = "up"
goal = "maximize"
unit = "mm"
[[objectives]]
metric = "{second}"
goal = "{goal}"
[[constraints]]
metric = "wear"
at_most = 0.55
[optimizer]
kind = "nsga2"
[instrument]
kind = "table"
channels = 2
[instrument.options]
file = "trade.csv"
parameters = {{ x = "x" }}
hours = 1
[instrument.options.metrics]
up = {{ column = "up", unit = "mm", noise_sd = 0.4 }}
down = {{ column = "down", noise_sd = 0.4 }}
loss = {{ column = "loss", noise_sd = 0.4 }}
wear.column = "wear"
[budget]
trials = 6
"""


def trade(second: str = "down", goal: str = "maximize") -> Campaign:
    """Six settings, all but the last allowed: (1, 5), (2, 4), … (5, 1) with unit steps."""
    rows = "".join(f"{x},{x},{6 - x},{x - 6},{x / 10}\n" for x in range(1, 7))
    text = TRADE.format(second=second, goal=goal)
    return parse(text, {"trade.csv": ("x,up,down,loss,wear\n" + rows).encode()})


@pytest.mark.parametrize(
    ("second", "goal", "sign"), [("down", "maximize", 1), ("loss", "minimize", -1)]
)
def test_hypervolumes_are_those_of_the_true_values_of_what_was_measured(
    second: str, goal: str, sign: int
) -> None:
    outcome = bench(trade(second, goal), ["nsga2"], seeds=2, workers=1)
    # the front runs from 1 to 5 in both: its worst is 1, a tenth of its range 0.4
    assert outcome.reference == pytest.approx({"up": 0.6, second: sign * 0.6})
    told = outcome.as_dict()
    assert set(told) == {"campaign", "seeds", "optimizers", "reference"}
    found = told["optimizers"]["nsga2"]
    assert set(found) == {"rounds", "values", "hypervolume"}
    assert set(found["rounds"][0]) == {"trials", "true_value", "sem", "instrument_hours"}
    whole = sum((x - 0.6 - max(0.0, x - 1.6)) * (6 - x - 0.6) for x in (1, 2, 3, 4, 5))
    for run in found["hypervolume"]:
        assert len(run) == len(found["rounds"])
        assert run == sorted(run)
        assert run[-1] == pytest.approx(whole)
    rounds = outcome.growth("nsga2")
    assert rounds[-1][1:] == pytest.approx((whole, 0.0))


def test_a_reference_point_can_be_given() -> None:
    outcome = bench(trade(), ["nsga2"], seeds=1, workers=1, reference={"up": 0.0, "down": 0.0})
    assert outcome.hypervolumes("nsga2")[0][-1] == pytest.approx(15.0)  # stairs of 5 + 4 + … + 1
    half = bench(trade(), ["nsga2"], seeds=1, workers=1, reference={"up": 0.0})
    assert half.reference == pytest.approx({"up": 0.0, "down": 0.6})


def test_a_reference_point_of_something_else_is_refused() -> None:
    with pytest.raises(CampaignError, match="did you mean 'down'"):
        bench(trade(), ["nsga2"], seeds=1, workers=1, reference={"dwon": 0.0})
    with pytest.raises(CampaignError, match="several objectives"):
        bench(hill(), ["random"], seeds=1, workers=1, reference={"value": 0.0})


def test_where_nothing_measured_is_allowed_nothing_is_dominated() -> None:
    text = trade().text.replace("at_most = 0.55", "at_most = 0.05")
    campaign = parse(text, trade().files)
    outcome = bench(campaign, ["nsga2"], seeds=1, workers=1)
    assert outcome.reference == {}
    assert outcome.hypervolumes("nsga2") == [[0.0, 0.0, 0.0]]
