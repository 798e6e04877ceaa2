"""What follows exactly from a design is found exactly, and what does not is left to learn."""

import numpy as np
import pytest

from surrogates.electrode_box import WIDE
from surrogates.electrode_measured import measured, normalised
from surrogates.electrode_relations import (
    FORMULAS,
    Relation,
    composed,
    exact,
    factors_of,
    learnt_of,
    scaled,
)
from tests.surrogates.electrode_cell import BOX, UNITS, cell

DESIGNS = WIDE.designs(300, 0)
THICKNESS, RATIO, ACTIVE, INACTIVE = DESIGNS.T[:4]


def mass(thickness, ratio, active, inactive):
    pores = 1.0 - active - inactive
    positive = thickness * (4.75 * active + 1.8 * inactive + 1.22 * pores)
    return 80.0 + positive + 1.7 * ratio * thickness * active


def test_the_mass_of_a_stack_is_found_to_the_last_digits():
    relation = exact(WIDE, DESIGNS, mass(THICKNESS, RATIO, ACTIVE, INACTIVE))
    assert relation is not None
    assert len(relation.terms) == 5  # 1, L, L active, L inactive, L active N/P
    new = WIDE.designs(500, 1)
    np.testing.assert_allclose(relation(scaled(WIDE, new)), mass(*new.T[:4]), rtol=1e-9)
    again = Relation.from_state(relation.state())
    np.testing.assert_array_equal(again(scaled(WIDE, new)), relation(scaled(WIDE, new)))


def test_what_is_no_polynomial_is_not_taken_for_one():
    assert exact(WIDE, DESIGNS, THICKNESS / ACTIVE) is None
    assert (
        exact(WIDE, DESIGNS, mass(THICKNESS, RATIO, ACTIVE, INACTIVE) + 1e-3 * DESIGNS[:, 5])
        is None
    )


def test_too_few_designs_prove_nothing():
    assert exact(WIDE, DESIGNS[:30], THICKNESS[:30]) is None


def test_metrics_are_taken_apart_and_put_together_again():
    solved = cell(BOX.designs(50, 0))
    told = np.stack([solved.metrics["utilisation"], solved.metrics["mean_voltage_v"]], axis=1)
    again = composed(tuple(UNITS), factors_of(solved.metrics), learnt_of(told))
    assert set(again) == set(FORMULAS)
    for name, values in again.items():
        np.testing.assert_allclose(values, solved.metrics[name], rtol=1e-12)


def test_a_curve_starts_where_charge_first_flows():
    voltage = [4.2, 4.1, 4.0, 3.5, 3.0]
    capacity = [0.0, 0.0, 1.0, 3.0, 4.0]
    found = normalised(voltage, capacity)
    assert found[0] == 4.1
    assert found[10] == pytest.approx(4.0)
    assert found[-1] == 3.0
    assert (np.diff(found) < 0).all()


def test_nothing_delivered_is_a_flat_curve():
    assert (normalised([4.2, 3.0], [0.0, 0.0]) == 3.0).all()


def answer(utilisation):
    told = dict.fromkeys(FORMULAS, 1.0) | {"utilisation": utilisation}
    curve = {"voltage_v": [4.0, 3.0], "capacity_mah_cm2": [0.0, 1.0]}
    return {"ok": True, "scalars": told, "curve": curve}


def test_designs_without_an_answer_are_invalid():
    solved = measured([answer(0.9), {"ok": False, "reason": "r"}, answer(0.05)], 0.1)
    assert solved.valid.tolist() == [True, False, False]
    assert solved.utilisation.tolist() == [0.9, 0.0, 0.05]
    assert np.isnan(solved.curves[1]).all()


def test_answers_must_tell_what_everything_follows_from():
    short = answer(0.5)
    del short["scalars"]["stack_mass_g_m2"]
    with pytest.raises(ValueError, match="stack_mass_g_m2"):
        measured([short], 0.1)
