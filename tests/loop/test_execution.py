"""Where tasks are computed changes nothing about their answers, not even when workers die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from campaigns.campaign import Campaign, CampaignError, ExecutionSpec, parse
from instruments import registry
from instruments.clock import SimulatedClock
from instruments.computing import Computer, ComputingFailed, Task
from loop.execution import computer
from loop.execution_process import ProcessComputer
from loop.launch import create, engine
from loop.opening import opened
from loop.replay import verify
from loop.store.store import Store
from tests.loop.laboratory import finish, hill, journal

ROOT = Path(__file__).resolve().parents[2]

CAMPAIGN = """\
name = "computed"
seed = 5
[space.parameters]
x = { low = -3.0, high = 3.0 }
[[objectives]]
metric = "value"
[optimizer]
kind = "random"
[instrument]
kind = "hill"
channels = 3
[failures]
channel_fault = "retry:1"
[budget]
trials = 8
"""


def task(name: str, **payload: object) -> Task:
    return Task(f"tests.loop.tasks:{name}", payload)


def eventually(happens: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    """No such process; one that is dead but that nobody has buried yet counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def noted(folder: Path) -> dict[str, int]:
    """The processes that noted themselves in a folder, by task."""
    return {path.stem: int(path.suffix[1:]) for path in folder.glob("*.*")}


@pytest.fixture(params=["inline", "process"])
def place(request: pytest.FixtureRequest) -> Iterator[Computer]:
    made = computer(ExecutionSpec(kind=request.param, workers=2))
    yield made
    made.close()


@pytest.fixture
def pool() -> Iterator[ProcessComputer]:
    made = ProcessComputer(2)
    yield made
    made.close()


# ---- any computer


def test_answers_are_those_of_the_task(place: Computer) -> None:
    for x in range(5):
        place.start(str(x), task("square", x=x))
    place.start("4", task("square", x=100))  # the same key again changes nothing
    answers = [place.result(str(x))["value"] for x in (3, 0, 4, 1, 2)]
    assert answers == [9, 0, 16, 1, 4]
    assert place.result("3") == {"value": 9}
    with pytest.raises(KeyError):
        place.result("never")


def test_what_a_task_raises_is_one_line_and_the_next_task_goes_on(place: Computer) -> None:
    place.start("a", task("wrong", x=7))
    place.start("b", task("unspeakable"))
    place.start("c", Task("tests.loop.tasks:nowhere"))
    place.start("d", task("square", x=2))
    with pytest.raises(ComputingFailed, match=r"^ValueError: no atoms left, of 7$"):
        place.result("a")
    with pytest.raises(ComputingFailed, match=r"^TypeError: .*set is not JSON"):
        place.result("b")
    with pytest.raises(ComputingFailed, match=r"^AttributeError: .*nowhere"):
        place.result("c")
    assert place.result("d") == {"value": 4}


def test_a_cancelled_task_is_forgotten(place: Computer) -> None:
    place.cancel("never started")
    place.start("a", task("square", x=1))
    place.cancel("a")
    place.cancel("a")
    with pytest.raises(KeyError):
        place.result("a")


def test_numerical_libraries_get_one_thread(place: Computer) -> None:
    place.start("a", task("place"))
    assert set(place.result("a")["threads"]) == {1}


# ---- worker processes


def test_what_a_task_prints_and_reads_is_kept_apart(pool: ProcessComputer) -> None:
    pool.start("a", task("loud"))
    assert pool.result("a") == {"read": ""}


def test_workers_are_other_processes_and_are_used_again(pool: ProcessComputer) -> None:
    pids = set()
    for x in range(3):
        pool.start(str(x), task("place"))
        pids.add(pool.result(str(x))["pid"])
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_two_workers_compute_side_by_side(pool: ProcessComputer, tmp_path: Path) -> None:
    for x in range(3):
        pool.start(str(x), task("noted", x=x, folder=str(tmp_path)))
    assert eventually(lambda: len(noted(tmp_path)) == 2)  # neither has ended, the third waits
    assert sorted(noted(tmp_path)) == ["0", "1"]
    (tmp_path / "go").touch()
    assert [pool.result(str(x))["value"] for x in range(3)] == [0, 1, 4]


def test_a_killed_worker_costs_nothing_but_time(pool: ProcessComputer, tmp_path: Path) -> None:
    for x in range(5):
        pool.start(str(x), task("noted", x=x, folder=str(tmp_path)))
    assert eventually(lambda: len(noted(tmp_path)) == 2)
    victim = noted(tmp_path)["0"]
    assert victim in pool.pids
    os.kill(victim, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert [pool.result(str(x))["value"] for x in range(5)] == [0, 1, 4, 9, 16]


def test_a_worker_killed_while_it_is_idle_is_replaced(pool: ProcessComputer) -> None:
    pool.start("a", task("place"))
    idle = pool.result("a")["pid"]
    os.kill(idle, signal.SIGKILL)
    assert eventually(lambda: gone(idle))
    pool.start("b", task("place"))
    assert pool.result("b")["pid"] != idle


def test_a_task_may_cost_two_workers_and_not_three(pool: ProcessComputer, tmp_path: Path) -> None:
    pool.start("a", task("fatal", deaths=str(tmp_path / "a"), until=3))
    pool.start("b", task("fatal", deaths=str(tmp_path / "b"), until=4))
    assert pool.result("a") == {"deaths": 3}
    with pytest.raises(ComputingFailed, match=r"^the worker process died 3 times: SIGSEGV"):
        pool.result("b")
    assert (tmp_path / "b").read_text() == "xxx"


def test_how_a_worker_ended_is_told(pool: ProcessComputer) -> None:
    pool.start("a", task("leaving"))
    with pytest.raises(ComputingFailed, match=r"died 3 times: exit code 3: out of memory$"):
        pool.result("a")


def test_cancelling_a_running_task_makes_room(pool: ProcessComputer, tmp_path: Path) -> None:
    for x in range(2):
        pool.start(str(x), task("noted", x=x, folder=str(tmp_path)))
    assert eventually(lambda: len(noted(tmp_path)) == 2)
    pool.start("b", task("square", x=3))
    pool.cancel("0")
    assert pool.result("b") == {"value": 9}
    assert gone(noted(tmp_path)["0"])


def test_closing_kills_the_workers_and_what_they_started(tmp_path: Path) -> None:
    pool = ProcessComputer(2)
    pool.start("a", task("parent", folder=str(tmp_path)))
    pool.start("b", task("square", x=1))
    pool.result("b")
    assert eventually((tmp_path / "ready").exists)
    pool.close()
    pids = [int(path.name) for path in tmp_path.glob("[0-9]*")]
    assert len(pids) == 2
    assert all(eventually(lambda pid=pid: gone(pid)) for pid in pids)
    assert pool.pids == ()


# ---- whole campaigns


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Campaign]:
    """The small campaign on an instrument whose jobs are computed."""
    monkeypatch.setitem(registry.TARGETS, "hill", "tests.loop.tasks:Hill")

    def made(**overrides: object) -> Campaign:
        return parse(CAMPAIGN, {}, {name.replace("__", "."): v for name, v in overrides.items()})

    return made


def run(campaign: Campaign) -> list[tuple[str, dict[str, object]]]:
    with Store.open("sqlite://") as store:
        campaign_id = create(store, campaign)
        finish(store, campaign_id)
        assert verify(store, campaign_id).ok
        return journal(store.events(campaign_id))


def test_the_journal_is_the_same_wherever_it_is_computed(computed) -> None:
    here = run(computed(execution__kind="inline"))
    assert [event[0] for event in here].count("attempt_failed") >= 1  # left of -2
    assert [event[0] for event in here].count("observed") >= 4
    assert run(computed()) == here  # one worker process: the default
    assert run(computed(execution__workers=2)) == here


def test_a_campaign_outlives_its_workers(computed, tmp_path: Path) -> None:
    undisturbed = run(computed(execution__kind="inline"))
    campaign = computed(execution__workers=2, instrument__options={"folder": str(tmp_path)})
    with ThreadPoolExecutor(1) as thread:
        killed = thread.submit(_kill_one, tmp_path)
        assert run(campaign) == undisturbed
        killed.result()


def _kill_one(folder: Path) -> None:
    """Kill a worker in the middle of its task, see it replaced, then let everything go on."""
    assert eventually(lambda: len(noted(folder)) == 2)
    os.kill(next(iter(noted(folder).values())), signal.SIGKILL)
    assert eventually(lambda: len(list(folder.iterdir())) == 3)  # the task is at a third process
    (folder / "go").touch()


def test_a_resumed_campaign_may_have_more_workers(computed) -> None:
    with Store.open("sqlite://") as store:
        campaign_id = create(store, computed(budget__trials=4))
        finish(store, campaign_id)
        changes = {"budget.trials": 8, "execution.workers": 2}
        with engine(store, campaign_id, changes=changes) as runner:
            assert isinstance(runner.lab.instruments[0]._computer, ProcessComputer)
            runner.run()
            assert runner.state.campaign.execution == ExecutionSpec(workers=2)
        assert verify(store, campaign_id).ok
        told = [event.body for event in store.events(campaign_id) if event.kind == "changed"]
    assert [(body.path, body.value) for body in told] == list(changes.items())


def test_opening_starts_nothing_and_leaving_ends_everything(computed, tmp_path: Path) -> None:
    def fails() -> None:
        with opened(computed(), SimulatedClock()) as (instrument,):
            places.append(instrument._computer)
            assert places[0].pids == ()
            places[0].start("a", task("noted", x=1, folder=str(tmp_path)))
            assert eventually(lambda: len(noted(tmp_path)) == 1)
            raise ZeroDivisionError

    places: list[ProcessComputer] = []
    with pytest.raises(ZeroDivisionError):
        fails()
    assert gone(noted(tmp_path)["1"])
    with pytest.raises(KeyError):
        places[0].result("a")


def test_a_table_brings_no_execution_along() -> None:
    code = (
        "import sys\nfrom instruments.clock import SimulatedClock\n"
        "from loop.opening import opened\n"
        "from tests.loop.laboratory import hill\n"
        "with opened(hill(), SimulatedClock()): pass\n"
        "found = [m for m in sys.modules if m.startswith(('loop.execution', 'distributed'))]\n"
        "assert not found, found"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("address", ["cluster", "tcp://host", "http://host:1", "tcp://:1", "x y"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(CampaignError, match=r"execution.address: .*tcp://HOST:PORT"):
        hill(overrides={"execution.kind": "dask", "execution.address": address})


def test_leaving_a_cluster_leaves_its_address() -> None:
    there = hill().changed("execution.kind", "dask").changed("execution.address", "tcp://a-1:80")
    assert there.execution == ExecutionSpec(kind="dask", address="tcp://a-1:80")
    assert there.changed("execution.kind", "process").execution == ExecutionSpec()


# ---- the end of the engine

ENGINE = """\
import sys
from instruments import registry
registry.TARGETS["hill"] = "tests.loop.tasks:Hill"
from loop.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("asked", ["SIGKILL", "SIGINT", "SIGINT SIGINT", "SIGTERM"])
def test_no_worker_outlives_its_engine(tmp_path: Path, asked: str) -> None:
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    folder = tmp_path / "noted"
    folder.mkdir()
    words = ["run", "campaign.toml", "--set", "execution.workers=2"]
    words += ["--set", f"instrument.options.folder={folder}"]
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert eventually(lambda: len(list(folder.iterdir())) == 2, 60)
        pids = [int(path.suffix[1:]) for path in folder.iterdir()]
        for name in asked.split():
            running.send_signal(signal.Signals[name])
            time.sleep(0.2)
        if asked in ("SIGINT", "SIGTERM"):
            assert running.poll() is None  # the task under way may end
            (folder / "go").touch()
        code = running.wait(30)
    assert code == (-signal.SIGKILL if asked == "SIGKILL" else 130)
    assert all(eventually(lambda pid=pid: gone(pid), 5) for pid in pids)
