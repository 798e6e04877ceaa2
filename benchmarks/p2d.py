"""The P2D model over the wide box: agreement with rebuilt models, speed, and every way to end.

python benchmarks/p2d.py [accuracy] [mesh] [speed] [sweep] [--set Chen2020] [--model dfn]
                         [--points 20] [--designs 32] [--sweep 4096] [--seed 0] [--compiled]
Without a section all are measured, one design after the other: half an hour of CPU at 20 points.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import qmc

from campaigns.records import Setting
from instruments.p2d.design import Design, Unphysical, problems
from instruments.p2d.evaluation import RTOL, evaluate
from instruments.p2d.metrics import scalars
from instruments.p2d.model import Discharge, End, Kind, Numerics, Tolerance, Unsolved
from instruments.p2d.rebuilt import solve_rebuilt
from instruments.p2d.validity import validity_of
from instruments.p2d.wide_box import WIDE_BOX, settings_at

ENERGY = "specific_energy_wh_kg"
FINE = 40  # points
FAST = 2.0  # C-rate
WORKING = 0.25  # utilisation above which the energy must agree to 1e-3


def settings(count: int, seed: int) -> list[Setting]:
    """Scrambled Sobol points of the box."""
    sobol = qmc.Sobol(len(WIDE_BOX), rng=np.random.default_rng(seed))
    whole = sobol.random_base2((count - 1).bit_length())  # Sobol points come in powers of 2
    return [settings_at(point) for point in whole[:count]]


def physical(given: argparse.Namespace) -> list[Setting]:
    """Those that are solved at all."""
    wanted = settings(given.designs, given.seed)
    return [one for one in wanted if not problems(given.set, one)]


def payload(given: argparse.Namespace, setting: Setting) -> dict[str, object]:
    return {
        "parameter_set": given.set,
        "model": given.model,
        "mesh_points": given.points,
        "compiled": given.compiled,
        "settings": setting,
    }


def rebuilt(given: argparse.Namespace, setting: Setting, rtol: float) -> Discharge | None:
    kind, tolerance = Kind(given.model), Tolerance(rtol, rtol / 100)
    numerics = Numerics(given.set, kind, given.points, tolerance)
    try:
        return solve_rebuilt(Design.of(given.set, setting), numerics)
    except Unsolved:
        return None


def accuracy(given: argparse.Namespace) -> None:
    """Energy against a model built for each design, at rtol 1e-6 and the same points."""
    print(f"accuracy: {given.set}, {given.model}, {given.points} points, seed {given.seed}")
    print("| utilisation | C-rate | positive, um | Wh/kg rebuilt | relative difference |")
    pairs, missing = [], 0
    for setting in physical(given):
        answer, reference = evaluate(payload(given, setting)), rebuilt(given, setting, 1e-6)
        if not answer["ok"] or reference is None or reference.end is End.AT_ONCE:
            missing += 1
            continue
        design = Design.of(given.set, setting)
        true = scalars(design, reference)
        apart = answer["scalars"][ENERGY] / true[ENERGY] - 1
        pairs.append((true["utilisation"], abs(apart)))
        print(
            f"| {true['utilisation']:.3f} | {design.c_rate_per_h:.2f} |"
            f" {design.positive.thickness_um:.0f} | {true[ENERGY]:.3f} | {apart:+.1e} |",
            flush=True,
        )
    table = np.array(pairs)
    for label, rows in (
        (f">= {WORKING}", table[table[:, 0] >= WORKING, 1]),
        (f"0.1 to {WORKING}", table[(table[:, 0] < WORKING) & (table[:, 0] >= 0.1), 1]),
        ("below 0.1", table[table[:, 0] < 0.1, 1]),
    ):
        if len(rows):
            told = f"median {np.median(rows):.1e}, largest {rows.max():.1e}"
            print(f"utilisation {label}: {len(rows)} designs, {told}")
    print(f"not compared (one of the two gave no discharge): {missing}\n")


def mesh(given: argparse.Namespace) -> None:
    """Energy against a finer mesh of the same model, both at rtol 1e-6."""
    print(f"mesh: {given.set}, {given.model}, against {FINE} points, seed {given.seed}")
    rows: dict[str, list[float]] = {}
    for setting in physical(given):
        told = {**payload(given, setting), "rtol": 1e-6}
        coarse = evaluate(told)
        fine = evaluate({**told, "mesh_points": FINE})
        if not (coarse["ok"] and fine["ok"] and fine["scalars"]["utilisation"] >= WORKING):
            continue
        apart = abs(coarse["scalars"][ENERGY] / fine["scalars"][ENERGY] - 1)
        label = "below" if setting["c_rate"] < FAST else "above"
        rows.setdefault(label, []).append(apart)
    for label, apart in sorted(rows.items()):
        told_at = f"{given.points} points, {label} {FAST:g} C: {len(apart)} designs"
        print(f"{told_at}, median {np.median(apart):.1e}, largest {max(apart):.1e}")
    print(flush=True)


def timed(work: Callable[[Setting], object], wanted: Sequence[Setting]) -> np.ndarray:
    """CPU seconds of each."""
    spent = []
    for setting in wanted:
        before = time.process_time()
        work(setting)
        spent.append(time.process_time() - before)
    return np.array(spent)


def speed(given: argparse.Namespace) -> None:
    """Evaluations a second: distinct designs, full discharges, with metrics and curve."""
    wanted = physical(given)
    evaluate(payload(given, wanted[0]))  # builds
    fast = timed(lambda one: evaluate(payload(given, one)), wanted)
    slow = timed(lambda one: rebuilt(given, one, RTOL), wanted)
    print(f"speed: {given.set}, {given.model}, {given.points} points, seed {given.seed},")
    print(f"{len(wanted)} designs, CPU time, compiled: {given.compiled}")
    for label, spent in (("built once", fast), ("rebuilt for each", slow)):
        print(
            f"{label}: {1 / spent.mean():.1f} a second; ms mean {1e3 * spent.mean():.1f},"
            f" median {1e3 * np.median(spent):.1f}, largest {1e3 * spent.max():.0f}"
        )
    print(f"ratio: {slow.mean() / fast.mean():.1f}\n", flush=True)


def sweep(given: argparse.Namespace) -> None:
    """How every design of the box ends."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    tries: Counter[int] = Counter()
    spent = []
    for setting in settings(given.sweep, given.seed):
        before = time.process_time()
        found = problems(given.set, setting)
        answer = None if found else evaluate(payload(given, setting))
        spent.append(time.process_time() - before)
        counts[validity_of(found, answer).value] += 1
        if answer is None or not answer["ok"]:
            reasons[found[0].setting if found else str(answer and answer["reason"])] += 1
        else:
            tries[answer["tries"]] += 1
    print(f"sweep: {given.set}, {given.model}, {given.points} points, seed {given.seed}")
    print(f"{given.sweep} designs in {sum(spent):.0f} CPU s, slowest {max(spent):.2f} s")
    print(f"validity: {dict(counts)}\ntolerances tried: {dict(tries)}\nfailures: {dict(reasons)}\n")


SECTIONS = {"accuracy": accuracy, "mesh": mesh, "speed": speed, "sweep": sweep}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []])
    parser.add_argument("--set", default="Chen2020")
    parser.add_argument("--model", default="dfn", choices=[kind.value for kind in Kind])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--designs", type=int, default=32)
    parser.add_argument("--sweep", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    try:
        Design.of(given.set, {})
    except (ValueError, Unphysical) as error:
        parser.error(str(error))
    for name in given.sections or SECTIONS:
        SECTIONS[name](given)


if __name__ == "__main__":
    main()
