"""What the store costs: CPU a trial, size and time of curves, time to check and to open.

Run from the root of the repository: python -m benchmarks.store [--trials 10000] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from campaigns.records import Observation, Purpose, TrialState
from instruments.base import Series
from loop.events import (
    Body,
    Created,
    Ended,
    Measured,
    Observed,
    Proposed,
    ProposedTrial,
    Started,
    Submitting,
)
from loop.store.store import Store, digest_series

CELLS, CYCLES, POINTS = 48, 100, 1000
NOISE_AH = 2e-5  # of a good cycler, 1.1 Ah cells


def transactions(number: int, name: str) -> list[list[Body]]:
    """What the engine stores of a trial on one channel."""
    setting = {"cc1": 4.4 + 1e-6 * number, "cc2": 5.6, "cc3": 5.2, "cc4": 4.252}
    life = Observation("cycle_life", 900.0 + number / 7, 164.0, "1")
    return [
        [
            Proposed(
                time=1.0 * number,
                seen=6 * number,
                n=1,
                first=number,
                optimizer="random",
                purpose=Purpose.SEARCH,
                trials=(ProposedTrial(setting, "random"),),
            )
        ],
        [Submitting(1.0 * number, number, 1, f"{name}/{number}/1")],
        [Started(1.0 * number, number, 1, f"run-{number}")],
        [
            Observed(1.0 * number, number, 1, life),
            Ended(1.0 * number, number, 1, TrialState.COMPLETED, 96.0),
        ],
    ]


def create(store: Store) -> str:
    return store.create("bench", "", {}, Created("bench", "", 1, "2024-01-01T00:00:00+00:00", {}))


class Bench:
    """A store that is filled trial by trial."""

    def __init__(self, path: Path) -> None:
        self.store = Store.open(str(path))
        self.name = create(self.store)
        self._fence = self.store.acquire(self.name).fence
        self._number = 0

    def trial(self) -> float:
        """Store one more trial; the CPU time of its four transactions in ms."""
        self._number += 1
        bodies = transactions(self._number, self.name)
        started = time.process_time()
        for one in bodies:
            self.store.append(self.name, one, fence=self._fence)
        return 1e3 * (time.process_time() - started)


def trials(folder: Path, count: int) -> None:
    """CPU a trial; a new store takes its first 1,000 in turn with the last of an old one."""
    old = Bench(folder / "old.db")
    cpu = [old.trial() for _ in range(count - 1000)]
    new = Bench(folder / "new.db")
    last, first = zip(*((old.trial(), new.trial()) for _ in range(1000)), strict=True)
    late, early = statistics.median(last), statistics.median(first)
    print(
        f"CPU a trial: mean {np.mean([*cpu, *last]):.2f} ms; median of the last 1,000 of {count:,} "
        f"{late:.2f} ms, of the first 1,000 of a new store in turn {early:.2f} ms "
        f"(ratio {late / early:.2f})"
    )
    ticked = time.process_time()
    events = len(old.store.events(old.name))
    print(f"reading {events:,} events: {time.process_time() - ticked:.2f} s CPU")
    ticked = time.process_time()
    old.store.rebuild(old.name)
    print(f"rebuilding their tables: {time.process_time() - ticked:.2f} s CPU")
    old.store.close()
    new.store.close()
    print(f"file: {(folder / 'old.db').stat().st_size / 1e6:.1f} MB for {count:,} trials")


def cell(number: int) -> Series:
    """Cells as noisy as recorded ones; half of a curve's bits are noise."""
    rng = np.random.default_rng(number)
    cycles = np.arange(1, CYCLES + 1)
    voltage = np.linspace(3.5, 2.0, POINTS)
    shape = 1 / (1 + np.exp(20 * (voltage - 3.2))) + 0.05 * np.exp(-((voltage - 2.7) ** 2) / 0.02)
    fade = 1.05 - 2e-4 * cycles * rng.uniform(0.5, 1.5)
    curves = fade[:, None] * shape + NOISE_AH * rng.normal(size=(CYCLES, POINTS))
    summary = {
        "capacity_ah": fade,
        "internal_resistance_ohm": 0.016 + 1e-5 * rng.normal(size=CYCLES),
        "temperature_c": 32 + rng.normal(size=CYCLES),
    }
    return Series(cycles, summary, voltage, curves.astype(np.float32), cycles)


def curves(path: Path) -> None:
    """Time and size of the per-cycle data of a batch of cells."""
    data = [cell(number) for number in range(CELLS)]
    with Store.open(str(path)) as store:
        name = create(store)
        proposed = tuple(ProposedTrial({"x": 1.0 * n}, "random") for n in range(CELLS))
        store.append(name, [Proposed(0.0, 1, CELLS, 1, "random", Purpose.SEARCH, proposed)])
        cpu, started = time.process_time(), time.perf_counter()
        for number, one in enumerate(data, start=1):
            digest = digest_series(one)
            body = Measured(1.0, number, 1, 1, CYCLES, CYCLES, CYCLES, digest)
            store.append(name, [body], series={0: one})
        wall = time.perf_counter() - started
        cpu = time.process_time() - cpu
        ticked = time.process_time()
        for number in range(1, CELLS + 1):
            store.series(name, number)
        reading = time.process_time() - ticked
    size = path.stat().st_size / 1e6
    plain = CELLS * CYCLES * POINTS * 4 / 1e6
    print(f"{CELLS} cells x {CYCLES} curves: inserted in {cpu:.2f} s CPU ({wall:.2f} s wall)")
    print(f"  file {size:.1f} MB (uncompressed curves {plain:.1f} MB), read in {reading:.2f} s CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        Store.open(str(Path(folder) / "first.db")).close()  # imports are not the store's cost
        ticked = time.process_time()
        Store.open(str(Path(folder) / "second.db")).close()
        print(f"a new store: {1e3 * (time.process_time() - ticked):.0f} ms CPU")
        trials(Path(folder), given.trials)
        curves(Path(folder) / "curves.db")


if __name__ == "__main__":
    main()
