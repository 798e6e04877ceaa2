"""The conformance suite over every registered instrument, ours and no other's."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from instruments.clock import SimulatedClock
from instruments.conformance.bench import Bench
from instruments.conformance.suite import CHECKS
from instruments.conformance.verdict import Outcome
from instruments.conformance.workbench import Workbench, named
from instruments.registry import TARGETS, open_instrument, target

# Our own kinds; others bring theirs along as benches/KIND.py with a function bench().
BENCHES = {
    "table": Bench(
        options={
            "file": "t.csv",
            "parameters": {"x": "x"},
            "metrics": {"y": {"column": "y", "noise_sd": 0.5}},
            "hours": "2*y",
            "channels": 3,
        },
        settings=[{"x": float(x)} for x in range(4)],
        files={"t.csv": b"x,y\n0,1\n1,2\n2,3\n3,4\n"},
        unsuitable=[{"x": 0.5}],
    ),
    "cycler.simulated": Bench(
        options={"channels": 3},
        settings=[
            {"cc1": 8.0, "cc2": 7.0, "cc3": 5.2, "cc4": 2.661},
            {"cc1": 8.0, "cc2": 6.0, "cc3": 4.8, "cc4": 3.0},
            {"cc1": 6.0, "cc2": 5.6, "cc3": 4.4, "cc4": 3.834},
        ],
    ),
    "cgmd": Bench(
        options={"channels": 3, "fidelity": "fast", "rates": [100.0]},
        settings=[{"kn": 1.0}, {"cn": 1.2}, {"solid_content": 65.0}, {"s": 0.84}],
        needs="lammps",
    ),
}
SIMULATED = {"table", "cycler.simulated", "cgmd", "coater.simulated", "p2d", "p2d.surrogate"}
FOLDER = Path(__file__).with_name("benches")


def bench_of(kind: str) -> Bench:
    """The bench of a kind; a kind without one fails its tests, and no other's."""
    if kind in BENCHES:
        return BENCHES[kind]
    path = FOLDER / f"{kind.replace('.', '_')}.py"
    if not path.is_file():
        pytest.fail(f"{kind} has no bench: add {path.name} with a function bench() to {FOLDER}")
    spec = spec_from_file_location(f"bench_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.bench()


# On the wall clock a suite takes a minute or two.
KINDS = [
    pytest.param(kind, marks=() if kind in SIMULATED else pytest.mark.slow)
    for kind in sorted(TARGETS)
]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def bench(kind):
    found = bench_of(kind)
    if found.needs and find_spec(found.needs) is None:
        pytest.skip(f"{kind} NOT TESTED: it needs {found.needs}")
    return found


@pytest.fixture(scope="module")
def workbench(kind, bench):
    made = Workbench(target(kind), bench)
    yield made
    made.close()


@pytest.mark.parametrize("check", CHECKS, ids=named)
def test_conforms(workbench, check):
    verdict = workbench.verdict(check)
    if verdict.outcome in (Outcome.NOT_TESTED, Outcome.NOT_APPLICABLE):
        pytest.skip(f"{verdict.outcome.upper()}: {verdict.reason}")
    assert verdict.outcome is Outcome.PASSED, f"{verdict.reason}\nDemanded: {verdict.demand}"


def test_the_card_names_its_kind(kind, bench):
    if not target(kind).simulated:
        pytest.skip("the suite opens it on its device")
    instrument = open_instrument(kind, bench.options, SimulatedClock(), bench.files)
    assert instrument.describe().kind == kind
    instrument.close()


def test_another_trial_of_the_same_setting_is_another_sample(kind, bench):
    """Ours are noisy, as the lab is: two trials of one setting do not agree to the last digit,
    unless the instrument solves equations, and says that it is exact or what it is unsure of."""
    if not target(kind).simulated:
        pytest.skip("two real measurements are never the same")
    values = [_measured(kind, bench, trial) for trial in (1, 2)]
    assert (values[0] == values[1]) is (kind in WITHOUT_NOISE)


WITHOUT_NOISE = ("p2d", "p2d.surrogate")


def _measured(kind: str, bench: Bench, trial: int) -> dict[str, float]:
    from instruments.base import Job

    clock = SimulatedClock()
    instrument = open_instrument(kind, bench.options, clock, bench.files)
    job = Job(f"k/{trial}/1", bench.settings[0], (5, trial, 1), clock.now())
    instrument.submit(job)
    while (moment := instrument.poll(job.key).ask_at) is not None:
        clock.wait_until(moment)
    scalars = instrument.fetch(job.key).scalars
    instrument.close()
    return {name: scalar.value for name, scalar in scalars.items()}
