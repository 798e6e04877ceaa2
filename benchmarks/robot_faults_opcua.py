"""Random faults over a campaign on the OPC UA coater: every job runs at most once, none is lost
without being called so.

python -m benchmarks.robot_faults_opcua [--trials 60] [--faults 200] [--seed 1] [--folder DIR]

Real processes: the engine (`leyden run` and `resume`), the simulated coater as an OPC UA server
with its job memory in a file, and a wire between them. What physically began is counted in the
coater's own diary, past the engine and the adapter.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.records import TrialState
from loop import amend
from loop.events import AttemptFailed, Ended, Observed, Submitting
from loop.restoring import restore
from loop.state import CampaignState
from loop.store.errors import StoreError
from loop.store.store import Store
from tests.instruments.opcua_rig import ROOT, Server, Wire, node_map

# at 3500 process seconds a second a coating takes a second and a half to two
SPEED = 3500.0
DELIVERY_S = 1.5
LATEST_S = 1.0  # by which a call is delivered late: less than the node map's delivery_s
LEASE = ("lease_s = 10.0", "lease_s = 1.5")
MAP = (LEASE, ("delivery_s = 1.0", f"delivery_s = {DELIVERY_S}"))
AHEAD = 3  # faults that may be ahead of the trials
EARLY = 0.8  # share of the trials by which all faults have struck
STUCK_S = 300.0  # without a trial ending, after which the run has failed

# kind -> weight. Loss of the device's memory is rare in life; here it is one in twenty-five.
FAULTS = {
    "engine killed": 30,
    "server killed": 25,
    "server killed, memory lost": 8,
    "server frozen": 15,
    "connection cut": 30,
    "answer to a start lost": 30,
    "requests doubled": 20,
    "calls delivered late": 20,
    "no answers": 12,
    "nothing passes": 10,
    "answers garbled": 10,
}


@dataclass
class Findings:
    """What came of one run."""

    injected: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    started: int = 0  # keys that physically began
    twice: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    status: str = ""
    engines: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "finished" and not self.twice and not self.unaccounted


class Engine:
    """`leyden run`, then `leyden resume`, as a process."""

    def __init__(self, folder: Path, sets: dict[str, str]) -> None:
        self.url = f"sqlite:///{folder / 'campaign.db'}"
        self.campaign_id = ""
        self.lives = 0
        self._sets = sets
        self._log = folder / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["resume", self.campaign_id] if self.campaign_id else ["run", "electrode-coating"]
        if not self.campaign_id:
            words += [part for name, value in self._sets.items()
                      for part in ("--set", f"{name}={value}")]  # fmt: skip
        command = [sys.executable, "-m", "loop.cli", *words, "--no-wait", "--store", self.url]
        self.lives += 1
        with self._log.open("ab") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=ROOT, env=environment
            )

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def known(self) -> bool:
        """Whether the campaign is in the store, so that it can be resumed."""
        if not self.campaign_id and Path(self.url.removeprefix("sqlite:///")).exists():
            with contextlib.suppress(StoreError), Store.open(self.url, create=False) as store:
                rows = store.campaigns()  # a store that is being made is none yet
                self.campaign_id = rows[0].id if rows else ""
        return bool(self.campaign_id)

    def state(self) -> CampaignState:
        with Store.open(self.url, create=False) as store:
            return restore(store, self.campaign_id)

    def told(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


class Trial:
    """One run: a server, a wire, an engine, and what goes wrong with them."""

    def __init__(self, folder: Path, trials: int, faults: int, seed: int, optimizer: str) -> None:
        (folder / "map.toml").write_bytes(node_map(*MAP))
        self.rng = random.Random(seed)
        self.server = Server(folder, "--lease", "1.5", speed=SPEED)
        self.server.start()
        self.wire = Wire(self.server.port, seed)
        sets = {
            "instrument.kind": "coater.opcua",
            "instrument.options.endpoint": self.wire.endpoint,
            "instrument.options.file": str(folder / "map.toml"),
            "instrument.options.timeout_s": "2.0",
            "instrument.options.poll_s": "0.2",
            "instrument.options.retry_s": "0.5",
            "optimizer.kind": optimizer,
            "budget.trials": str(trials),
            "seed": str(seed),
        }
        self.engine = Engine(folder, sets)
        self.findings = Findings()
        self._trials, self._faults = trials, faults
        self._actions: dict[str, Callable[[], None]] = {
            "engine killed": self._kill_engine,
            "server killed": self._kill_server,
            "server killed, memory lost": self._forget,
            "server frozen": self._freeze,
            "connection cut": lambda: self._for_a_while(self.wire.cut, 0.1, 1.5),
            "answer to a start lost": self._lose_answer,
            "requests doubled": lambda: self._for_a_while(self.wire.double, 0.5, 2.5),
            "calls delivered late": self._deliver_late,
            "no answers": lambda: self._for_a_while(self.wire.hang, 0.3, 3.0),
            "nothing passes": lambda: self._for_a_while(self.wire.swallow, 0.3, 3.0),
            "answers garbled": lambda: self._for_a_while(self.wire.garble, 0.3, 2.0),
        }

    def run(self) -> Findings:
        began = time.monotonic()
        self.engine.start()
        while not self._over(began):
            if self._due():
                kinds, weights = list(FAULTS), list(FAULTS.values())
                kind = self.rng.choices(kinds, weights)[0]
                self._actions[kind]()
                self.findings.injected[kind] += 1
            time.sleep(self.rng.uniform(0.02, 0.3))
        self.findings.engines = self.engine.lives
        self.findings.seconds = time.monotonic() - began
        self._judge()
        return self.findings

    def close(self) -> None:
        if self.engine.code is None:
            self.engine.kill()
        self.wire.close()
        self.server.kill()

    # going on --------------------------------------------------------------------------------

    def _over(self, began: float) -> bool:
        """Whether the campaign is at its end; brings up again what has ended before."""
        code = self.engine.code
        if code is None:
            ended = [line["at"] for line in self.server.diary()]
            quiet_s = time.time() - max(self.server.audit.stat().st_mtime, time.time()
                                        - time.monotonic() + began) if ended else 0.0  # fmt: skip
            if quiet_s > STUCK_S:
                raise RuntimeError(f"nothing happened for {STUCK_S:g} s: {self.engine.told()}")
            return False
        if not self.engine.known():
            self.engine.start()
            return False
        state = self.engine.state()
        if state.lost:
            self._resolve(state)
        elif state.over:
            return True
        elif code not in (-9, 130):
            raise RuntimeError(f"the engine ended with {code}: {self.engine.told()}")
        self.engine.start()
        return False

    def _resolve(self, state: CampaignState) -> None:
        """What a person does about lost trials: look into the machine, then rule."""
        with Store.open(self.engine.url, create=False) as store:
            for number, attempt in sorted(state.lost.items()):
                ran = self.server.starts(attempt.key) > 0
                verdict = "failed" if ran else "not_run"
                reason = "the electrode is in the machine" if ran else "the machine is empty"
                amend.resolve(store, self.engine.campaign_id, number, verdict, "operator", reason)
                self.findings.resolved[verdict] += 1

    def _due(self) -> bool:
        """Faults keep step with the trials, so that they strike all along the campaign."""
        done = self.findings.injected.total()
        if done >= self._faults or not self.engine.known():
            return False
        progress = sum(line["event"] == "ended" for line in self.server.diary()) + 1
        return done < AHEAD + self._faults * progress / (EARLY * self._trials)

    # faults ----------------------------------------------------------------------------------

    def _kill_engine(self) -> None:
        if self.engine.code is None:
            self.engine.kill()

    def _kill_server(self) -> None:
        self.server.kill()
        time.sleep(self.rng.uniform(0.0, 1.0))
        self.server.start()

    def _forget(self) -> None:
        self.server.forget()

    def _freeze(self) -> None:
        self.server.freeze()
        time.sleep(self.rng.uniform(0.3, 4.0))
        self.server.thaw()

    def _deliver_late(self) -> None:
        late_s = self.rng.uniform(0.1, LATEST_S)
        self._for_a_while(lambda: self.wire.delay(late_s), 0.5, 2.0)

    def _lose_answer(self) -> None:
        """Waits a moment for a start, so that there is an answer to lose."""
        self.wire.lose_answer()
        time.sleep(self.rng.uniform(0.3, 2.0))

    def _for_a_while(self, fault: Callable[[], None], low_s: float, high_s: float) -> None:
        fault()
        time.sleep(self.rng.uniform(low_s, high_s))
        self.wire.restore()

    # judging ---------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Hold the journal against the machine's own diary."""
        state, findings = self.engine.state(), self.findings
        findings.status = state.status
        findings.states = Counter({str(one): n for one, n in state.counts.items() if n})
        starts = Counter(line["job"] for line in self.server.diary() if line["event"] == "started")
        findings.started = len(starts)
        findings.twice = sorted(key for key, n in starts.items() if n > 1)
        with Store.open(self.engine.url, create=False) as store:
            bodies = [event.body for event in store.events(self.engine.campaign_id)]
        keys = {(b.trial, b.attempt): b.key for b in bodies if isinstance(b, Submitting)}
        findings.attempts = len(keys)
        fates = _fates(bodies)
        for attempt, key in keys.items():
            began, fate = starts[key] > 0, fates.get(attempt, "nothing")
            if fate == "nothing" or (began and fate == "never arrived"):
                findings.unaccounted.append(f"{key}: {fate}, began {starts[key]} times")
            if fate == "measured" and not began:
                findings.unaccounted.append(f"{key}: measured, never began")
        strangers = set(starts) - set(keys.values())
        findings.unaccounted += [f"{key}: in the machine, not in the journal" for key in strangers]


def _fates(bodies: list[object]) -> dict[tuple[int, int], str]:
    """What the journal says became of each attempt."""
    fates: dict[tuple[int, int], str] = {}
    for body in bodies:
        if isinstance(body, Observed):
            fates[body.trial, body.attempt] = "measured"
        elif isinstance(body, AttemptFailed):
            fates[body.trial, body.attempt] = _failed(body.failure.reason)
        elif isinstance(body, Ended) and body.state is TrialState.LOST:
            fates[body.trial, body.attempt] = "lost"
        elif isinstance(body, Ended) and body.failure is not None:
            before = fates.get((body.trial, body.attempt))
            fates[body.trial, body.attempt] = before or _failed(body.failure.reason)
    return fates


def _failed(reason: str) -> str:
    """An attempt ends without data in the machine, or because it never came there."""
    silent = ("no answer", "opc.tcp://", "not known", "StartProgram")
    return "never arrived" if any(word in reason for word in silent) else "failed"


def campaign(
    trials: int, faults: int, seed: int, folder: Path, optimizer: str = "random"
) -> Findings:
    """One campaign under fire."""
    trial = Trial(folder, trials, faults, seed, optimizer)
    try:
        return trial.run()
    finally:
        trial.close()


def table(findings: Findings) -> str:
    rows = [("fault", "times"), *sorted(findings.injected.items(), key=lambda one: -one[1])]
    rows += [("all", findings.injected.total())]
    lines = [f"{name:<30}{count!s:>6}" for name, count in rows]
    lines += [
        "",
        f"status {findings.status}; trials {dict(findings.states)}",
        f"{findings.attempts} attempts, {findings.started} began in the machine, "
        f"{len(findings.twice)} of them twice",
        f"lost and resolved by a person: {dict(findings.resolved) or 'none'}",
        f"unaccounted for: {findings.unaccounted or 'none'}",
        f"{findings.engines} engines, {findings.seconds:.0f} s",
        "passed" if findings.ok else "FAILED",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--optimizer", default="random")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        findings = campaign(given.trials, given.faults, given.seed, folder, given.optimizer)
    print(table(findings))
    sys.exit(0 if findings.ok else 1)


if __name__ == "__main__":
    main()
