"""A short run of benchmarks/robot_faults_http.py: killed, cut, doubled, and nothing runs twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.loop.robots import ENVIRONMENT, ROOT


@pytest.mark.slow
def test_a_campaign_survives_what_is_done_to_its_robot():
    command = [sys.executable, "-m", "benchmarks.robot_faults_http", "--seed", "3"]
    done = subprocess.run(
        [*command, "--faults", "25", "--trials", "9"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
