"""The simulated coating line as an instrument: limits, clock, channels, aborts, its campaign."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.campaign import load
from campaigns.records import FailureKind
from instruments.base import Busy, Found, Job, JobState, Refused
from instruments.clock import SimulatedClock
from instruments.coater.options import CoaterOptions
from instruments.coater.process import run
from instruments.coater.settings import METRICS, SETTINGS
from instruments.coater.simulated import SimulatedCoater
from instruments.computing import Computed
from instruments.units import converter

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {
    "active_percent": 96.0,
    "carbon_percent": 2.0,
    "binder_percent": 2.0,
    "gap_um": 180.0,
    "calender_pressure_mpa": 90.0,
    "calender_c": 67.0,
}


def opened(**options):
    clock = SimulatedClock(START)
    return SimulatedCoater.open(options, clock), clock


def job(trial=1, attempt=1, **changed):
    return Job(f"c/{trial}/{attempt}", {**GOOD, **changed}, (7, trial, attempt), START)


def test_the_card():
    card = opened(channels=2)[0].describe()
    assert (card.kind, card.channels) == ("coater.simulated", 2)
    assert (card.simulated, card.repeatable, card.abortable, card.series) == (
        True, True, True, False,
    )  # fmt: skip
    assert card.settings == SETTINGS
    assert dict(card.metrics) == dict(METRICS)
    needed = [setting.name for setting in card.settings if not setting.optional]
    assert needed == list(GOOD)


@pytest.mark.parametrize("unit", sorted({*METRICS.values(), *(card.unit for card in SETTINGS)}))
def test_units_are_ones_that_can_be_converted(unit):
    assert converter(unit, unit if unit == "1" else f"({unit})")(2.0) == pytest.approx(2.0)


@pytest.mark.parametrize("card", SETTINGS, ids=lambda card: card.name)
def test_every_limit_is_refused_beyond(card):
    coater, _ = opened()
    for value in (card.low - 0.01, card.high + 0.01):
        assert any(p.setting == card.name for p in coater.check(job(**{card.name: value})))
        with pytest.raises(Refused, match=card.name):
            coater.submit(job(**{card.name: value}))


def test_a_composition_that_does_not_add_up_is_refused_before_anything_runs():
    coater, _ = opened()
    with pytest.raises(Refused, match="100 % is needed"):
        coater.submit(job(active_percent=95.0))
    assert coater.find("c/1/1") is Found.NEVER


def test_a_job_holds_the_line_for_its_nominal_time_and_says_where_it_is():
    coater, clock = opened()
    coater.submit(job())
    with pytest.raises(Busy):
        coater.submit(job(2))
    notes = []
    for seconds in (10, 3700, 4300, 5000):
        clock.wait_until(START + timedelta(seconds=seconds))
        progress = coater.poll("c/1/1")
        assert progress.state is JobState.RUNNING
        assert progress.ask_at == START + timedelta(seconds=6300)
        notes.append(progress.note)
    assert notes == ["mixing", "coating", "drying", "calendering"]
    assert not coater.fetch("c/1/1").scalars
    clock.wait_until(START + timedelta(seconds=6300))
    assert coater.poll("c/1/1").state is JobState.FINISHED
    assert coater.poll("c/1/1").hours == pytest.approx(1.75)
    assert dict(coater.fetch("c/1/1").scalars) == dict(
        run(GOOD, (7, 1, 1), CoaterOptions()).scalars
    )
    coater.submit(job(2))


def test_a_key_is_bound_to_its_settings():
    coater, _ = opened()
    receipt = coater.submit(job())
    assert coater.submit(job()) == receipt
    with pytest.raises(Refused, match="other settings"):
        coater.submit(job(gap_um=200.0))


def test_a_failed_coating_says_why():
    coater, clock = opened(force_faults={"1": "web_break"})
    coater.submit(job())
    clock.wait_until(START + timedelta(hours=2))
    result = coater.fetch("c/1/1")
    assert (result.state, result.failure) == (JobState.FAILED, FailureKind.CHANNEL_FAULT)
    assert "web" in result.reason


def test_an_abort_frees_the_line():
    coater, clock = opened()
    coater.submit(job())
    clock.wait_until(START + timedelta(hours=1))
    assert coater.abort("c/1/1", "stop").safe
    assert coater.poll("c/1/1").hours == pytest.approx(1.0)
    assert coater.find("c/1/1") is Found.FINISHED
    coater.submit(job(2))


def test_it_computes_in_this_process_whatever_the_campaign_says():
    assert not isinstance(opened()[0], Computed)


def test_the_shipped_campaign_fits_the_instrument():
    campaign = load("electrode-coating")
    assert campaign.instrument.kind == "coater.simulated"
    assert dict(campaign.instrument.options) == {}  # the same file runs a real line
    assert campaign.budget.trials == 60
    assert campaign.instrument.channels == 1
    cards = {card.name: card for card in SETTINGS}
    for parameter in campaign.space.parameters:
        card = cards[parameter.name]
        assert card.low <= parameter.low < parameter.high <= card.high
        assert parameter.unit == card.unit
    assert {one.metric for one in campaign.objectives} <= set(METRICS)
    assert {one.metric for one in campaign.constraints} <= set(METRICS)


def test_the_shipped_campaign_keeps_within_the_process_window():
    """An optimiser that knows nothing of failures must not be led into them by the bounds."""
    space = load("electrode-coating").space
    bounds = {one.name: (one.low, one.high) for one in space.parameters}
    free = [name for name in bounds if name != "active_percent"]
    for number, corner in enumerate(itertools.product(*(bounds[name] for name in free)), start=1):
        setting = dict(zip(free, corner, strict=True))
        rest = 100.0 - setting["carbon_percent"] - setting["binder_percent"]
        found = run({"active_percent": rest, **setting}, (7, number, 1), CoaterOptions())
        assert found.reason == ""
