"""The file of a predictor: bit-identical again, and no byte of it can change unnoticed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogates.cycle_life import CycleLifeModel
from surrogates.model_card import carded
from surrogates.predictor_file import FORMAT, NoPredictor, Predictor, from_bytes, to_bytes


@pytest.fixture(scope="module")
def predictor(make_cells):
    cells = make_cells(12, 1)
    model = CycleLifeModel().fit(cells)
    return Predictor(model, carded([model], cells, "made"))


@pytest.fixture(scope="module")
def content(predictor):
    return to_bytes(predictor)


def test_it_comes_back_bit_for_bit(predictor, content, make_cells):
    again = from_bytes(content)
    assert to_bytes(again) == content
    assert again.card == predictor.card
    fresh = make_cells(5, 2)
    one, other = predictor.model.predict(fresh), again.model.predict(fresh)
    for name in ("mean", "lower", "upper", "sem", "extrapolates"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_the_same_cells_in_any_order_give_the_same_bytes(content, make_cells):
    cells = make_cells(12, 1)[::-1]
    model = CycleLifeModel().fit(cells)
    assert to_bytes(Predictor(model, carded([model], cells, "made"))) == content


@settings(max_examples=300)
@given(st.data())
def test_a_flipped_byte_is_always_noticed(content, data):
    place = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :]
    with pytest.raises(NoPredictor) as told:
        from_bytes(changed)
    assert "\n" not in str(told.value)


@given(st.data())
def test_a_file_cut_short_or_with_more_is_noticed(content, data):
    kept = data.draw(st.integers(0, len(content) - 1))
    more = data.draw(st.binary(min_size=1, max_size=8))
    for changed in (content[:kept], content + more):
        with pytest.raises(NoPredictor):
            from_bytes(changed)


def test_an_honest_seal_on_nonsense_is_no_predictor(content):
    """Whoever writes the seal anew must still write a model and a card."""
    from surrogates.predictor_file import _rendered

    document = json.loads(content)
    for model, card in (({}, document["card"]), (document["model"], {}), ([], None)):
        with pytest.raises(NoPredictor, match="no predictor that this release can use"):
            from_bytes(_rendered(model, card))


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[1, 2]", FORMAT),
        (b'{"format": "leyden.cycle_life.1"}', FORMAT),
        (b'{"format": "leyden.predictor.2"}', "this release reads"),
        (b'{"format": "leyden.predictor.1", "model": 1}', "other fields"),
    ],
)
def test_what_is_something_else_is_named(foreign, told):
    with pytest.raises(NoPredictor, match=told) as raised:
        from_bytes(foreign)
    assert "\n" not in str(raised.value)
