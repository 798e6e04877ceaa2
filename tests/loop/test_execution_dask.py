"""The same answers from a real Dask scheduler and real workers, also while workers die."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from campaigns.campaign import CampaignError, parse
from instruments import registry
from instruments.clock import SimulatedClock
from instruments.computing import ComputingFailed
from loop.execution_dask import ClusterGone, DaskComputer, problems
from loop.inspection import inspect
from loop.opening import opened
from tests.loop.test_execution import CAMPAIGN, ROOT, eventually, gone, noted, run, task

pytestmark = pytest.mark.skipif(
    find_spec("distributed") is None, reason="distributed is not installed: pip install '.[dask]'"
)

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
WORKER = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]


@dataclass
class Cluster:
    """A scheduler on this machine, known to its workers by a file."""

    folder: Path
    address: str = ""

    def start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        place = ["--scheduler-file", "scheduler.json", "--host", "tcp://127.0.0.1"]
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *place, *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=self.folder,
            **QUIET,
        )

    def wait(self) -> None:
        file = self.folder / "scheduler.json"
        assert eventually(lambda: file.exists() and bool(file.read_text()), 60)
        self.address = json.loads(file.read_text())["address"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    processes = [made.start("scheduler", "--port", "0", "--no-dashboard")]
    try:
        made.wait()
        processes += [made.start("worker", *WORKER) for _ in range(2)]
        yield made
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def place(cluster: Cluster) -> Iterator[DaskComputer]:
    made = DaskComputer(cluster.address)
    yield made
    made.close()


def test_answers_failures_and_cancelled_tasks(place: DaskComputer) -> None:
    for x in range(4):
        place.start(str(x), task("square", x=x))
    place.start("wrong", task("wrong", x=7))
    place.start("3", task("square", x=100))
    place.start("unwanted", task("square", x=5))
    place.cancel("unwanted")
    place.cancel("never started")
    assert [place.result(str(x))["value"] for x in (3, 0, 2, 1, 3)] == [9, 0, 4, 1, 9]
    with pytest.raises(ComputingFailed, match=r"^ValueError: no atoms left, of 7$"):
        place.result("wrong")
    with pytest.raises(KeyError):
        place.result("unwanted")


def test_engines_do_not_share_answers(place: DaskComputer, cluster: Cluster) -> None:
    other = DaskComputer(cluster.address)
    place.start("hill-1/1/1", task("square", x=2))
    other.start("hill-1/1/1", task("square", x=3))
    assert place.result("hill-1/1/1") == {"value": 4}
    assert other.result("hill-1/1/1") == {"value": 9}
    other.close()
    place.start("more", task("square", x=4))
    assert place.result("more") == {"value": 16}


def test_a_campaign_has_the_same_journal_on_a_cluster(cluster, monkeypatch) -> None:
    monkeypatch.setitem(registry.TARGETS, "hill", "tests.loop.tasks:Hill")
    there = {"execution.kind": "dask", "execution.address": cluster.address}
    inspect(parse(CAMPAIGN, {}, there))
    here = run(parse(CAMPAIGN, {}, {"execution.kind": "inline"}))
    assert run(parse(CAMPAIGN, {}, there)) == here


def test_a_killed_worker_costs_nothing_but_time(
    place: DaskComputer, cluster: Cluster, tmp_path: Path
) -> None:
    for x in range(5):
        place.start(str(x), task("noted", x=x, folder=str(tmp_path)))
    assert eventually(lambda: len(noted(tmp_path)) == 2)
    victim = noted(tmp_path)["0"]
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: gone(victim))
    (tmp_path / "go").touch()
    assert [place.result(str(x))["value"] for x in range(5)] == [0, 1, 4, 9, 16]


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """A scheduler that gives up at once and a worker that a nanny brings back."""
    cluster = Cluster(tmp_path)
    os.environ["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "0"
    try:
        processes = [cluster.start("scheduler", "--port", "0", "--no-dashboard")]
    finally:
        del os.environ["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"]
    try:
        cluster.wait()
        processes.append(cluster.start("worker", "--nthreads", "1", "--no-dashboard"))
        place = DaskComputer(cluster.address)
        place.start("a", task("fatal", deaths=str(tmp_path / "deaths"), until=9))
        with pytest.raises(ComputingFailed, match="gave the task up 3 times: its workers died"):
            place.result("a")
        assert (tmp_path / "deaths").read_text() == "xxx"
        place.start("b", task("square", x=2))
        assert place.result("b") == {"value": 4}
        place.close()
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


@pytest.mark.slow
def test_a_scheduler_that_is_lost_is_no_fault_of_the_trial(tmp_path: Path, capfd) -> None:
    cluster = Cluster(tmp_path)
    with cluster.start("scheduler", "--port", "0", "--no-dashboard") as scheduler:
        try:
            cluster.wait()
            place = DaskComputer(cluster.address)
            place.start("a", task("square", x=2))  # waits for a worker
        finally:
            scheduler.kill()
    with pytest.raises(ClusterGone, match=r"^lost the Dask scheduler at tcp://127"):
        place.result("a")
    place.close()
    assert capfd.readouterr().err == ""


def test_a_cluster_that_is_not_there_is_told_before_the_campaign(monkeypatch) -> None:
    monkeypatch.setitem(registry.TARGETS, "hill", "tests.loop.tasks:Hill")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        line = f"no Dask scheduler answers at {address}: Connection refused"
        assert problems(address) == [f"execution.address: {line}"]
        there = {"execution.kind": "dask", "execution.address": address}
        with pytest.raises(CampaignError, match=line):
            inspect(parse(CAMPAIGN, {}, there))
    with pytest.raises(CampaignError, match=r"execution\.address: is needed"):
        inspect(parse(CAMPAIGN, {}, {"execution.kind": "dask"}))
    with opened(parse(CAMPAIGN, {}, {"execution.kind": "dask"}), SimulatedClock()) as (instrument,):
        place = instrument._computer
        with pytest.raises(ClusterGone, match=r"execution\.address: is needed"):
            place.start("a", task("square", x=1))


def test_a_scheduler_that_says_nothing_is_one_line(capfd) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections, says nothing
        place = DaskComputer(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ClusterGone, match=r"^no Dask scheduler answers at tcp.*: timed out$"):
            place.start("a", task("square", x=1))
        place.close()
    assert capfd.readouterr().err == ""
