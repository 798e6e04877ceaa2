"""A surrogate as an instrument, its sensitivities and its pictures."""

from datetime import UTC, datetime

import numpy as np
import pytest

from campaigns.problems import CampaignError
from campaigns.records import FailureKind
from instruments.base import Job, JobState
from instruments.clock import SimulatedClock
from surrogates.electrode_figures import map_figure, sensitivity_figure
from surrogates.electrode_file import to_bytes
from surrogates.electrode_instrument import ElectrodeSurrogate
from surrogates.electrode_map import design_map
from surrogates.electrode_sensitivity import VALIDITY, sensitivity
from tests.surrogates.electrode_cell import BOX, UNITS, trained

ENERGY = "specific_energy_wh_kg"
START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = dict(zip(BOX.names, BOX.middle()[0].tolist(), strict=True))
DEAD = GOOD | {"positive_particle_radius": 15.0, "c_rate": 8.0}


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.fixture(scope="module")
def content(model):
    return to_bytes(model)


def opened(content, **options):
    clock = SimulatedClock()
    options = {"file": "cell.surrogate", **options}
    return ElectrodeSurrogate.open(options, clock, {"cell.surrogate": content}), clock


def done(instrument, clock, setting, seed=(1, 1, 1)):
    job = Job("k", setting, seed, clock.now())
    instrument.submit(job)
    while (moment := instrument.poll("k").ask_at) is not None:
        clock.wait_until(moment)
    return instrument.poll("k"), instrument.fetch("k")


def test_its_card_is_the_box_and_the_metrics_of_the_model(content):
    instrument, _ = opened(content, channels=3)
    card = instrument.describe()
    assert card.kind == "p2d.surrogate"
    assert [(s.name, s.unit, s.low, s.high) for s in card.settings] == [
        (a.name, a.unit, a.low, a.high) for a in BOX.axes
    ]
    assert dict(card.metrics) == UNITS
    assert (card.channels, card.simulated, card.repeatable) == (3, True, True)


def test_a_job_gives_the_prediction_and_its_doubt(content, model):
    progress, result = done(*opened(content), GOOD)
    expected = model.predict(BOX.middle())
    assert result.state is JobState.FINISHED
    assert progress.hours == pytest.approx(1e-3 / 3600.0)
    for name, unit in UNITS.items():
        told = result.scalars[name]
        assert (told.value, told.unit) == (expected.mean[name][0], unit)
        assert told.sd == expected.sd[name][0]
    assert result.scalars[ENERGY].sd > 0
    assert "p2d.surrogate" in result.scalars[ENERGY].source
    assert "far" not in result.scalars[ENERGY].source


def test_the_seed_changes_nothing(content):
    one, other = (done(*opened(content), GOOD, (1, n, 1))[1].scalars for n in (1, 2))
    assert one == other


def test_a_likely_failure_is_out_of_range_with_its_probability(content):
    _, result = done(*opened(content), DEAD)
    assert result.state is JobState.FAILED
    assert result.failure is FailureKind.OUT_OF_RANGE
    assert "probability of 0.0" in result.reason


def test_truth_is_the_prediction(content):
    instrument, clock = opened(content)
    truth = instrument.truth([GOOD])
    _, result = done(instrument, clock, GOOD)
    assert truth == [{name: one.value for name, one in result.scalars.items()}]
    assert instrument.truth([{"c_rate": 1.0}]) is None


def test_beyond_the_box_is_refused(content):
    instrument, clock = opened(content)
    job = Job("k", GOOD | {"c_rate": 9.0}, (1, 1, 1), clock.now())
    assert [p.setting for p in instrument.check(job)] == ["c_rate"]
    short = Job("k", {"c_rate": 1.0}, (1, 1, 1), clock.now())
    assert all("is missing" in p.reason for p in instrument.check(short))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"file": "other"}, "there is no file 'other'"),
        ({}, "file: is missing"),
        ({"file": "damaged"}, "damaged"),
        ({"file": "cell.surrogate", "level": 1.5}, "level"),
        ({"file": "cell.surrogate", "channels": 0}, "channels"),
        ({"file": "cell.surrogate", "sigma": 1}, "sigma"),
    ],
)
def test_options_that_cannot_be_are_refused(content, options, told):
    files = {"cell.surrogate": content, "damaged": content[:-1]}
    with pytest.raises((ValueError, CampaignError), match=told):
        ElectrodeSurrogate.open(options, SimulatedClock(), files)


def test_a_higher_level_leaves_the_sd_of_a_gaussian(content):
    narrow, wide = (done(*opened(content, level=v), GOOD)[1] for v in (0.5, 0.95))
    assert narrow.scalars[ENERGY].value == wide.scalars[ENERGY].value
    ratio = wide.scalars[ENERGY].sd / narrow.scalars[ENERGY].sd
    assert 0.5 < ratio < 4.0


# sensitivity and maps ------------------------------------------------------------------------


def test_a_setting_that_does_nothing_has_no_share(model):
    found = sensitivity(model, "mean_voltage_v", base=512)
    shares = {share.name: share for share in found.shares}
    assert shares["positive_active_fraction"].total < 0.02
    assert shares["c_rate"].total > shares["positive_thickness"].total > 0.05
    assert found.ranked()[0].name == "c_rate"
    for share in found.shares:
        assert share.first <= share.total + share.first_half + share.total_half


def test_mass_is_due_to_what_it_is_made_of(model):
    found = sensitivity(model, "stack_mass_g_m2", base=512)
    shares = {share.name: share.total for share in found.shares}
    assert shares["positive_thickness"] > 0.8
    assert found.unit == "g/m**2"


def test_validity_is_due_to_diffusion(model):
    found = sensitivity(model, VALIDITY, base=512)
    shares = {share.name: share.total for share in found.shares}
    assert min(shares["c_rate"], shares["positive_particle_radius"]) > 0.3
    assert shares["positive_active_fraction"] < 0.1
    assert 0.5 < found.valid < 1.0


def test_sampling_leaves_the_global_generator_alone(model):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one = sensitivity(model, ENERGY, seed=3, base=64)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert one == sensitivity(model, ENERGY, seed=3, base=64)


@pytest.mark.parametrize(("metric", "base"), [("energy", 64), (ENERGY, 1), (ENERGY, 100)])
def test_a_sensitivity_of_nothing_is_refused(model, metric, base):
    with pytest.raises(ValueError, match=r"--metric|--n"):
        sensitivity(model, metric, base=base)


def test_a_map_holds_what_it_is_told(model):
    found = design_map(model, "c_rate", "positive_thickness", ENERGY, {}, 9)
    assert found.values.shape == (9, 9)
    assert found.held["positive_particle_radius"] == pytest.approx(np.sqrt(0.5 * 15.0))
    design = BOX.middle()
    design[0, 0], design[0, 3] = found.y[7], found.x[2]
    assert found.values[7, 2] == pytest.approx(model.means(design)[1][ENERGY][0], rel=1e-4)
    x, y, value = found.best()
    assert value == np.where(found.valid, found.values, -np.inf).max()
    assert (x, y) in {(a, b) for a in found.x for b in found.y}


@pytest.mark.parametrize(
    ("x", "y", "metric", "held", "told"),
    [
        ("rate", "c_rate", ENERGY, {}, "--x"),
        ("c_rate", "c_rate", ENERGY, {}, "--y"),
        ("c_rate", "positive_thickness", "energy", {}, "--metric"),
        ("c_rate", "positive_thickness", ENERGY, {"c_rate": 1.0}, "axis of the map"),
        ("c_rate", "positive_thickness", ENERGY, {"rate": 1.0}, "--set rate"),
        ("c_rate", "positive_thickness", ENERGY, {"positive_particle_radius": 99.0}, "made for"),
    ],
)
def test_a_map_of_nothing_is_refused(model, x, y, metric, held, told):
    with pytest.raises(ValueError, match=told):
        design_map(model, x, y, metric, held)


def test_figures_say_what_they_show(model):
    radius = {"positive_particle_radius": 9.0}
    found = design_map(model, "c_rate", "positive_thickness", ENERGY, radius, 25)
    picture = map_figure(found, "svg").decode()
    for words in (
        "Specific energy (Wh/kg)",
        "not valid",
        "C-rate (1/h)",
        "positive particle radius 9",
    ):
        assert words in picture
    assert map_figure(found, "svg").decode() == picture
    assert map_figure(found, "png").startswith(b"\x89PNG")
    bars = sensitivity_figure(sensitivity(model, ENERGY, base=64), "svg").decode()
    assert "What specific energy depends on" in bars


def test_a_map_without_a_valid_design_says_so(model):
    dead = {"positive_particle_radius": 15.0, "c_rate": 8.0}
    found = design_map(model, "positive_active_fraction", "positive_thickness", ENERGY, dead, 9)
    assert found.best() is None
    assert "not valid" in map_figure(found, "svg").decode()
    probability = design_map(model, "c_rate", "positive_particle_radius", VALIDITY, {}, 9)
    assert "probability of a valid design" in map_figure(probability, "svg").decode().lower()
