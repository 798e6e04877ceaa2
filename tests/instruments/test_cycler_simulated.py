"""The simulated cycler as an instrument: its clock, its channels, its faults, its options."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from campaigns.records import FailureKind
from instruments.base import Busy, Found, Job, JobState, Refused
from instruments.cycler.simulated import SimulatedCycler

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"cc1": 5.2, "cc2": 4.8, "cc3": 4.8, "cc4": 4.457142857142857}
HARSH = {"cc1": 8.0, "cc2": 7.0, "cc3": 5.6, "cc4": 2.5846153846153848}
# In a hot chamber it wears a cell out before the hundredth cycle.
DEADLY = {"cc1": 10.0, "cc2": 10.0, "cc3": 10.0, "cc4": 10.0}


class Jumping:
    """A clock that jumps, as a simulated campaign has it."""

    simulated = True

    def __init__(self):
        self.moment = START

    def now(self):
        return self.moment

    def wait_until(self, moment):
        self.moment = max(self.moment, moment)


def job(trial, parameters=GOOD, attempt=1, checkpoints=(100,), started_at=START):
    key = f"{trial}.{attempt}"
    return Job(key, parameters, (7, trial, attempt), started_at, checkpoints)


def opened(**options):
    clock = Jumping()
    return SimulatedCycler.open(options, clock), clock


def to_the_end(cycler, clock, key):
    """Ask at the moments the instrument names, until the job is over; what it said on the way."""
    said = [cycler.poll(key)]
    while said[-1].ask_at is not None:
        clock.wait_until(said[-1].ask_at)
        said.append(cycler.poll(key))
    return said


def finished(parameters=GOOD, trial=1, **options):
    cycler, clock = opened(**options)
    cycler.submit(job(trial, parameters))
    said = to_the_end(cycler, clock, f"{trial}.1")
    return cycler.fetch(f"{trial}.1"), said


def test_the_card_and_the_protocol():
    cycler, _ = opened()
    card = cycler.describe()
    assert (card.simulated, card.repeatable, card.abortable, card.series) == (True,) * 4
    assert card.channels == 8
    assert dict(card.metrics) == {"cycle_life": "1"}
    assert [(s.name, s.unit, s.low, s.high) for s in card.settings] == [
        *((name, "1/h", 0.1, 10.0) for name in ("cc1", "cc2", "cc3", "cc4")),
        ("cathode_capacity", "1", 0.5, 2.0),
        ("cathode_resistance", "1", 0.5, 2.0),
    ]


def test_a_cathode_changes_the_cell_as_physics_says():
    """More resistance heats and plates; too much lithium plates, too little is dead at once."""
    cycler, _ = opened()
    setting = {"cc1": 4.8, "cc2": 5.2, "cc3": 5.2, "cc4": 4.16}
    cathodes = [{}, {"cathode_capacity": 1.0, "cathode_resistance": 1.0}]
    cathodes += [{"cathode_resistance": r} for r in (0.7, 1.3, 2.0)]
    cathodes += [{"cathode_capacity": c} for c in (0.8, 1.1, 1.3)]
    lives = [one["cycle_life"] for one in cycler.truth([{**setting, **c} for c in cathodes])]
    assert lives[0] == lives[1], "the calibrated cathode is the default"
    assert lives[2] > lives[0] > lives[3] > lives[4]
    assert lives[5] == 0.0
    assert lives[0] > lives[6] > lives[7]


def test_a_whole_life_on_the_clock():
    result, said = finished()
    life = result.scalars["cycle_life"].value
    assert [one.state for one in said] == [JobState.RUNNING] * 3 + [JobState.FINISHED]
    assert [one.cycle for one in said] == [0, 100, 101, life]
    assert said[1].hours == pytest.approx(96.0)
    assert said[-1].over_at == START + timedelta(hours=0.96 * life)
    assert said[-1].hours == pytest.approx(0.96 * life)
    assert 500 < life < 1500
    assert result.scalars["cycle_life"].sd > 50
    series = result.series
    assert series.cycles.tolist() == list(range(1, int(life) + 1))
    assert series.curve_cycles.tolist() == list(range(2, 101))
    assert series.curves.dtype == np.float32
    assert series.curves.shape == (99, len(series.voltage)) == (99, 1000)
    assert series.summary["capacity_ah"][-1] < 0.88 <= series.summary["capacity_ah"][-2]
    assert {len(values) for values in series.summary.values()} == {int(life)}


def test_partial_results_are_the_beginning_of_the_whole():
    cycler, clock = opened()
    cycler.submit(job(1))
    clock.wait_until(START + timedelta(hours=0.96 * 60))
    first = cycler.fetch("1.1")
    clock.wait_until(START + timedelta(hours=0.96 * 100))
    second = cycler.fetch("1.1", since=60)
    assert (first.state, dict(first.scalars)) == (JobState.RUNNING, {})
    whole, _ = finished()
    curves = np.concatenate([first.series.curves, second.series.curves])
    assert curves.tobytes() == whole.series.curves.tobytes()
    capacity = [*first.series.summary["capacity_ah"], *second.series.summary["capacity_ah"]]
    assert capacity == whole.series.summary["capacity_ah"][:100].tolist()


def test_a_crashed_engine_finds_the_same_data_again():
    whole, _ = finished(trial=3)
    cycler, clock = opened()
    clock.wait_until(START + timedelta(hours=200))
    assert cycler.find("3.1") is Found.NEVER
    cycler.submit(job(3))
    assert cycler.find("3.1") is Found.RUNNING
    to_the_end(cycler, clock, "3.1")
    assert cycler.find("3.1") is Found.FINISHED
    assert cycler.fetch("3.1").scalars == whole.scalars


def test_a_cell_that_dies_before_its_checkpoint():
    result, said = finished(DEADLY, ambient_c=50.0)
    assert result.scalars["cycle_life"].value < 100
    assert len(said) == 2


def test_channels_are_taken_and_freed():
    cycler, clock = opened(channels=2, ambient_c=50.0)
    first = cycler.submit(job(1, DEADLY))
    cycler.submit(job(2))
    assert cycler.submit(job(1, DEADLY)) == first
    with pytest.raises(Busy, match="all 2 channels"):
        cycler.submit(job(3))
    clock.wait_until(START + timedelta(hours=100))
    cycler.submit(job(3, started_at=clock.now()))
    with pytest.raises(Busy):
        cycler.submit(job(4, started_at=clock.now()))


def test_abort_frees_the_channel_and_twice_is_harmless():
    cycler, clock = opened(channels=1)
    cycler.submit(job(1))
    clock.wait_until(START + timedelta(hours=48))
    for _ in range(2):
        status = cycler.abort("1.1", "enough")
        assert (status.state, status.safe) == (JobState.ABORTED, True)
        clock.wait_until(START + timedelta(hours=60))
    progress = cycler.poll("1.1")
    assert (progress.cycle, progress.hours, progress.ask_at) == (50, 48.0, None)
    assert len(cycler.fetch("1.1").series.cycles) == 50
    cycler.submit(job(2, started_at=clock.now()))


def test_limits_are_kept():
    cycler, _ = opened()
    with pytest.raises(Refused, match=r"cc1 12 1/h is above the limit 10 1/h"):
        cycler.submit(job(1, {**GOOD, "cc1": 12.0}))
    assert [p.setting for p in cycler.check(job(1, {"cc1": 4.0}))] == ["cc2", "cc3", "cc4"]
    with pytest.raises(KeyError):
        cycler.poll("never submitted")


def test_early_death():
    result, said = finished(force_faults={"1": "early_death"})
    assert result.failure is FailureKind.EARLY_DEATH
    assert said[-1].state is JobState.FAILED
    healthy = int(result.at_least["cycle_life"].value)
    assert 20 <= healthy < said[-1].cycle < healthy + 60
    assert "internal short" in result.reason
    whole, _ = finished()
    before = result.series.summary["capacity_ah"][:healthy]
    assert before.tolist() == whole.series.summary["capacity_ah"][:healthy].tolist()


def test_channel_hang_is_noticed_later():
    result, said = finished(force_faults={"1": "channel_hang"})
    hung = said[-1].cycle
    assert result.failure is FailureKind.CHANNEL_FAULT
    assert result.at_least["cycle_life"].value == hung == result.series.cycles[-1]
    assert said[-1].hours == pytest.approx(0.96 * hung + 12.0)


def test_data_gap():
    result, _ = finished(force_faults={"1": "data_gap"})
    whole, _ = finished()
    missing = sorted(set(whole.series.cycles) - set(result.series.cycles))
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert 5 <= len(missing) <= 30
    assert not set(missing) & set(result.series.curve_cycles)
    assert result.scalars == whole.scalars


def test_data_gap_over_the_end_of_life_leaves_no_life():
    for trial in range(1, 60):
        forced = {str(trial): "data_gap"}
        result, _ = finished(DEADLY, trial, ambient_c=50.0, force_faults=forced)
        if result.failure is not None:
            break
    assert result.failure is FailureKind.DATA_GAP
    assert not result.scalars


def test_nan():
    result, _ = finished(force_faults={"1": "nan"})
    lost = np.isnan(result.series.summary["capacity_ah"])
    assert 1 <= lost.sum() <= 5
    broken = np.isnan(result.series.curves).any(axis=1)
    assert result.series.curve_cycles[broken].tolist() == [
        cycle for cycle in result.series.cycles[lost] if cycle <= 100
    ]
    assert result.state is JobState.FINISHED


def test_a_fault_may_strike_one_attempt_alone():
    cycler, clock = opened(force_faults={"1": "channel_hang:1"})
    for attempt in (1, 2):
        cycler.submit(job(1, attempt=attempt, checkpoints=()))
    assert to_the_end(cycler, clock, "1.1")[-1].state is JobState.FAILED
    assert to_the_end(cycler, clock, "1.2")[-1].state is JobState.FINISHED


def test_faults_strike_as_often_as_asked_and_by_seed():
    def struck():
        cycler, clock = opened(channels=100, faults={"early_death": 0.1, "channel_hang": 0.2})
        for trial in range(100):
            cycler.submit(job(trial, DEADLY, checkpoints=()))
        clock.wait_until(START + timedelta(hours=2000))
        return [cycler.poll(f"{trial}.1").state for trial in range(100)]

    first = struck()
    assert first == struck()
    assert 0 < first.count(JobState.FAILED) < 55


def test_a_cell_that_outlives_the_test():
    result, _ = finished(max_cycles=200)
    assert result.failure is FailureKind.OUT_OF_RANGE
    assert result.at_least["cycle_life"].value == 200


def test_truth_is_free_of_noise_spread_and_company():
    cycler, _ = opened()
    together = cycler.truth([GOOD, HARSH, GOOD])
    assert together[0] == together[2]
    assert opened()[0].truth([HARSH]) == together[1:2]
    assert together[0]["cycle_life"] > 1.8 * together[1]["cycle_life"]
    perfect, _ = finished(spread=0.0, noise=0.0)
    assert perfect.scalars["cycle_life"].value == pytest.approx(together[0]["cycle_life"], abs=1.0)
    assert perfect.scalars["cycle_life"].sd == 1.0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"channel": 8}, "instrument.options.channel: unknown option; allowed: channels"),
        ({"channels": "8"}, 'instrument.options.channels: "8" is not allowed; a whole number'),
        ({"channels": 0}, "instrument.options.channels: 0 is not allowed; 1 to"),
        ({"channels": True}, "instrument.options.channels"),
        ({"spread": -1.0}, "instrument.options.spread: -1.0 is not allowed; 0 to 3 is"),
        ({"faults": {"fire": 0.1}}, "instrument.options.faults.fire: unknown option; allowed:"),
        ({"faults": {"nan": 2.0}}, "instrument.options.faults.nan: 2.0 is not allowed; 0 to 1"),
        ({"faults": {"nan": 0.6, "data_gap": 0.6}}, "add up to 1 at most"),
        ({"force_faults": {"one": "nan"}}, "instrument.options.force_faults: one = 'nan'"),
        ({"force_faults": {"1": "fire"}}, "one of early_death, channel_hang, data_gap, nan"),
    ],
)
def test_mistaken_options_are_one_clear_line(options, line):
    with pytest.raises(ValueError, match=r"^instrument\.options") as caught:
        opened(**options)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
