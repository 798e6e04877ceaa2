"""The recorded table: look-up, noise, hours, and what it says of bad files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.base import Busy, Found, Job, JobState, Refused
from instruments.clock import SimulatedClock
from instruments.table import TableInstrument

START = datetime(2000, 1, 1, tzinfo=UTC)
LIVES = b"C1,C2,life,sd,h\n3.6,6,900,10,7\n4.8,5.2,1100,20,8\n8,7,450,5,9\n"
OPTIONS = {
    "file": "lives.csv",
    "parameters": {"cc1": "C1", "cc2": "C2"},
    "metrics": {"cycle_life": {"column": "life", "noise_sd": 164}},
    "hours": "0.96*cycle_life",
}


def table(content: bytes = LIVES, **changes):
    clock = SimulatedClock(START)
    return TableInstrument.open(OPTIONS | changes, clock, {"lives.csv": content}), clock


def job(cc1=3.6, cc2=6.0, trial=1, seed=7):
    return Job(f"c/{trial}/1", {"cc1": cc1, "cc2": cc2}, (seed, trial, 1), START)


def measured(instrument, clock, one):
    instrument.submit(one)
    clock.wait_until(instrument.poll(one.key).ask_at or clock.now())
    return instrument.fetch(one.key)


def test_the_hours_formula_sees_the_noise_free_value():
    instrument, clock = table()
    instrument.submit(job())
    progress = instrument.poll("c/1/1")
    assert progress.state is JobState.RUNNING
    assert progress.ask_at == START + timedelta(hours=0.96 * 900)
    clock.wait_until(progress.ask_at)
    assert instrument.poll("c/1/1").state is JobState.FINISHED
    assert instrument.poll("c/1/1").hours == 0.96 * 900


@pytest.mark.parametrize(("hours", "expected"), [(96, 96.0), ("h", 7.0), ("cycle_life/2", 450.0)])
def test_hours_may_be_a_number_a_column_or_a_formula(hours, expected):
    instrument, clock = table(hours=hours)
    measured(instrument, clock, job())
    assert instrument.poll("c/1/1").hours == expected


def test_noise_has_the_declared_deviation_and_no_bias():
    instrument, clock = table(hours=0.0)
    values = [
        measured(instrument, clock, job(trial=t)).scalars["cycle_life"].value for t in range(2000)
    ]
    assert np.mean(values) == pytest.approx(900, abs=4 * 164 / 2000**0.5)
    assert np.std(values) == pytest.approx(164, rel=0.1)


def test_noise_from_a_column_becomes_the_deviation_of_the_scalar():
    instrument, clock = table(metrics={"cycle_life": {"column": "life", "noise_sd": "sd"}})
    assert measured(instrument, clock, job()).scalars["cycle_life"].sd == 10
    assert measured(instrument, clock, job(4.8, 5.2, 2)).scalars["cycle_life"].sd == 20


@given(st.integers(0, 2**31), st.integers(1, 10**6))
def test_the_same_job_gives_the_same_number(seed, trial):
    one, other = (measured(*table(), job(seed=seed, trial=trial)) for _ in range(2))
    assert one.scalars == other.scalars


def test_truth_is_free_of_noise_and_the_mean_over_repeated_lines():
    instrument, _ = table(LIVES + b"3.6,6,1000,10,7\n")
    assert instrument.truth([{"cc1": 3.6, "cc2": 6}]) == [{"cycle_life": 950.0}]
    assert instrument.truth([{"cc1": 1.0, "cc2": 6}]) is None


def test_a_setting_without_a_line_is_a_problem_or_goes_to_the_nearest():
    instrument, _ = table()
    assert "no line" in instrument.check(job(5.0))[0].reason
    with pytest.raises(Refused):
        instrument.submit(job(5.0))
    nearest, _ = table(missing="nearest")
    assert nearest.check(job(4.7, 5.0)) == []
    assert nearest.truth([{"cc1": 4.7, "cc2": 5.0}]) == [{"cycle_life": 1100.0}]


def test_one_job_a_channel_and_a_second_submit_changes_nothing():
    instrument, clock = table()
    assert instrument.submit(job()) == instrument.submit(job())
    with pytest.raises(Busy):
        instrument.submit(job(trial=2))
    clock.wait_until(START + timedelta(hours=900))
    instrument.submit(job(trial=2))


def test_an_aborted_job_gives_nothing_and_frees_its_channel():
    instrument, clock = table()
    instrument.submit(job())
    clock.wait_until(START + timedelta(hours=10))
    assert instrument.abort("c/1/1", "test").state is JobState.ABORTED
    assert instrument.abort("c/1/1", "test").safe
    assert instrument.poll("c/1/1").hours == 10
    assert instrument.fetch("c/1/1").scalars == {}
    assert instrument.find("c/1/1") is Found.FINISHED
    assert instrument.find("c/9/1") is Found.NEVER
    instrument.submit(job(trial=2))


def test_a_file_without_header_is_read_by_column_numbers():
    content = b"3.600,6.000,5.600,4.755,974.000\n3.600,7.000,5.200,4.537,824.000\n"
    instrument, _ = table(
        content,
        header=False,
        parameters={"cc1": 1, "cc2": 2},
        metrics={"cycle_life": {"column": 5}},
    )
    assert instrument.truth([{"cc1": 3.6, "cc2": 7}]) == [{"cycle_life": 824.0}]


def test_a_byte_order_mark_and_blank_lines_do_no_harm():
    instrument, _ = table(b"\xef\xbb\xbf" + LIVES.replace(b"\n", b"\n\n"))
    assert instrument.truth([{"cc1": 8, "cc2": 7}]) == [{"cycle_life": 450.0}]


@pytest.mark.parametrize(
    ("content", "changes", "told"),
    [
        (LIVES + b"1,2,x,1,1\n", {}, "line 5, column 3: 'x' is not a number"),
        (LIVES + b"1,2\n", {}, "line 5, column 3: is missing"),
        (LIVES + b"1,2,nan,1,1\n", {}, "not finite"),
        (b"C1,C2,life,sd,h\n", {}, "no lines of data"),
        (LIVES, {"parameters": {"cc1": "c1", "cc2": "C2"}}, "no column 'c1'"),
        (LIVES, {"hours": "0.96*life_cycle"}, "life_cycle"),
        (LIVES, {"hours": "-1*cycle_life"}, "hours = -900"),
        (LIVES, {"missing": "guess"}, "missing"),
        (LIVES, {"colour": 1}, "colour"),
        (LIVES, {"metrics": {"cycle_life": {"column": "life", "noise_sd": -1}}}, "negative"),
        (b"\xff\xfe\x00", {}, "UTF-8"),
    ],
)
def test_bad_files_and_options_are_told_in_one_line(content, changes, told):
    with pytest.raises(ValueError, match=r".+") as raised:
        table(content, **changes)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
