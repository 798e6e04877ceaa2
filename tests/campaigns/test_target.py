"""Targets of several values: how they are read, and what the discrepancy from them is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import load
from campaigns.problems import CampaignError
from campaigns.schema import TargetTable
from campaigns.target import Aim, Target, build_target

CURVE = b"""metric,value,unit,sd
density,2.05,g/cm^3,0.005
viscosity_at_100,0.352,Pa*s,
viscosity_at_25,0.991,Pa*s,
viscosity_at_5,4.11,Pa*s,
viscosity_at_1,19.3,Pa*s,0.9
"""


def target(content: bytes = CURVE, **table) -> Target:
    return build_target(TargetTable(file="t.csv", **table), {"t.csv": content})


def problems(content: bytes = CURVE, **table) -> str:
    with pytest.raises(CampaignError) as caught:
        target(content, **table)
    assert all(line and "\n" not in line for line in caught.value.problems)
    return str(caught.value)


def slurry() -> Target:
    """Root of (mean squared log ratio of the viscosities + square of ten relative densities)."""
    return target(
        weights={"viscosity_*": 1.0}, scales={"density": "10 %"}, log=["viscosity_*"], sd="5 %"
    )


def test_the_discrepancy_is_the_loss_it_stands_for():
    values = {
        "density": 2.1, "viscosity_at_100": 0.4, "viscosity_at_25": 0.9, "viscosity_at_5": 4.0,
        "viscosity_at_1": 25.0,
    }  # fmt: skip
    logs = [math.log(0.4 / 0.352), math.log(0.9 / 0.991), math.log(4 / 4.11), math.log(25 / 19.3)]
    loss = math.sqrt(sum(x * x for x in logs) / 4 + (10 * (2.1 - 2.05) / 2.05) ** 2)
    assert slurry().discrepancy(values) == pytest.approx(loss, rel=1e-12)


def test_what_a_line_says_counts_more_than_one_number_for_all():
    aims = {aim.metric: aim for aim in slurry().aims}
    assert aims["density"].sd == 0.005
    assert aims["viscosity_at_1"].sd == 0.9
    assert aims["viscosity_at_100"].sd == pytest.approx(0.05 * 0.352)
    assert aims["density"].unit == "g/cm^3"


def test_a_name_of_its_own_counts_more_than_a_pattern():
    aims = target(weights={"viscosity_at_1": 5.0, "viscosity_*": 1.0}).aims
    assert [aim.weight for aim in aims] == [1.0, 0.25, 0.25, 0.25, 5.0]


@given(
    st.lists(st.floats(0.1, 10.0), min_size=5, max_size=5),
    st.lists(st.floats(0.001, 0.1), min_size=5, max_size=5),
)
def test_it_is_never_negative_and_its_spread_follows_the_slope(values, sds):
    curve = slurry()
    there = dict(zip(curve.metrics, values, strict=True))
    noise = dict(zip(curve.metrics, sds, strict=True))
    loss = curve.discrepancy(there)
    assert loss >= 0
    squares = 0.0
    for name in curve.metrics:
        step = 1e-6 * there[name]
        moved = curve.discrepancy({**there, name: there[name] + step})
        squares += ((moved - loss) / step * noise[name]) ** 2
    spread = curve.spread(there, noise)
    made = math.sqrt(
        sum(a.weight * a.spread(there[a.metric], noise[a.metric]) ** 2 for a in curve.aims)
    )
    if loss > made:
        assert spread == pytest.approx(math.sqrt(squares), rel=1e-3)
    else:
        assert spread == pytest.approx(made)


def test_at_the_target_it_is_zero_and_its_spread_that_of_the_noise():
    curve = slurry()
    there = {aim.metric: aim.value for aim in curve.aims}
    assert curve.discrepancy(there) == 0.0
    assert curve.spread(there, dict.fromkeys(there, 0.01)) > 0


def test_a_value_without_a_logarithm_is_told_by_name():
    with pytest.raises(ValueError, match="viscosity_at_5: -1 has no logarithm"):
        slurry().discrepancy({**{a.metric: a.value for a in slurry().aims}, "viscosity_at_5": -1.0})


@pytest.mark.parametrize(
    ("content", "table", "told"),
    [
        (b"metric,valu\na,1\n", {}, "'valu': unknown column; allowed: metric, value"),
        (b"metric,value\na,x\nb,2\n", {}, "line 2: column 'value': 'x' is no finite number"),
        (b"metric,value\na,1\na,2\n", {}, "line 3: 'a' stands there twice"),
        (
            b"metric,value\na,1\n",
            {"weights": {"b": 1.0}},
            "weights: 'b' is none of the values in t.csv (a)",
        ),
        (
            b"metric,value\na,1\n",
            {"log": ["vis*"]},
            "log: 'vis*' is none of the values in t.csv (a)",
        ),
        (b"metric,value\na,-1\n", {"log": ["a"]}, "'a': -1 has no logarithm"),
        (b"metric,value\na,1\n", {"scales": "ten"}, "'ten' is not allowed"),
        (b"metric,value\na,0\n", {"scales": "10 %"}, "the scale 0 must be above 0"),
        (b"metric,value\na,1\n", {"weights": 0.0}, "every value has the weight 0"),
        (b"metric,value\na,1\n", {"sd": -1.0}, "sd and weight must be 0 or more"),
        (b"\xff\xfe", {}, "is not UTF-8"),
        (b"metric,value\n", {}, "at least one row"),
    ],
)
def test_mistakes_are_told(content, table, told):
    assert told in problems(content, **table)


def test_an_aim_judges_its_own_numbers():
    assert Aim("a", 2.0, scale=0.5).residual(3.0) == 2.0
    assert Aim("a", 2.0, log=True).residual(2.0) == 0.0


def test_a_file_named_by_hand_is_looked_for_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text("metric,value\ndensity_g_cm3,1.9\n")
    monkeypatch.chdir(tmp_path)
    named = {"objectives.0.target.file": "mine.csv", "objectives.0.target.log": []}
    weights = {"objectives.0.target.weights": 1.0}
    curve = load("slurry-calibration", {**named, **weights}).objectives[0].curve
    assert curve.aims == (Aim("density_g_cm3", 1.9, scale=0.19),)
    shipped = load("slurry-calibration").objectives[0].curve
    assert len(shipped.metrics) == 5
    with pytest.raises(CampaignError, match=r"'yours\.csv' cannot be read: No such file"):
        load("slurry-calibration", {"objectives.0.target.file": "yours.csv"})
