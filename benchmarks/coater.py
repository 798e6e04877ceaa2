"""Every figure of docs/coater.md: `python -m benchmarks.coater WHAT`.

WHAT is one of usual, optimum, sections, spread, failures, rates, cpu, all (default).
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.optimize import differential_evolution

from campaigns.campaign import load
from instruments.coater.options import CoaterOptions
from instruments.coater.process import run, truth
from instruments.coater.settings import METRICS

VOLUMETRIC = "volumetric_capacity_mah_cm3"
USUAL = {
    "active_percent": 96.0,
    "carbon_percent": 2.0,
    "binder_percent": 2.0,
    "gap_um": 180.0,
    "calender_pressure_mpa": 90.0,
    "calender_c": 67.0,
}
OPTIONS = CoaterOptions()


def known(options: CoaterOptions = OPTIONS, **changed: float) -> Mapping[str, float]:
    """Noise-free metrics of the usual recipe with some settings changed."""
    return truth({**USUAL, **changed}, options)


def usual() -> None:
    """Metrics of the usual recipe."""
    for name, value in known().items():
        print(f"{name:30} {value:10.4g} {METRICS[name]}")


def best(options: CoaterOptions) -> tuple[dict[str, float], float]:
    """The best setting of the campaign's space, porosity within its bounds, and its value."""
    campaign = load("electrode-coating")
    box = {one.name: (one.low, one.high) for one in campaign.space.parameters}
    names = [name for name in box if name != "active_percent"]
    (porosity,) = campaign.constraints

    def setting(x: np.ndarray) -> dict[str, float]:
        some = dict(zip(names, map(float, x), strict=True))
        rest = 100.0 - some["carbon_percent"] - some["binder_percent"]
        return {"active_percent": rest, **some}

    def loss(x: np.ndarray) -> float:
        found = truth(setting(x), options)
        return -found[VOLUMETRIC] + (0.0 if porosity.met(found["porosity"]) else 1e3)

    found = differential_evolution(loss, [box[name] for name in names], seed=1, tol=1e-8)
    return setting(found.x), -float(found.fun)


def optimum() -> None:
    """The best setting, and what it gives."""
    setting, value = best(OPTIONS)
    print({name: round(one, 2) for name, one in setting.items()}, round(value, 1))
    print({name: round(one, 3) for name, one in truth(setting, OPTIONS).items()})


def sections() -> None:
    """Volumetric capacity along each setting through the best one, in per cent of the best."""
    setting, value = best(OPTIONS)
    lines = {
        "calender_c": (25, 40, 50, 60, 65, 70, 75, 80, 90, 100),
        "calender_pressure_mpa": (20, 40, 60, 80, 100, 120, 150, 200),
        "gap_um": (80, 100, 120, 140, 160, 180, 200, 250, 300),
    }
    for name, places in lines.items():
        parts = [truth({**setting, name: float(at)}, OPTIONS)[VOLUMETRIC] for at in places]
        print(
            name,
            [(at, round(100 * part / value, 1)) for at, part in zip(places, parts, strict=True)],
        )
    for name in ("carbon_percent", "binder_percent"):
        for at in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0):
            moved = {**setting, name: at}
            moved["active_percent"] = 100.0 - moved["carbon_percent"] - moved["binder_percent"]
            print(name, at, round(100 * truth(moved, OPTIONS)[VOLUMETRIC] / value, 1))


def spread() -> None:
    """Standard deviation over 400 coatings, and the one that they declare."""
    runs = [run(USUAL, (7, trial, 1), OPTIONS) for trial in range(1, 401)]
    for name, value in known().items():
        values = np.array([one.scalars[name].value for one in runs])
        declared = np.sqrt(np.mean([(one.scalars[name].sd or 0.0) ** 2 for one in runs]))
        print(f"{name:30} {100 * values.std() / value:6.2f} % {100 * declared / value:6.2f} %")


def failures() -> None:
    """Why random settings of the campaign's space give no coating."""
    campaign = load("electrode-coating")
    settings = campaign.space.sample(2000, np.random.default_rng(0))
    told = (run(setting, (7, 1, 1), OPTIONS).reason.split(":")[0] for setting in settings)
    print(Counter(told))


def rates() -> None:
    """Where the best cathode is for slower and faster cells."""
    for rate in (0.2, 0.5, 1.0, 2.0):
        setting, value = best(CoaterOptions(c_rate_per_h=rate))
        print(rate, {name: round(one, 1) for name, one in setting.items()}, round(value, 1))


def cpu() -> None:
    """CPU time of one run."""
    before = time.process_time()
    for trial in range(1, 501):
        run(USUAL, (7, trial, 1), OPTIONS)
    print(f"{2.0 * (time.process_time() - before):.2f} ms")


PARTS = (usual, optimum, sections, spread, failures, rates, cpu)

if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    for part in PARTS:
        if wanted in ("all", part.__name__):
            print(f"-- {part.__name__}")
            part()
