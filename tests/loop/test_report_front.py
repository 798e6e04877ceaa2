"""Several objectives as reported: the front, the hypervolume, parallel coordinates, the tables."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from campaigns.campaign import Campaign, parse
from campaigns.objective import Objective
from campaigns.records import (
    Estimate,
    Failure,
    FailureKind,
    Observation,
    Purpose,
    Recommendation,
    Setting,
    TrialState,
)
from loop.commands.front_sheet import MOST, FrontSheet, spread
from loop.commands.sheet import _settings
from loop.events import (
    Body,
    Created,
    Ended,
    Observed,
    Proposed,
    ProposedTrial,
    Recommended,
    Started,
    Submitting,
)
from loop.exchange.exporting import export_to
from loop.optimizers.front import non_dominated
from loop.optimizers.hypervolume import hypervolume
from loop.report import render
from loop.reporting.front import (
    measured_front,
    reference_point,
    reference_text,
    tried,
    utilities,
    value_at,
    window,
)
from loop.reporting.hypervolume import growth
from loop.reporting.parallel import _axes
from loop.reporting.record import read
from loop.reporting.tradeoffs import _corners, wanted
from loop.state import CampaignState, goodness
from loop.store.store import Store
from loop.summary import summary

SPACE = """
x = { low = 0.0, high = 10.0, unit = "mm" }
radius = { low = 0.01, high = 100.0, unit = "um", scale = "log" }
layers = { low = 1, high = 5, integer = true }
binder = { choices = ["PVDF", "CMC", "PTFE"] }
"""
UP = Objective("energy", "maximize", "Wh/kg")
DOWN = Objective("cost", "minimize", "EUR")
AIM = Objective("acidity", "target", "1", 7.0)
HOUR = 3600.0

Outcomes = Mapping[str, float] | None  # of a trial by metric; None: it failed as infeasible


def campaign(objectives: Sequence[Objective], space: str = SPACE) -> Campaign:
    told = "".join(
        f"[[objectives]]\nmetric = {json.dumps(o.metric)}\ngoal = {json.dumps(o.goal)}\n"
        f"unit = {json.dumps(o.unit)}\n" + ("" if o.target is None else f"target = {o.target}\n")
        for o in objectives
    )
    text = f"""\
name = "fronts"
seed = 1
[space.parameters]
{space}
{told}
[[constraints]]
metric = "wear"
at_most = 1.0
[optimizer]
kind = "bo"
[instrument]
kind = "table"
channels = 2
[instrument.options]
file = "none.csv"
[budget]
trials = 100
"""
    return parse(text, {"none.csv": b""})


def setting(x: float) -> dict[str, float | int | str]:
    return {"x": x, "radius": 1.0, "layers": 3, "binder": "CMC"}


def bodies(
    settings: Sequence[Setting],
    outcomes: Sequence[Outcomes],
    units: Mapping[str, str],
    front: Sequence[tuple[Setting, Mapping[str, Estimate]]] = (),
) -> list[Body]:
    """Trials one after the other, two hours each; the first of the front is recommended."""
    n = len(settings)
    trials = tuple(ProposedTrial(dict(one), "bo") for one in settings)
    told: list[Body] = [Proposed(0.0, 1, n, 1, "bo", Purpose.SEARCH, trials)]
    for i, known in enumerate(outcomes):
        start, end, trial = 2 * i * HOUR, 2 * (i + 1) * HOUR, i + 1
        told += [Submitting(start, trial, 1, f"k/{trial}"), Started(start, trial, 1, "")]
        told += [
            Observed(end, trial, 1, Observation(metric, value, None, units.get(metric, "1")))
            for metric, value in (known or {}).items()
        ]
        failure = Failure(FailureKind.ASSEMBLY, "broke", True) if known is None else None
        state = TrialState.FAILED if known is None else TrialState.COMPLETED
        told.append(Ended(end, trial, 1, state, 2.0, failure))
    if front:
        best = Recommendation(*front[0], front=tuple(front), trial=1)
        told.append(Recommended(2 * n * HOUR, 30, "bo", best))
    return told


def stored(store: Store, made: Campaign, told: Sequence[Body]) -> str:
    created = Created("fronts", made.digest, 1, datetime(2000, 1, 1, tzinfo=UTC).isoformat(), {})
    campaign_id = store.create("fronts", made.text, made.files, created)
    store.append(campaign_id, told)
    return campaign_id


def estimate(value: float, unit: str = "1") -> Estimate:
    return Estimate(value, value - 1.0, value + 1.0, 0.9, unit)


def believed(x: float, energy: float, cost: float) -> tuple[Setting, Mapping[str, Estimate]]:
    return setting(x), {"energy": estimate(energy, "Wh/kg"), "cost": estimate(cost, "EUR")}


# the measured front --------------------------------------------------------------------------


def state_of(
    objectives: Sequence[Objective], xs: Sequence[float], outcomes: Sequence[Outcomes]
) -> CampaignState:
    made, units = campaign(objectives), {one.metric: one.unit for one in objectives}
    with Store.open("sqlite://") as store:
        told = bodies([setting(x) for x in xs], outcomes, units)
        campaign_id = stored(store, made, told)
        return CampaignState.of(made, store.events(campaign_id))


def test_a_front_made_by_hand() -> None:
    outcomes: list[Outcomes] = [
        {"energy": 100.0, "cost": 10.0, "wear": 0.5},  # on the front
        {"energy": 120.0, "cost": 20.0, "wear": 0.5},  # on the front
        {"energy": 110.0, "cost": 25.0, "wear": 0.5},  # dearer and worse than the second
        {"energy": 500.0, "cost": 1.0, "wear": 1.5},  # beats all, and wears too much
        None,
        {"energy": 300.0, "wear": 0.5},  # its cost is not known
    ]
    found = tried(state_of([UP, DOWN], range(6), outcomes))
    assert [one.allowed for one in found] == [True, True, True, False]
    front = measured_front([UP, DOWN], found)
    assert [one.values for one in front] == [(100.0, 10.0), (120.0, 20.0)]


def test_repeats_count_with_their_mean_also_for_the_constraint() -> None:
    outcomes: list[Outcomes] = [
        {"energy": 100.0, "cost": 10.0, "wear": 0.5},
        {"energy": 110.0, "cost": 20.0, "wear": 1.3},
        {"energy": 90.0, "cost": 30.0, "wear": 1.3},
    ]
    two = tried(state_of([UP, DOWN], [1, 1, 2], outcomes))
    assert [(one.values, one.trials, one.allowed) for one in two] == [
        ((105.0, 15.0), (1, 2), True), ((90.0, 30.0), (3,), False),
    ]  # fmt: skip


POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=20)
VALUES = st.floats(-1e6, 1e6)


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, ...]]) -> None:
    rows = np.array(points, dtype=np.float64)
    for row, kept in zip(rows, non_dominated(rows).tolist(), strict=True):
        beaten = ((rows >= row).all(axis=1) & (rows > row).any(axis=1)).any()
        assert kept == (not beaten)


@given(POINTS | st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6))
def test_every_point_of_the_front_counts_from_the_reference(
    points: list[tuple[float, ...]],
) -> None:
    rows = np.array(points, dtype=np.float64)
    front, reference = rows[non_dominated(rows)], reference_point(rows)
    assert (front > reference).all()
    assert hypervolume(rows, reference) == pytest.approx(hypervolume(front, reference))
    assert hypervolume(rows, reference) > 0


def test_the_reference_is_a_tenth_of_the_range_behind_the_worst() -> None:
    rows = np.array([[0.0, 10.0], [20.0, 5.0], [-100.0, -100.0]])
    assert reference_point(rows).tolist() == [-2.0, 4.5]
    with pytest.raises(ValueError, match="at least one"):
        reference_point(np.empty((0, 2)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_area_under_the_staircase_is_the_hypervolume(points: list[tuple[int, int]]) -> None:
    rows = np.array(points, dtype=np.float64)
    front, (left, low) = rows[non_dominated(rows)], reference_point(rows)
    corners = _corners(front)
    x = [left, *(a for a, _ in corners)]
    y = [corners[0][1], *(b for _, b in corners)]
    steps = zip(x, x[1:], y[1:], strict=False)
    area = sum((b - a) * (height - low) for a, b, height in steps)
    assert area == pytest.approx(hypervolume(rows, np.array([left, low])))


@given(st.floats(-1e6, 0.0), st.sampled_from([UP, DOWN, AIM]))
def test_a_value_is_as_good_as_it_was_said_to_be(utility: float, objective: Objective) -> None:
    assert goodness(objective, value_at(objective, utility)) == pytest.approx(utility, abs=1e-9)


def test_a_target_is_better_the_nearer() -> None:
    values = [[100.0, 6.0], [100.0, 7.5], [90.0, 7.0]]
    told = utilities([UP, AIM], values)
    assert told.tolist() == [[100.0, -1.0], [100.0, -0.5], [90.0, 0.0]]
    assert non_dominated(told).tolist() == [False, True, True]
    assert (
        reference_text([UP, AIM], [90.0, -1.5]) == "energy 90 Wh/kg and acidity 1.5 off its target"
    )


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
    st.lists(st.floats(-1e9, 1e9) | st.just(math.inf), max_size=5),
)
def test_what_is_needed_is_on_the_axis(needed: list[float], wished: list[float]) -> None:
    low, high = window(needed, wished)
    assert low < min(needed) <= max(needed) < high
    size = max(map(abs, needed))
    if max(needed) - min(needed) > 1e-6 * size > 1e-50:
        assert high - low <= 3.5 * (max(needed) - min(needed))


# the hypervolume over cost -------------------------------------------------------------------


def test_the_hypervolume_of_known_points_over_trials_and_hours() -> None:
    outcomes: list[Outcomes] = [
        {"energy": 1.0, "cost": -3.0},
        {"energy": 9.0, "cost": -9.0, "wear": 2.0},  # breaks the constraint
        {"energy": 3.0, "cost": -1.0},
        {"energy": 1.0, "cost": -1.0},  # behind both
        {"energy": 2.0, "cost": -2.0},
    ]
    made = campaign([UP, DOWN])
    with Store.open("sqlite://") as store:
        told = bodies([setting(x) for x in range(5)], outcomes, {"energy": "Wh/kg", "cost": "EUR"})
        found = growth(read(store, stored(store, made, told)))
    assert found is not None
    assert found.reference.tolist() == pytest.approx([0.8, 0.8])
    volumes = [(one.trials, one.hours, round(one.volume, 9)) for one in found.steps]
    assert volumes == [
        (0, 0, 0), (1, 2, 0.44), (3, 6, 0.84), (5, 10, 1.84), (5, 10, 1.84),
    ]  # fmt: skip


def test_there_is_no_hypervolume_before_a_setting_counts() -> None:
    made = campaign([UP, DOWN])
    with Store.open("sqlite://") as store:
        outcomes = [{"energy": 1.0, "cost": 1.0, "wear": 3.0}]
        campaign_id = stored(store, made, bodies([setting(1.0)], outcomes, {"energy": "Wh/kg"}))
        assert growth(read(store, campaign_id)) is None
        page = render(store, campaign_id)[0]
    assert 'aria-label="Trade-offs' in page  # the setting that is ruled out
    assert 'aria-label="Hypervolume' not in page


# the page ------------------------------------------------------------------------------------


class Words(HTMLParser):
    """The text of a page and the names of its figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.figures: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.figures += [value or "" for name, value in attrs if name == "aria-label"]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.said))


def shown(objectives: Sequence[Objective], front: int = 3) -> tuple[Words, str]:
    """The page of six trials of which the first ones are the model's front."""
    made, units = campaign(objectives), {one.metric: one.unit for one in objectives}
    outcomes = [
        {o.metric: 5.0 + (i if k % 2 else -i) for k, o in enumerate(objectives)} for i in range(6)
    ]
    settings = [{**setting(i), "radius": 10.0 ** (i / 2)} for i in range(6)]
    points = [
        (settings[i], {o.metric: estimate(outcomes[i][o.metric], o.unit) for o in objectives})
        for i in range(front)
    ]
    with Store.open("sqlite://") as store:
        page = render(store, stored(store, made, bodies(settings, outcomes, units, points)))[0]
    return Words(page), page


@pytest.mark.parametrize("extra", [(), (AIM, Objective("life", unit="h"))])
def test_the_page_has_the_three_figures(extra: tuple[Objective, ...]) -> None:
    words, page = shown([UP, Objective("power", "minimize", "W/kg"), *extra])
    for name in ("Trade-offs", "Hypervolume over trials", "Parameters and objectives"):
        assert any(label.startswith(name) for label in words.figures), name
    assert "The front: 3 settings, 90 % intervals" in words.text
    assert "maximize energy (Wh/kg) →" in page
    assert "front by the model, 90% intervals" in page
    assert "The volume ends at the reference point, which is the same throughout: energy " in page
    assert not re.search(r"\bnan\b", words.text)


def test_the_page_without_a_model_tells_the_measured_front() -> None:
    words, _ = shown([UP, DOWN], front=0)
    assert any(label.startswith("Parameters and objectives") for label in words.figures)
    assert "The front: " not in words.text


def test_axis_labels_say_which_way_is_better() -> None:
    assert wanted(UP) == "maximize energy (Wh/kg) →"
    assert wanted(DOWN) == "← minimize cost (EUR)"
    assert wanted(AIM) == "acidity, target 7"


def test_parallel_axes_follow_the_scales_of_the_parameters() -> None:
    made = campaign([UP, DOWN])
    told = [(setting(1.0), (10.0, 1.0)), (setting(2.0), (20.0, 2.0))]
    with Store.open("sqlite://") as store:
        record = read(store, stored(store, made, bodies([setting(1.0)], [None], {})))
        axes = {axis.name: axis for axis in _axes(record, made.objectives, told, [])}
    assert list(axes) == ["x", "radius", "layers", "binder", "energy", "cost"]
    assert axes["x"].height(2.5) == pytest.approx(0.25)
    assert axes["radius"].height(1.0) == pytest.approx(0.5)
    assert dict(axes["radius"].ticks)[axes["radius"].height(1.0)] == "1"
    assert [axes["layers"].height(n) for n in (1, 3, 5)] == [0.0, 0.5, 1.0]
    assert axes["binder"].ticks == [(0.0, "PVDF"), (0.5, "CMC"), (1.0, "PTFE")]
    assert (axes["energy"].goal, axes["cost"].goal) == ("↑ max", "↓ min")
    assert 0.0 < axes["energy"].height(10.0) < axes["energy"].height(20.0) < 1.0
    assert axes["radius"].unit == "um, log"


# the terminal and the files ------------------------------------------------------------------


def told_of(n: int) -> tuple[Campaign, list[Body]]:
    """A campaign whose front has n settings; the recommended one has x = 0."""
    front = [believed(i / 10, 100.0 + i, 10.0 + i) for i in range(n)]
    outcomes = [{"energy": 100.5 + i, "cost": 10.5 + i} for i in range(n)]
    units = {"energy": "Wh/kg", "cost": "EUR"}
    return campaign([UP, DOWN]), bodies([one for one, _ in front], outcomes, units, front)


def sheet(n: int, width: int) -> str:
    made, told = told_of(n)
    with Store.open("sqlite://") as store:
        campaign_id = stored(store, made, told)
        found = FrontSheet.of(CampaignState.of(made, store.events(campaign_id)))
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(found)
    return out.getvalue()


@pytest.mark.parametrize("width", [48, 72, 90, 120, 200])
def test_every_row_of_the_front_is_shown_whole_at_any_width(width: int) -> None:
    printed = sheet(7, width)
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= width
    assert printed.count("recommended") == 1
    assert "The front: 7 settings, 90% intervals" in printed
    for i in range(7):
        assert f"{100 + i} [{99 + i}, {101 + i}]" in printed
        assert re.search(rf"(^|\s){i / 10:g}(\s|$)", printed)


def test_a_long_front_is_thinned_and_says_so() -> None:
    printed = sheet(33, 200)
    assert "The front: 20 of 33 settings, 90% intervals; export writes all to front.csv" in printed
    assert len(re.findall(r"\[\d+, \d+\] +\d+ \[", printed)) == MOST
    assert "recommended" in printed


@given(st.integers(1, 90), st.integers(0, 89), st.integers(2, 30))
def test_a_thinned_list_keeps_its_ends_and_the_marked(n: int, place: int, most: int) -> None:
    marked = [i == place % n for i in range(n)]
    kept = spread(marked, max(most, 3))
    assert kept == sorted(set(kept))
    assert len(kept) == min(n, max(most, 3))
    assert {0, place % n, n - 1} <= set(kept)


def test_json_has_the_whole_front() -> None:
    made, told = told_of(33)
    with Store.open("sqlite://") as store:
        campaign_id = stored(store, made, told)
        state = CampaignState.of(made, store.events(campaign_id))
        found = summary(campaign_id, state, store.url)["recommendation"]
    assert len(found["front"]) == 33
    assert set(found["front"][0]) == {"parameters", "objectives"}
    assert set(found["front"][0]["objectives"]) == {"energy", "cost"}


def test_export_writes_the_front_with_what_was_measured(tmp_path: Path) -> None:
    made, told = told_of(33)
    with Store.open("sqlite://") as store:
        _, rows = export_to(store, stored(store, made, told), tmp_path)
    with (tmp_path / "front.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert rows["front.csv"] == len(found) == 33
    best = found[0]  # of the first objective
    assert (best["energy"], best["energy_lower"], best["energy_upper"]) == (
        "132.0",
        "131.0",
        "133.0",
    )
    assert (best["energy_measured"], best["trials"], best["binder"]) == ("132.5", "33", "CMC")
    assert [one["recommended"] for one in found] == ["False"] * 32 + ["True"]


@pytest.mark.parametrize("width", [60, 120, 200])
def test_the_best_settings_of_one_objective_are_not_cut_either(width: int) -> None:
    many = "".join(f"a_rather_long_name_{i} = {{ low = 0.0, high = 1.0 }}\n" for i in range(9))
    made = campaign([UP], many)
    settings = [{f"a_rather_long_name_{i}": (j + i) / 20 for i in range(9)} for j in range(10)]
    outcomes = [{"energy": 100.0 + j} for j in range(10)]
    with Store.open("sqlite://") as store:
        campaign_id = stored(store, made, bodies(settings, outcomes, {"energy": "Wh/kg"}))
        (found,) = _settings(CampaignState.of(made, store.events(campaign_id)))
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(found)
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= width
    for j in range(2, 10):
        assert re.search(rf"\b{100 + j}\b", out.getvalue())
