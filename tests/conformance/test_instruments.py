"""One suite over every registered instrument: what each must do whatever it measures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from instruments.base import Busy, Found, Job, JobState, Refused
from instruments.guard import outside
from instruments.registry import known, open_instrument, target
from loop.clock import SimulatedClock

START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bench:
    """How to open a kind, and settings that it takes."""

    options: dict[str, Any]
    settings: list[dict[str, float]]
    files: dict[str, bytes] = field(default_factory=dict)
    needs: str = ""  # a package of an optional extra, without which the kind cannot be opened


BENCHES = {
    "table": Bench(
        {
            "file": "t.csv",
            "parameters": {"x": "x"},
            "metrics": {"y": {"column": "y", "noise_sd": 0.5}},
            "hours": "2*y",
            "channels": 3,
        },
        [{"x": float(x)} for x in range(4)],
        {"t.csv": b"x,y\n0,1\n1,2\n2,3\n3,4\n"},
    ),
    "cycler.simulated": Bench(
        {"channels": 3},
        [
            {"cc1": 8.0, "cc2": 7.0, "cc3": 5.2, "cc4": 2.661},
            {"cc1": 8.0, "cc2": 6.0, "cc3": 4.8, "cc4": 3.0},
            {"cc1": 6.0, "cc2": 5.6, "cc3": 4.4, "cc4": 3.834},
            {"cc1": 4.8, "cc2": 5.2, "cc3": 5.2, "cc4": 4.16},
        ],
    ),
    "cgmd": Bench(
        {"channels": 3, "fidelity": "fast", "rates": [100.0]},
        [{"kn": 1.0}, {"cn": 1.2}, {"solid_content": 65.0}, {"s": 0.84}],
        needs="lammps",
    ),
}


@pytest.fixture(params=sorted(known()))
def kind(request):
    assert request.param in BENCHES, f"{request.param} has no entry in this suite: add one"
    needs = BENCHES[request.param].needs
    if needs and find_spec(needs) is None:
        pytest.skip(f"{request.param} NOT TESTED: it needs {needs}")
    return request.param


@pytest.fixture
def lab(kind):
    clock = SimulatedClock(START)
    bench = BENCHES[kind]
    with_close = open_instrument(kind, bench.options, clock, bench.files)
    yield with_close, clock, bench.settings
    with_close.close()


def job(setting, trial=1, attempt=1, checkpoints=()):
    seed = (5, trial, attempt)
    return Job(f"k/{trial}/{attempt}", setting, seed, START, checkpoints)


def run_to_end(instrument, clock, key):
    """Follow the moments the instrument names; returns the last progress and result."""
    for _ in range(100):
        progress = instrument.poll(key)
        if progress.state is not JobState.RUNNING:
            return progress, instrument.fetch(key)
        assert progress.ask_at is not None
        assert progress.ask_at > clock.now(), "time must go on"
        clock.wait_until(progress.ask_at)
    raise AssertionError("the job never ends")


def same(one, other):
    assert one.state == other.state
    assert dict(one.scalars) == dict(other.scalars)
    assert (one.series is None) == (other.series is None)
    if one.series is not None:
        for name in ("cycles", "voltage", "curves", "curve_cycles"):
            a, b = getattr(one.series, name), getattr(other.series, name)
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes()
        assert one.series.summary.keys() == other.series.summary.keys()
        for name, values in one.series.summary.items():
            assert values.tobytes() == other.series.summary[name].tobytes()


def test_the_card_is_complete_and_agrees_with_the_class(kind, lab):
    card = lab[0].describe()
    assert card.kind == kind
    assert card.channels == 3
    assert card.metrics
    assert card.simulated == target(kind).simulated
    names = [setting.name for setting in card.settings]
    assert len(set(names)) == len(names) > 0


def test_a_job_within_the_limits_is_accepted_and_measured(lab):
    instrument, clock, settings = lab
    one = job(settings[0])
    assert instrument.check(one) == []
    assert outside(instrument.describe(), settings[0]) == []
    instrument.submit(one)
    progress, result = run_to_end(instrument, clock, one.key)
    assert progress.state is result.state is JobState.FINISHED
    assert progress.ask_at is None
    assert progress.over_at is not None
    assert progress.hours == pytest.approx((progress.over_at - START) / timedelta(hours=1))
    assert set(result.scalars) == set(instrument.describe().metrics)
    for metric, scalar in result.scalars.items():
        assert math.isfinite(scalar.value)
        assert scalar.unit == instrument.describe().metrics[metric]


def test_a_job_that_does_not_suit_is_refused(lab):
    instrument, _, settings = lab
    card = instrument.describe()
    needed = [setting.name for setting in card.settings if not setting.optional]
    wrong = [{**settings[0], needed[0]: math.nan}, {}] if needed else []
    if not card.open_settings:
        wrong.append({**settings[0], "colour": 1.0})
    assert wrong
    for setting in wrong:
        assert instrument.check(job(setting))
        with pytest.raises(Refused):
            instrument.submit(job(setting))
        assert instrument.find("k/1/1") is Found.NEVER


def test_a_second_submit_changes_nothing(lab):
    instrument, _, settings = lab
    assert instrument.submit(job(settings[0])) == instrument.submit(job(settings[0]))


def test_more_jobs_than_channels_are_turned_away(lab):
    instrument, _, settings = lab
    for trial in (1, 2, 3):
        instrument.submit(job(settings[0], trial))
    with pytest.raises(Busy):
        instrument.submit(job(settings[0], 4))
    assert instrument.find("k/4/1") is Found.NEVER


def test_the_same_job_gives_the_same_data_alone_and_in_company(kind, lab):
    instrument, clock, settings = lab
    for trial, setting in enumerate(settings[:3], start=1):
        instrument.submit(job(setting, trial, checkpoints=(60,)))
    for trial, setting in enumerate(settings[:3], start=1):
        alone_clock = SimulatedClock(START)
        bench = BENCHES[kind]
        alone = open_instrument(kind, bench.options, alone_clock, bench.files)
        alone.submit(job(setting, trial, checkpoints=(60,)))
        _, one = run_to_end(instrument, clock, f"k/{trial}/1")
        _, other = run_to_end(alone, alone_clock, f"k/{trial}/1")
        same(one, other)


def test_another_trial_of_the_same_setting_is_another_cell(lab):
    instrument, clock, settings = lab
    values = []
    for trial in (1, 2):
        instrument.submit(job(settings[0], trial))
    for trial in (1, 2):
        _, result = run_to_end(instrument, clock, f"k/{trial}/1")
        values.append(next(iter(result.scalars.values())).value)
    assert values[0] != values[1]


def test_an_abort_is_read_back_and_harmless_twice(lab):
    instrument, clock, settings = lab
    instrument.submit(job(settings[0]))
    half = min((instrument.poll("k/1/1").ask_at - START) / 2, timedelta(hours=1))
    clock.wait_until(START + half)
    for _ in range(2):
        status = instrument.abort("k/1/1", "test")
        assert status.safe
        assert status.state is JobState.ABORTED
    progress = instrument.poll("k/1/1")
    assert progress.state is JobState.ABORTED
    assert progress.hours == pytest.approx(half / timedelta(hours=1))
    clock.wait_until(START + timedelta(hours=5))
    assert instrument.poll("k/1/1").hours == pytest.approx(half / timedelta(hours=1))
    assert not instrument.fetch("k/1/1").scalars
    instrument.submit(job(settings[1], 2))  # the channel is free again


def test_find_tells_what_is_known_of_a_key(lab):
    instrument, clock, settings = lab
    assert instrument.find("k/1/1") is Found.NEVER
    instrument.submit(job(settings[0]))
    assert instrument.find("k/1/1") is Found.RUNNING
    run_to_end(instrument, clock, "k/1/1")
    assert instrument.find("k/1/1") is Found.FINISHED


def test_an_unknown_key_is_an_error(lab):
    with pytest.raises(KeyError):
        lab[0].poll("nobody")


def test_an_unknown_option_is_one_clear_line(kind):
    bench = BENCHES[kind]
    with pytest.raises(ValueError, match="colour") as told:
        open_instrument(kind, {**bench.options, "colour": 1}, SimulatedClock(START), bench.files)
    assert "\n" not in str(told.value)


def test_truth_where_it_is_known_is_finite_and_repeats(lab):
    instrument, _, settings = lab
    truths = instrument.truth(settings)
    if truths is None:
        pytest.skip("this instrument does not know the truth")
    assert truths == instrument.truth(settings)
    assert all(np.isfinite(list(truth.values())).all() for truth in truths)


def test_series_come_in_pieces_that_fit_together(lab):
    instrument, clock, settings = lab
    if not instrument.describe().series:
        pytest.skip("this instrument gives no series")
    instrument.submit(job(settings[0], checkpoints=(40,)))
    clock.wait_until(instrument.poll("k/1/1").ask_at)
    assert instrument.poll("k/1/1").cycle == 40
    first = instrument.fetch("k/1/1").series
    assert first.cycles[-1] == 40
    assert first.curves.shape == (len(first.curve_cycles), len(first.voltage))
    assert first.curves.dtype == np.float32
    run_to_end(instrument, clock, "k/1/1")
    rest = instrument.fetch("k/1/1", since=40).series
    assert rest.cycles[0] == 41
    whole = instrument.fetch("k/1/1").series
    assert whole.cycles.tolist() == first.cycles.tolist() + rest.cycles.tolist()
    capacity = [*first.summary["capacity_ah"], *rest.summary["capacity_ah"]]
    assert whole.summary["capacity_ah"].tolist() == capacity
