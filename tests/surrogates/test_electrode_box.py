"""The box of an electrode surrogate: coding, sampling, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.campaign import parse
from campaigns.problems import CampaignError
from instruments.base import Card, SettingCard
from surrogates.electrode_box import WIDE, Axis, Box, of_space, of_toml

CARD = Card(
    kind="p2d",
    settings=(
        SettingCard("positive_thickness", "um", 1.0, 1000.0),
        SettingCard("c_rate", "1/h", 0.02, 20.0),
    ),
    metrics={},
    channels=1,
    series=False,
    repeatable=True,
    abortable=True,
    simulated=True,
)
TEXT = """
[space.parameters]
positive_thickness = { low = 0.02, high = 0.1, unit = "mm" }
c_rate = { low = 0.1, high = 4.0, scale = "log", unit = "1/h" }
"""


@given(st.lists(st.floats(0.0, 1.0), min_size=9, max_size=9))
def test_encoding_undoes_decoding(place):
    u = np.array([place])
    x = WIDE.decode(u)
    assert WIDE.inside(x).all()
    np.testing.assert_allclose(WIDE.encode(x), u, atol=1e-12)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 2**31))
def test_a_longer_sequence_begins_with_a_shorter_one(one, other, seed):
    short, long = sorted((one, other))
    np.testing.assert_array_equal(WIDE.designs(long, seed)[:short], WIDE.designs(short, seed))


def test_seeds_and_streams_are_sequences_of_their_own():
    first = WIDE.designs(8, 0)
    assert not np.allclose(first, WIDE.designs(8, 1))
    assert not np.allclose(first, WIDE.designs(8, 0, stream=1))


def test_a_log_axis_is_filled_by_ratios():
    box = Box((Axis("c_rate", "1/h", 0.1, 10.0, log=True),))
    x = box.designs(256, 0)[:, 0]
    assert abs(float((x < 1.0).mean()) - 0.5) < 0.02
    assert box.middle()[0, 0] == pytest.approx(1.0)
    assert np.isnan(box.encode(np.array([[-1.0]])))[0, 0]


def test_its_state_gives_it_back():
    assert Box.from_state(WIDE.state()) == WIDE
    with pytest.raises(ValueError, match="list of axes"):
        Box.from_state([{"name": "c_rate"}])


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ((), "at least one"),
        ((Axis("a", "1", 0.0, 1.0), Axis("a", "1", 0.0, 2.0)), "twice"),
    ],
)
def test_a_box_needs_different_settings(axes, told):
    with pytest.raises(ValueError, match=told):
        Box(axes)


@pytest.mark.parametrize(("low", "high", "log"), [(2.0, 1.0, False), (0.0, 1.0, True)])
def test_an_axis_needs_a_range(low, high, log):
    with pytest.raises(ValueError, match="c_rate"):
        Axis("c_rate", "1/h", low, high, log)


def test_the_box_of_a_table_is_in_the_instruments_units():
    box = of_toml(TEXT, CARD)
    assert box.names == ("positive_thickness", "c_rate")
    assert [(a.low, a.high, a.log) for a in box.axes] == [
        (pytest.approx(20.0), pytest.approx(100.0), False),
        (0.1, 4.0, True),
    ]
    box.within(CARD)


def test_the_box_of_a_campaign_is_its_space():
    objective = '[[objectives]]\nmetric = "m"\ngoal = "maximize"\n'
    rest = '[instrument]\nkind = "p2d"\n[budget]\ntrials = 1\n[optimizer]\nkind = "random"\n'
    campaign = parse(f'name = "c"\nseed = 1\n{TEXT}\n{objective}\n{rest}')
    assert of_space(campaign.space, CARD) == of_toml(TEXT, CARD)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("low = ", "not TOML"),
        ("[parameters]\n", r"no table \[space.parameters\]"),
        ("[space]\nparameters = 3\n", "space.parameters"),
        ("[space.parameters]\nc_rate = { low = 3.0, high = 1.0 }\n", "c_rate"),
        ("[space.parameters]\nc_rate = { choices = [1.0, 2.0] }\n", "continuous"),
        ('[space.parameters]\nc_rate = { low = 1.0, high = 2.0, unit = "um" }\n', "c_rate"),
    ],
)
def test_a_table_that_is_no_box_is_refused(text, told):
    with pytest.raises((ValueError, CampaignError), match=told):
        of_toml(text, CARD)


@pytest.mark.parametrize(
    ("axis", "told"),
    [
        (Axis("rate", "1/h", 1.0, 2.0), "no such setting"),
        (Axis("c_rate", "1/h", 1.0, 90.0), "leaves the limits"),
    ],
)
def test_a_box_beyond_the_instrument_is_refused(axis, told):
    with pytest.raises(ValueError, match=told):
        Box((axis,)).within(CARD)
