"""Four robots, 480 jobs over HTTP: each exactly once, and how long a claim takes.

    OMP_NUM_THREADS=1 python -m benchmarks.robots [--jobs 480] [--robots 4]

A real `leyden serve` on a SQLite file and one process a robot, all on this computer. The second
round kills robots with SIGKILL at random moments and starts them again under the same name.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

from instruments.board import Posting
from loop.store.store import Store
from loop.store.work import board_of
from loop.store.work_tokens import tokens_of

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
REQUEST = {
    "parameters": {"x": {"value": 1.0, "unit": "mm", "low": 0.0, "high": 5.0}},
    "metrics": {"y": "1"},
    "sample": "",
    "seed": [1, 1, 1],
    "checkpoints": [],
}
WORK_S = 0.01  # that a job takes


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--jobs", type=int, default=480)
    arguments.add_argument("--robots", type=int, default=4)
    arguments.add_argument("--client", nargs=3, metavar=("URL", "TOKEN", "FOLDER"))
    chosen = arguments.parse_args()
    if chosen.client:
        client(*chosen.client)
        return
    for kill in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), chosen.jobs, chosen.robots, kill=kill)


def measure(folder: Path, jobs: int, robots: int, *, kill: bool) -> None:
    """Post the jobs, let the robots work, print what came of it."""
    url = f"sqlite:///{folder}/board.db"
    with Store.open(url) as store:
        tokens = [tokens_of(store).create(f"r{n}", "bench") for n in range(robots)]
        board = board_of(store)
        began = time.perf_counter()
        for number in range(jobs):
            terms = {"lease_s": 5.0, "lost_after_s": 600.0, "on_lease_loss": "continue"}
            board.post(Posting(f"k{number}", "bench", REQUEST, repeatable=False, **terms), jobs)
        posting_ms = 1e3 * (time.perf_counter() - began) / jobs
        server, address = serve(url)
        try:
            seconds, kills = work(folder, address, tokens, store, kill=kill)
        finally:
            server.kill()
            server.wait()
        states = Counter(board.look("bench", f"k{n}").state.value for n in range(jobs))
    starts = Counter((folder / "starts.log").read_text().split())
    times = [json.loads(line) for line in (folder / "claims.log").read_text().splitlines()]
    print(f"\n{robots} robots, {jobs} jobs" + (f", {kills} times SIGKILL" if kill else ""))
    print(f"  {dict(states)} in {seconds:.1f} s; posting {posting_ms:.2f} ms a job")
    print(
        f"  started once: {sum(n == 1 for n in starts.values())}, "
        f"more than once: {sum(n > 1 for n in starts.values())}, never: {jobs - len(starts)}"
    )
    for name, column in (("as the robot sees it", 0), ("inside the server", 1)):
        print(f"  claim, {name}: {quantiles([one[column] for one in times])}")


def work(
    folder: Path, address: str, tokens: list[str], store: Store, *, kill: bool
) -> tuple[float, int]:
    """Run the robots until nothing is open; (seconds, how often one was killed)."""
    chance, kills = random.Random(7), 0
    began, running = time.perf_counter(), {}
    open_jobs = "SELECT count(*) FROM work WHERE state IN ('queued', 'claimed', 'running')"
    while store._database.rows(open_jobs)[0][0]:
        for secret in tokens:
            if secret not in running or running[secret].poll() is not None:
                running[secret] = robot(folder, address, secret)
        time.sleep(chance.uniform(1.0, 2.0))
        if kill:
            running[chance.choice(tokens)].send_signal(signal.SIGKILL)
            kills += 1
    seconds = time.perf_counter() - began
    for process in running.values():
        process.kill()
        process.wait()
    return seconds, kills


def robot(folder: Path, address: str, secret: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.robots", "--client", address, secret, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT)


def serve(url: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "loop.cli", "serve", "--store", url, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stderr is not None
    found = re.search(r" at (http://\S+)", process.stderr.readline())
    assert found is not None
    return process, found[1]


def client(address: str, secret: str, folder: str) -> None:
    """One robot: it writes down what it physically starts, and how long each claim took."""
    import httpx

    starts, claims = Path(folder, "starts.log"), Path(folder, "claims.log")
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False) as line:
        for job in line.get("/v1/work").json()["jobs"]:
            do(line, starts, job)
        while True:
            began = time.perf_counter()
            answer = line.post("/v1/work/claim", json={"claim": str(uuid4()), "wait_s": 0})
            took = 1e3 * (time.perf_counter() - began)
            if answer.status_code == 204:
                return
            inside = float(answer.headers["Server-Timing"].partition("dur=")[2])
            append(claims, json.dumps([took, inside]))
            do(line, starts, answer.json())


def do(line, starts: Path, job: dict) -> None:
    """One job, which its memory (the log) keeps from being started twice."""
    path, fence = f"/v1/work/{job['id']}", {"fence": job["fence"]}
    if line.post(f"{path}/begin", json=fence).status_code != 200:
        return
    if job["key"] not in (starts.read_text().split() if starts.exists() else []):
        append(starts, job["key"])
    time.sleep(WORK_S)
    scalars = {"y": {"value": 1.0, "unit": "1"}}
    line.post(f"{path}/complete", json={**fence, "scalars": scalars})


def append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def quantiles(values: list[float]) -> str:
    ranked = sorted(values)
    at = {name: ranked[min(len(ranked) - 1, int(q * len(ranked)))]
          for name, q in (("p50", 0.5), ("p99", 0.99))}  # fmt: skip
    told = ", ".join(f"{name} {value:.1f} ms" for name, value in at.items())
    return f"{told}, longest {ranked[-1]:.1f} ms of {len(ranked)}"


if __name__ == "__main__":
    main()
