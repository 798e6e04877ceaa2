"""Exact rescaling: the energy of designs agrees with models that were built for them alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from instruments.p2d.design import Design, Unphysical
from instruments.p2d.evaluation import evaluate
from instruments.p2d.metrics import scalars
from instruments.p2d.model import End, Kind, Numerics, Tolerance, Unsolved, solve
from instruments.p2d.parameter_set import SETS
from instruments.p2d.rebuilt import solve_rebuilt
from instruments.p2d.wide_box import WIDE_BOX, settings_at

ENERGY = "specific_energy_wh_kg"
WORKING = 0.25  # utilisation above which discretisation at the interfaces stays below 1e-3
REFERENCE = Tolerance(1e-6, 1e-8)


def compared(
    name: str, kind: Kind, points: int, seed: int
) -> Iterator[tuple[float, float, Design]]:
    """Without end: true utilisation, relative difference of the energies, design."""
    rng = np.random.default_rng(seed)
    while True:
        told = settings_at(rng.random(len(WIDE_BOX)))
        try:
            design = Design.of(name, told)
            discharge = solve_rebuilt(design, Numerics(name, kind, points, REFERENCE))
        except (Unphysical, Unsolved):
            continue  # of the reference: nothing to compare with
        if discharge.end is End.AT_ONCE:
            continue
        true = scalars(design, discharge)
        answer = evaluate(
            {"parameter_set": name, "model": kind.value, "mesh_points": points, "settings": told}
        )
        assert answer["ok"], answer["reason"]
        yield true["utilisation"], answer["scalars"][ENERGY] / true[ENERGY] - 1.0, design


def working(name: str, kind: Kind, points: int, seed: int, count: int) -> list[float]:
    """Relative differences of the first `count` designs that deliver enough of their capacity."""
    found: list[float] = []
    for utilisation, apart, _ in compared(name, kind, points, seed):
        if utilisation >= WORKING:
            found.append(abs(apart))
        if len(found) == count:
            break
    return found


def test_a_few_designs_agree_with_rebuilt_models():
    apart = working("Chen2020", Kind.DFN, 20, seed=1, count=5)
    assert max(apart) < 1e-3


@pytest.mark.slow
def test_random_designs_of_the_wide_box_agree_with_rebuilt_models():
    apart = working("Chen2020", Kind.DFN, 20, seed=2, count=24)
    assert max(apart) < 1e-3
    assert np.median(apart) < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SETS if name != "Chen2020"])
def test_other_sets_agree_with_rebuilt_models(name):
    assert max(working(name, Kind.DFN, 20, seed=3, count=8)) < 1e-3


@pytest.mark.parametrize("kind", [Kind.SPM, Kind.SPME])
def test_single_particle_models_agree_with_rebuilt_models(kind):
    apart = working("Chen2020", kind, 20, seed=4, count=4)
    assert max(apart) < 5e-4


def test_the_single_particle_model_is_rescaled_without_any_error():
    """It has no mesh across the electrodes, so nothing but rounding is left."""
    design = Design.of("Chen2020", {"positive_thickness": 150.0, "np_ratio": 1.1, "c_rate": 2.0})
    numerics = Numerics("Chen2020", Kind.SPM, 10, REFERENCE)
    ours, true = solve(design, numerics), solve_rebuilt(design, numerics)
    assert ours.time_s[-1] == pytest.approx(true.time_s[-1], rel=1e-6)


def test_electrons_are_conducted_by_all_that_is_no_pore():
    """PyBaMM's solid fraction is 1 - porosity. Taking the active fraction instead shifts the energy
    of a thick electrode with much binder and little conductivity by more than 1e-3."""
    told = {
        "positive_thickness": 160.0,
        "np_ratio": 1.1,
        "positive_active_fraction": 0.45,
        "positive_inactive_fraction": 0.30,
        "positive_bruggeman": 1.2,
        "c_rate": 1.0,
    }
    design = Design.of("OKane2022", told)  # its electrodes have a solid Bruggeman exponent of 1.5
    true = scalars(design, solve_rebuilt(design, Numerics("OKane2022", Kind.DFN, 20, REFERENCE)))
    answer = evaluate({"parameter_set": "OKane2022", "settings": told})
    assert true["utilisation"] > WORKING
    assert answer["scalars"][ENERGY] == pytest.approx(true[ENERGY], rel=1e-3)
