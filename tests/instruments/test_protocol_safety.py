"""Steps of a cycling protocol against its own safety block."""

import json
import math

import aurora_unicycler as unicycler
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from instruments.cycler.protocol_safety import ChannelLimits, problems

SAFETY = {
    "max_voltage_V": 4.3,
    "min_voltage_V": 2.5,
    "max_current_mA": 10.0,
    "min_current_mA": -10.0,
    "max_capacity_mAh": 12.0,
    "delay_s": 1.0,
}
SECONDS = st.floats(1.0, 1e5)
INSIDE_V = st.floats(2.51, 4.29)
OUTSIDE_V = st.one_of(st.floats(4.31, 60.0), st.floats(-60.0, 2.49))
SIGNS = st.sampled_from((-1.0, 1.0))
EIS = {"step": "impedance_spectroscopy", "start_frequency_Hz": 1e5, "end_frequency_Hz": 0.1}


def protocol(*steps, capacity=10.0, **safety):
    return {
        "record": {"time_s": 10.0},
        "sample": {"name": "cell", "capacity_mAh": capacity},
        "safety": {**SAFETY, **safety},
        "method": list(steps),
    }


def by_library(tables):
    """What the library makes of it; raises where the library refuses."""
    return json.loads(unicycler.CyclingProtocol.from_dict(json.loads(json.dumps(tables))).to_json())


def places(tables, channel=None):
    return [problem.setting for problem in problems(tables, channel)]


def cc(**keys):
    return {"step": "constant_current", **keys}


def cv(**keys):
    return {"step": "constant_voltage", **keys}


def test_a_step_to_9_v_under_a_limit_of_4_3_v_is_refused_though_the_library_takes_it():
    tables = by_library(protocol(cc(current_mA=1.0, until_voltage_V=9.0)))
    (problem,) = problems(tables)
    assert problem.setting == "method[0].until_voltage_V"
    assert problem.reason == "9 V is above safety.max_voltage_V = 4.3 V"


def test_a_whole_protocol_of_the_library_passes():
    step = unicycler
    made = unicycler.CyclingProtocol(
        sample={"name": "cell", "capacity_mAh": 10.0},
        record={"time_s": 10.0, "voltage_V": 0.01},
        safety=SAFETY,
        method=[
            step.OpenCircuitVoltage(until_time_s=3600),
            step.ImpedanceSpectroscopy(
                amplitude_V=0.01, start_frequency_Hz=1e5, end_frequency_Hz=0.1
            ),
            step.Tag(tag="formation"),
            step.ConstantCurrent(rate_C="C/10", until_voltage_V=4.2, until_time_s=12 * 3600),
            step.ConstantVoltage(voltage_V=4.2, until_rate_C="C/20", until_time_s=7200),
            step.ConstantCurrent(rate_C="D/10", until_voltage_V=3.0),
            step.Loop(loop_to="formation", cycle_count=3),
            step.VoltageScan(start_voltage_V=3.0, end_voltage_V=4.2, scan_rate_mV_per_s=0.1),
            step.Loop(loop_to=4, cycle_count=100),
        ],
    )
    assert problems(json.loads(made.to_json())) == []
    assert problems(made.to_dict()) == []


@given(voltage=INSIDE_V, current=st.floats(0.01, 9.9), sign=SIGNS, seconds=SECONDS)
def test_any_step_within_the_limits_passes(voltage, current, sign, seconds):
    longest = 11.9 * 3600.0 / current
    tables = protocol(
        cc(current_mA=sign * current, until_voltage_V=voltage),
        cc(rate_C=sign * current / 10.0, until_time_s=min(seconds, longest)),
        cv(voltage_V=voltage, until_time_s=seconds, until_current_mA=sign * current),
        {
            "step": "voltage_scan",
            "start_voltage_V": voltage,
            "end_voltage_V": 3.14159,
            "scan_rate_mV_per_s": current,
        },
        {**EIS, "amplitude_mA": current},
        {"step": "open_circuit_voltage", "until_time_s": seconds},
    )
    assert problems(by_library(tables)) == []


@given(voltage=OUTSIDE_V)
def test_any_voltage_beyond_fails_in_any_step(voltage):
    scan = {"step": "voltage_scan", "scan_rate_mV_per_s": 1.0}
    steps = [
        cc(current_mA=1.0, until_voltage_V=voltage),
        cv(voltage_V=voltage, until_time_s=10.0),
        {**scan, "start_voltage_V": voltage, "end_voltage_V": 3.0},
        {**scan, "start_voltage_V": 3.0, "end_voltage_V": voltage},
    ]
    if abs(voltage) < 1e-6:  # 0 V means "not given" where a step ends
        steps = steps[1:]
    told = places(by_library(protocol(*steps)))
    assert len(told) == len(steps)
    assert {place.split(".")[0] for place in told} == {f"method[{i}]" for i in range(len(steps))}


@given(current=st.floats(10.01, 1e6), sign=SIGNS)
def test_any_current_beyond_fails_as_current_and_as_rate(current, sign):
    tables = protocol(
        cc(current_mA=sign * current, until_voltage_V=3.0),
        cc(rate_C=sign * current / 10.0, until_voltage_V=3.0),
        cv(voltage_V=3.0, until_rate_C=sign * current / 10.0),
        {**EIS, "amplitude_mA": current},
    )
    told = places(by_library(tables))
    assert {place.split(".")[0] for place in told} == {f"method[{i}]" for i in range(4)}


@given(current=st.floats(0.1, 9.9), share=st.floats(1.001, 100.0), sign=SIGNS)
def test_more_charge_than_the_limit_fails(current, share, sign):
    seconds = 12.0 * share * 3600.0 / current
    tables = protocol(cc(current_mA=sign * current, until_time_s=seconds))
    assert places(by_library(tables)) == ["method[0].until_time_s"]


RATES = {"C/2": 0.5, "D/2": -0.5, "2C/4": 0.5, "1/2": 0.5, "0.5": 0.5, " C / 2 ": 0.5}


@pytest.mark.parametrize(("written", "rate"), RATES.items())
def test_rates_mean_what_the_library_means(written, rate):
    tables = protocol(
        cc(rate_C=written, until_voltage_V=3.0), max_current_mA=4.9, min_current_mA=-4.9
    )
    assert by_library(tables)["method"][0]["rate_C"] == rate
    reason = problems(tables)[0].reason
    assert reason.startswith(f"{10 * rate:g} mA is ")


def test_a_rate_without_a_capacity_cannot_be_checked():
    tables = protocol(cc(rate_C=1.0, until_voltage_V=3.0), capacity=None)
    assert places(by_library(tables)) == ["method[0].rate_C"]


@pytest.mark.parametrize("name", [name for name in SAFETY if name != "delay_s"])
def test_a_missing_limit_is_a_problem_of_its_own(name):
    tables = protocol(cc(current_mA=1.0, until_voltage_V=3.0), **{name: None})
    assert places(by_library(tables)) == [f"safety.{name}"]
    del tables["safety"][name]
    assert places(tables) == [f"safety.{name}"]


def test_without_a_safety_block_every_limit_is_missing():
    tables = protocol(cc(current_mA=1.0, until_voltage_V=3.0))
    del tables["safety"]
    assert len(problems(tables)) == 5


@pytest.mark.parametrize(
    "step",
    [
        cc(current_mA=1.0),
        cc(current_mA=1.0, until_time_s=0),
        cc(current_mA=1.0, until_time_s="", until_voltage_V=""),
        cv(voltage_V=4.0),
        cv(voltage_V=4.0, until_current_mA=0),
        {"step": "open_circuit_voltage"},
        {"step": "voltage_scan", "start_voltage_V": 3, "end_voltage_V": 4, "scan_rate_mV_per_s": 0},
    ],
)
def test_a_step_without_an_end_is_a_problem(step):
    assert [p.reason.split(";")[0] for p in problems(protocol(step))] == ["has no end"]


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"step": "power"}, "step"),
        ({"current_mA": 1.0}, "step"),
        ("rest", "step"),
        (cc(current_mA=1.0, until_voltage_V=3.0, until_temperature_C=60), "until_temperature_C"),
        (cc(current_mA=math.nan, until_voltage_V=3.0), "current_mA"),
        (cc(current_mA=True, until_voltage_V=3.0), "current_mA"),
        (cc(rate_C="C/0", until_voltage_V=3.0), "rate_C"),
        (cv(until_time_s=5.0), "voltage_V"),
        ({**EIS, "amplitude_V": 0.01, "amplitude_mA": 1.0}, "amplitude_V"),
        ({**EIS, "amplitude_V": 0.01, "start_frequency_Hz": 0}, "start_frequency_Hz"),
        ({"step": "loop", "loop_to": 7, "cycle_count": 2}, "loop_to"),
        ({"step": "loop", "loop_to": "nowhere", "cycle_count": 2}, "loop_to"),
        ({"step": "loop", "loop_to": 1, "cycle_count": math.inf}, "cycle_count"),
        ({"step": "tag", "tag": " "}, "tag"),
    ],
)
def test_what_cannot_be_understood_is_never_passed_over(step, place):
    told = places(protocol({"step": "open_circuit_voltage", "until_time_s": 1.0}, step))
    assert f"method[1].{place}" in told


def test_an_amplitude_counts_from_where_the_cell_is():
    near = protocol(cv(voltage_V=4.29, until_time_s=10.0), {**EIS, "amplitude_V": 0.02})
    assert places(near) == ["method[1].amplitude_V"]
    far = protocol(cv(voltage_V=4.0, until_time_s=10.0), {**EIS, "amplitude_V": 0.02})
    assert problems(far) == []
    somewhere = protocol({**EIS, "amplitude_V": 1.0})
    assert set(places(somewhere)) == {"method[0].amplitude_V"}


def test_the_channel_is_a_limit_beside_the_safety_block():
    tables = protocol(cv(voltage_V=4.2, until_current_mA=6.0))
    channel = ChannelLimits(max_voltage_v=4.1, max_current_ma=5.0)
    assert problems(tables) == []
    assert places(tables, channel) == ["method[0].voltage_V", "method[0].until_current_mA"]


def test_limits_the_wrong_way_round_are_told():
    tables = protocol(cv(voltage_V=4.2, until_time_s=6.0), min_voltage_V=4.4)
    assert "safety.min_voltage_V" in places(tables)


def test_the_command_tells_each_violation_in_a_line(tmp_path):
    from loop.cli import app

    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(protocol(cv(voltage_V=4.2, until_time_s=6.0))))
    bad.write_text(json.dumps(protocol(cv(voltage_V=9.0, until_time_s=6.0), cc(current_mA=1.0))))
    run = CliRunner().invoke(app, ["check", str(good)])
    assert (run.exit_code, run.stdout.strip()) == (0, "ok")
    run = CliRunner().invoke(app, ["check", str(bad), "--json"])
    assert len(json.loads(run.stdout.splitlines()[0])["problems"]) == 2
