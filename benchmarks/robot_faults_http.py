"""A campaign on an HTTP robot through 200 faults: every job at most once, none lost in silence.

    OMP_NUM_THREADS=1 python -m benchmarks.robot_faults_http [--faults 200] [--trials 60]

Real processes: the engine (`leyden run electrode-coating` on the instrument `robot`), the server
(`leyden serve`), the robot (`leyden robot run`) with a coater that remembers on disk and writes
down each physical start, and between robot and server a line that can be cut, hang, lose and
double what it carries. Jobs that end up lost are resolved as a person would, by what the coater's
own log says; then the campaign has to come to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faulty_line import FaultyLine
from instruments.base import Card, JobState, Result
from instruments.coater.options import CoaterOptions
from instruments.coater.process import run as coat
from instruments.coater.settings import METRICS, SETTINGS
from loop.store.store import Store
from loop.store.work import board_of
from loop.store.work_tokens import tokens_of
from tests.loop import file_device
from tests.loop.file_device import FileDevice

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
JOB_S, LEASE_S, LOST_S = 5.0, 3.0, 15.0
CHANNELS = 3
LONGEST_S = 3600.0


class FileCoater(FileDevice):
    """The simulated coating line as a device with a memory of its own, in real time."""

    def describe(self) -> Card:
        return Card("file-coater", SETTINGS, METRICS, CHANNELS, False, False, True, False)

    def fetch(self, key: str, since: int = 0) -> Result:
        state, told = self.poll(key).state, self._read(key)
        if state is not JobState.FINISHED or told is None:
            return Result(state)
        payload = told["payload"]
        made = coat(payload["parameters"], tuple(payload["seed"]), CoaterOptions())
        if made.failure is not None:
            return Result(JobState.FAILED, failure=made.failure, reason=made.reason)
        return Result(state, made.scalars)


@dataclass
class Site:
    """The processes, and what is done to them."""

    folder: Path
    trials: int
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.url = f"sqlite:///{self.folder}/w.db"
        self.memory = self.folder / "device"
        self.memory.mkdir()
        with Store.open(self.url) as store:
            secret = tokens_of(store).create("arm", "line")
        self.token = self.folder / "token"
        self.token.write_text(secret)
        self.token.chmod(0o600)
        self.port = FaultyLine.free_port()
        self.line = FaultyLine(self.port)
        self.server = self.start("serve", "--port", str(self.port), "--store", self.url)
        self.robot = self.start_robot()
        self.engine = self.start(*self.campaign())
        self.ended: int | None = None

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{words[0]}.log"
        with log.open("a") as told:
            command = [sys.executable, "-m", "loop.cli", *words]
            return subprocess.Popen(
                command, cwd=ROOT, env=ENVIRONMENT, stdout=told, stderr=told
            )  # fmt: skip

    def start_robot(self) -> subprocess.Popen[bytes]:
        return self.start(
            "robot", "run", "--server", f"http://127.0.0.1:{self.line.port}",
            "--token-file", str(self.token),
            "--adapter", "benchmarks.robot_faults_http:FileCoater",
            "--option", f"folder={json.dumps(str(self.memory))}",
            "--option", f"seconds={JOB_S}", "--option", f"channels={CHANNELS}",
        )  # fmt: skip

    def campaign(self) -> list[str]:
        options = {
            "name": "line", "like": "coater.simulated", "lease_s": LEASE_S,
            "lost_after_s": LOST_S, "poll_s": 0.5, "retry_s": 1.0, "on_lease_loss": "continue",
        }  # fmt: skip
        sets = [f"instrument.options.{name}={json.dumps(one)}" for name, one in options.items()]
        sets += [
            "instrument.kind=robot", f"instrument.channels={CHANNELS}", "optimizer.kind=random",
            f"budget.trials={self.trials}",
        ]  # fmt: skip
        words = [word for one in sets for word in ("--set", one)]
        return ["run", "electrode-coating", "--no-wait", "--store", self.url, *words]

    def tend(self) -> None:
        """Start again what has ended; the engine only if the campaign is not over."""
        if self.server.poll() is not None:
            self.server = self.start("serve", "--port", str(self.port), "--store", self.url)
        if self.robot.poll() is not None:
            self.robot = self.start_robot()
        if self.ended is None and (code := self.engine.poll()) is not None:
            if code == 0:
                self.ended = code
                return
            self.rule()
            known = self.ids()
            again = ["resume", *known, "--no-wait", "--store", self.url]
            self.engine = self.start(*(again if known else self.campaign()))

    def ids(self) -> list[str]:
        with Store.open(self.url) as store:
            return [row.id for row in store.campaigns()]

    def rule(self) -> None:
        """Resolve each lost trial as a person would who looks at the coater and at the board."""
        with Store.open(self.url) as store:
            lost = store._database.rows(
                "SELECT trial.campaign, trial.number, attempt.key FROM trial JOIN attempt ON "
                "attempt.campaign = trial.campaign AND attempt.trial = trial.number AND "
                "attempt.attempt = trial.attempt WHERE trial.state = 'lost'"
            )
            board = board_of(store)
            standings = {key: board.look("line", key) for _, _, key in lost}
        begun = file_device.starts(self.memory)
        for campaign, number, key in lost:
            standing = standings[key]
            if standing is not None and standing.state.value == "finished":
                verdict = "--adopt"
            else:
                verdict = "--failed" if key in begun else "--not-run"
            words = ["trial", "resolve", campaign, str(number), verdict, "--store", self.url]
            code = self.start(*words, "--reason", "by the coater's log").wait()
            self.resolved[f"{verdict} ({'done' if code == 0 else f'exit {code}'})"] += 1

    # faults ------------------------------------------------------------------------------------

    def fault(self) -> None:
        """One fault, drawn by its weight."""
        kinds: dict[str, tuple[int, Callable[[], None]]] = {
            "engine killed": (4, lambda: self.kill(self.engine)),
            "server killed": (4, lambda: self.kill(self.server)),
            "robot killed": (4, lambda: self.kill(self.robot)),
            "connection cut": (6, lambda: self.disturb("cut")),
            "hang": (5, lambda: self.disturb("hang")),
            "answers lost": (6, lambda: self.disturb("lose")),
            "answers late": (5, lambda: self.disturb("late")),
            "requests doubled": (6, lambda: self.disturb("double")),
            "requests doubled late": (5, lambda: self.disturb("echo")),
            "coater forgot": (1, self.forget),
            "robot away for long": (1, self.away),
        }
        names = list(kinds)
        name = self.chance.choices(names, [kinds[one][0] for one in names])[0]
        self.faults[name] += 1
        kinds[name][1]()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        time.sleep(self.chance.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()

    def disturb(self, mode: str) -> None:
        self.line.mode = mode
        if mode in ("cut", "hang"):
            self.line.drop()
        time.sleep(self.chance.uniform(0.3, 2.0))
        self.line.mode = "pass"
        self.line.drop()

    def forget(self) -> None:
        """The coater's memory is replaced while the robot is down."""
        self.kill(self.robot)
        file_device.forget(self.memory)

    def away(self) -> None:
        """Nobody hears of the robot for longer than it takes to call its jobs lost."""
        self.line.mode = "cut"
        self.line.drop()
        until = time.monotonic() + LOST_S + 5.0
        while time.monotonic() < until:
            self.tend()
            time.sleep(0.2)
        self.line.mode = "pass"

    def close(self) -> None:
        for process in (self.engine, self.robot, self.server):
            process.kill()
            process.wait()
        self.line.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--faults", type=int, default=200)
    arguments.add_argument("--trials", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--logs", type=Path, help="Keep store and logs there.")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), chosen.trials, random.Random(chosen.seed))
        try:
            seconds = drive(site, chosen.faults)
            good = tell(site, seconds)
        finally:
            site.close()
            if chosen.logs:
                shutil.copytree(folder, chosen.logs, dirs_exist_ok=True)
    raise SystemExit(0 if good else 1)


def drive(site: Site, faults: int) -> float:
    """Faults one after the other, then peace until the campaign is over."""
    began = time.monotonic()
    while site.ended is None and time.monotonic() - began < LONGEST_S:
        if site.faults.total() < faults:
            site.fault()
        site.tend()
        time.sleep(site.chance.uniform(0.1, 0.6))
    return time.monotonic() - began


def tell(site: Site, seconds: float) -> bool:
    """Print what happened; whether it is what was promised."""
    with Store.open(site.url) as store:
        states = dict(
            store._database.rows("SELECT state, count(*) FROM trial GROUP BY state ORDER BY state")
        )
        attempts = dict(store._database.rows("SELECT key, state FROM attempt"))
        status = [row.status for row in store.campaigns()]
        damages = store.check()
        board = board_of(store)
        starts = Counter(file_device.starts(site.memory))
        silent = [key for key in starts if attempts.get(key) in (None, "submitting", "running")]
        ends = Counter(board.look("line", key).state.value for key in starts)
    twice = [key for key, times in starts.items() if times > 1]
    print(f"{site.faults.total()} faults in {seconds:.0f} s: {dict(site.faults)}")
    print(f"campaign: {status[0]}; trials: {states}; resolved: {dict(site.resolved)}")
    print(f"physical jobs: {len(starts)}, on the board: {dict(ends)}")
    print(f"begun more than once: {twice}; without an end in the journal: {silent}")
    print(f"store: {damages or 'sound'}")
    return status == ["finished"] and not twice and not silent and not damages


if __name__ == "__main__":
    main()
