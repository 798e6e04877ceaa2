"""The example client of the documentation, run as it stands there against a real server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from instruments.board import WorkState
from loop.store.store import Store
from loop.store.work import board_of
from tests.loop.robots import ROOT, look, post, posting, serving, token

CLIENT = ROOT / "docs/examples/robot_client.py"
FAMILIAR = {"json", "sys", "threading", "time", "urllib.request", "uuid"}


@pytest.fixture
def robot(tmp_path: Path):
    """A server, and the client of a person who types."""
    url = f"sqlite:///{tmp_path}/w.db"
    (tmp_path / "token").write_text(token(url, "hand") + "\n")
    with serving(url) as address:
        command = [sys.executable, "-u", str(CLIENT), address, str(tmp_path / "token")]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            yield url, process
            process.kill()


def wait_for(url: str, key: str, *states: WorkState) -> WorkState:
    until = time.monotonic() + 30
    while (state := look(url, key).state) not in states and time.monotonic() < until:
        time.sleep(0.05)
    return state


def test_it_is_short_and_needs_nothing():
    lines = CLIENT.read_text().splitlines()
    assert len(lines) < 80
    imports = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imports == FAMILIAR


def test_a_person_does_a_job_fails_one_and_stops_one(robot):
    url, process = robot
    post(url, "k1")
    wait_for(url, "k1", WorkState.RUNNING)
    process.stdin.write("abc\n\nnan\n1e999\n2,5\n")  # slips do not fail a job
    process.stdin.flush()
    assert wait_for(url, "k1", WorkState.FINISHED) is WorkState.FINISHED
    outcome = look(url, "k1").outcome
    assert outcome["scalars"] == {"y": {"value": 2.5, "unit": "1", "sd": None}}
    assert "set x to 1.5 mm" in process.stdout.readline() + process.stdout.readline()

    post(url, "k2")
    process.stdin.write("failed the blade is bent\n")
    process.stdin.flush()
    assert wait_for(url, "k2", WorkState.FAILED) is WorkState.FAILED
    assert look(url, "k2").outcome["reason"] == "failed the blade is bent"

    post(url, "k3")
    wait_for(url, "k3", WorkState.RUNNING)
    with Store.open(url) as store:
        board_of(store).ask_to_stop("coater", "k3", "enough")
    seen = ""
    while "STOP" not in seen:
        seen += process.stdout.read(1)
    assert look(url, "k3").state is WorkState.RUNNING  # nobody has said yet that it stopped
    process.stdin.write("\n")
    process.stdin.flush()
    assert wait_for(url, "k3", WorkState.STOPPED) is WorkState.STOPPED


def test_a_job_is_shown_as_people_write_it(robot):
    url, process = robot
    parameters = {
        "gap": {"value": 123.45678901234567, "unit": "um"},
        "n": {"value": 3, "unit": "1"},
    }
    parameters["blade"] = {"value": "B", "unit": "1"}
    post(url, "k1", request={**posting().request, "parameters": parameters})
    shown = [process.stdout.readline() for _ in range(4)][1:]
    assert shown == ["  set blade to B\n", "  set gap to 123.457 um\n", "  set n to 3\n"]


def test_the_end_of_input_leaves_the_job_to_the_next_start(robot):
    url, process = robot
    post(url, "k1")
    wait_for(url, "k1", WorkState.RUNNING)
    process.stdin.close()
    assert process.wait(timeout=20) == 1
    assert look(url, "k1").state is WorkState.RUNNING


@pytest.mark.parametrize("arguments", [[], ["http://127.0.0.1:1"], ["http://127.0.0.1:1", "none"]])
def test_what_is_missing_is_one_line(arguments, tmp_path: Path):
    command = [sys.executable, str(CLIENT), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("needed: http://HOST:PORT and a file that holds the token")
