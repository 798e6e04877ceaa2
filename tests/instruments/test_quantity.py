"""Numbers written with a unit become numbers in the card's unit, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.base import Card, SettingCard
from instruments.quantity import in_units
from instruments.units import UnitError

CARD = Card(
    kind="press",
    settings=(
        SettingCard("gap_um", "um", 50, 500),
        SettingCard("rate", "1/h"),
        SettingCard("hold", "s"),
        SettingCard("temperature", "degC"),
        SettingCard("share"),
        SettingCard("roll", options=("2 mm", "4 mm")),
    ),
    metrics={"porosity": "1"},
    channels=1,
    series=False,
    repeatable=False,
    abortable=True,
    simulated=False,
)


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("gap_um", "0.2 mm", 200.0),
        ("gap_um", "0.2mm", 200.0),
        ("gap_um", " 2e-4 m ", 200.0),
        ("rate", "0.5 1/min", 30.0),
        ("rate", "-.5 1/min", -30.0),
        ("hold", "90 min", 5400.0),
        ("temperature", "298.15 K", 25.0),
        ("share", "12 %", 0.12),
    ],
)
def test_a_text_with_a_unit_becomes_a_number_in_the_cards_unit(name, text, number):
    assert in_units(CARD, {name: text}) == {name: pytest.approx(number)}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("gap_um", "3 s", "'s' cannot be converted to 'um'"),
        ("gap_um", "3 heaps", "not a unit"),
        ("hold", "3 mm", "a unit that converts to 's' is needed"),
    ],
)
def test_a_foreign_unit_names_the_setting_the_unit_and_what_is_allowed(name, text, told):
    with pytest.raises(UnitError, match=f"^{name}: '{text}'") as raised:
        in_units(CARD, {name: text})
    assert told in str(raised.value)


def test_what_is_no_quantity_stays_for_the_guard():
    given = {"gap_um": "much", "hold": "90", "roll": "2 mm", "colour": "3 mm", "share": 0.5}
    assert in_units(CARD, given) == given


@given(st.floats(-1e6, 1e6))
def test_the_same_unit_changes_nothing(number):
    assert in_units(CARD, {"gap_um": f"{number!r} um"}) == {"gap_um": number}
