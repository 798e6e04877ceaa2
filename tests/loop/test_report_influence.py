"""The report on the influence of each parameter: shown where enough is known, and right."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from campaigns.campaign import Campaign, parse
from campaigns.records import Observation, Purpose, TrialState
from loop.events import Ended, Observed, Proposed, ProposedTrial
from loop.report import render
from loop.reporting import effects
from loop.reporting.influence import Influence, influences
from loop.state import CampaignState
from loop.store.store import Store
from tests.loop.laboratory import hill, run
from tests.loop.test_report import HOSTILE, Page

Truth = Callable[[dict[str, Any]], float]

TOML = """
name = "influence"
seed = 5
[space]
{rules}
[space.parameters]
{parameters}
[[objectives]]
metric = "yield"
unit = "mAh"
{more}
[optimizer]
kind = "random"
[instrument]
kind = "table"
[budget]
trials = 100
"""
CUBE = "".join(f"x{i} = {{ low = 0.0, high = 2.0 }}\n" for i in range(4))
MIXED = """\
rate = { low = 0.1, high = 10.0, scale = "log" }
layers = { low = 1, high = 5, integer = true }
salt = { choices = ["LiPF6", "LiFSI", "<b>LiTFSI</b>"] }
dry = { choices = [true, false] }
"""
BLEND = "".join(f"{name} = {{ low = 0.0, high = 1.0 }}\n" for name in "abc")
WHOLE = 'sums = [{ of = ["a", "b", "c"], equals = 1.0 }]'


def campaign(parameters: str = CUBE, rules: str = "", more: str = "") -> Campaign:
    return parse(TOML.format(parameters=parameters, rules=rules, more=more))


def state(case: Campaign, n: int = 40, **truths: Truth) -> CampaignState:
    """A campaign with n random trials measured."""
    found = CampaignState(case, datetime(2000, 1, 1, tzinfo=UTC))
    history = found.history
    settings = case.space.sample(n, np.random.default_rng(1))
    trials = tuple(ProposedTrial(dict(one), "random", {}) for one in settings)
    history.apply(1, Proposed(0.0, 0, n, 1, "random", Purpose.SEARCH, trials))
    for number, setting in enumerate(settings, start=1):
        for metric, truth in truths.items():
            told = Observation(metric, truth(dict(setting)), None, "mAh")
            history.apply(history.seen + 1, Observed(0.0, number, 1, told))
        ended = Ended(0.0, number, 1, TrialState.COMPLETED, 1.0)
        history.apply(history.seen + 1, ended)
    return found


def told(found: Influence) -> dict[str, Any]:
    return {share.parameter.name: share for share in found.shares}


def slope(one: dict[str, Any]) -> float:
    return float(3.0 * one["x0"] + np.sin(3.0 * one["x1"]) + 1000.0)


def test_shares_and_curves_are_those_of_the_truth() -> None:
    (found,) = influences(state(campaign(), **{"yield": slope}))
    assert (found.trials, found.objective.metric) == (40, "yield")
    assert found.explained > 0.95
    assert [share.parameter.name for share in found.shares][:2] == ["x0", "x1"]
    shares = told(found)
    u = np.linspace(0.0, 2.0, 2001)
    parts = np.var(3.0 * u), np.var(np.sin(3.0 * u))
    for name, part in zip(("x0", "x1"), parts, strict=True):
        assert shares[name].first.value == pytest.approx(part / sum(parts), abs=0.06)
        assert shares[name].total.low <= shares[name].total.value <= shares[name].total.high
    assert max(shares["x2"].total.value, shares["x3"].total.value) < 0.02
    assert shares["x2"].relevance < 0.5
    curve = shares["x0"].effect
    expected = 1000.0 + 3.0 * curve.at + np.sin(3.0 * u).mean()
    assert curve.mean == pytest.approx(expected, abs=0.25)
    assert (curve.low <= curve.mean).all()
    assert (curve.mean <= curve.high).all()


def test_the_same_state_gives_the_same_figures() -> None:
    one, other = (influences(state(campaign(), 12, **{"yield": slope}))[0] for _ in range(2))
    assert effects.bars(one, "0") == effects.bars(other, "0")
    assert effects.curves(one, "0") == effects.curves(other, "0")


def test_nothing_is_told_where_too_little_is_known() -> None:
    assert influences(state(campaign(), 7, **{"yield": slope})) == []
    assert len(influences(state(campaign(), 8, **{"yield": slope}))) == 1
    assert influences(state(campaign(), 20, **{"yield": lambda _: 3.0})) == []
    single = campaign('x0 = { low = 0.0, high = 2.0 }\nsalt = { choices = ["p", "q"] }')
    assert influences(state(single, 20, **{"yield": lambda one: one["x0"]})) == []


def test_a_component_of_a_blend_moves_the_others() -> None:
    parameters = f"{BLEND}z = {{ low = 0.0, high = 1.0 }}\n"
    case = campaign(parameters, WHOLE)
    (found,) = influences(state(case, **{"yield": lambda one: 5.0 * one["a"]}))
    shares = told(found)
    assert found.shares[0].parameter.name == "a"
    assert shares["b"].total.value > 0.05  # more of b is less of a
    assert shares["z"].total.value < 0.02
    assert shares["b"].total.value == pytest.approx(shares["c"].total.value, abs=0.05)
    curve = shares["a"].effect
    assert curve.mean == pytest.approx(5.0 * curve.at, abs=0.1)
    # the mean of a is (1 - b) / 2 where b is held, over all blends alike
    assert shares["b"].effect.mean == pytest.approx(2.5 * (1 - shares["b"].effect.at), abs=0.2)


def test_texts_truth_values_and_whole_numbers_have_their_levels() -> None:
    worth = {"LiPF6": 0.0, "LiFSI": 4.0, "<b>LiTFSI</b>": 1.0}
    case = campaign(MIXED)
    (found,) = influences(
        state(case, **{"yield": lambda one: worth[one["salt"]] + np.log10(one["rate"])})
    )
    shares = told(found)
    assert shares["salt"].effect.at.tolist() == [0.0, 1.0, 2.0]
    assert shares["salt"].effect.mean - shares["salt"].effect.mean[0] == pytest.approx(
        [0.0, 4.0, 1.0], abs=0.3
    )
    assert len(shares["layers"].effect.at) == 5
    assert found.shares[0].parameter.name == "salt"
    assert shares["dry"].total.value < 0.03
    figure = effects.curves(found, "0")
    assert "<b>LiTFSI" not in figure
    assert "&lt;b&gt;LiTFSI" in figure
    assert '"&amp;' not in effects.bars(found, "0")


def test_every_objective_has_its_own() -> None:
    two = campaign(more='[[objectives]]\nmetric = "cost"\ngoal = "minimize"')
    found = influences(state(two, 20, cost=lambda one: one["x3"], **{"yield": slope}))
    assert [one.shares[0].parameter.name for one in found] == ["x0", "x3"]


def test_the_section_is_in_the_report_where_it_belongs() -> None:
    with Store.open("sqlite://") as store:
        campaign_id = run(store, hill("random", budget="trials = 14"))
        page, _ = render(store, campaign_id)
        again, _ = render(store, campaign_id)
        short = render(store, run(store, hill("random", budget="trials = 7")))[0]
    assert page == again
    shown = re.sub(r"\s+", " ", " ".join(Page(page).text))
    assert "Influence of each parameter" in shown
    assert "Sobol indices of a Gaussian process fitted to 14 trials" in shown
    assert page.count('class="influence"') == 1
    assert "Influence of each parameter" not in short


def test_hostile_names_are_drawn_as_text() -> None:
    name = HOSTILE.replace('"', "'")
    case = campaign(f'"{name}" = {{ low = 0.0, high = 1.0 }}\nx = {{ low = 0.0, high = 1.0 }}')
    (found,) = influences(state(case, 10, **{"yield": lambda one: one["x"]}))
    for figure in (effects.bars(found, "0"), effects.curves(found, "0")):
        assert "<script" not in figure
