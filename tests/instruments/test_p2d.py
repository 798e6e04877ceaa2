"""The P2D model: designs, charge balance, masses, answers, and the parameter sets it stands on."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.records import FailureKind
from instruments.base import Job, JobState, Refused
from instruments.clock import SimulatedClock
from instruments.p2d.card import METRICS, SETTINGS
from instruments.p2d.design import MOST_FILLED, Design, Unphysical, problems
from instruments.p2d.evaluation import evaluate
from instruments.p2d.instrument import P2dModel
from instruments.p2d.metrics import stack_mass_g_m2, stack_thickness_um
from instruments.p2d.parameter_set import SETS, parameter_set
from instruments.p2d.validity import Validity, validity_of
from instruments.p2d.wide_box import WIDE_BOX, settings_at

START = datetime(2000, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
CHEAP = {"model": "spm", "mesh_points": 10}
DFN = {"model": "dfn", "mesh_points": 10}


# Designs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_without_settings_a_design_is_the_parameter_set(name):
    design = Design.of(name, {})
    assert design.np_ratio == pytest.approx(1.0, abs=1e-9)
    assert design.negative_stoichiometry == pytest.approx(design.negative.material.charged)
    assert design.positive.thickness_um == parameter_set(name).positive.thickness_um


def test_two_fractions_make_the_third():
    design = Design.of(
        "Chen2020", {"positive_porosity": 0.3, "positive_inactive_fraction": 0.1, "np_ratio": 1.0}
    )
    assert design.positive.active_fraction == pytest.approx(0.6)


def test_beside_one_fraction_the_ratio_of_the_others_is_kept():
    usual = parameter_set("Ecker2015").positive
    coating = Design.of("Ecker2015", {"positive_porosity": 0.4, "np_ratio": 1.0}).positive
    ratio = usual.active_fraction / usual.inactive_fraction
    assert coating.active_fraction / coating.inactive_fraction == pytest.approx(ratio)
    assert coating.porosity + coating.active_fraction + coating.inactive_fraction == 1.0


@given(
    ratio=st.floats(1.0, 3.0),
    thickness=st.floats(5.0, 300.0),
    active=st.floats(0.2, 0.9),
)
def test_the_negative_electrode_gets_what_the_positive_one_gave(ratio, thickness, active):
    told = {
        "np_ratio": ratio,
        "positive_thickness": thickness,
        "positive_active_fraction": active,
    }
    if problems("Chen2020", told):
        return  # too thick a negative electrode
    design = Design.of("Chen2020", told)
    given_up = design.positive.capacity_mah_cm2
    empty = design.negative.material.discharged
    swing = design.negative_stoichiometry - empty
    full_swing = design.negative.material.charged - empty
    taken = design.negative.capacity_mah_cm2 * swing / full_swing
    assert taken == pytest.approx(given_up, rel=1e-9)
    assert design.np_ratio == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize(
    ("told", "setting", "words"),
    [
        ({"np_ratio": 1.1, "negative_thickness": 90.0}, "np_ratio", "exclude"),
        ({"np_ratio": 0.8}, "np_ratio", "overfilled"),
        ({"positive_thickness": 300.0}, "np_ratio", "overfilled"),
        ({"positive_thickness": 900.0, "np_ratio": 5.0}, "np_ratio", "thick"),
        ({"positive_porosity": 0.0}, "positive_porosity", "above 0"),
        ({"positive_active_fraction": 1.0}, "positive_porosity", "above 0"),
        (
            {"positive_porosity": 0.5, "positive_active_fraction": 0.6},
            "positive_inactive_fraction",
            "at least 0",
        ),
        (
            {
                "positive_porosity": 0.3,
                "positive_active_fraction": 0.3,
                "positive_inactive_fraction": 0.3,
            },
            "positive_porosity",
            "sum to 1",
        ),
        ({"c_rate": 0.0}, "c_rate", "below the limit"),
        ({"c_rate": -1.0}, "c_rate", "below the limit"),
        ({"c_rate": 1e300}, "c_rate", "above the limit"),
        ({"c_rate": math.nan}, "c_rate", "not finite"),
        ({"c_rate": math.inf}, "c_rate", "not finite"),
        ({"c_rate": "2"}, "c_rate", "not a number"),
        ({"rate": 2.0}, "rate", "no such setting"),
    ],
)
def test_what_is_no_cell_is_a_problem_and_never_solved(told, setting, words):
    found = problems("Chen2020", told)
    assert any(one.setting == setting and words in one.reason for one in found)
    answer = evaluate({"settings": told})
    assert (answer["ok"], answer["kind"]) == (False, FailureKind.OUT_OF_RANGE.value)
    assert words in answer["reason"]
    assert "\n" not in answer["reason"]
    assert validity_of(found, answer) is Validity.UNPHYSICAL


def test_an_overfilled_negative_electrode_is_refused_just_above_the_limit():
    material = parameter_set("Chen2020").negative
    swing = material.charged - material.discharged
    limit = swing / (MOST_FILLED - material.discharged)
    assert not problems("Chen2020", {"np_ratio": limit * 1.0001})
    assert problems("Chen2020", {"np_ratio": limit * 0.9999})


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([one.name for one in SETTINGS]),
        st.floats(allow_nan=True, allow_infinity=True) | st.floats(0.0, 2.0),
        max_size=6,
    )
)
def test_any_settings_are_a_design_or_have_problems(told):
    if problems("Chen2020", told):
        with pytest.raises(Unphysical):
            Design.of("Chen2020", told)
        return
    design = Design.of("Chen2020", told)
    assert 0 < design.negative_stoichiometry <= MOST_FILLED
    assert 0 < design.longest_s < math.inf


# Masses -------------------------------------------------------------------------------------------


def test_the_mass_of_a_stack_by_hand():
    """Chen2020: both coatings with their pores full, separator, half of each foil."""
    design = Design.of("Chen2020", {})
    positive = 75.6 * (0.665 * 4.75 + 0.335 * 1.22) + 8.0 * 2.70
    negative = 85.2 * (0.75 * 2.24 + 0.25 * 1.22) + 6.0 * 8.96
    separator = 12.0 * (0.53 * 0.95 + 0.47 * 1.22)
    assert stack_mass_g_m2(design) == pytest.approx(positive + negative + separator)
    assert stack_thickness_um(design) == pytest.approx(75.6 + 85.2 + 12.0 + 8.0 + 6.0)


# Answers ------------------------------------------------------------------------------------------


def test_the_metrics_hang_together():
    answer = evaluate({**CHEAP, "settings": {"c_rate": 0.5, "positive_thickness": 70.0}})
    got = answer["scalars"]
    assert answer["ok"]
    assert set(got) == set(METRICS)
    design = Design.of("Chen2020", {"c_rate": 0.5, "positive_thickness": 70.0})
    hours = got["discharge_seconds"] / 3600
    assert got["specific_energy_wh_kg"] == pytest.approx(got["specific_power_w_kg"] * hours)
    energy = got["areal_capacity_mah_cm2"] * 10.0 * got["mean_voltage_v"]
    assert got["specific_energy_wh_kg"] == pytest.approx(1000 * energy / got["stack_mass_g_m2"])
    share = got["areal_capacity_mah_cm2"] / design.capacity_mah_cm2
    assert got["utilisation"] == pytest.approx(share)
    assert answer["end"] == "lower voltage cut-off"
    assert json.loads(json.dumps(answer)) == answer


def test_the_curve_falls_from_the_upper_to_the_lower_voltage():
    answer = evaluate({**CHEAP, "settings": {"c_rate": 0.5}})
    curve = answer["curve"]
    assert curve["voltage_v"][0] == 4.2
    assert curve["voltage_v"][-1] == 2.5
    assert np.all(np.diff(curve["capacity_mah_cm2"]) >= 0)
    total = answer["scalars"]["areal_capacity_mah_cm2"]
    assert curve["capacity_mah_cm2"][-1] == pytest.approx(total)
    drawn = np.trapezoid(curve["capacity_mah_cm2"], curve["voltage_v"])  # integral of Q dV, below 0
    energy = total * 2.5 - drawn  # by parts
    assert energy == pytest.approx(total * answer["scalars"]["mean_voltage_v"], rel=2e-3)


def test_slow_discharges_deliver_the_whole_capacity():
    answer = evaluate({**CHEAP, "settings": {"c_rate": 0.02, "np_ratio": 1.0}})
    assert answer["scalars"]["utilisation"] == pytest.approx(1.0, abs=2e-3)


def test_faster_is_more_power_and_less_energy():
    slow, fast = (evaluate({**DFN, "settings": {"c_rate": rate}})["scalars"] for rate in (0.5, 3.0))
    assert fast["specific_power_w_kg"] > slow["specific_power_w_kg"]
    assert fast["specific_energy_wh_kg"] < slow["specific_energy_wh_kg"]


def test_a_cell_that_dies_at_once_is_exhausted():
    told = {
        "c_rate": 8.0,
        "positive_thickness": 200.0,
        "np_ratio": 1.1,
        "positive_porosity": 0.1,
        "positive_bruggeman": 3.0,
        "electrolyte_concentration": 400.0,
    }
    for model in ("dfn", "spme"):
        answer = evaluate({**DFN, "model": model, "settings": told})
        assert validity_of(problems("Chen2020", told), answer) is Validity.EXHAUSTED


def test_a_least_utilisation_makes_a_weak_cell_fail():
    weak = {"c_rate": 8.0, "positive_thickness": 150.0, "np_ratio": 1.1}
    told = {**DFN, "settings": weak}
    assert evaluate(told)["ok"]
    answer = evaluate({**told, "least_utilisation": 0.9})
    assert answer["kind"] == FailureKind.OUT_OF_RANGE.value
    assert "of its capacity" in answer["reason"]


def test_the_same_design_gives_the_same_bits_whatever_came_before():
    told = {**DFN, "settings": {"c_rate": 1.5, "positive_thickness": 60.0, "np_ratio": 1.1}}
    first = evaluate(told)
    evaluate({**DFN, "settings": {"c_rate": 3.0, "positive_porosity": 0.4, "np_ratio": 1.2}})
    assert evaluate(told) == first


def test_a_sweep_of_the_wide_box_is_classified():
    points = np.random.default_rng(8).random((24, len(WIDE_BOX)))
    for point in points:
        told = settings_at(point)
        found = problems("Chen2020", told)
        answer = None if found else evaluate({**DFN, "settings": told})
        assert validity_of(found, answer) is not Validity.UNSOLVED


def test_every_side_of_the_card_is_survived():
    """The corners of the card one by one, and some together: an answer, never an exception."""
    for card in SETTINGS:
        for value in (card.low, card.high):
            answer = evaluate({**DFN, "settings": {"np_ratio": 1.2, card.name: value}})
            assert answer["ok"] or answer["reason"]
    hostile = {"c_rate": 20.0, "positive_thickness": 500.0, "np_ratio": 1.5}
    for bruggeman in (0.5, 6.0):
        for salt in (10.0, 4000.0):
            told = {**hostile, "positive_bruggeman": bruggeman, "electrolyte_concentration": salt}
            answer = evaluate({**DFN, "settings": told})
            assert answer["ok"] or answer["reason"]


def test_a_set_or_model_that_is_not_known_is_a_clear_line():
    with pytest.raises(ValueError, match=r"Chen2021.*Chen2020"):
        evaluate({"parameter_set": "Chen2021", "settings": {}})


# The instrument -----------------------------------------------------------------------------------


def opened(**options):
    return P2dModel.open({**CHEAP, **options}, SimulatedClock(START))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parameter_set": "Prada2013"}, "parameter_set"),
        ({"model": "p3d"}, "model"),
        ({"mesh_points": 1}, "mesh_points"),
        ({"rtol": 1.0}, "rtol"),
        ({"curve_points": 1}, "curve_points"),
        ({"least_utilisation": -0.1}, "least_utilisation"),
        ({"channels": 0}, "channels"),
    ],
)
def test_wrong_options_are_one_line(options, words):
    with pytest.raises(ValueError, match=words):
        opened(**options)


def test_a_job_is_measured_without_noise_and_names_its_model():
    instrument = opened(curve_points=5)
    job = Job("a/1/1", {"c_rate": 2.0}, (1, 1, 1), START)
    instrument.submit(job)
    instrument._clock.wait_until(instrument.poll(job.key).ask_at)
    result = instrument.fetch(job.key)
    assert result.state is JobState.FINISHED
    assert result.reason == "lower voltage cut-off"
    assert {one.sd for one in result.scalars.values()} == {0.0}
    energy = result.scalars["specific_energy_wh_kg"]
    for word in ("Chen2020", "spm", "10 points", "rtol", "pybamm"):
        assert word in energy.source
    (truth,) = instrument.truth([job.parameters])
    assert truth == {name: one.value for name, one in result.scalars.items()}
    assert result.scalars["areal_capacity_mah_cm2_at_2.500_v"].value == pytest.approx(
        result.scalars["areal_capacity_mah_cm2"].value
    )
    assert instrument.truth([{"np_ratio": 0.5}]) == [{}]


def test_an_unphysical_job_is_refused():
    with pytest.raises(Refused, match="overfilled"):
        opened().submit(Job("a/1/1", {"np_ratio": 0.5}, (1, 1, 1), START))


# PyBaMM -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_the_numbers_of_a_set_are_those_of_pybamm(name):
    from instruments.p2d.availability import load_pybamm

    pybamm = load_pybamm()
    values, cell = pybamm.ParameterValues(name), SETS[name]
    empty, full, charged, discharged = pybamm.lithium_ion.get_min_max_stoichiometries(values)
    assert cell.negative.discharged == pytest.approx(float(empty), abs=1e-6)
    assert cell.negative.charged == pytest.approx(float(full), abs=1e-6)
    assert cell.positive.charged == pytest.approx(float(charged), abs=1e-6)
    assert cell.positive.discharged == pytest.approx(float(discharged), abs=1e-6)
    for side, electrode in (("Negative", cell.negative), ("Positive", cell.positive)):
        small = side.lower()
        for key, ours in {
            f"{side} electrode thickness [m]": electrode.thickness_um * 1e-6,
            f"{side} electrode porosity": electrode.porosity,
            f"{side} electrode active material volume fraction": electrode.active_fraction,
            f"{side} particle radius [m]": electrode.particle_radius_um * 1e-6,
            f"{side} electrode Bruggeman coefficient (electrolyte)": electrode.bruggeman,
            f"{side} electrode Bruggeman coefficient (electrode)": electrode.solid_bruggeman,
            f"Maximum concentration in {small} electrode [mol.m-3]": electrode.greatest_mol_m3,
            f"{side} current collector thickness [m]": electrode.collector_um * 1e-6,
            f"{side} current collector density [kg.m-3]": 1e3 * electrode.collector_density_g_cm3,
        }.items():
            assert ours == pytest.approx(values[key], rel=1e-9), key
    for key, ours in {
        "Separator thickness [m]": cell.separator_um * 1e-6,
        "Separator porosity": cell.separator_porosity,
        "Separator Bruggeman coefficient (electrolyte)": cell.separator_bruggeman,
        "Initial concentration in electrolyte [mol.m-3]": cell.electrolyte_mol_m3,
        "Lower voltage cut-off [V]": cell.lower_v,
        "Upper voltage cut-off [V]": cell.upper_v,
    }.items():
        assert ours == pytest.approx(values[key], rel=1e-9), key


def alone(code, tmp_path, **more):
    """Runs code in a process that neither pytest nor a build server can be seen from."""
    hidden = ("PYBAMM", "PYTEST", "CI", "GITHUB", "GITLAB", "TRAVIS", "CIRCLECI", "JENKINS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c"), **more},
        cwd=ROOT,
        input="",
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


def test_describing_and_checking_never_import_pybamm(tmp_path):
    code = (
        "import sys\nfrom instruments.clock import SimulatedClock\n"
        "from instruments.base import Job\n"
        "from instruments.p2d.instrument import P2dModel\n"
        "clock = SimulatedClock(); one = P2dModel.open({}, clock); one.describe()\n"
        "assert one.check(Job('k', {'np_ratio': 0.5}, (1, 1, 1), clock.now()))\n"
        "assert not {'pybamm', 'casadi', 'pandas', 'scipy'} & set(sys.modules)"
    )
    alone(code, tmp_path)


def test_a_solve_asks_nothing_prints_nothing_and_reaches_nobody(tmp_path):
    """Without pytest's or a build server's variables, from which PyBaMM would know a test."""
    code = (
        "import socket\n"
        "def never(*told): raise AssertionError(told)\n"
        "socket.socket.connect = never; socket.getaddrinfo = never\n"
        "from instruments.p2d.evaluation import evaluate\n"
        "for settings in ({}, {'c_rate': 20.0, 'positive_thickness': 400.0, 'np_ratio': 1.2,\n"
        "                      'positive_bruggeman': 3.0}):\n"
        "    evaluate({'mesh_points': 10, 'settings': settings})\n"
        "import pybamm; assert pybamm.config.check_opt_out()"
    )
    done = alone(code, tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert not list(tmp_path.rglob("*.yml"))
