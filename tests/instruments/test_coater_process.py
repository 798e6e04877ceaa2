"""A run of the simulated line: determinism, batches, wear, noise, faults, and where the best is."""

import itertools
import math

import numpy as np
import pytest

from campaigns.options import build
from campaigns.records import FailureKind
from instruments.coater.faults import FaultKind, FaultPlan
from instruments.coater.options import CoaterOptions, FaultShares
from instruments.coater.process import run, truth
from instruments.coater.settings import METRICS, Recipe, most_solvent_g_s, unsafe
from instruments.coater.variation import batch_of, disturbance, wear_um

VOLUMETRIC = "volumetric_capacity_mah_cm3"
GOOD = {
    "active_percent": 96.0,
    "carbon_percent": 2.0,
    "binder_percent": 2.0,
    "gap_um": 180.0,
    "calender_pressure_mpa": 90.0,
    "calender_c": 67.0,
}
QUIET = CoaterOptions(batch=0.0, noise=0.0, wear_um_per_job=0.0)


def good(**changed):
    return {**GOOD, **changed}


def best(**changed):
    return truth(good(**changed), CoaterOptions())[VOLUMETRIC]


# one run -----------------------------------------------------------------------------------------


def test_a_run_gives_every_metric_with_unit_and_deviation():
    found = run(GOOD, (7, 1, 1), CoaterOptions())
    assert found.failure is None
    assert {name: one.unit for name, one in found.scalars.items()} == dict(METRICS)
    assert all(math.isfinite(one.value) and one.sd > 0.0 for one in found.scalars.values())


def test_the_same_arguments_give_the_same_run_and_another_trial_another():
    options = CoaterOptions()
    assert run(GOOD, (7, 3, 1), options) == run(GOOD, (7, 3, 1), options)
    assert run(GOOD, (-7, 3, 1), options) == run(GOOD, (-7, 3, 1), options)
    others = [(7, 4, 1), (7, 3, 2), (8, 3, 1)]
    values = [run(GOOD, seed, options).scalars[VOLUMETRIC].value for seed in [(7, 3, 1), *others]]
    assert len(set(values)) == 4


def test_without_spread_a_run_tells_the_truth():
    found = run(GOOD, (7, 30, 1), QUIET)
    known = truth(GOOD, QUIET)
    for name, one in found.scalars.items():
        assert one.value == pytest.approx(known[name], rel=1e-12)
        assert one.sd == pytest.approx(0.0, abs=1e-9)


def test_the_stages_take_what_the_settings_say():
    found = run(GOOD, (7, 1, 1), CoaterOptions())
    assert [stage.name for stage in found.stages] == ["mixing", "coating", "drying", "calendering"]
    assert [stage.seconds for stage in found.stages] == [3600.0, 600.0, 240.0, 1860.0]
    assert found.seconds == 6300.0
    assert run(good(line_speed_m_per_min=0.5), (7, 1, 1), QUIET).seconds == 7140.0


def test_open_settings_have_their_documented_defaults():
    given = good(solid_content_percent=68.0, line_speed_m_per_min=1.0, dryer_c=105.0)
    assert truth(GOOD, QUIET) == truth(given, QUIET)


def test_a_missing_setting_is_an_error():
    with pytest.raises(KeyError, match="gap_um"):
        Recipe.of({name: value for name, value in GOOD.items() if name != "gap_um"})


# spread ------------------------------------------------------------------------------------------


def test_trials_of_one_batch_share_what_the_batch_did():
    options = CoaterOptions(noise=0.0, wear_um_per_job=0.0, jobs_per_batch=4)
    assert [batch_of(trial, options) for trial in (1, 4, 5, 8, 9)] == [0, 0, 1, 1, 2]
    solids = [disturbance((7, trial, 1), options) for trial in range(1, 13)]
    assert solids[0] == solids[3] != solids[4] == solids[7] != solids[8]
    assert disturbance((8, 1, 1), options) != solids[0]


def test_batches_differ_by_the_documented_deviation():
    options = CoaterOptions(noise=0.0, jobs_per_batch=1, wear_um_per_job=0.0)
    drawn = [disturbance((7, trial, 1), options) for trial in range(1, 2001)]
    viscosity = np.log([one.viscosity for one in drawn])
    assert viscosity.mean() == pytest.approx(0.0, abs=4 * 0.08 / math.sqrt(2000))
    assert viscosity.std() == pytest.approx(0.08, rel=0.07)


def test_the_bar_wears_with_the_trials_and_is_set_anew():
    options = CoaterOptions(wear_um_per_job=0.1, reset_every=20, batch=0.0, noise=0.0)
    assert [wear_um(trial, options) for trial in (1, 11, 20, 21)] == pytest.approx([0, 1, 1.9, 0])
    loading = [run(GOOD, (7, t, 1), options).scalars["mass_loading_mg_cm2"].value for t in (1, 20)]
    assert loading[1] > loading[0]
    never = CoaterOptions(wear_um_per_job=0.1, reset_every=0)
    assert wear_um(1001, never) == pytest.approx(100.0)


def test_the_declared_deviation_is_that_of_the_values():
    options = CoaterOptions(jobs_per_batch=1, wear_um_per_job=0.0)
    runs = [run(GOOD, (11, trial, 1), options) for trial in range(1, 301)]
    known = truth(GOOD, options)
    for name in METRICS:
        values = np.array([one.scalars[name].value for one in runs])
        declared = math.sqrt(np.mean([one.scalars[name].sd ** 2 for one in runs]))
        assert values.std() == pytest.approx(declared, rel=0.2), name
        assert abs(values.mean() - known[name]) < 0.6 * declared, name
    volumetric = np.array([one.scalars[VOLUMETRIC].value for one in runs])
    assert 0.005 < volumetric.std() / known[VOLUMETRIC] < 0.015


def test_factors_on_the_spread_scale_it():
    def spread(**options):
        chosen = CoaterOptions(jobs_per_batch=1, wear_um_per_job=0.0, **options)
        runs = [run(GOOD, (5, trial, 1), chosen) for trial in range(1, 101)]
        return np.std([one.scalars["mass_loading_mg_cm2"].value for one in runs])

    assert spread(batch=0.0, noise=2.0) == pytest.approx(2 * spread(batch=0.0), rel=0.1)
    assert spread(noise=0.0, batch=2.0) == pytest.approx(2 * spread(noise=0.0), rel=0.1)


# what is never allowed, and what does not come out well ----------------------------------------


def test_the_safety_block_refuses_combinations():
    assert unsafe(Recipe.of(GOOD)) == []
    assert unsafe(Recipe.of(good(active_percent=96.04))) == []
    (problem,) = unsafe(Recipe.of(good(active_percent=95.0)))
    assert (problem.setting, "99 %" in problem.reason) == ("active_percent", True)
    flooded = good(gap_um=500.0, line_speed_m_per_min=4.0)
    assert most_solvent_g_s(Recipe.of(flooded)) > 2.2
    (problem,) = unsafe(Recipe.of(flooded))
    assert problem.setting == "line_speed_m_per_min"
    (problem,) = unsafe(Recipe.of(good(calender_c=110.0, calender_pressure_mpa=200.0)))
    assert problem.setting == "calender_pressure_mpa"


@pytest.mark.parametrize(
    ("changed", "stage", "words"),
    [
        ({"solid_content_percent": 78.0, "active_percent": 87.0, "carbon_percent": 11.0}, "mixing",
         "the slurry is a paste"),
        ({"solid_content_percent": 47.0, "active_percent": 98.0, "carbon_percent": 1.0,
          "binder_percent": 1.0}, "coating",
         "the film runs"),
        ({"active_percent": 86.0, "binder_percent": 12.0}, "coating", "the film has streaks"),
        ({"gap_um": 350.0, "dryer_c": 150.0}, "drying", "the film cracks: 203 um wet at 150 degC"),
        ({"dryer_c": 65.0}, "drying", "the film stays wet"),
        ({"active_percent": 97.3, "binder_percent": 0.7}, "calendering", "the film comes off"),
    ],
)  # fmt: skip
def test_outside_the_process_window_a_coating_fails_and_says_why(changed, stage, words):
    found = run(good(**changed), (7, 1, 1), QUIET)
    assert (found.failure, found.failed_at) == (FailureKind.OUT_OF_RANGE, stage)
    assert words in found.reason
    assert not found.scalars
    known = truth(good(**changed), QUIET)
    assert known[VOLUMETRIC] == known["areal_capacity_mah_cm2"] == 0.0
    assert known["viscosity_pa_s"] > 0.0


# faults ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("cracks", FailureKind.ASSEMBLY),
        ("delamination", FailureKind.ASSEMBLY),
        ("web_break", FailureKind.CHANNEL_FAULT),
    ],
)
def test_a_forced_fault_strikes_its_trial_and_attempt(fault, failure):
    options = CoaterOptions(force_faults={"3": f"{fault}:1"})
    struck = run(GOOD, (7, 3, 1), options)
    assert struck.failure is failure
    assert struck.reason
    assert struck.seconds == run(GOOD, (7, 1, 1), options).seconds
    for seed in ((7, 3, 2), (7, 2, 1)):
        assert run(GOOD, seed, options) == run(GOOD, seed, CoaterOptions())


def test_agglomerates_and_streaks_spoil_the_numbers_and_show_in_the_deviation():
    usual = run(GOOD, (7, 3, 1), CoaterOptions()).scalars
    lumpy = run(GOOD, (7, 3, 1), CoaterOptions(force_faults={"3": "agglomerates"})).scalars
    streaky = run(GOOD, (7, 3, 1), CoaterOptions(force_faults={"3": "streaks"})).scalars
    name = "electronic_conductivity_s_m"
    assert lumpy[name].value < 0.6 * usual[name].value
    assert lumpy[VOLUMETRIC].value < usual[VOLUMETRIC].value
    assert streaky["wet_thickness_um"].value < usual["wet_thickness_um"].value
    assert streaky["wet_thickness_um"].sd > 1.5 * usual["wet_thickness_um"].sd


def test_faults_strike_as_often_as_asked():
    options = CoaterOptions(faults=FaultShares(web_break=0.1, cracks=0.2))
    told = [run(GOOD, (7, trial, 1), options).failure for trial in range(1, 401)]
    assert told.count(FailureKind.CHANNEL_FAULT) == pytest.approx(40, abs=4 * 6)
    assert told.count(FailureKind.ASSEMBLY) == pytest.approx(80, abs=4 * 8)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"channels": 0}, "channels: 0 is not allowed"),
        ({"noise": -1.0}, "noise: -1.0 is not allowed; 0 to 3 is"),
        ({"positions": 1}, "positions: 1 is not allowed"),
        ({"faults": {"cracks": 0.8, "streaks": 0.4}}, "add up to 1"),
        ({"faults": {"cracks": 1.5}}, "cracks: 1.5 is not allowed"),
        ({"force_faults": {"3": "fire"}}, "'fire' is not allowed"),
        ({"force_faults": {"x": "cracks"}}, "a trial number"),
    ],
)
def test_options_out_of_range_are_named(option, words):
    with pytest.raises(ValueError, match=words):
        build(CoaterOptions, option, "instrument.options")


def test_a_plan_of_faults_is_checked():
    with pytest.raises(ValueError, match="streaks"):
        FaultPlan({FaultKind.STREAKS: math.nan})


# where the best is -------------------------------------------------------------------------------


def test_the_best_cathode_lies_in_the_published_window():
    """60 to 75 degC and 60 to 120 MPa (Primo et al. 2021), 90 to 97 % of active material."""
    from scipy.optimize import differential_evolution

    def loss(x):
        carbon, binder, gap, pressure, roll = x
        setting = good(
            active_percent=100.0 - carbon - binder, carbon_percent=carbon, binder_percent=binder,
            gap_um=gap, calender_pressure_mpa=pressure, calender_c=roll,
        )  # fmt: skip
        return -truth(setting, QUIET)[VOLUMETRIC]

    box = [(1.0, 5.0), (1.0, 5.0), (80.0, 300.0), (20.0, 200.0), (25.0, 100.0)]
    carbon, binder, gap, pressure, roll = differential_evolution(loss, box, seed=1, tol=1e-6).x
    assert 60.0 < roll < 75.0
    assert 60.0 < pressure < 120.0
    assert 90.0 < 100.0 - carbon - binder < 97.0
    assert 120.0 < gap < 220.0
    assert carbon > 1.2
    assert binder > 1.2


def test_the_optimum_is_interior_in_every_setting():
    """Both ends of each range lose more than the spread of a measurement."""
    top, noticeable = best(), 0.99
    for name, ends in {
        "calender_c": (40.0, 90.0),
        "calender_pressure_mpa": (40.0, 160.0),
        "gap_um": (110.0, 260.0),
    }.items():
        assert all(best(**{name: end}) < noticeable * top for end in ends), name
    for carbon, binder in ((1.2, 2.0), (5.0, 2.0), (2.0, 1.0), (2.0, 5.0)):
        active = 100.0 - carbon - binder
        mixed = best(active_percent=active, carbon_percent=carbon, binder_percent=binder)
        assert mixed < noticeable * top


def test_the_optimum_moves_with_what_it_is_made_for():
    """Slow cells want dense and thick cathodes, fast ones thin cathodes: no bump is stuck on."""
    gaps, pressures = (100.0, 160.0, 220.0, 280.0, 340.0), (40.0, 80.0, 120.0)

    def favourite(rate):
        options = CoaterOptions(c_rate_per_h=rate)
        pairs = itertools.product(gaps, pressures)
        return max(pairs, key=lambda pair: truth(
            good(gap_um=pair[0], calender_pressure_mpa=pair[1], dryer_c=80.0), options
        )[VOLUMETRIC])  # fmt: skip

    assert favourite(0.2)[0] > favourite(1.0)[0] > favourite(3.0)[0]
