"""Surrogates of a cell in closed form: accuracy, honesty, and the file they are kept in."""

import json

import numpy as np
import pytest

from surrogates.electrode import nearest
from surrogates.electrode_archive import NoArchive, packed, unpacked
from surrogates.electrode_file import digest, from_bytes, to_bytes
from surrogates.electrode_intervals import gain
from surrogates.electrode_measured import Measured
from surrogates.electrode_relations import FORMULAS
from surrogates.electrode_scores import explained, scored
from surrogates.electrode_training import train
from tests.surrogates.electrode_cell import BOX, COUNT, LIMIT, UNITS, cell, trained


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.fixture(scope="module")
def new():
    designs = BOX.designs(1500, 9, stream=7)
    return designs, cell(designs)


def test_what_physics_tells_is_not_learnt(model, new):
    designs, solved = new
    assert set(model.relations) == {"capacity", "mass", "volume", "rate"}
    _, mean = model.means(designs)
    np.testing.assert_allclose(
        mean["stack_mass_g_m2"], solved.metrics["stack_mass_g_m2"], rtol=1e-9
    )


def test_unseen_designs_are_foretold(model, new):
    found = scored(model, *new)
    assert found["metrics"]["specific_energy_wh_kg"]["r2"] > 0.99
    assert found["metrics"]["specific_power_w_kg"]["log_r2"] > 0.999
    assert found["validity"]["balanced_accuracy"] > 0.92
    assert found["curve"]["rms_mv"] < 10.0
    assert found["out_of_range"] < 0.02


def test_its_own_scores_promise_no_more_than_it_keeps(model, new):
    found = scored(model, *new)["metrics"]
    for name, own in model.scores["metrics"].items():
        assert own["mae"] >= 0.5 * found[name]["mae"]


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_the_truth_as_often_as_they_say(model, new, level):
    designs, solved = new
    valid = solved.valid
    found = model.predict(designs[valid], level)
    truth = solved.at(valid).metrics
    for name in ("specific_energy_wh_kg", "mean_voltage_v", "utilisation"):
        inside = (truth[name] >= found.lower[name]) & (truth[name] <= found.upper[name])
        assert level - 0.12 < inside.mean() <= 1.0


def test_a_higher_level_is_a_wider_interval(model, new):
    narrow, wide = (model.predict(new[0][:50], level) for level in (0.5, 0.95))
    for name in model.metrics:
        assert (wide.upper[name] >= narrow.upper[name]).all()
        assert (wide.lower[name] <= narrow.lower[name]).all()


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0])
def test_a_level_lies_between_0_and_1(model, level):
    with pytest.raises(ValueError, match="level"):
        model.predict(BOX.middle(), level)


def test_metrics_belong_together(model, new):
    _, mean = model.means(new[0][:100])
    hours = mean["discharge_seconds"] / 3600.0
    energy = mean["specific_power_w_kg"] * hours
    np.testing.assert_allclose(energy, mean["specific_energy_wh_kg"], rtol=1e-9)


def test_a_design_is_foretold_alike_alone_and_among_others(model, new):
    among = model.predict(new[0][:40])
    for row in (0, 17, 39):
        alone = model.predict(new[0][row : row + 1])
        for name in model.metrics:
            assert alone.mean[name][0] == pytest.approx(among.mean[name][row], rel=1e-4)


def test_designs_it_was_not_made_for_are_flagged(model):
    middle = BOX.middle()
    beyond = middle.copy()
    beyond[0, 0] = 400.0
    invalid = BOX.decode(np.array([[0.5, 0.5, 1.0, 1.0]]))  # far from all that works
    found = model.predict(np.concatenate([middle, beyond, invalid]))
    assert found.outside.tolist() == [False, True, False]
    assert found.out_of_range.tolist()[:2] == [False, True]
    assert found.valid.tolist() == [True, True, False]


def test_distance_is_that_of_the_nearest():
    rng = np.random.default_rng(0)
    here, known = rng.random((30, 4)).astype("f4"), rng.random((50, 4)).astype("f4")
    expected = np.sqrt(((here[:, None] - known[None]) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(nearest(here, known), expected, atol=1e-5)


def test_averaging_gains_what_the_members_disagree():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(5, 4000))  # independent: the average errs sqrt(5) times less
    found = gain(errors, np.ones(4000), rng.normal(size=4000))
    assert found == pytest.approx(0.5, abs=0.06)  # held to the least gain
    assert gain(np.zeros((5, 100)), np.ones(100), rng.normal(size=100)) == 1.0


def test_the_same_samples_give_the_same_bytes(model):
    designs = BOX.designs(70, 0)
    one, again = (to_bytes(train(BOX, designs, cell(designs), units=UNITS)) for _ in range(2))
    assert one == again
    assert one != to_bytes(model)


def test_the_file_gives_it_back(model, new):
    content = to_bytes(model)
    again = from_bytes(content)
    assert to_bytes(again) == content
    assert digest(content) == digest(to_bytes(again))
    one, other = model.predict(new[0]), again.predict(new[0])
    for name in model.metrics:
        np.testing.assert_array_equal(one.mean[name], other.mean[name])
        np.testing.assert_array_equal(one.sd[name], other.sd[name])
    np.testing.assert_array_equal(model.curves(new[0]), again.curves(new[0]))
    assert again.units == UNITS


def test_damage_anywhere_is_refused(model):
    content = to_bytes(model)
    for place in np.random.default_rng(0).integers(len(content), size=60):
        broken = bytearray(content)
        broken[place] ^= 1 << (place % 8)
        with pytest.raises(NoArchive):
            from_bytes(bytes(broken))
    for length in (0, 10, len(content) // 2, len(content) - 1):
        with pytest.raises(NoArchive):
            from_bytes(content[:length])


def test_other_files_are_refused(model):
    manifest, arrays = unpacked(to_bytes(model))
    foreign = [
        b"PK\x03\x04 no zip",
        packed({"format": "other"}, {}),
        packed({**manifest, "kind": "oracle"}, arrays),
        packed({**manifest, "metrics": ["luck"]}, arrays),
        packed(manifest, {n: a for n, a in arrays.items() if not n.startswith("margin")}),
        packed(manifest, {**arrays, "conformity": arrays["conformity"][:2]}),
    ]
    for content in foreign:
        with pytest.raises(NoArchive, match=r"surrogate|kind"):
            from_bytes(content)


def test_its_scores_are_json(model):
    assert json.loads(json.dumps(dict(model.scores))) == model.scores


def test_a_factor_that_is_no_polynomial_is_learnt():
    designs = BOX.designs(COUNT, 0)
    solved = cell(designs)
    strange = dict(solved.metrics)
    wavy = 1.0 + 0.2 * np.sin(designs[:, 0] / 40.0)
    for name in ("stack_mass_g_m2",):
        strange[name] = strange[name] * wavy
    for name in ("specific_energy_wh_kg", "specific_power_w_kg"):
        strange[name] = strange[name] / wavy
    found = train(BOX, designs, Measured(strange, solved.curves, LIMIT), "random_forest")
    assert set(found.relations) == {"capacity", "volume", "rate"}
    assert found.scores["metrics"]["stack_mass_g_m2"]["r2"] > 0.8
    assert 0.0 < found.predict(BOX.middle()).sd["stack_mass_g_m2"][0] < 60.0


@pytest.mark.parametrize("kind", ["random_forest", "gaussian_process"])
def test_other_models_by_name(kind):
    designs = BOX.designs(120, 0)
    found = train(BOX, designs, cell(designs), kind)
    assert from_bytes(to_bytes(found)).kind == kind
    assert found.scores["metrics"]["specific_energy_wh_kg"]["r2"] > 0.8


def test_what_cannot_be_learnt_is_told():
    designs = BOX.designs(100, 0)
    solved = cell(designs)
    with pytest.raises(ValueError, match="random_forest"):
        train(BOX, designs, solved, "random_tree")
    with pytest.raises(ValueError, match="40 are needed"):
        train(BOX, designs[:20], solved.at(np.arange(20)))
    noise = np.random.default_rng(0).permutation(100)
    with pytest.raises(ValueError, match="learnt nothing"):
        train(BOX, designs[noise], solved, "random_forest")


def test_explained_variance_of_constants():
    same = np.ones(5)
    assert explained(same, same) == 1.0
    assert explained(same, same + 1.0) == 0.0


def test_every_formula_is_in_the_tests():
    assert set(UNITS) == set(FORMULAS)
