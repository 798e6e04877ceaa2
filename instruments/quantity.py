"""Numbers written with a unit ("0.2 mm", "90 min") in the unit that an instrument takes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from campaigns.records import Setting, Value
from instruments.base import Card, SettingCard
from instruments.units import UnitError, converter

# A number, then its unit; a unit that begins with a digit ("1/h") stands apart.
_WRITTEN = re.compile(
    r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?:\s*(?=[^\d\s.])|\s+)(\S.*?)\s*"
)


def in_units(card: Card, parameters: Setting) -> dict[str, Value]:
    """The setting with every text like "0.2 mm" as a number in the card's unit.

    Numbers are taken to be in that unit already; texts that are no quantity, options and settings
    that the card does not name stay as they are, for the guard to judge. Raises UnitError naming
    the setting, the unit given and the unit allowed.
    """
    return converted(card.settings, parameters)


def converted(settings: Iterable[SettingCard], parameters: Setting) -> dict[str, Value]:
    """The same for any named settings with units."""
    known = {setting.name: setting for setting in settings}
    return {
        name: _number(known[name], value) if isinstance(value, str) and name in known else value
        for name, value in parameters.items()
    }


def _number(card: SettingCard, text: str) -> Value:
    written = _WRITTEN.fullmatch(text)
    if written is None or card.options:
        return text
    number, unit = written.groups()
    try:
        return converter(unit, card.unit)(float(number))
    except UnitError as error:
        raise UnitError(
            f"{card.name}: {text!r}: {error}; a unit that converts to {card.unit!r} is needed"
        ) from error
