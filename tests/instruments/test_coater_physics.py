"""The physics of the simulated coating line: laws that must hold, and published numbers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instruments.coater.calendering import calendered, resistance_mpa, stiffness
from instruments.coater.capacity import ACTIVE_MAH_G, retained
from instruments.coater.conductivity import electronic_s_m, tortuosity
from instruments.coater.drying import cracks_above_um, dried, evaporation_g_m2_s
from instruments.coater.electrode import made
from instruments.coater.settings import Recipe
from instruments.coater.slurry import Slurry
from instruments.coater.wet_film import shear_rate_s, thickness_um

USUAL = Recipe(96.0, 2.0, 2.0, 180.0, 90.0, 67.0)

additives = st.floats(1.0, 5.0)
gaps = st.floats(60.0, 400.0)
pressures = st.floats(0.0, 250.0)
rolls = st.floats(20.0, 120.0)


@st.composite
def recipes(draw):
    carbon, binder = draw(additives), draw(additives)
    return Recipe(
        100.0 - carbon - binder, carbon, binder, draw(gaps), draw(pressures), draw(rolls),
        solid_content_percent=draw(st.floats(55.0, 68.0)),
        line_speed_m_per_min=draw(st.floats(0.2, 2.0)),
        dryer_c=draw(st.floats(70.0, 140.0)),
    )  # fmt: skip


# laws --------------------------------------------------------------------------------------------


@given(recipes(), st.floats(1.01, 1.5))
@settings(max_examples=60, deadline=None)
def test_a_wider_gap_gives_a_thicker_and_heavier_film(recipe, wider):
    thin = made(recipe, 1.0)
    thick = made(replace(recipe, gap_um=wider * recipe.gap_um), 1.0)
    assert thick.wet_um > thin.wet_um
    assert thick.loading_mg_cm2 > thin.loading_mg_cm2
    assert 0.5 * recipe.gap_um < thin.wet_um < recipe.gap_um


@given(recipes(), st.floats(0.1, 50.0))
@settings(max_examples=60, deadline=None)
def test_porosity_falls_with_pressure_and_with_heat(recipe, more):
    before = made(recipe, 1.0).compaction.porosity
    pressed = replace(recipe, calender_pressure_mpa=recipe.calender_pressure_mpa + more)
    hotter = replace(recipe, calender_c=recipe.calender_c + more)
    assert made(pressed, 1.0).compaction.porosity < before
    assert made(hotter, 1.0).compaction.porosity <= before


@given(recipes())
@settings(max_examples=100, deadline=None)
def test_mass_volume_and_charge_are_conserved(recipe):
    one = made(recipe, 1.0)
    solid_g_cm3 = one.slurry.solid_density_g_cm3 * (1.0 - one.compaction.porosity)
    assert one.loading_mg_cm2 == pytest.approx(solid_g_cm3 * one.thickness_um / 10.0)
    told = one.metrics()
    active_g_cm2 = recipe.active_percent / 100.0 * one.loading_mg_cm2 / 1000.0
    assert told["areal_capacity_mah_cm2"] == pytest.approx(
        told["gravimetric_capacity_mah_g"] * active_g_cm2
    )
    assert 0.0 < told["gravimetric_capacity_mah_g"] < ACTIVE_MAH_G
    assert all(math.isfinite(value) and value > 0.0 for value in told.values())
    assert told["porosity"] <= one.film.porosity < 0.65


@given(recipes(), st.floats(1.1, 20.0))
@settings(max_examples=60, deadline=None)
def test_slurry_thins_under_shear_and_thickens_with_solids_and_binder(recipe, faster):
    slurry = Slurry.of(recipe)
    assert slurry.viscosity_pa_s(10.0 * faster) < slurry.viscosity_pa_s(10.0)
    richer = replace(recipe, solid_content_percent=recipe.solid_content_percent + 2.0)
    assert Slurry.of(richer).viscosity_pa_s(50.0) > slurry.viscosity_pa_s(50.0)
    stickier = replace(
        recipe,
        active_percent=recipe.active_percent - 1.0,
        binder_percent=recipe.binder_percent + 1.0,
    )
    assert Slurry.of(stickier).medium_pa_s > slurry.medium_pa_s


@given(st.floats(0.3, 0.6), st.floats(0.02, 0.1), pressures, rolls)
@settings(max_examples=100, deadline=None)
def test_compaction_stays_between_the_dry_film_and_the_least_porosity(dry, share, pressure, roll):
    found = calendered(dry, share, pressure, roll)
    assert 0.1 < found.porosity <= dry
    assert 0.0 <= found.cracked <= 1.0
    assert 0.0 <= found.flowed <= 1.0


@given(st.floats(1e-6, 1e3), st.floats(1.001, 3.0))
def test_capacity_falls_with_rate_and_is_whole_at_rest(slowness, more):
    assert 0.0 < retained(more * slowness) <= retained(slowness) <= 1.0
    assert retained(0.0) == 1.0


@given(st.floats(60.0, 149.0), st.floats(0.1, 1.0))
def test_hot_air_dries_faster_and_cracks_thinner_films(dryer, more):
    assert evaporation_g_m2_s(dryer + more) > evaporation_g_m2_s(dryer)
    rates = evaporation_g_m2_s(dryer), evaporation_g_m2_s(dryer + more)
    assert cracks_above_um(2.0, rates[1]) < cracks_above_um(2.0, rates[0])
    assert cracks_above_um(3.0, rates[0]) > cracks_above_um(2.0, rates[0])


@given(recipes(), st.floats(1.1, 3.0))
@settings(max_examples=60, deadline=None)
def test_binder_goes_to_the_top_and_more_so_when_dried_fast(recipe, slower):
    slurry, speed = Slurry.of(recipe), recipe.line_speed_m_per_min
    slow = dried(slurry, 100.0, recipe.dryer_c, speed)
    assert 0.0 < slow.binder_at_foil < 1.0 < slow.binder_on_top
    fast = dried(slurry, 100.0, recipe.dryer_c + 5.0, speed)
    assert fast.binder_at_foil < slow.binder_at_foil
    assert dried(slurry, 100.0, recipe.dryer_c, speed / slower).solvent_left <= slow.solvent_left


@given(st.floats(0.005, 0.06), st.floats(0.005, 0.06))
def test_carbon_conducts_and_binder_holds_it_together(carbon, binder):
    usual = electronic_s_m(carbon, binder)
    assert electronic_s_m(1.1 * carbon, 1.1 * binder) >= usual
    assert electronic_s_m(carbon, 1.1 * binder) >= usual
    assert electronic_s_m(0.0, binder) == pytest.approx(1e-3)


# known numbers -----------------------------------------------------------------------------------


def test_compaction_follows_the_exponential_of_meyer():
    gamma = resistance_mpa(25.0)
    found = [calendered(0.5, 0.04, p, 25.0).porosity - 0.22 for p in (0.0, gamma, 2.0 * gamma)]
    assert found[0] == pytest.approx(0.28)
    assert [one / found[0] for one in found] == pytest.approx([1.0, math.exp(-1), math.exp(-2)])
    assert stiffness(25.0) > 0.98
    assert stiffness(90.0) < 0.02


def test_a_gap_lets_half_of_itself_through_when_nothing_pushes():
    assert thickness_um(200.0, 1e6, 1.0) == pytest.approx(100.0, rel=1e-3)
    assert shear_rate_s(200.0, 1.2) == pytest.approx(100.0)


def test_solid_density_and_slurry_density_are_those_of_ideal_mixing():
    # 4.65, 1.8 and 1.78 g/cm3; with NMP of 1.03 g/cm3 at 71 % of solids 2.25 g/cm3 (96/2/2)
    slurry = Slurry.of(replace(USUAL, solid_content_percent=71.0))
    assert slurry.solid_density_g_cm3 == pytest.approx(4.37, abs=0.01)
    assert slurry.density_g_cm3 == pytest.approx(2.25, abs=0.01)


def test_the_vapour_pressure_of_nmp_is_about_what_tables_say():
    # about 3 kPa at 100 degC and 101 kPa at its boiling point of 202 degC
    film_c = 25.0 + 0.85 * (113.2 - 25.0)
    assert film_c == pytest.approx(100.0, abs=0.1)
    density_g_m3 = evaporation_g_m2_s(113.2) / 0.02
    assert density_g_m3 * 8.314 * 373.15 / 99.13 == pytest.approx(3000.0, rel=0.15)


def test_usual_cathodes_lie_where_pilot_lines_report_them():
    """96/2/2 NMC: as dried 45 to 55 % of pores, calendered 25 to 35 %, 10 to 20 mg/cm2."""
    one = made(USUAL, 1.0)
    assert 0.45 < one.film.porosity < 0.55
    assert 0.25 < one.compaction.porosity < 0.35
    assert 10.0 < one.loading_mg_cm2 < 20.0
    assert 0.3 < one.viscosity_pa_s < 5.0
    cold = made(replace(USUAL, calender_c=25.0, calender_pressure_mpa=100.0), 1.0)
    assert cold.compaction.porosity == pytest.approx(0.32, abs=0.02)


def test_tortuosity_is_that_of_published_cathodes():
    """1.8 eps^-0.53 (Thorat et al. 2009), of which carbon and binder make 1.35 to 1.81 in 90/5/5
    (Usseglio-Viretta et al. 2018)."""
    lean, rich = ({"carbon": c / 1.8, "binder": c / 1.78} for c in (2.0, 5.0))
    for porosity in (0.27, 0.35, 0.5):
        share = sum(lean.values()) / (96.0 / 4.65 + sum(lean.values()))
        found = tortuosity(porosity, (1.0 - porosity) * share)
        assert found == pytest.approx(1.8 * porosity**-0.53, rel=0.11)
    for porosity in (0.28, 0.33, 0.4):
        share = sum(rich.values()) / (90.0 / 4.65 + sum(rich.values()))
        over = tortuosity(porosity, (1.0 - porosity) * share) / tortuosity(porosity, 0.0)
        assert 1.35 < over < 1.81


def test_slow_cells_give_the_capacity_of_the_material_and_fast_ones_less():
    slow, usual, fast = (made(USUAL, rate).capacity.gravimetric_mah_g for rate in (0.05, 1.0, 3.0))
    assert 0.95 * ACTIVE_MAH_G < slow < ACTIVE_MAH_G
    assert 0.7 < usual / slow < 0.9
    assert fast < 0.75 * usual
