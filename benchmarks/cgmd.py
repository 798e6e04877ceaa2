"""What the slurry simulation answers: noise, references, trends, and 100 hostile evaluations.

python benchmarks/cgmd.py [noise] [reference] [solids] [stability] [sensitivity] [hostile]
                          [--seeds 12] [--campaign 11]
Without a section all are measured, one evaluation after the other: about ten minutes of CPU.
"""

from __future__ import annotations

import argparse
import resource
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from instruments.base import Job
from instruments.cgmd.evaluation import evaluate
from instruments.cgmd.instrument import SETTINGS, SlurrySimulation
from instruments.cgmd.metrics import DENSITY, PROFILE
from instruments.cgmd.numerics import Fidelity
from instruments.clock import SimulatedClock
from instruments.computing import Payload

START = datetime(2000, 1, 1, tzinfo=UTC)
MID_NUMERICS: Sequence[tuple[str, dict[str, Any]]] = (
    ("msc 0.1, spu 500", {}),
    ("msc 0.05, spu 500", {"mass_scale": 0.05}),
    ("msc 0.1, spu 1000", {"steps_per_strain": 1000}),
    ("msc 0.1, spu 4000", {"steps_per_strain": 4000}),
)
CHANGES: Sequence[Mapping[str, float]] = (
    {},
    *({name: value} for name, values in {
        "kn": (0.5, 2.0), "cn": (0.4, 1.6), "mu": (0.0, 0.5), "e_am": (0.02, 2.0),
        "e_cb": (0.01, 1.0), "s": (0.75, 0.9), "active_material": (92.0,),
    }.items() for value in values),
)  # fmt: skip


def payload(options: Mapping[str, Any], settings: Mapping[str, float], seed: list[int]) -> Payload:
    """What the instrument would have computed for one job."""
    instrument = SlurrySimulation.open(options, SimulatedClock(START))
    return instrument.task(Job("one", settings, (seed[0], seed[1], seed[2]), START)).payload


def cpu_of(work: Callable[[], Payload]) -> tuple[Payload, float]:
    """An answer and the CPU seconds that its process took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return answer, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(label: str, payloads: Sequence[Payload]) -> None:
    """One line: means, relative scatter between seeds, worst profile, CPU seconds each."""
    answers = [cpu_of(lambda one=one: evaluate(one)) for one in payloads]  # type: ignore[misc]
    good = [answer["scalars"] for answer, _ in answers if answer["ok"]]
    cells = []
    for metric in good[0] if good else ():
        if metric == DENSITY or metric.startswith("viscosity"):
            values = np.array([scalars[metric][0] for scalars in good])
            scatter = 100 * values.std(ddof=1) / values.mean() if len(values) > 1 else np.nan
            cells.append(f"{values.mean():.4g} ({scatter:.2g} %)")
    profile = max((scalars[PROFILE][0] for scalars in good), default=np.nan)
    cpu = np.mean([seconds for _, seconds in answers])
    failures = "; ".join(answer["reason"] for answer, _ in answers if not answer["ok"])
    print(f"| {label} | {' | '.join(cells)} | {profile:.2f} | {cpu:.2f} | {failures} |", flush=True)


def rows(
    given: argparse.Namespace,
    label: str,
    seeds: int,
    options: Mapping[str, Any],
    settings: Mapping[str, float],
    numerics: Mapping[str, Any] | None = None,
) -> None:
    """One line for a setting under so many seeds; `numerics` replaces what no option changes."""
    payloads = [payload(options, settings, [given.campaign, n, 1]) for n in range(seeds)]
    changed = {"numerics": {**payloads[0]["numerics"], **(numerics or {})}}
    row(label, [{**one, **changed} for one in payloads])


def noise(given: argparse.Namespace) -> None:
    for fidelity in Fidelity:
        rows(given, f"{fidelity}, {given.seeds} seeds", given.seeds, {"fidelity": fidelity}, {})


def reference(given: argparse.Namespace) -> None:
    for fidelity, seeds in ((Fidelity.FAST, 6), (Fidelity.MID, 6), (Fidelity.FULL, 4)):
        rows(given, f"uniform {fidelity}", seeds, {"fidelity": fidelity, "contacts": "uniform"}, {})


def solids(given: argparse.Namespace) -> None:
    for contacts in ("per_type", "uniform"):
        for share in (60.0, 71.0, 80.0):
            settings = {"solid_content": share}
            rows(given, f"{contacts} {share:g} %", 6, {"contacts": contacts}, settings)
    for share in (60.0, 71.0, 80.0):
        rows(given, f"fast {share:g} %", 6, {"fidelity": "fast"}, {"solid_content": share})


def stability(given: argparse.Namespace) -> None:
    for label, changed in MID_NUMERICS:
        rows(given, label, 4, {}, {}, changed)
    for share in (60.0, 80.0):
        rows(given, f"spu 1000, {share:g} %", 4, {}, {"solid_content": share}, MID_NUMERICS[2][1])


def sensitivity(given: argparse.Namespace) -> None:
    for change in CHANGES:
        label = ", ".join(f"{name} {value:g}" for name, value in change.items()) or "reference"
        rows(given, label, 2, {"rates": [1.0, 10.0, 100.0]}, change)


def hostile(given: argparse.Namespace) -> None:
    """Log-uniform over the whole card, tiny boxes, pressures from none to 1 MPa."""
    rng = np.random.default_rng(given.campaign)
    reasons: Counter[str] = Counter()
    slowest = 0.0
    for number in range(100):
        answer, seconds = cpu_of(lambda number=number: evaluate(_cruel(rng, number)))  # type: ignore[misc]
        slowest = max(slowest, seconds)
        text = answer.get("reason", "finished")
        reasons[f"{answer.get('kind', 'ok')}: {_kind_of(text)}"] += 1
    for reason, count in reasons.most_common():
        print(f"| {count} | {reason} |")
    print(f"slowest: {slowest:.1f} CPU s")


def _cruel(rng: np.random.Generator, number: int) -> Payload:
    settings = {}
    for card in SETTINGS[:6]:
        low, high = max(float(card.low or 0.0), 1e-6), float(card.high or 1.0)
        settings[card.name] = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    settings["solid_content"] = float(rng.uniform(45.0, 85.0))
    pressure = float(10 ** rng.uniform(-9, 3)) if number % 4 == 0 else 0.1
    one = payload({"fidelity": "fast", "pressure_kpa": pressure}, settings, [3, number, 1])
    tiny = {"particles": int(rng.integers(1, 12))} if number % 10 == 3 else {}
    return {**one, "numerics": {**one["numerics"], **tiny}}


def _kind_of(reason: str) -> str:
    """A reason without its numbers."""
    words = ["#" if any(sign.isdigit() for sign in word) else word for word in reason.split()]
    return " ".join(words)


def main() -> None:
    sections = {one.__name__: one for one in
                (noise, reference, solids, stability, sensitivity, hostile)}  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*sections, []])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--campaign", type=int, default=11)
    given = parser.parse_args()
    for name in given.sections or sections:
        print(f"\n{name}")
        sections[name](given)


if __name__ == "__main__":
    main()
