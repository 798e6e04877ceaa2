"""The node map: the shipped one fits the simulated coater, and a wrong one is told in one line."""

from __future__ import annotations

import pytest

from instruments.base import JobState
from instruments.clock import RealClock
from instruments.coater.opcua import OpcUaCoater
from instruments.coater.opcua_map import read_map
from instruments.coater.settings import METRICS, SETTINGS
from tests.instruments.opcua_rig import SETTINGS as GOOD
from tests.instruments.opcua_rig import node_map


def opened(options=None, **files):
    return OpcUaCoater.open(options or {}, RealClock(), files)


def test_the_shipped_map_has_the_settings_and_metrics_of_the_simulated_coater():
    shipped = read_map("", {})
    assert shipped.cards() == SETTINGS
    assert {name: one.unit for name, one in shipped.metrics.items()} == dict(METRICS)


def test_without_any_option_it_opens_without_touching_anything():
    coater = opened()
    card = coater.describe()
    coater.close()
    assert card.kind == "coater.opcua"
    assert not card.simulated
    assert not card.repeatable
    assert card.on_lease_loss == "hold"
    assert coater.truth([GOOD[0]]) is None


def test_combinations_that_the_map_refuses_are_found_without_the_device():
    coater = opened()
    job = _job({**GOOD[0], "active_percent": 95.0})
    (problem,) = coater.check(job)
    assert "100 %" in problem.reason
    assert "carbon_percent" in problem.setting
    assert coater.check(_job(GOOD[0])) == []


def test_a_rule_over_a_setting_that_is_left_open_is_the_devices():
    text = node_map(("calender_c > 100 and", "line_speed_m_per_min > 0 and"))
    coater = opened({"file": "m.toml"}, **{"m.toml": text})
    assert coater.check(_job({**GOOD[0], "calender_pressure_mpa": 200.0})) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"colour": 1}, "colour"),
        ({"channels": 2}, "one electrode at a time"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"poll_s": -1.0}, "poll_s"),
        ({"endpoint": "http://127.0.0.1"}, "is no address"),
        ({"endpoint": "opc.tcp://192.0.2.7:4840/coater/"}, "security.policy is None"),
        ({"file": "there.toml"}, "there.toml"),
    ],
)
def test_a_wrong_option_is_one_clear_line(options, told):
    with pytest.raises(ValueError, match=told) as error:
        opened(options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[nodes]", "[nodes", "m.toml"),
        ('state = "Fun', 'stat = "Fun', "state"),
        ('"Stopped" = "ready"', '"Stopped" = "redy"', "ready"),
        ("lease_s = 10.0", "", "heartbeat"),
        ("delivery_s = 1.0", "delivery_s = -1.0", "delivery_s"),
        ('needs_approval = "never"', 'needs_approval = "seldom"', "first"),
        ('Completed = "finished"', 'Completed = "running"', "outcome"),
        ("calender_c > 100 and", "calendar_c > 100 and", "calendar_c"),
        ("low = 80.0", "low = 180.0", "low"),
    ],
)
def test_a_wrong_map_is_told_with_its_key(old, new, told):
    with pytest.raises(ValueError, match=told):
        opened({"file": "m.toml"}, **{"m.toml": node_map((old, new))})


def test_a_secured_map_needs_its_files_and_reaches_other_machines():
    unsafe = node_map(("127.0.0.1", "coater.lab.example"))
    with pytest.raises(ValueError, match=r"coater\.lab\.example is another machine"):
        read_map("m.toml", {"m.toml": unsafe})
    half = unsafe + b'\n[security]\npolicy = "Basic256Sha256"\n'
    with pytest.raises(ValueError, match="certificate"):
        read_map("m.toml", {"m.toml": half})
    safe = half + b'certificate = "ours.der"\nprivate_key = "ours.pem"\n'
    assert read_map("m.toml", {"m.toml": safe}).security.policy == "Basic256Sha256"


def test_failed_jobs_are_no_outcome_the_map_forgets():
    shipped = read_map("", {})
    assert shipped.outcomes["PowerLost"] is JobState.FAILED
    assert shipped.outcomes["Aborted"] is JobState.ABORTED


def _job(parameters):
    from datetime import UTC, datetime

    from instruments.base import Job

    return Job("c/1/1", parameters, (1, 1, 1), datetime.now(UTC))
