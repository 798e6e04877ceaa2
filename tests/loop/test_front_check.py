"""Which settings of a front are measured once more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import parse
from campaigns.records import Estimate, Recommendation
from loop.front_check import to_check

FILE = """
name = "two"
seed = 1
[space.parameters]
a = { low = 0.0, high = 1.0 }
[[objectives]]
metric = "up"
goal = "maximize"
[[objectives]]
metric = "down"
goal = "minimize"
[optimizer]
kind = "sobol"
[instrument]
kind = "table"
[instrument.options]
file = "t.csv"
parameters = { a = "a" }
metrics = { up = { column = "up" }, down = { column = "down" } }
[recommend.check]
kind = "table"
MOST
options = { file = "t.csv", parameters = { a = "a" }, metrics = { up = { column = "up" } } }
[budget]
trials = 4
"""


def campaign(most: int | None):
    line = "" if most is None else f"most = {most}"
    return parse(FILE.replace("MOST", line), {"t.csv": b"a,up,down\n0,1,1\n"}, {})


def front(points: list[tuple[float, float]], winner: int = 0) -> Recommendation:
    """Setting `a` = the place of its point."""
    members = tuple(
        (
            {"a": float(place)},
            {
                "up": Estimate(up, up, up, 0.9, "1"),
                "down": Estimate(down, down, down, 0.9, "1"),
            },
        )
        for place, (up, down) in enumerate(points)
    )
    return Recommendation(*members[winner], front=members)


def test_all_of_a_front_unless_told_otherwise() -> None:
    found = to_check(campaign(None), front([(3.0, 3.0), (2.0, 2.0), (1.0, 1.0)], winner=1))
    assert [one["a"] for one in found] == [1.0, 0.0, 2.0]


def test_the_settings_that_span_the_front_come_first() -> None:
    """Two clusters and a far end: beside the winner, one of each before any neighbour of it."""
    points = [(5.0, 5.0), (5.01, 5.02), (4.99, 4.98), (10.0, 10.0), (0.0, 0.0)]
    found = to_check(campaign(3), front(points))
    assert {one["a"] for one in found} == {0.0, 3.0, 4.0}
    assert found[0]["a"] == 0.0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9, unique=True), st.integers(1, 12))
def test_never_more_than_wanted_and_none_twice(values: list[float], most: int) -> None:
    found = to_check(campaign(most), front([(v, v) for v in values], winner=len(values) - 1))
    places = [one["a"] for one in found]
    assert len(places) == len(set(places)) == min(most, len(values))
    assert places[0] == len(values) - 1


def test_a_front_all_of_one_value_is_no_trouble() -> None:
    found = to_check(campaign(2), front([(1.0, 2.0)] * 3))
    assert len(found) == 2


@pytest.mark.parametrize("most", [0, -1])
def test_at_least_the_winner_is_checked(most: int) -> None:
    from campaigns.campaign import CampaignError

    with pytest.raises(CampaignError, match="most"):
        campaign(most)


def test_the_greedy_choice_is_near_the_best_of_all() -> None:
    """Greedy choice of a submodular gain keeps 1 - 1/e of the best at least (Nemhauser 1978)."""
    from itertools import combinations

    from loop.front_check import MARGIN, _spanning
    from loop.optimizers.hypervolume import hypervolume

    rng = np.random.default_rng(2)
    for _ in range(5):
        up = np.sort(rng.random(9))
        rows = np.stack([up, 1.0 - up**2], axis=1)
        reference = np.full(2, -MARGIN)
        first = hypervolume(rows[:1], reference)
        chosen = hypervolume(rows[[0, *_spanning(rows, 3)]], reference) - first
        best = max(hypervolume(rows[[0, *c]], reference) for c in combinations(range(1, 9), 3))
        assert chosen >= (1 - 1 / np.e) * (best - first)
