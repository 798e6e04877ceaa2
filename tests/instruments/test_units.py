"""Units are converted once, and a wrong one is an error, never a factor."""

import re

import pytest

from instruments.units import UnitError, converter, scale


@pytest.mark.parametrize(
    ("source", "target", "given", "expected"),
    [
        ("1/h", "1/h", 4.8, 4.8),
        ("mA", "A", 250.0, 0.25),
        ("1/h", "1/s", 3600.0, 1.0),
        ("degC", "K", 25.0, 298.15),
        ("1", "percent", 0.5, 50.0),
        ("mg/cm**2", "g/m**2", 1.0, 10.0),
    ],
)
def test_values(source, target, given, expected):
    assert converter(source, target)(given) == pytest.approx(expected, rel=1e-12)


def test_a_deviation_has_no_zero_point():
    assert scale("degC", "K")(2.0) == pytest.approx(2.0)
    assert scale("mV", "V")(5.0) == pytest.approx(0.005)


@pytest.mark.parametrize(("source", "target"), [("V", "A"), ("furlongz", "m"), ("1", "s")])
def test_what_cannot_be_converted_is_an_error(source, target):
    with pytest.raises(UnitError):
        converter(source, target)


@pytest.mark.parametrize("unit", ["g cm-3", "g/0", "()", "g^cm", "g+cm", "Pa*s-1", "$"])
def test_a_text_that_is_no_unit_is_told_by_name(unit):
    for source, target in ((unit, "g/cm^3"), ("g/cm^3", unit)):
        with pytest.raises(UnitError, match=re.escape(repr(unit))) as told:
            converter(source, target)
        assert "\n" not in str(told.value)
